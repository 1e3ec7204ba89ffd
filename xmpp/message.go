package xmpp

import (
	"context"
	"slices"
	"time"

	"mellium.im/xmpp/stanza"
)

// errTeam is told to who writes to a team.
var errTeam = stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable,
	Text: map[string]string{"en": "A team is called, it has no chat. Write to one of its members."}}

// message routes a message by the rules of RFC 6121 §8.5.
func (r *request) message() error {
	to := r.head.To
	if to == nil {
		to = []byte(r.from.account.bare) // RFC 6120 §10.3.1
	}
	dest, err := r.server.resolve(to)
	if err != nil {
		return err
	}
	if err := r.screen(dest); err != nil {
		return err
	}
	if r.forgesCopy() {
		return errForbidden
	}
	r.dropForged()
	copied := r.copied(dest)
	stamped := r.stampMessage(dest)
	if copied {
		stamped = slices.Clone(stamped)
	}
	if err := r.deliver(dest, stamped, copied); err != nil {
		r.server.withdraw(r.filed)
		return err
	}
	if copied {
		r.copySent(dest)
	}
	return nil
}

// deliver gives a message to whom it is addressed. After an error it was neither sent nor kept.
func (r *request) deliver(dest destination, stamped []byte, copied bool) error {
	if dest.abroad != nil {
		return r.sendAbroad(dest, stamped)
	}
	if dest.session != nil && r.server.sendTo(r.batch, dest.session, stamped, copied) {
		r.server.pushes.arrived(dest.account, stamped)
		return nil // §8.5.3.1
	}
	typ := string(r.head.Type)
	switch {
	case typ == "error":
		return nil // §8.5.2.1.1, §8.5.3.2.1: silently ignored
	case dest.account == nil:
		if _, ok := r.server.teamAt(dest, r.from.account); ok {
			return errTeam
		}
		return errServiceUnavailable // §8.5.1
	case typ == "groupchat":
		return errServiceUnavailable // §8.5.2.1.1
	case typ == "headline" && dest.resource:
		return nil // §8.5.3.2.1: to a resource that is gone
	}
	stamped = slices.Clone(stamped)
	if typ == "headline" {
		r.server.deliverHeadline(r.batch, dest.account, stamped)
		return nil
	}
	return r.server.deliverBare(r.server.ctx, r.batch, dest.account, stamped, r.filed)
}

// sendAbroad sends a message to another domain.
func (r *request) sendAbroad(dest destination, raw []byte) error {
	if !r.batch.push(dest.abroad, raw) {
		return errRemoteServerNotFound
	}
	return nil
}

// withdraw takes a message that was refused out of the archives.
func (s *Server) withdraw(f filed) {
	if s.archive != nil {
		s.archive.withdraw(f)
	}
}

// deliverHeadline sends a message to every available resource that wants messages (RFC 6121 §8.5.2.1.1).
func (s *Server) deliverHeadline(b *batch, a *account, raw []byte) {
	raw, _ = withoutPrivate(raw)
	for _, c := range a.bound() {
		if c.available.Load() && c.priority.Load() >= 0 {
			b.push(c, raw)
		}
	}
}

// deliverBare sends a message to the most available resources of a user, or keeps it if there is none
// (RFC 6121 §8.5.2). After an error it was neither sent nor kept.
func (s *Server) deliverBare(ctx context.Context, b *batch, a *account, raw []byte, f filed) error {
	err := s.deliverOrKeep(ctx, b, a, raw, time.Now(), f)
	if err == nil {
		s.pushes.arrived(a, raw)
	}
	return err
}

// deliverOrKeep is deliverBare without a word to the clients that are away, for a message that came at the time.
func (s *Server) deliverOrKeep(ctx context.Context, b *batch, a *account, raw []byte, at time.Time, f filed) error {
	if s.sendMostAvailable(b, a, raw) {
		return nil
	}
	return s.keep(ctx, b, a, raw, at, f)
}

// sendMostAvailable sends a message to the most available resources of a user and reports whether there is one.
func (s *Server) sendMostAvailable(b *batch, a *account, raw []byte) bool {
	shown, private := withoutPrivate(raw)
	for range 2 { // a session may end between the two, and another one take its place
		list := a.mostAvailable()
		var of *delivery
		if len(list) > 1 || wantCopies(a, nil, nil) || private {
			of = newDelivery(raw)
		}
		sent := false
		for _, c := range list {
			if b.pushCopy(c, of, shown) {
				sent = true
			}
		}
		if sent && of != nil {
			s.copyReceived(b, a, list, of)
		}
		if sent && (of == nil || !of.missed()) {
			return true
		}
	}
	return false
}

// mostAvailable lists the available resources that share the highest priority, unless that is negative.
func (a *account) mostAvailable() []*session {
	var list []*session
	best := int32(0)
	for _, c := range a.bound() {
		p := c.priority.Load()
		if !c.available.Load() || p < best {
			continue
		}
		if p > best {
			best, list = p, list[:0]
		}
		list = append(list, c)
	}
	return list
}
