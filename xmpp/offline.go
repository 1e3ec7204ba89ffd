package xmpp

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsHints      = "urn:xmpp:hints"
	nsDelay      = "urn:xmpp:delay"
	nsOldDelay   = "jabber:x:delay"
	nsChatStates = "http://jabber.org/protocol/chatstates"
)

// keep puts a message in line to be stored for a user who has no client for it (RFC 6121 §8.5.2.2, XEP-0160),
// unless there is nothing in it to keep. An error means that there is no room; if the database fails later the
// sender is told. The batch gets to know up to where the line must be written before the sender may be told that the
// message was handled.
func (s *Server) keep(ctx context.Context, b *batch, a *account, raw []byte, at time.Time, f filed) error {
	if !worthKeeping(raw) {
		return nil
	}
	b.mayWait()
	if err := a.reserve(ctx, s, len(raw)); err != nil {
		return err
	}
	b.kept = s.keeping.put(keptMessage{a, raw, at.UTC(), f})
	return nil
}

// keepNow is keep for who wants to know what becomes of it: the message is durable when it returns.
func (s *Server) keepNow(ctx context.Context, a *account, raw []byte) error {
	if !worthKeeping(raw) {
		return nil
	}
	if err := a.reserve(ctx, s, len(raw)); err != nil {
		return err
	}
	s.keeping.await(a.storage.awaited()) // what came before is stored before
	if _, err := s.deps.Store.AddOffline(ctx, []uc.OfflineMessage{{User: a.user, At: time.Now().UTC(), Stanza: raw}}); err != nil {
		a.storage.failed(len(raw))
		return err
	}
	a.storage.stored(len(raw))
	s.drainIfBack(a)
	return nil
}

// drainIfBack sends a user what has just been stored if a client has come online meanwhile: it has looked for
// messages before these were there.
func (s *Server) drainIfBack(a *account) {
	if list := a.mostAvailable(); len(list) > 0 {
		s.workers.Go(func() { s.drainTo(list[0]) })
	}
}

// worthKeeping applies the hints of XEP-0334 and leaves out what is worthless later (XEP-0160 §3). Most are known by
// their first child: to read a long message as a whole costs more than to refuse it.
func worthKeeping(raw []byte) bool {
	head, _, _, err := scan.New(unlimited).Next(raw)
	if err == nil && string(head.Child) == "body" && string(head.ChildNS) == scan.NSClient && !bytes.Contains(raw, []byte(nsHints)) {
		return true
	}
	n, err := scan.Parse(raw)
	switch {
	case err != nil, n.Child(nsHints, "no-store") != nil, n.Child(nsHints, "no-permanent-store") != nil:
		return false
	case n.Child(nsHints, "store") != nil:
		return true
	}
	// Receipts, markers and encrypted texts are as good later; what somebody does at the keyboard is not.
	return slices.ContainsFunc(n.Nodes, func(c *scan.Node) bool {
		return c.NS != nsChatStates && c.NS != nsHints && (c.Name != "thread" || c.NS != scan.NSClient)
	})
}

// drainOffline sends the messages that were kept for a user to one of their clients, stamped with when
// they came (XEP-0203), and deletes them when the socket has taken them.
func (s *Server) drainOffline(ctx context.Context, b *batch, c *session) {
	if !c.account.startDraining(c) {
		return
	}
	s.keeping.await(c.account.storage.awaited())
	kept, err := s.deps.Store.Offline(ctx, c.account.user)
	if err != nil || len(kept) == 0 {
		if err != nil {
			c.log.Error("xmpp: cannot read offline messages", "cause", err)
		}
		c.account.stopDraining(c)
		return
	}
	// What a client had not taken is stored after what came when it was gone.
	slices.SortStableFunc(kept, func(a, b uc.OfflineMessage) int { return a.At.Compare(b.At) })
	c.queue.openMark()
	ids := make([]int64, 0, len(kept))
	for _, m := range kept {
		m.Stanza, _ = withoutPrivate(m.Stanza)
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
	c.account.storage.emptied()
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

// saveUnsent gives the messages that a session's client had not taken until a time to its user's other clients, or
// keeps them, and sends back those for which there is no room.
func (s *Server) saveUnsent(c *session, until time.Time) {
	b := s.newBatch()
	defer b.done()
	ctx := context.WithoutCancel(s.ctx) // what is unsent at a shutdown is kept too
	var refused refusals
	c.queue.unsent(stanzaLength, func(raw []byte) {
		b.turnBy(len(raw))
		head, _, _, err := scan.New(unlimited).Next(raw)
		if typ := string(head.Type); err != nil || head.Kind != scan.Message || typ == "error" || typ == "groupchat" || typ == "headline" {
			return
		}
		if err := s.deliverOrKeep(ctx, b, c.account, slices.Clone(raw), until, filed{}); err != nil {
			refused.add(err)
			s.refuse(b, &head, err)
			return
		}
		s.pushes.missed(c, raw)
	})
	refused.log(c)
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
