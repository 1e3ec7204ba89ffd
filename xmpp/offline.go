package xmpp

import (
	"context"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsHints      = "urn:xmpp:hints"
	nsDelay      = "urn:xmpp:delay"
	nsChatStates = "http://jabber.org/protocol/chatstates"
)

// keep stores a message for a user who has no client for it (RFC 6121 §8.5.2.2, XEP-0160). When it
// returns without an error the message is durable, or there was nothing in it to keep.
func (s *Server) keep(ctx context.Context, a *account, raw []byte) error {
	return s.keepSince(ctx, a, raw, time.Now())
}

// keepSince is keep for a message that came at the time.
func (s *Server) keepSince(ctx context.Context, a *account, raw []byte, at time.Time) error {
	if !worthKeeping(raw) {
		return nil
	}
	n, size, err := s.deps.Store.CountOffline(ctx, a.user)
	if err != nil {
		return err
	}
	if n >= s.cfg.MaxOffline || size+int64(len(raw)) > int64(s.cfg.MaxOfflineSize) {
		return errServiceUnavailable // XEP-0160 §3: the storage is full
	}
	if _, err := s.deps.Store.AddOffline(ctx, uc.OfflineMessage{User: a.user, At: at.UTC(), Stanza: raw}); err != nil {
		return err
	}
	// A client that came online meanwhile has looked for messages before this one was there.
	if list := a.mostAvailable(); len(list) > 0 {
		s.serving.Go(func() { s.drainTo(list[0]) })
	}
	return nil
}

// worthKeeping applies the hints of XEP-0334 and leaves out what is worthless later (XEP-0160 §3).
func worthKeeping(raw []byte) bool {
	n, err := scan.Parse(raw)
	switch {
	case err != nil, n.Child(nsHints, "no-store") != nil, n.Child(nsHints, "no-permanent-store") != nil:
		return false
	case n.Child(nsHints, "store") != nil, n.Child(scan.NSClient, "body") != nil:
		return true
	case n.Attr("type") == "chat":
		return false // chat states and receipts
	}
	return len(n.Nodes) > 0
}

// drainOffline sends the messages that were kept for a user to one of their clients, stamped with when
// they came (XEP-0203), and deletes them when the socket has taken them.
func (s *Server) drainOffline(ctx context.Context, b *batch, c *session) {
	if !c.account.startDraining(c) {
		return
	}
	kept, err := s.deps.Store.Offline(ctx, c.account.user)
	if err != nil || len(kept) == 0 {
		if err != nil {
			c.log.Error("xmpp: cannot read offline messages", "cause", err)
		}
		c.account.stopDraining(c)
		return
	}
	c.queue.openMark()
	ids := make([]int64, 0, len(kept))
	for _, m := range kept {
		if !b.push(c, s.appendDelayed(nil, m)) {
			break
		}
		ids = append(ids, m.ID)
		b.pace(c)
	}
	if len(ids) == 0 {
		c.queue.closeMark(nil)
		c.account.stopDraining(c)
		return
	}
	c.queue.closeMark(func() { s.forget(c, ids) }) //nolint:contextcheck // it comes when whoever asks now is done
}

// forget deletes messages that were delivered, and sends those that came meanwhile.
func (s *Server) forget(c *session, ids []int64) {
	ctx := context.WithoutCancel(s.ctx)
	if err := s.deps.Store.DeleteOffline(ctx, ids); err != nil {
		c.log.Error("xmpp: cannot delete offline messages, they will come again", "cause", err)
		return
	}
	c.account.stopDraining(c)
	if n, _, err := s.deps.Store.CountOffline(ctx, c.account.user); err == nil && n > 0 && c.available.Load() && c.priority.Load() >= 0 {
		s.drainTo(c)
	}
}

func (s *Server) drainTo(c *session) {
	b := s.newBatch()
	defer b.done()
	s.drainOffline(s.ctx, b, c)
}

// appendDelayed appends a kept message with the time it came as its last child (XEP-0203 §3).
func (s *Server) appendDelayed(dst []byte, m uc.OfflineMessage) []byte {
	delay := newElement("delay").attr("xmlns", nsDelay).attr("from", s.cfg.Domain).
		attr("stamp", m.At.UTC().Format("2006-01-02T15:04:05.000Z")).close("delay").bytes()
	return appendInside(dst, m.Stanza, delay)
}

// startDraining makes a session the one that is sent the kept messages, so that no other gets them too.
func (a *account) startDraining(c *session) bool {
	a.offlineMu.Lock()
	defer a.offlineMu.Unlock()
	if a.draining != nil {
		return false
	}
	a.draining = c
	return true
}

func (a *account) stopDraining(c *session) {
	a.offlineMu.Lock()
	defer a.offlineMu.Unlock()
	if a.draining == c {
		a.draining = nil
	}
}

// saveUnsent gives the messages that a session's client did not take to its user's other clients, or
// keeps them.
func (s *Server) saveUnsent(c *session) {
	b := s.newBatch()
	defer b.done()
	ctx := context.WithoutCancel(s.ctx) // what is unsent at a shutdown is kept too
	c.queue.unsent(stanzaLength, func(raw []byte) {
		head, _, _, err := scan.New(scan.DefaultLimits).Next(raw)
		if typ := string(head.Type); err != nil || head.Kind != scan.Message || typ == "error" || typ == "groupchat" || typ == "headline" {
			return
		}
		raw = append([]byte(nil), raw...)
		if err := s.deliverOrKeep(ctx, b, c.account, raw); err != nil {
			c.log.Error("xmpp: an undelivered message is lost", "cause", err)
			return
		}
		s.pushes.missed(c, raw)
	})
}

// unlimited reads back what passed a scanner and was then made a little longer by the server.
var unlimited = scan.Limits{Stanza: 1 << 30, Depth: 1 << 10, Attrs: 1 << 10}

// stanzaLength returns the length of the first stanza of what was queued, or 0 if there is none.
func stanzaLength(queued []byte) int {
	_, _, n, err := scan.New(unlimited).Next(queued)
	if err != nil {
		return 0
	}
	return n
}
