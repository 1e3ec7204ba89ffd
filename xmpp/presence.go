package xmpp

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// available handles presence without a type: of the client's own (RFC 6121 §4.2, §4.4) or directed (§4.6).
func (r *request) available() error {
	r.dropForged()
	if r.head.To != nil {
		return r.directedPresence(true)
	}
	p, err := readPresence(r.raw)
	if err != nil {
		return err
	}
	c, a := r.from, r.from.account
	if !c.available.Load() {
		r.batch.mayWait() // for what is loaded for a client that begins
	}
	p.raw = scan.AppendStamped(make([]byte, 0, len(r.raw)+len(c.jid)+8), r.raw, &r.head, c.jidBytes, nil)
	p.since = time.Now()
	r.server.loadPhoto(a)

	a.presenceMu.Lock()
	initial := !c.available.Load()
	o := r.server.overlayOf(a)
	o.photo = *a.pep.photo.Load()
	wasNegative := initial || c.presence.priority < 0
	dnd := r.server.noteDND(c, p.show, initial, p.since)
	if !initial && p.show == c.presence.show && p.status == c.presence.status {
		p.since = c.presence.since
	}
	c.presence = p
	c.priority.Store(int32(p.priority))
	if initial {
		c.available.Store(true)
		r.server.generation.Add(1)
	}
	c.composed = o.compose(&c.presence)
	r.server.broadcast(r.batch, a, c.composed)
	a.presenceMu.Unlock()

	r.server.notifier.changed(a)
	if dnd {
		r.server.dnd.changed(a)
	}
	if initial {
		r.server.welcome(r.batch, c)
		r.server.greet(r.batch, c)
	}
	r.heardCaps(p.caps, initial)
	if wasNegative && p.priority >= 0 {
		r.batch.mayWait()
		r.server.drainOffline(r.server.ctx, r.batch, c) // RFC 6121 §8.5.2.1.2, XEP-0160 §3
	}
	return nil
}

// unavailable handles presence of type unavailable, of the client's own (RFC 6121 §4.5) or directed.
func (r *request) unavailable() error {
	r.dropForged()
	if r.head.To != nil {
		return r.directedPresence(false)
	}
	raw := scan.AppendStamped(nil, r.raw, &r.head, r.from.jidBytes, nil)
	r.batch.mayWait()
	r.server.becomeUnavailable(r.batch, r.from, raw)
	return nil
}

// becomeUnavailable takes a client's presence back from all who were told of it; raw is what the client
// says, nil if it said nothing.
func (s *Server) becomeUnavailable(b *batch, c *session, raw []byte) {
	if raw == nil {
		raw = newElement("presence").attr("type", "unavailable").attr("from", c.jid).close("presence").bytes()
	}
	a := c.account
	a.presenceMu.Lock()
	dnd := c.available.Load() && c.presence.show == uc.ShowDND
	if c.available.Load() {
		c.wish = dndWish{}
		c.available.Store(false)
		s.seenLeaving(a, raw)
		c.composed, c.presence = shown{}, clientPresence{}
		s.generation.Add(1)
		s.takeBack(b, a, raw)
	}
	a.presenceMu.Unlock()
	if dnd {
		s.dnd.changed(a)
	}
	for to := range c.directed {
		// RFC 6121 §4.6.3: those who are told by the broadcast are not told twice.
		if dest, err := s.resolve([]byte(to)); err == nil && dest.owner() != nil && !s.sees(dest.owner(), a) {
			s.presenceTo(b, dest, raw)
		}
	}
	c.directed = nil
	s.leaveRooms(b, c)
	s.notifier.changed(a)
}

// broadcast tells all who see a user, each as much as they may know. It is called with presenceMu held, so
// that everyone hears all changes in the same order.
func (s *Server) broadcast(b *batch, a *account, p shown) {
	s.watchers(a, func(to *session, full bool) {
		if raw := p.to(full); raw != nil && !s.hidden(a, raw, to) {
			b.push(to, raw)
		}
	})
}

// takeBack tells all who were told of a presence that it is gone; called with presenceMu held. While a change of roles is being
// pushed there are some who saw the user by the old ones and have not been told yet that they do not any more: when
// it is their turn, nothing of this presence will be left to take back.
func (s *Server) takeBack(b *batch, a *account, raw []byte) {
	s.broadcast(b, a, toAll(raw))
	now := s.groups.Load() // after the broadcast, so that nobody is left out who was not in it for a change that began meanwhile
	was := now.was.Load()
	if was == nil {
		return
	}
	online := was.circle(a.user).sessions(s, was)
	for _, list := range [...][]*session{online.full, online.plain} {
		for _, to := range list {
			told := to.account == a || now.sees(to.account.user, a.user) && !now.hidden(a, raw, to)
			if !told && !was.hidden(a, raw, to) {
				b.push(to, raw)
			}
		}
	}
}

