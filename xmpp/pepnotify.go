package xmpp

import (
	"slices"
	"time"

	"github.com/rolecall/rolecall/xmpp/pubsub"
)

const (
	nsPubsub       = "http://jabber.org/protocol/pubsub"
	nsPubsubOwner  = nsPubsub + "#owner"
	nsPubsubEvent  = nsPubsub + "#event"
	nsPubsubErrors = nsPubsub + "#errors"
)

// wants reports whether a client's capabilities ask for the events of a node (XEP-0163 §4.2).
func (c *session) wants(node string) bool {
	names := c.notify.Load()
	return names != nil && slices.Contains(*names, node)
}

// followers calls f for every client that is told of a node's events: available ones of the owner and of
// those who see the owner's presence, if their capabilities ask for it (XEP-0163 §4.3), and those who
// have subscribed, each as far as the access model lets it. pep.mu is held.
func (s *Server) followers(owner *account, n *pubsub.Node, f func(*session)) {
	told := make(map[*session]bool)
	tell := func(c *session) {
		if !told[c] && !parted(owner, c) {
			told[c] = true
			f(c)
		}
	}
	offer := func(c *session) {
		if c.wants(n.Name) && n.MayRead(s.entityWatching(owner, c.account, n)) == nil {
			tell(c)
		}
	}
	s.watchers(owner, func(c *session, _ bool) {
		if c.account.foreign() {
			s.abroad.of(c.account.bare, owner, offer)
			return
		}
		offer(c)
	})
	for _, address := range n.Subscribers {
		dest, err := s.resolve([]byte(address))
		if err != nil || dest.owner() == nil || n.MayRead(s.entity(owner, dest.owner())) != nil {
			continue
		}
		if dest.abroad != nil {
			tell(dest.abroad)
			continue
		}
		if dest.resource {
			if dest.session != nil {
				tell(dest.session)
			}
			continue
		}
		for _, c := range dest.account.bound() {
			if c.available.Load() && c.priority.Load() >= 0 {
				tell(c)
			}
		}
	}
}

// parted reports whether one of a user and a client's user has blocked the other.
func parted(owner *account, c *session) bool {
	if owner == c.account {
		return false
	}
	l := c.account.blocked.Load()
	return owner.blocks(c) || l != nil && l.blocks(owner.bare, "")
}

// entityWatching is entity for somebody of whom it is known that they see the owner's presence.
func (s *Server) entityWatching(owner, who *account, n *pubsub.Node) pubsub.Entity {
	e := pubsub.Entity{Bare: who.bare, Owner: who == owner, Presence: s.trusts(owner, who)}
	if n.Config.Access == pubsub.Roster && !e.Owner {
		e.Groups = s.groupsIn(owner, who)
	}
	return e
}

// tellEvent sends an event to a client.
func (b *batch) tellEvent(owner *account, to *session, event []byte) {
	e := newElement("message").attr("type", "headline").attr("id", randomID()[:8]).attr("from", owner.bare).attr("to", to.jid)
	b.push(to, e.raw(event).close("message").bytes())
}

func (s *Server) tellFollowers(b *batch, owner *account, n *pubsub.Node, event []byte) {
	s.followers(owner, n, func(c *session) { b.tellEvent(owner, c, event) })
}

// appendPubsubItem adds an item of a node, with what is inside.
func appendPubsubItem(e *element, id, publisher string, payload []byte) {
	e.start("item").attr("id", id).attrIf("publisher", publisher)
	if payload != nil {
		e.raw(payload)
	}
	e.close("item")
}

// tellPublished tells of new items (XEP-0060 §7.1.2.1).
func (s *Server) tellPublished(b *batch, owner *account, n *pubsub.Node, items []newItem) {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("items").attr("node", n.Name)
	for _, it := range items {
		payload := it.payload
		if !n.Config.Payloads {
			payload = nil
		}
		appendPubsubItem(e, it.id, "", payload)
	}
	s.tellFollowers(b, owner, n, e.close("items").close("event").bytes())
}

