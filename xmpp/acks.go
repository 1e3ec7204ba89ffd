package xmpp

import (
	"slices"
	"time"
)

// When the server asks a client to acknowledge, and how long it waits for the answer (XEP-0198 §4 leaves
// both to it).
const (
	askEvery    = 8               // stanzas
	askAfter    = 2 * time.Second // since the first stanza that it has not asked about
	askPatience = time.Minute     // after which the connection counts as lost
)

const nsManagement = "urn:xmpp:sm:3"

var askElement = []byte("<r xmlns='" + nsManagement + "'/>")

// acks is the part of a queue that knows what the client has acknowledged (XEP-0198 §4). It is guarded by
// the queue's lock.
type acks struct {
	kept      unacked
	from      uint64 // the queue's total when the counting began
	resumable bool
	detached  bool      // there is no connection; what is pushed is only kept
	cut       uint64    // where in what is kept the connection was lost
	lost      time.Time // when that was
	limit     int       // bytes kept while detached
	over      bool      // what was kept has been given to others; nothing more is acknowledged

	unasked int       // stanzas since the last question
	asked   time.Time // when the question that is open was put; zero if none is
	timer   *time.Timer
	armed   bool // the timer runs for the first stanza that was not asked about
}

// bound is the most that may be kept now.
func (a *acks) bound(hard int) int {
	if a.detached {
		return a.limit
	}
	return hard
}

// managed reports whether the client acknowledges what it is sent.
func (q *queue) managed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.acks != nil
}

func (q *queue) detached() bool { return q.acks != nil && q.acks.detached }

// startAcks begins to count what is pushed, behind answer, and reports whether the queue must be flushed.
// due is called in a goroutine of its own when [queue.askDue] is to be.
func (q *queue) startAcks(answer []byte, resumable bool, limit int, due func()) pushed {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return pushedClosed
	}
	result := q.line([][]byte{answer})
	a := &acks{from: q.total, resumable: resumable, limit: limit, timer: time.AfterFunc(askAfter, due)}
	a.timer.Stop()
	q.acks = a
	return result
}

// keep remembers a stanza until the client acknowledges it.
func (q *queue) keep(of *delivery, parts [][]byte) {
	if of != nil {
		of.left.Add(1)
	}
	q.acks.kept.add(sentStanza{at: q.total, when: time.Now().UnixNano(), of: of}, parts)
	q.acks.unasked++
	if q.detached() {
		q.total++ // so that no two stanzas begin at the same place
	}
}

// ask puts a question behind what is in line if it is time to.
func (q *queue) ask() {
	a := q.acks
	switch {
	case a.unasked == 0 || !a.asked.IsZero():
	case a.unasked >= askEvery:
		q.putQuestion()
	case !a.armed:
		a.armed = true
		a.timer.Reset(askAfter)
	}
}

func (q *queue) putQuestion() {
	a := q.acks
	q.waiting = append(q.waiting, askElement...)
	q.total += uint64(len(askElement))
	a.unasked, a.asked, a.armed = 0, time.Now(), false
	a.timer.Reset(askPatience)
}

// askDue asks when stanzas have waited long enough. lost says that the client has not answered.
func (q *queue) askDue() (result pushed, lost bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.acks
	switch {
	case q.closed || a.detached || a.kept.count() == 0:
		return pushedQueued, false
	case !a.asked.IsZero():
		return pushedQueued, time.Since(a.asked) >= askPatience
	}
	if q.waiting == nil {
		q.waiting = takeBuffer()
	}
	q.putQuestion()
	if q.state != queueIdle {
		return pushedQueued, false
	}
	q.state = queueDirty
	return pushedDirty, false
}

// acknowledge drops what the client says it has handled. ok is false if that is more than it was sent.
func (q *queue) acknowledge(h uint32) (sent uint32, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.acks
	if !a.kept.ack(h) {
		return a.kept.sent(), false
	}
	a.asked, a.armed = time.Time{}, false
	a.timer.Stop()
	if a.unasked = min(a.unasked, a.kept.count()); a.kept.count() > 0 && !a.detached {
		a.unasked, a.armed = max(a.unasked, 1), true
		a.timer.Reset(askAfter)
	}
	q.reachMarks()
	q.tell()
	return a.kept.sent(), true
}

// taken is up to where the client has taken what was pushed, as far as it matters to a mark that ends at to:
// what was counted it must have acknowledged, what was not must have been written.
func (q *queue) taken(to uint64) uint64 {
	switch {
	case q.acks == nil || to <= q.acks.from:
		return q.base
	case q.acks.over:
		return q.acks.from
	case q.acks.kept.count() == 0:
		return q.total
	}
	return q.acks.kept.stanzas[q.acks.kept.first].at
}

// pushBare puts something in line that is no stanza and is not kept.
func (q *queue) pushBare(hard int, element []byte) pushed {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch length := q.length(); {
	case q.closed:
		return pushedClosed
	case length > 0 && length+len(element) > hard:
		return pushedFull
	}
	return q.line([][]byte{element})
}

// detach cuts the queue off its connection and waits until nobody writes. What was in line stays for
// unsent until discard.
func (q *queue) detach() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.acks.cutOff()
	q.acks.timer.Stop()
	q.tell()
	q.awaitWriter()
}

// cutOff notes that there is no connection any more.
func (a *acks) cutOff() {
	if !a.detached {
		a.detached, a.cut, a.lost = true, a.kept.end(), time.Now()
	}
}

// lostAt returns when the connection was lost; ok is false if there is one.
func (q *queue) lostAt() (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.detached() {
		return at, false
	}
	return q.acks.lost, true
}

// beforeCut returns the stanzas that were pushed before the connection was lost, and are kept.
func (q *queue) beforeCut() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.acks.kept.all()
	return slices.Clone(kept[:len(kept)-int(q.acks.kept.end()-max(q.acks.cut, q.acks.kept.start))])
}

// discard drops what was in line for the connection that is gone: what counts is kept. It reports whether
// somebody waited for something in it that was not.
func (q *queue) discard() (waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	giveBuffer(q.writing)
	giveBuffer(q.waiting)
	q.writing, q.waiting, q.written = nil, nil, 0
	q.state, q.base = queueIdle, q.total
	before := len(q.marks)
	q.marks = slices.DeleteFunc(q.marks, func(m mark) bool { return m.to <= q.acks.from })
	return len(q.marks) < before
}

// reattach puts answer and everything that is kept in line for a new connection, as one piece.
func (q *queue) reattach(answer []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.acks
	a.detached, a.unasked, a.asked, a.armed = false, a.kept.count(), time.Time{}, false
	q.state = queueDirty
	q.waiting = append(append(takeBuffer(), answer...), a.kept.all()...)
	q.total += uint64(len(q.waiting))
	if a.kept.count() > 0 {
		q.putQuestion()
	}
}

// untaken calls f for every stanza of a closed queue that the client did not acknowledge, but not for those
// within a mark, which are stored elsewhere.
func (q *queue) untaken(f func(s *sentStanza, raw []byte)) {
	q.mu.Lock()
	if q.acks == nil {
		q.mu.Unlock()
		return
	}
	q.acks.timer.Stop()
	kept, marks := q.acks.kept, slices.Clone(q.marks)
	q.acks.kept, q.acks.over = unacked{}, true
	q.mu.Unlock()
	kept.each(func(s *sentStanza, raw []byte) {
		if !marked(marks, s.at) {
			f(s, raw)
		}
	})
	kept.clear()
}
