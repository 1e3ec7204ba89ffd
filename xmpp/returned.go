package xmpp

import (
	"sync"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/muc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// returned are the stanzas that came back because they could not be delivered. They are dealt with in a
// goroutine of their own, because whoever returns one may be called with locks held.
type returned struct {
	mu   sync.Mutex
	list []returnedStanza
	wake chan struct{} // holds one token while the list may not be empty
}

type returnedStanza struct {
	to   string // domain
	raw  []byte
	cond stanza.Condition
}

// maxReturned bounds what is remembered; beyond it senders are told nothing.
const maxReturned = 10000

// Undeliverable takes back a stanza that a [Carrier] could not deliver, and tells its sender why. It may be
// called from any goroutine and never waits; the stanza is the server's from then on.
func (s *Server) Undeliverable(_, to string, raw []byte, cond stanza.Condition) {
	s.returned.mu.Lock()
	defer s.returned.mu.Unlock()
	if len(s.returned.list) < maxReturned {
		s.returned.list = append(s.returned.list, returnedStanza{to, raw, cond})
		signal(s.returned.wake)
	}
}

// tellReturned is the goroutine that answers what came back.
func (s *Server) tellReturned() {
	for {
		select {
		case <-s.returned.wake:
		case <-s.ctx.Done():
			return
		}
		s.returned.mu.Lock()
		list := s.returned.list
		s.returned.list = nil
		s.returned.mu.Unlock()
		s.guard(func() {
			b := s.newBatch()
			defer b.done()
			for _, x := range list {
				s.tellOne(b, x)
			}
		})
	}
}

// tellOne tells the sender of a stanza that it was not delivered (RFC 6120 §8.3). Errors and results are
// never answered, and nobody waits for the answer to a probe.
func (s *Server) tellOne(b *batch, x returnedStanza) {
	head, _, _, err := scan.New(unlimited).Next(x.raw)
	if err != nil {
		return
	}
	from, err := jid.Parse(string(head.From))
	if err != nil {
		return
	}
	s.abroad.gone(string(head.To), string(bareOf(head.To)), nil)
	if from.Domainpart() == s.cfg.RoomsDomain {
		s.leaveRoomsAs(b, string(head.To))
		return
	}
	if typ := string(head.Type); typ == "error" || typ == "result" || typ == "probe" {
		return
	}
	told := stanza.Error{Type: stanza.Cancel, Condition: x.cond}
	if x.cond == stanza.RemoteServerTimeout || x.cond == stanza.ResourceConstraint {
		told.Type = stanza.Wait // RFC 6120 §8.3.3.12, §8.3.3.17
	}
	name := string(head.Name)
	e := newElement(name).attr("type", "error").attrIf("id", string(head.ID)).attr("from", string(head.To)).attr("to", string(head.From))
	raw := e.raw(errorXML(commandError{told: told})).close(name).bytes()
	if from.Domainpart() != s.cfg.Domain {
		s.carry(from.String(), from.Domainpart(), raw) // a component's
		return
	}
	dest, err := s.resolve(head.From)
	switch {
	case err != nil || dest.account == nil:
	case dest.session != nil:
		b.push(dest.session, raw)
		s.copyBounced(b, dest.session, &head, x.raw, raw)
	case head.Kind == scan.IQ:
		s.questions.lost(head.ID, string(head.To))
	case !dest.resource && head.Kind == scan.Presence:
		dest.account.deliverAvailable(b, raw) // a request for a subscription
	}
}

// leaveRoomsAs takes a client at another domain out of its rooms.
func (s *Server) leaveRoomsAs(b *batch, full string) {
	s.rooms.Gone(full, func(d muc.Delivery) { s.deliverRoom(b, nil, d) })
}