// news leaves out what the viewers of a presence have been told before. While a change of roles is being pushed that is
// nothing: some were told it as by their old rights.
func (s *Server) news(is, was shown) shown {
	if s.groups.Load().was.Load() != nil {
		return is
	}
	return is.since(was)
}

// overlayOf returns what goes over the user's presence; called with presenceMu held.
func (s *Server) overlayOf(a *account) *overlay {
	if !a.overlay.loaded {
		a.overlay = makeOverlay(s.deps.Presences.Get(a.user))
		a.phone = s.phoneOf(a)
	}
	return &a.overlay
}

// phoneOf returns the presence of the user's telephones, nothing if there are none.
func (s *Server) phoneOf(a *account) shown {
	if !hasPhone(s.groups.Load().dir, a.user) {
		return shown{}
	}
	return a.overlay.phonePresence(a.bare)
}

// hasDetails reports whether a user's presence is not the same for all viewers.
func (s *Server) hasDetails(a *account) bool {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	return s.overlayOf(a).detailed()
}

// welcome tells a client that has just become available all that it is to know (RFC 6121 §4.2.2, §4.3).
func (s *Server) welcome(b *batch, c *session) {
	a := c.account
	s.tellPresence(b, a, c, c)
	g := s.groups.Load()
	g.contacts(a.user, func(of contact) {
		if of.team != 0 {
			s.tellTeam(b, g, of, c)
		} else if other := s.accountByID(of.user); other != nil {
			s.tellPresence(b, other, c, nil)
		}
		s.reconsider(b, g, of, c)
		b.pace(c)
	})
	for _, bare := range s.subscribedTos(a) {
		other := s.accountByLogin(s.loginOf(bare))
		if other != nil && !g.sees(a.user, other.user) && s.subscribedTo(other, a) {
			s.tellPresence(b, other, c, nil)
			b.pace(c)
		}
	}
	s.askAbroad(b, c)
	s.tellRequests(b, c)
}

// reconsider takes back what a client was told of a contact if a change of roles has taken the contact away meanwhile: that may
// have been pushed to the client already.
func (s *Server) reconsider(b *batch, g *groups, of contact, c *session) {
	now := s.groups.Load()
	if now == g {
		return
	}
	if _, has := now.itemOf(c.account.user, of); !has && of.user != c.account.user {
		s.retractContact(b, c.account, computedItem{contact: of})
	}
}

// tellPresence sends what is known of a user to one client, except of the resource except, and reports
// whether that was anything.
func (s *Server) tellPresence(b *batch, of *account, to, except *session) (known bool) {
	of.presenceMu.Lock()
	defer of.presenceMu.Unlock()
	full := !s.overlayOf(of).detailed() || s.groups.Load().details(to.account.user, of.user)
	for _, c := range of.bound() {
		if raw := c.composed.to(full); c != except && c.available.Load() && !s.hidden(of, raw, to) {
			b.push(to, raw)
			known = true
		}
	}
	if raw := of.phone.to(full); raw != nil && !s.hidden(of, raw, to) {
		b.push(to, raw)
		known = true
	}
	return known
}

// retractPresence tells a client that a user it may no longer see is gone.
func (s *Server) retractPresence(b *batch, of *account, to *session) {
	of.presenceMu.Lock()
	defer of.presenceMu.Unlock()
	for _, c := range of.bound() {
		if c.available.Load() {
			b.push(to, unavailableFrom(c.jid))
		}
	}
	if of.phone.full != nil {
		b.push(to, unavailableFrom(of.bare+"/"+phoneResource))
	}
}

func unavailableFrom(full string) []byte {
	return newElement("presence").attr("type", "unavailable").attr("from", full).close("presence").bytes()
}

// maxDirected bounds the addresses that a client may send directed presence to.
const maxDirected = 1000

