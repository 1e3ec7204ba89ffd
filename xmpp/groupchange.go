package xmpp

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// changeGroups tells the clients that are online what a change of roles means for them: contacts come, go
// or are renamed in their rosters, and who now sees whom, and how much, is told presence at once. Only pairs
// that a changed user, team or role is part of are looked at.
func (s *Server) changeGroups(b *batch, before, after *groups, changes []uc.Ref) {
	m := newMoves(before, after, movedContacts(before, after, changes))
	if len(m.is) == 0 {
		return
	}
	for _, viewer := range s.router.allAccounts() {
		if s.accountOnline(after, viewer.user) != viewer {
			continue
		}
		v := s.view(before, after, viewer)
		for i, c := range m.seenBy(viewer.user) {
			s.changePair(b, v, c)
			if i%256 == 255 {
				b.flush() // the client reads while the rest is made
			}
		}
		s.changeSubscribed(b, v)
		b.flush()
	}
}

// moves are the contacts that a change touches.
type moves struct {
	before, after *groups
	is            map[contact]bool
	of            map[*group][]contact // by group: those in it
}

func newMoves(before, after *groups, list []contact) *moves {
	m := &moves{before: before, after: after, is: make(map[contact]bool, len(list)), of: make(map[*group][]contact)}
	for _, c := range list {
		m.is[c] = true
	}
	return m
}

// seenBy lists the contacts to look at for a viewer: those that were touched, or all if the viewer was.
func (m *moves) seenBy(viewer uc.UserID) []contact {
	list := m.in
	if m.is[contact{user: viewer}] {
		list = func(g *group) []contact { return slices.Concat(g.users, g.teams) }
	}
	seen := make(map[contact]bool)
	var all []contact
	for _, g := range []*groups{m.before, m.after} {
		for _, of := range g.circlesOf(viewer) {
			for _, c := range list(of) {
				if key := (contact{user: c.user, team: c.team}); !seen[key] && key.user != viewer {
					seen[key] = true
					all = append(all, key)
				}
			}
		}
	}
	return all
}

// in lists the touched contacts that are in a group.
func (m *moves) in(g *group) []contact {
	list, known := m.of[g]
	if !known {
		for _, c := range slices.Concat(g.users, g.teams) {
			if key := (contact{user: c.user, team: c.team}); m.is[key] {
				list = append(list, key)
			}
		}
		m.of[g] = list
	}
	return list
}

// movedContacts lists the users and teams whose groups, names or rights to see a change may have changed.
func movedContacts(before, after *groups, changes []uc.Ref) []contact {
	users, teams := make(map[uc.UserID]bool), make(map[uc.TeamID]bool)
	for _, ref := range changes {
		switch ref.Kind {
		case uc.KindUser:
			id := uc.UserID(ref.ID)
			was, is := before.dir.Users.Get(id), after.dir.Users.Get(id)
			users[id] = users[id] || was == nil || is == nil || was.Login != is.Login || was.Name != is.Name
		case uc.KindTeam:
			id := uc.TeamID(ref.ID)
			was, is := before.dir.Teams.Get(id), after.dir.Teams.Get(id)
			teams[id] = teams[id] || was == nil || is == nil || was.Ext != is.Ext || was.Name != is.Name
		case uc.KindRole:
			id := uc.RoleID(ref.ID)
			list := differing(before.byRole[id], after.byRole[id])
			if was, is := before.supervision.scopes[id], after.supervision.scopes[id]; was != nil && is != nil {
				list = append(list, differing(was, is)...)
			}
			for _, c := range append(list, newlyPrivileged(before, after, id)...) {
				if c.team != 0 {
					teams[c.team] = true
				} else {
					users[c.user] = true
				}
			}
		}
	}
	var list []contact
	for id, moved := range users {
		if moved {
			list = append(list, contact{user: id})
		}
	}
	for id, moved := range teams {
		if moved {
			list = append(list, contact{team: id})
		}
	}
	return list
}

// newlyPrivileged lists the users to whom a role gave, or gives now, another right to see others.
func newlyPrivileged(before, after *groups, id uc.RoleID) []contact {
	was, is := before.supervision.post(id), after.supervision.post(id)
	list := differing(was, is)
	if was != nil && is != nil && !slices.Equal(was.role.Supervises, is.role.Supervises) {
		list = slices.Concat(was.users, is.users)
	}
	had, has := before.informedBy(id), after.informedBy(id)
	for _, d := range [...][2][]uc.UserID{{had, has}, {has, had}} {
		for _, u := range d[0] {
			if _, both := slices.BinarySearch(d[1], u); !both {
				list = append(list, contact{user: u})
			}
		}
	}
	return list
}

// informedBy lists the users who may know details because of a role.
func (g *groups) informedBy(id uc.RoleID) []uc.UserID {
	if r := g.dir.Roles.Get(id); r != nil && slices.Contains(r.Types, uc.TypePresenceDetails) {
		return g.dir.RoleUsers(r)
	}
	return nil
}

// differing lists the members that only one of two versions of a group has; all, if its title changed.
func differing(before, after *group) []contact {
	var was, is []contact
	if before != nil {
		was = slices.Concat(before.users, before.teams)
	}
	if after != nil {
		is = slices.Concat(after.users, after.teams)
	}
	if before != nil && after != nil && before.role.Title != after.role.Title {
		return append(was, is...)
	}
	count := make(map[contact]int)
	for _, c := range was {
		count[c]++
	}
	for _, c := range is {
		count[c]--
	}
	var list []contact
	for c, n := range count {
		if n != 0 {
			list = append(list, c)
		}
	}
	return list
}

