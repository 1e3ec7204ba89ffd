package xmpp

import (
	"cmp"
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
	var refused refusals
	c.queue.untaken(func(sent *sentStanza, raw []byte) {
		b.turnBy(len(raw))
		head, _, _, err := scan.New(unlimited).Next(raw)
		switch {
		case err != nil:
			c.log.Error("xmpp: an unacknowledged stanza cannot be read", "cause", err)
		case head.Kind == scan.Message:
			if err := s.saveMessage(ctx, b, c, sent, &head, raw); err != nil {
				refused.add(err)
				s.refuse(b, &head, err)
			}
		case head.Kind == scan.IQ:
			s.refuse(b, &head, errServiceUnavailable)
		}
	})
	refused.log(c)
}

// saveMessage gives an unacknowledged message to the user's other clients or keeps it, unless another
// client has the same message or may still take it.
func (s *Server) saveMessage(ctx context.Context, b *batch, c *session, sent *sentStanza, head *scan.Head, raw []byte) error {
	if sent.of != nil {
		if !sent.of.missed() {
			return nil
		}
		raw = sent.of.raw
	} else if string(head.From) == c.account.bare {
		return nil // what the account tells this client only: copies and answers
	}
	switch string(head.Type) {
	case "error", "groupchat", "headline":
		return nil
	}
	err := s.redeliver(ctx, b, c.account, slices.Clone(raw), sent.time())
	if err == nil {
		s.pushes.missed(c, raw)
	}
	return err
}

// redeliver sends a message to who is there, with the time at which it was first sent (XEP-0203), or keeps it.
func (s *Server) redeliver(ctx context.Context, b *batch, a *account, raw []byte, at time.Time) error {
	if s.sendMostAvailable(b, a, s.appendDelayed(nil, uc.OfflineMessage{At: at, Stanza: raw})) {
		return nil
	}
	return s.keep(ctx, b, a, raw, at, filed{})
}

// refuse tells the sender of a stanza that nobody will take it any more (RFC 6120 §8.3). Errors and results are
// never answered.
func (s *Server) refuse(b *batch, head *scan.Head, reason error) {
	if typ := string(head.Type); typ == "error" || typ == "result" || head.From == nil {
		return
	}
	dest, err := s.resolve(head.From)
	if err != nil {
		return
	}
	sender := cmp.Or(dest.session, dest.abroad)
	if sender == nil {
		return
	}
	name := string(head.Name)
	e := newElement(name).attr("type", "error").attrIf("id", string(head.ID)).attr("to", string(head.From)).attrIf("from", string(head.To))
	b.push(sender, e.raw(errorXML(s.stanzaError(reason, sender))).close(name).bytes())
}

// refusals counts the messages of one client that were refused, for one line in the log.
type refusals struct {
	n     int
	cause error // of the last one
}

func (r *refusals) add(cause error) { r.n, r.cause = r.n+1, cause }

func (r *refusals) log(c *session) {
	if r.n > 0 {
		c.log.Info("xmpp: messages that a client did not take were sent back", "count", r.n, "cause", r.cause)
	}
}