// directedPresence passes presence to one address, and remembers it so that it can be taken back
// (RFC 6121 §4.6).
func (r *request) directedPresence(available bool) error {
	dest, err := r.server.resolve(r.head.To)
	if err != nil {
		return err
	}
	unwanted, err := r.screenPresence(dest)
	if err != nil || unwanted || dest.owner() == nil {
		return err // RFC 6121 §8.5.1: presence to nobody is dropped
	}
	if available && r.pretends() {
		return errForbidden
	}
	to := string(r.head.To)
	switch {
	case !available:
		delete(r.from.directed, to)
	case len(r.from.directed) >= maxDirected:
		return errNotAcceptable
	case r.from.directed == nil:
		r.from.directed = map[string]struct{}{to: {}}
	default:
		r.from.directed[to] = struct{}{}
	}
	raw := scan.AppendStamped(nil, r.raw, &r.head, r.from.jidBytes, nil)
	if available {
		raw = r.server.addPhoto(r.from.account, raw)
	}
	r.server.presenceTo(r.batch, dest, raw)
	return nil
}

// pretends reports whether a client's presence says what only the server may say, of the profile and the telephone.
func (r *request) pretends() bool {
	if !bytes.Contains(r.raw, []byte(nsPresence)) && !bytes.Contains(r.raw, []byte("&#")) {
		return false
	}
	n, err := scan.Parse(r.raw)
	return err == nil && slices.ContainsFunc(n.Nodes, func(c *scan.Node) bool { return c.NS == nsPresence })
}

// presenceTo delivers presence to a resource, or to all available resources of a user (RFC 6121 §8.5.2.1.2).
func (s *Server) presenceTo(b *batch, dest destination, raw []byte) {
	if dest.resource || dest.abroad != nil {
		if to := cmp.Or(dest.session, dest.abroad); to != nil {
			b.push(to, raw)
		}
		return
	}
	for _, c := range dest.account.bound() {
		if c.available.Load() {
			b.push(c, raw)
		}
	}
}

// presenceError passes presence of type error to whom it answers.
func (r *request) presenceError() error {
	dest, err := r.server.resolve(r.head.To)
	if to := cmp.Or(dest.session, dest.abroad); err == nil && to != nil && r.screen(dest) == nil {
		r.forward(to)
	}
	return nil
}

// probe answers a client that asks for somebody's presence (RFC 6121 §4.3.2). Who may not know hears
// nothing, as if the user did not exist.
func (r *request) probe() error {
	r.batch.mayWait() // for rosters
	dest, err := r.server.resolve(r.head.To)
	if err != nil {
		return nil //nolint:nilerr // as if the user did not exist
	}
	switch a := r.from.account; {
	case dest.abroad != nil && hasTo(r.server.subscriptionTo(a, dest.bare)):
		// The answer goes to all clients of the user: servers ask, not clients (RFC 6121 §4.3.1).
		r.batch.push(dest.abroad, newElement("presence").attr("type", "probe").attr("from", a.bare).close("presence").bytes())
	case dest.account != nil && r.server.sees(a, dest.account):
		r.server.tellPresence(r.batch, dest.account, r.from, nil)
		if !r.server.sees(a, dest.account) { // any more
			r.server.retractPresence(r.batch, dest.account, r.from)
		}
	case dest.account == nil:
		if team, ok := r.server.teamAt(dest, a); ok {
			r.server.tellTeam(r.batch, r.server.groups.Load(), team, r.from)
		}
	}
	return nil
}

// changeOverlay lays a new overlay over a user's presence and tells those who see the user, if they see
// a difference.
func (s *Server) changeOverlay(b *batch, a *account, o overlay) {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	if a.overlay.loaded && o.version < a.overlay.version {
		return
	}
	if a.overlay.full.floor.Show == uc.ShowDND && o.full.floor.Show != uc.ShowDND {
		a.echo = time.Now().Add(echoTime)
	}
	o.photo = a.overlay.photo
	same := a.overlay.same(o)
	a.overlay = o
	if same {
		return
	}
	s.recompose(b, a)
	s.changePhone(b, a)
}

// recompose tells those who see a user what has changed in the presence of the user's clients; called
// with presenceMu held.
func (s *Server) recompose(b *batch, a *account) {
	for _, c := range a.bound() {
		if !c.available.Load() {
			continue
		}
		was := c.composed
		c.composed = a.overlay.compose(&c.presence)
		s.broadcast(b, a, s.news(c.composed, was))
	}
}

// refreshPhone tells those who see a user that the user has got or lost a telephone.
func (s *Server) refreshPhone(b *batch, a *account) {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	s.overlayOf(a)
	s.changePhone(b, a)
}

func (s *Server) changePhone(b *batch, a *account) {
	was := a.phone
	a.phone = s.phoneOf(a)
	switch {
	case a.phone.full != nil:
		s.broadcast(b, a, s.news(a.phone, was))
	case was.full != nil:
		s.takeBack(b, a, unavailableFrom(a.bare+"/"+phoneResource))
	}
}