// tellRetracted tells that items are gone (XEP-0060 §7.2.2.1).
func (s *Server) tellRetracted(b *batch, owner *account, n *pubsub.Node, ids []string) {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("items").attr("node", n.Name)
	for _, id := range ids {
		e.start("retract").attr("id", id).close("retract")
	}
	s.tellFollowers(b, owner, n, e.close("items").close("event").bytes())
}

// tellConfiguration tells how a node is configured now, if its notifications have payloads (XEP-0060 §8.2.5.3).
func (s *Server) tellConfiguration(b *batch, owner *account, n *pubsub.Node) {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("configuration").attr("node", n.Name).open()
	if n.Config.Payloads {
		configForm(n.Config, s.cfg.Pubsub).append(e, "result")
	}
	s.tellFollowers(b, owner, n, e.close("configuration").close("event").bytes())
}

// tellOf tells what became of a node as a whole: it was purged or deleted.
func (s *Server) tellOf(b *batch, owner *account, n *pubsub.Node, what string) {
	e := newElement("event").attr("xmlns", nsPubsubEvent).start(what).attr("node", n.Name)
	s.tellFollowers(b, owner, n, e.close(what).close("event").bytes())
}

// tellLast sends a client the newest item of a node, with the time it was published (XEP-0060 §6.1.7).
// pep.mu is held.
func (s *Server) tellLast(b *batch, owner *account, n *pubsub.Node, to *session) {
	it, ok := n.Last()
	if !ok {
		return
	}
	var payload []byte
	if n.Config.Payloads {
		var err error
		if payload, err = s.payloadOf(owner, n, it); err != nil {
			s.log.Error("xmpp: cannot read an item", "user", owner.bare, "node", n.Name, "cause", err)
			return
		}
	}
	e := newElement("event").attr("xmlns", nsPubsubEvent).start("items").attr("node", n.Name)
	appendPubsubItem(e, it.ID, "", payload)
	e.close("items").close("event")
	e.start("delay").attr("xmlns", nsDelay).attr("stamp", it.At.UTC().Format(time.RFC3339)).close("delay")
	b.tellEvent(owner, to, e.bytes())
}

// tellLastOf sends a client the newest items of one user's nodes, of those that are named and that the
// client may read (XEP-0163 §4.3.4).
func (s *Server) tellLastOf(b *batch, owner *account, to *session, names []string) {
	if len(names) == 0 || !s.publishers.has(owner.user) || parted(owner, to) {
		return
	}
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	nodes, err := s.nodesOf(owner)
	if err != nil {
		s.log.Error("xmpp: cannot read nodes", "user", owner.bare, "cause", err)
		return
	}
	for _, name := range names {
		n := nodes[name]
		if n == nil || n.Config.SendLast != pubsub.OnAppearance || n.MayRead(s.entityWatching(owner, to.account, n)) != nil {
			continue
		}
		s.tellLast(b, owner, n, to)
	}
}

// tellLastItems sends a client the newest items of all whom its user sees, and of the user, when the
// client has come or its capabilities ask for more than before.
func (s *Server) tellLastItems(b *batch, c *session, names []string) {
	b.mayWait()
	a := c.account
	s.tellProfilesTo(b, c, names)
	s.tellLastOf(b, a, c, names)
	s.tellReachTo(b, a, c, names)
	g := s.groups.Load()
	wantsReach := slices.Contains(names, nsReach)
	g.contacts(a.user, func(of contact) {
		if of.user == 0 || !wantsReach && !s.publishers.has(of.user) {
			return
		}
		if other := s.accountByID(of.user); other != nil {
			s.tellLastOf(b, other, c, names)
			s.tellReachTo(b, other, c, names)
			b.pace(c)
		}
	})
	for _, bare := range s.subscribedTos(a) {
		other := s.accountByLogin(s.loginOf(bare))
		if other != nil && !g.sees(a.user, other.user) && s.subscribedTo(other, a) {
			s.tellLastOf(b, other, c, names)
			s.tellReachTo(b, other, c, names)
			b.pace(c)
		}
	}
}

// tellLastTo sends a client the newest items of a user whose presence it has begun to see.
func (s *Server) tellLastTo(b *batch, owner *account, to *session) {
	if names := to.notify.Load(); names != nil {
		s.tellLastOf(b, owner, to, *names)
		s.tellReachTo(b, owner, to, *names)
	}
}
