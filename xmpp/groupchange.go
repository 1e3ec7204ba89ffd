package xmpp

import (
	"cmp"
	"slices"
	"strconv"

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
	looked := uint64(0)
	for _, viewer := range s.router.allAccounts() {
		if s.accountOnline(after, viewer.user) != viewer {
			continue
		}
		v := s.view(before, after, viewer)
		k := m.kindOf(v)
		for i := range k.pairs {
			if p := &k.pairs[i]; p.contact.user != viewer.user {
				s.changePair(b, v, p, &m.pushing)
			}
			if i%256 == 255 {
				b.flush() // the client reads while the rest is made
			}
		}
		if k.first != viewer.user {
			if p, differs := m.pair(v, contact{user: k.first}); differs {
				s.changePair(b, v, &p, &m.pushing)
			}
		}
		s.changeSubscribed(b, v)
		b.flush()
		if m.pushing.count-looked >= s.pauses.pushes {
			looked = m.pushing.count
			s.pauses.look()
		}
	}
}

// pushesAtOnce is after how many pushes the follower looks what else has happened; they take a few milliseconds.
const pushesAtOnce = 4096

// pauses says when the follower interrupts a long change, and for what. Tests have others.
type pauses struct {
	pushes uint64
	look   func()
}

// moves are the contacts that a change touches.
type moves struct {
	before, after *groups
	is            map[contact]bool
	of            map[*group][]contact // by group: those in it

	kinds   map[string]*kind
	kept    int // pairs in kinds
	pushing pushing
}

// kind is what a change means to all viewers who are in the same groups, have the same rights, and had before. In a role of
// thousands they are of one kind, so that each of them costs little more than the bytes that are sent.
type kind struct {
	first uc.UserID // the viewer for whom the pairs were made, of whom there is none among them
	pairs []pair
}

// maxPairs bounds what is remembered of kinds, so that a company where no two are alike does not take up memory.
const maxPairs = 1 << 16

// pair is a viewer and a contact that a change touches.
type pair struct {
	contact  contact // without address and name
	was, is  computedItem
	had, has bool
	same     bool   // the contact was and is there, by the same address
	silent   bool   // and looks the same in the roster
	inDetail bool   // whether details are shown is not what it was
	bare     string // if there is an item
	item     []byte // of a push, for those who have added nothing of their own; nil if it must be looked up
}

func newMoves(before, after *groups, list []contact) *moves {
	m := &moves{before: before, after: after, is: make(map[contact]bool, len(list)), of: make(map[*group][]contact), kinds: make(map[string]*kind), pushing: newPushing()}
	for _, c := range list {
		m.is[c] = true
	}
	return m
}

// kindOf returns what the change means to a viewer.
func (m *moves) kindOf(v view) *kind {
	id := v.viewer.user
	key := m.after.appendKind(m.before.appendKind(nil, id), id)
	if m.is[contact{user: id}] {
		key = append(key, '!')
	}
	if known := m.kinds[string(key)]; known != nil {
		return known
	}
	k := &kind{first: id}
	for _, c := range m.seenBy(id) {
		if p, differs := m.pair(v, c); differs {
			k.pairs = append(k.pairs, p)
		}
	}
	if m.kept += len(k.pairs); m.kept > maxPairs {
		clear(m.kinds)
		m.kept = len(k.pairs)
	}
	m.kinds[string(key)] = k
	return k
}

// appendKind appends what decides which contacts a user has by roles, and what the user sees of them.
func (g *groups) appendKind(key []byte, id uc.UserID) []byte {
	for _, of := range g.ofUser(id) {
		key = strconv.AppendInt(append(key, ' '), int64(of.role.ID), 36)
	}
	for _, post := range g.supervision.posts {
		if post.has(id) {
			key = strconv.AppendInt(append(key, " s"...), int64(post.role.ID), 36)
		}
	}
	if g.informed(id) {
		key = append(key, " i"...)
	}
	return append(key, '|')
}

// pair says what the change means for a contact in a viewer's roster; differs is false if it means nothing.
func (m *moves) pair(v view, c contact) (p pair, differs bool) {
	p.contact = c
	p.was, p.had = m.before.itemOf(v.viewer.user, c)
	p.is, p.has = m.after.itemOf(v.viewer.user, c)
	p.inDetail = (v.wasInformed || p.was.supervised) != (v.isInformed || p.is.supervised)
	if p.had == p.has && p.was.equal(p.is) && !p.inDetail {
		return p, false
	}
	p.same = p.had && p.has && p.was.bare == p.is.bare
	p.silent = p.same && mergedItem(nil, &p.was).equal(mergedItem(nil, &p.is))
	p.bare = cmp.Or(p.is.bare, p.was.bare)
	found, exists := m.after.find(p.bare) // a user may have a team's address
	if exists == (p.is.bare != "") && found == p.is.contact && (p.was.bare == "" || p.was.bare == p.bare) {
		item := rosterItem{jid: p.bare, subscription: "remove"}
		if p.has {
			item = mergedItem(nil, &p.is)
		}
		var e element
		appendItem(&e, item)
		p.item = e.b
	}
	return p, true
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
func (s *Server) changePair(b *batch, v view, p *pair, pushing *pushing) {
	s.pushPair(b, v.viewer, p, pushing)
	if p.same && !p.inDetail && p.was.supervised == p.is.supervised {
		return // who sees whom is what it was
	}
	saw, sees := p.had && s.shows(v.viewer, p.was), p.has && s.shows(v.viewer, p.is)
	if saw && (!sees || !p.same) {
		s.retractContact(b, v.viewer, p.was)
	}
	switch {
	case sees && (!saw || !p.same):
		s.tellContact(b, v.after, v.viewer, p.is)
	case sees && p.inDetail:
		s.retell(b, v.viewer, p.is.contact)
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
func (s *Server) pushPair(b *batch, viewer *account, p *pair, pushing *pushing) {
	viewer.rosterMu.Lock()
	defer viewer.rosterMu.Unlock()
	own := s.rosterOrNone(viewer)[p.bare]
	switch {
	case own == nil && p.silent:
	case own == nil && p.item != nil:
		s.pushItem(b, viewer, p.item, pushing)
	case p.same && mergedItem(own, &p.was).equal(mergedItem(own, &p.is)):
	default:
		if p.was.bare != "" && p.was.bare != p.is.bare {
			s.push(b, viewer, p.was.bare)
		}
		if p.is.bare != "" {
			s.push(b, viewer, p.is.bare)
		}
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
	switch {
	case a == nil:
		return
	case s.subscribedTo(a, viewer) && !a.blocked.Load().blocks(viewer.bare, ""):
		s.retell(b, viewer, c.contact) // a supervisor was shown more
		return
	}
	for _, to := range viewer.bound() {
		if to.available.Load() {
			s.retractPresence(b, a, to)
		}
	}
}
