package xmpp

import (
	"context"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// saveUnacked treats what a client has not acknowledged when its session ends like what is sent to a client
// that is gone (XEP-0198 §5): messages go to the user's other clients or are kept, requests are answered.
func (s *Server) saveUnacked(c *session) {
	b := s.newBatch()
	defer b.done()
	ctx := context.WithoutCancel(s.ctx) // as for what is unsent
	c.queue.untaken(func(sent *sentStanza, raw []byte) {
		head, _, _, err := scan.New(unlimited).Next(raw)
		switch {
		case err != nil:
			c.log.Error("xmpp: an unacknowledged stanza cannot be read", "cause", err)
		case head.Kind == scan.Message:
			s.saveMessage(ctx, b, c, sent, &head, raw)
		case head.Kind == scan.IQ:
			s.refuseRequest(b, &head)
		}
	})
}

// saveMessage gives an unacknowledged message to the user's other clients or keeps it, unless another
// client has the same message or may still take it.
func (s *Server) saveMessage(ctx context.Context, b *batch, c *session, sent *sentStanza, head *scan.Head, raw []byte) {
	if sent.of != nil {
		if !sent.of.missed() {
			return
		}
		raw = sent.of.raw
	} else if string(head.From) == c.account.bare {
		return // what the account tells this client only: copies and answers
	}
	switch string(head.Type) {
	case "error", "groupchat", "headline":
		return
	}
	if err := s.redeliver(ctx, b, c.account, slices.Clone(raw), sent.time()); err != nil {
		c.log.Error("xmpp: an undelivered message is lost", "cause", err)
		return
	}
	s.pushes.missed(c, raw)
}

// redeliver sends a message to who is there, with the time at which it was first sent (XEP-0203), or keeps it.
func (s *Server) redeliver(ctx context.Context, b *batch, a *account, raw []byte, at time.Time) error {
	if s.sendMostAvailable(b, a, s.appendDelayed(nil, uc.OfflineMessage{At: at, Stanza: raw})) {
		return nil
	}
	return s.keepSince(ctx, a, raw, at)
}

// refuseRequest answers an IQ that nobody will answer any more (RFC 6120 §8.2.3).
func (s *Server) refuseRequest(b *batch, head *scan.Head) {
	if typ := string(head.Type); typ != "get" && typ != "set" || head.From == nil {
		return
	}
	asked := s.router.session(head.From)
	if asked == nil {
		return
	}
	e := newElement("iq").attr("type", "error").attr("id", string(head.ID)).attr("to", string(head.From)).attrIf("from", string(head.To))
	b.push(asked, e.raw(errorXML(commandError{told: errServiceUnavailable})).close("iq").bytes())
}
