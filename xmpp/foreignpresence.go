package xmpp

import (
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// foreignPresence passes presence of somebody at another domain to whom it is addressed to (RFC 6121
// §8.5.2.1.2, §8.5.3.1). Presence to nobody is dropped.
func (r *request) foreignPresence() error {
	dest, err := r.server.resolve(r.head.To)
	if err != nil || dest.account == nil || r.screen(dest) != nil {
		return err
	}
	r.dropForged()
	r.server.presenceTo(r.batch, dest, scan.AppendStamped(nil, r.raw, &r.head, r.from.jidBytes, nil))
	r.heardAbroad(dest.account)
	return nil
}

// foreignProbe answers another server that asks for a user's presence (RFC 6121 §4.3.2). One that is not
// subscribed learns just that, also if there is no such user.
func (r *request) foreignProbe() error {
	dest, err := r.server.resolve(bareOf(r.head.To))
	if err != nil || dest.server || r.screen(dest) != nil {
		return err
	}
	a, who := dest.account, r.from.account
	if a == nil || !r.server.sees(who, a) {
		r.batch.push(who.bound()[0], newElement("presence").attr("type", "unsubscribed").attr("from", dest.bare).close("presence").bytes())
		return nil
	}
	if !r.server.tellPresence(r.batch, a, who.bound()[0], nil) {
		r.batch.push(who.bound()[0], unavailableFrom(a.bare)) // §4.3.2.3
	}
	return nil
}

// maxRequests is how many requests may wait for a user's answer when a stranger makes another.
const maxRequests = 100

// foreignSubscription is the contact's side of a subscription that somebody at another domain manages
// (RFC 6121 §3). Nobody learns which accounts exist, or that they are blocked.
func (r *request) foreignSubscription() error {
	s, typ := r.server, string(r.head.Type)
	dest, err := s.resolve(bareOf(r.head.To))
	if err != nil || dest.account == nil || r.screen(dest) != nil {
		return err
	}
	a, who := dest.account, r.from.account
	if typ == "subscribe" && s.requests(a, who.bare) >= maxRequests {
		s.logFlood(a, who)
		return nil
	}
	// RFC 6121 §3.1.3: from and to are bare addresses.
	raw := scan.AppendStamped(nil, r.raw, &r.head, []byte(who.bare), []byte(a.bare))
	return s.receiveSubscription(r.batch, a, who, typ, raw)
}

// requests counts the others who wait for a user's answer.
func (s *Server) requests(a *account, except string) int {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	it := s.rosterOrNone(a)[except]
	if it != nil && it.PendingIn != nil {
		return a.tally.requests - 1
	}
	return a.tally.requests
}

// askAbroad asks other domains for the presence of a user's contacts there (RFC 6121 §4.3.1), and, when the
// user's first client has come, repeats the requests that they have not answered (§3.1.2).
func (s *Server) askAbroad(b *batch, c *session) {
	a := c.account
	first := true
	for _, other := range a.bound() {
		first = first && (other == c || !other.available.Load())
	}
	for bare, typ := range s.askings(a, first) {
		if to := s.contactAccount(bare); to != nil && to.foreign() {
			to.deliverAvailable(b, newElement("presence").attr("type", typ).attr("from", a.bare).close("presence").bytes())
		}
	}
}

// askings tells what is to be asked of whom.
func (s *Server) askings(a *account, repeat bool) map[string]string {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	list := make(map[string]string)
	blocked := a.blocked.Load()
	for bare, it := range s.rosterOrNone(a) {
		switch {
		case s.loginOf(bare) != "" || blocked.blocks(bare, ""):
		case hasTo(it.Subscription):
			list[bare] = "probe"
		case it.Ask && repeat:
			list[bare] = "subscribe"
		}
	}
	return list
}

// showBlockedAbroad tells contacts at other domains what they now see of a user, after the user's block list
// has changed, and asks for the presence of those who are not blocked any more (XEP-0191 §3.3, §3.4).
func (s *Server) showBlockedAbroad(b *batch, a *account, old, now *blocklist) {
	for bare, it := range s.contactsAbroad(a) {
		was, is := old.blocks(bare, ""), now.blocks(bare, "")
		to := s.contactAccount(bare)
		if was == is || to == nil {
			continue
		}
		if hasFrom(it.Subscription) {
			s.showPresence(b, a, to.bound()[0], was, is)
		}
		if hasTo(it.Subscription) && !is {
			to.deliverAvailable(b, newElement("presence").attr("type", "probe").attr("from", a.bare).close("presence").bytes())
		}
	}
}

// contactsAbroad returns the user's own contacts at other domains.
func (s *Server) contactsAbroad(a *account) map[string]uc.RosterItem {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	list := make(map[string]uc.RosterItem)
	for bare, it := range s.rosterOrNone(a) {
		if s.loginOf(bare) == "" {
			list[bare] = *it
		}
	}
	return list
}
