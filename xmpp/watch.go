package xmpp

// watchers calls f for every available session that is told of a user's presence: the user's own, those
// in a shared group with the user, those who supervise the user, and those who subscribed. full says that
// the viewer may know the details.
func (s *Server) watchers(a *account, f func(to *session, full bool)) {
	g := s.groups.Load()
	c := a.circle.Load()
	if c == nil || c.of != g.circles {
		c = g.circle(a.user)
		a.circle.Store(c)
	}
	alone := len(c.groups) == 0 // or else the user's own sessions are in the circle
	if alone {
		for _, own := range a.bound() {
			if own.available.Load() {
				f(own, true)
			}
		}
	}
	online := c.sessions(s, g)
	for _, to := range online.full {
		if !alone || to.account != a {
			f(to, true)
		}
	}
	for _, to := range online.plain {
		f(to, to.account == a)
	}
	online = s.subscribers(a)
	for _, to := range online.full {
		f(to, true)
	}
	for _, to := range online.plain {
		f(to, false)
	}
}

// subscribers lists the available sessions that see a user by subscription and not because of roles.
func (s *Server) subscribers(a *account) viewers {
	now := s.generation.Load() // read first: what changes while the list is made makes it anew
	g := s.groups.Load()
	if v := a.personal.Load(); v != nil && v.generation == now {
		return *v
	}
	v := &viewers{generation: now}
	for _, bare := range s.subscribedFrom(a) {
		other := s.router.account([]byte(bare))
		if s.loginOf(bare) == "" {
			other = s.contactAccount(bare) // at another domain
		}
		switch {
		case other == nil, other == a, g.sees(other.user, a.user):
		case g.informed(other.user):
			v.full = other.appendAvailable(v.full)
		default:
			v.plain = other.appendAvailable(v.plain)
		}
	}
	a.personal.Store(v)
	return *v
}

// subscribedFrom lists the contacts with a subscription to the user's presence.
func (s *Server) subscribedFrom(a *account) []string {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	var list []string
	for bare, item := range s.rosterOrNone(a) {
		if hasFrom(item.Subscription) {
			list = append(list, bare)
		}
	}
	return list
}

// sees reports whether a viewer is told of a user's presence.
func (s *Server) sees(viewer, target *account) bool {
	return viewer == target || s.groups.Load().sees(viewer.user, target.user) || s.subscribedTo(target, viewer)
}

// trusts reports whether somebody who sees a user's presence does so with the user's consent: by a shared
// group or a subscription. Supervisors see presence, not what the user publishes for friends.
func (s *Server) trusts(owner, who *account) bool {
	g := s.groups.Load()
	return !g.supervises(who.user, owner.user) || g.share(who.user, owner.user) || s.subscribedTo(owner, who)
}

// subscriptionTo returns the subscription of one of the user's own contacts, empty for others.
func (s *Server) subscriptionTo(a *account, bare string) string {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	if item := s.rosterOrNone(a)[bare]; item != nil {
		return item.Subscription
	}
	return ""
}

// subscribedTo reports whether the viewer has a subscription to the target's presence.
func (s *Server) subscribedTo(target, viewer *account) bool {
	return hasFrom(s.subscriptionTo(target, viewer.bare))
}
