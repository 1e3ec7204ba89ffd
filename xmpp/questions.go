package xmpp

import (
	"cmp"
	"sync"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// answerPatience is how long the server waits for the answer to a question of its own.
const answerPatience = time.Minute

// questions are the IQs of the server itself that wait for their answers (RFC 6120 §8.2.3). The zero value is empty.
type questions struct {
	mu   sync.Mutex
	open map[string]question // by id, which nobody can guess
}

type question struct {
	to       string
	answered func(*scan.Node) // gets the answer, or nil if there is none
	timer    *time.Timer
}

// ask sends an IQ of type set. answered is called once, unless there is an error: with the answer, or with
// nil when there is none in time or whom it was put to cannot be reached. from is whose question it is: an account, or the server.
func (s *Server) ask(b *batch, from, to string, payload []byte, answered func(*scan.Node)) error {
	id := randomID()
	s.questions.add(id, question{to: to, answered: answered})
	e := newElement("iq").attr("type", "set").attr("id", id).attr("from", from).attr("to", to)
	if err := s.post(b, to, e.raw(payload).close("iq").bytes()); err != nil {
		s.questions.take(id, to)
		return err
	}
	return nil
}

// post sends a stanza of the server to a full address of a client, or to another domain.
func (s *Server) post(b *batch, to string, raw []byte) error {
	dest, err := s.resolve([]byte(to))
	if err != nil {
		return err
	}
	if to := cmp.Or(dest.session, dest.abroad); to == nil || !b.push(to, raw) {
		return errServiceUnavailable
	}
	return nil
}

func (q *questions) add(id string, asked question) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		q.open = make(map[string]question)
	}
	asked.timer = time.AfterFunc(answerPatience, func() {
		if late, ok := q.take(id, asked.to); ok {
			late.answered(nil)
		}
	})
	q.open[id] = asked
}

// take removes a question that was put to an address.
func (q *questions) take(id, to string) (question, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked, ok := q.open[id]
	if !ok || asked.to != to {
		return question{}, false
	}
	asked.timer.Stop()
	delete(q.open, id)
	return asked, true
}

// answer takes an IQ of type result or error and reports whether it answers a question: only who was asked can.
func (q *questions) answer(id []byte, from string, raw []byte) bool {
	asked, ok := q.take(string(id), from)
	if !ok {
		return false
	}
	if n, err := scan.Parse(raw); err == nil {
		asked.answered(n)
	}
	return true
}

// lost says that a question has not reached whom it was put to.
func (q *questions) lost(id []byte, to string) {
	if asked, ok := q.take(string(id), to); ok {
		asked.answered(nil)
	}
}

// close forgets all questions.
func (q *questions) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, asked := range q.open {
		asked.timer.Stop()
	}
	q.open = nil
}