// accountOnline returns the account of a user who has sessions, or nil.
func (s *Server) accountOnline(g *groups, id uc.UserID) *account {
	u := g.dir.Users.Get(id)
	if u == nil {
		return nil
	}
	a := s.router.account([]byte(s.bareJID(u.Login)))
	if a == nil || len(a.bound()) == 0 {
		return nil
	}
	return a
}

// view is one viewer before and after a change of roles.
type view struct {
	before, after           *groups
	viewer                  *account
	wasInformed, isInformed bool
}

func (s *Server) view(before, after *groups, viewer *account) view {
	return view{before, after, viewer, before.informed(viewer.user), after.informed(viewer.user)}
}

// changePair brings one viewer's clients up to date about one contact.
func (s *Server) changePair(b *batch, v view, c contact) {
	was, had := v.before.itemOf(v.viewer.user, c)
	is, has := v.after.itemOf(v.viewer.user, c)
	inDetail := (v.wasInformed || was.supervised) != (v.isInformed || is.supervised)
	if had == has && was.equal(is) && !inDetail {
		return
	}
	same := had && has && was.bare == is.bare
	s.pushPair(b, v.viewer, was, is, same)
	saw, sees := had && s.shows(v.viewer, was), has && s.shows(v.viewer, is)
	if saw && (!sees || !same) {
		s.retractContact(b, v.viewer, was)
	}
	switch {
	case sees && (!saw || !same):
		s.tellContact(b, v.after, v.viewer, is)
	case sees && inDetail:
		s.retell(b, v.viewer, is.contact)
	}
}

// shows reports whether a contact's presence is shown to the viewer: it is not if the contact has blocked
// the viewer, unless the viewer supervises the contact.
func (s *Server) shows(viewer *account, c computedItem) bool {
	if c.user == 0 || c.supervised {
		return true
	}
	a := s.router.account([]byte(c.bare))
	return a == nil || !a.blocked.Load().blocks(viewer.bare, "")
}

// changeSubscribed tells a viewer who gained or lost the right to details what they see by subscription.
func (s *Server) changeSubscribed(b *batch, v view) {
	if v.wasInformed == v.isInformed {
		return
	}
	for _, bare := range s.subscribedTos(v.viewer) {
		other := s.accountByLogin(s.loginOf(bare))
		if other != nil && !v.after.sees(v.viewer.user, other.user) && s.subscribedTo(other, v.viewer) {
			s.retell(b, v.viewer, contact{user: other.user})
		}
	}
}

// retell sends a viewer's clients the presence of a contact anew, if it has details.
func (s *Server) retell(b *batch, viewer *account, c contact) {
	a := s.accountByID(c.user)
	if a == nil || !s.hasDetails(a) {
		return
	}
	for _, to := range viewer.bound() {
		if to.available.Load() {
			s.tellPresence(b, a, to, nil)
		}
	}
}

// pushPair pushes a contact of shared groups that has changed. What the user has added of their own may
// hide a change; then there is none for the clients.
func (s *Server) pushPair(b *batch, viewer *account, was, is computedItem, same bool) {
	viewer.rosterMu.Lock()
	defer viewer.rosterMu.Unlock()
	if own := s.rosterOrNone(viewer)[is.bare]; same && mergedItem(own, &was).equal(mergedItem(own, &is)) {
		return
	}
	if was.bare != "" && was.bare != is.bare {
		s.push(b, viewer, was.bare)
	}
	if is.bare != "" {
		s.push(b, viewer, is.bare)
	}
}

// itemOf is item for a contact of which only the identifier is known, and who may not exist.
func (g *groups) itemOf(viewer uc.UserID, c contact) (computedItem, bool) {
	switch {
	case c.team != 0 && g.dir.Teams.Get(c.team) != nil:
		return g.item(viewer, g.teamContact(c.team))
	case c.user != 0 && g.dir.Users.Get(c.user) != nil:
		return g.item(viewer, g.userContact(c.user))
	}
	return computedItem{}, false
}

// tellContact sends the presence of a contact who has come to a viewer's clients.
func (s *Server) tellContact(b *batch, g *groups, viewer *account, c computedItem) {
	for _, to := range viewer.bound() {
		if !to.available.Load() {
			continue
		}
		if c.team != 0 {
			s.tellTeam(b, g, c.contact, to)
		} else if a := s.accountByID(c.user); a != nil {
			s.tellPresence(b, a, to, nil)
			s.tellLastTo(b, a, to)
		}
	}
}

// retractContact takes the presence of a contact back who is no longer in a group with the viewer, and
// whom the viewer has not subscribed to.
func (s *Server) retractContact(b *batch, viewer *account, c computedItem) {
	if c.team != 0 {
		viewer.deliverAvailable(b, unavailableFrom(c.bare))
		return
	}
	a := s.router.account([]byte(c.bare))
	if a == nil || s.subscribedTo(a, viewer) && !a.blocked.Load().blocks(viewer.bare, "") {
		return
	}
	for _, to := range viewer.bound() {
		if to.available.Load() {
			s.retractPresence(b, a, to)
		}
	}
}
