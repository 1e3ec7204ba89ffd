package xmpp

import (
	"errors"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// subscription handles the presence stanzas that manage subscriptions (RFC 6121 §3): first on the
// sender's side, then on the contact's, each under its own roster's lock.
func (r *request) subscription() error {
	s, typ := r.server, string(r.head.Type)
	if r.head.To == nil {
		return errBadRequest
	}
	dest, err := s.resolve(bareOf(r.head.To)) // RFC 6121 §3.1.1: always to the bare address
	if err != nil {
		return err
	}
	a := r.from.account
	if dest.server || dest.account == a {
		return nil // nobody subscribes to the server, or to themselves
	}
	if typ == "subscribed" && dest.account != nil && s.groups.Load().share(a.user, dest.account.user) && !s.asked(a, dest.bare) {
		return nil // members of a shared group need no approval
	}
	r.batch.mayWait()
	// RFC 6121 §3.1.2: from and to are bare addresses.
	raw := scan.AppendStamped(nil, r.raw, &r.head, []byte(a.bare), []byte(dest.bare))
	unwanted, err := r.screenPresence(dest)
	if err != nil {
		return err
	}
	o, err := s.changeItem(r.batch, a, dest.bare, func(it *uc.RosterItem) outcome { return applyTo(it, nil, subState.outbound, typ) })
	if err != nil {
		return err
	}
	to := dest.owner()
	if to == nil || unwanted {
		return nil // the request stays unanswered, so that nobody learns which accounts exist (RFC 6121 §8.5.1)
	}
	if o.present && typ == "unsubscribed" {
		s.exchange(r.batch, a, to, false)
	}
	if o.route {
		if err := s.receiveSubscription(r.batch, to, a, typ, raw); err != nil {
			return err
		}
	}
	if o.present && typ == "subscribed" {
		s.exchange(r.batch, a, to, true) // RFC 6121 §3.1.5
	}
	return nil
}

// maxRequest bounds what a subscription request may say beside that it is one: requests are kept until they
// are answered, and anybody can send them.
const maxRequest = 4 << 10

// receiveSubscription is the contact's side: to is the user who receives, from the one who sent. That of a
// stranger is another server's.
func (s *Server) receiveSubscription(b *batch, to, from *account, typ string, raw []byte) error {
	if to.foreign() {
		to.deliverAvailable(b, raw)
		return nil
	}
	if len(raw) > maxRequest {
		raw = newElement("presence").attr("type", typ).attr("from", from.bare).attr("to", to.bare).close("presence").bytes()
	}
	o, err := s.changeItem(b, to, from.bare, func(it *uc.RosterItem) outcome {
		if typ == "subscribe" && s.groups.Load().share(to.user, from.user) && !hasFrom(it.Subscription) {
			it.Approved = true // members of a shared group see each other anyway
			o := applyTo(it, raw, subState.inbound, typ)
			it.Approved = false
			return o
		}
		return applyTo(it, raw, subState.inbound, typ)
	})
	if errors.Is(err, errRosterFull) {
		s.logFlood(to, from)
		return nil // as if it were never answered
	}
	if err != nil {
		return err
	}
	if o.route {
		deliver := (*account).deliverInterested
		if typ == "subscribe" {
			deliver = (*account).deliverAvailable // RFC 6121 §3.1.3
		}
		deliver(to, b, raw)
	}
	if o.present && typ == "unsubscribe" {
		s.exchange(b, to, from, false) // RFC 6121 §3.3.3
	}
	if o.answer == "" {
		return nil
	}
	answer := newElement("presence").attr("type", o.answer).attr("from", to.bare).attr("to", from.bare).close("presence").bytes()
	if err := s.receiveSubscription(b, from, to, o.answer, answer); err != nil {
		return err
	}
	s.exchange(b, to, from, true)
	return nil
}

// logFlood tells the log, once an hour for each user, that too many requests wait for the user's answer.
func (s *Server) logFlood(to, from *account) {
	if to.flooded.due(time.Now(), time.Hour) {
		s.log.Warn("xmpp: too many requests for a subscription wait for an answer", "user", to.bare, "from", from.bare)
	}
}

// asked reports whether a contact waits for the user's answer.
func (s *Server) asked(a *account, bare string) bool {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	it := s.rosterOrNone(a)[bare]
	return it != nil && it.PendingIn != nil
}

// applyTo runs a transition on a roster item. raw is the request to remember while it is not answered.
func applyTo(it *uc.RosterItem, raw []byte, step func(subState, string) outcome, typ string) outcome {
	o := step(subState{
		listed: it.Subscription != "", to: hasTo(it.Subscription), from: hasFrom(it.Subscription),
		pendingOut: it.Ask, pendingIn: it.PendingIn != nil, approved: it.Approved,
	}, typ)
	if o.state.listed || o.state.to || o.state.from {
		it.Subscription = subscriptionOf(o.state.to, o.state.from)
	}
	it.Ask, it.Approved = o.state.pendingOut, o.state.approved
	switch {
	case !o.state.pendingIn:
		it.PendingIn = nil
	case it.PendingIn == nil:
		it.PendingIn = slices.Clone(raw)
	}
	return o
}

// exchange tells the watcher's clients of the user's presence (now true), or that it is gone; not if the
// watcher sees the user because of roles all the same.
func (s *Server) exchange(b *batch, user, watcher *account, now bool) {
	if s.groups.Load().sees(watcher.user, user.user) {
		return
	}
	for _, to := range watcher.bound() {
		switch {
		case !to.available.Load():
		case now:
			s.tellPresence(b, user, to, nil)
		default:
			s.retractPresence(b, user, to)
		}
	}
}

// tellRequests delivers the subscription requests that the user has not answered (RFC 6121 §3.1.3).
func (s *Server) tellRequests(b *batch, c *session) {
	a := c.account
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	for _, it := range s.rosterOrNone(a) {
		if it.PendingIn != nil && !a.blocked.Load().blocks(it.JID, "") {
			b.push(c, it.PendingIn)
		}
	}
}

// deliverInterested sends a stanza to the clients that have asked for the roster.
func (a *account) deliverInterested(b *batch, raw []byte) {
	for _, c := range a.bound() {
		if c.interested.Load() {
			b.push(c, raw)
		}
	}
}

func (a *account) deliverAvailable(b *batch, raw []byte) {
	for _, c := range a.bound() {
		if c.available.Load() {
			b.push(c, raw)
		}
	}
}

// bareJID returns the normal form of a bare address.
func bareJID(text string) (string, error) {
	j, err := jid.Parse(text)
	if err != nil || j.Resourcepart() != "" || j.Localpart() == "" && j.Domainpart() == "" {
		return "", errBadRequest
	}
	return j.String(), nil
}
