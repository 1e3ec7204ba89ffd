package xmpp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rolecall/rolecall/internal/uc"
)

// groups are the shared groups of one directory snapshot: each role of type xmpp.group is one, and its
// members are in each other's contact list without asking. Whom a supervisor supervises is in the
// supervisor's list alone. They are computed and never stored.
type groups struct {
	dir     *uc.Directory
	domain  string
	byRole  map[uc.RoleID]*group
	circles *circles
	settled atomic.Bool            // what is new in them has been pushed
	was     atomic.Pointer[groups] // while it is being pushed: those before

	supervision supervision
}

// group is one shared group. It is immutable; what is computed of it is kept.
type group struct {
	role  *uc.Role
	users []contact // by ascending user
	teams []contact // by ascending team

	summing sync.Once
	sum     []byte // see digest
	kept    keptRoster
}

// contact is a member of a shared group: a user or a team.
type contact struct {
	user uc.UserID
	team uc.TeamID
	bare string
	name string
}

// computedItem is a contact as the shared groups make it for one user.
type computedItem struct {
	contact
	titles     []string // of the groups that the contact is in
	shared     bool     // both are in a shared group
	supervised bool     // the user supervises the contact
}

func (i computedItem) equal(o computedItem) bool {
	return i.contact == o.contact && i.shared == o.shared && i.supervised == o.supervised && slices.Equal(i.titles, o.titles)
}

func newGroups(dir *uc.Directory, domain string) *groups {
	g := &groups{dir: dir, domain: domain, circles: newCircles()}
	g.byRole, g.supervision = g.build(nil, nil), g.supervise(supervision{}, nil)
	g.settled.Store(true)
	return g
}

// update returns the groups of a later snapshot. changed is false if the groups are the same as before.
func (g *groups) update(dir *uc.Directory, changes []uc.Ref) (next *groups, changed bool) {
	next = &groups{dir: dir, domain: g.domain, byRole: g.byRole, circles: g.circles, supervision: g.supervision}
	touched := make(map[uc.Ref]bool)
	for _, ref := range changes {
		switch ref.Kind {
		case uc.KindUser, uc.KindTeam, uc.KindRole:
			touched[ref] = true
		}
	}
	if len(touched) == 0 {
		return next, false
	}
	next.byRole, next.supervision = next.build(g.byRole, touched), next.supervise(g.supervision, touched)
	next.circles = newCircles()
	return next, true
}

// build makes all groups; contacts that were not touched are taken from the old ones.
func (g *groups) build(old map[uc.RoleID]*group, touched map[uc.Ref]bool) map[uc.RoleID]*group {
	built := make(map[uc.RoleID]*group)
	for id, role := range g.dir.Roles.All() {
		if !slices.Contains(role.Types, uc.TypeXMPPGroup) {
			continue
		}
		before := old[id]
		if before == nil {
			before = &group{}
		}
		built[id] = &group{
			role:  role,
			users: g.usersOf(role, before, touched),
			teams: members(g.dir.RoleTeams(role), before.teams, touched, uc.KindTeam,
				func(c contact) uc.TeamID { return c.team }, g.teamContact),
		}
	}
	return built
}

// usersOf lists the users of a role; contacts that were not touched are taken from the old group, if any.
func (g *groups) usersOf(role *uc.Role, old *group, touched map[uc.Ref]bool) []contact {
	if old == nil {
		old = &group{}
	}
	return members(g.dir.RoleUsers(role), old.users, touched, uc.KindUser, func(c contact) uc.UserID { return c.user }, g.userContact)
}

// members lists the contacts of the identifiers, both in ascending order.
func members[K ~int64](ids []K, old []contact, touched map[uc.Ref]bool, kind uc.Kind, key func(contact) K, fresh func(K) contact) []contact {
	list := make([]contact, 0, len(ids))
	for _, id := range ids {
		for len(old) > 0 && key(old[0]) < id {
			old = old[1:]
		}
		if len(old) > 0 && key(old[0]) == id && !touched[uc.Ref{Kind: kind, ID: int64(id)}] {
			list = append(list, old[0])
			continue
		}
		list = append(list, fresh(id))
	}
	return list
}

func (g *groups) userContact(id uc.UserID) contact {
	u := g.dir.Users.Get(id)
	return contact{user: id, bare: u.Login + "@" + g.domain, name: cmp.Or(u.Name, u.Login)}
}

// teamContact is a team at the address of its extension. One without has that of its number with a zero before it, as no
// extension begins.
func (g *groups) teamContact(id uc.TeamID) contact {
	t := g.dir.Teams.Get(id)
	local := cmp.Or(t.Ext, "0"+strconv.FormatInt(int64(id), 10))
	return contact{team: id, bare: uc.TeamPrefix + local + "@" + g.domain, name: t.Name}
}

// find returns the user or team that a canonical bare address belongs to.
func (g *groups) find(bare string) (contact, bool) {
	local, domain, ok := strings.Cut(bare, "@")
	if !ok || domain != g.domain {
		return contact{}, false
	}
	if u := g.dir.UserByLogin(local); u != nil {
		return g.userContact(u.ID), true
	}
	name, ok := strings.CutPrefix(local, uc.TeamPrefix)
	if !ok {
		return contact{}, false
	}
	if t, ok := g.dir.ByExt(name); ok && t.Team != 0 {
		return g.teamContact(t.Team), true
	}
	if number, ok := strings.CutPrefix(name, "0"); ok {
		id, err := strconv.ParseInt(number, 10, 64)
		if t := g.dir.Teams.Get(uc.TeamID(id)); err == nil && t != nil && g.teamContact(t.ID).bare == bare {
			return g.teamContact(t.ID), true
		}
	}
	return contact{}, false
}

// ofUser lists the shared groups that a user is in, by ascending role.
func (g *groups) ofUser(id uc.UserID) []*group {
	if g.dir.Users.Get(id) == nil {
		return nil
	}
	return g.ofRoles(g.dir.UserRoles(id))
}

func (g *groups) ofContact(c contact) []*group {
	if c.team != 0 {
		return g.ofRoles(g.dir.TeamRoles(c.team))
	}
	return g.ofUser(c.user)
}

func (g *groups) ofRoles(roles []*uc.Role) []*group {
	var list []*group
	for _, r := range roles {
		if own := g.byRole[r.ID]; own != nil {
			list = append(list, own)
		}
	}
	return list
}

func (g *group) has(id uc.UserID) bool {
	_, found := slices.BinarySearchFunc(g.users, id, func(c contact, id uc.UserID) int { return cmp.Compare(c.user, id) })
	return found
}

// share reports whether two users are in one shared group.
func (g *groups) share(a, b uc.UserID) bool {
	return slices.ContainsFunc(g.ofUser(a), func(of *group) bool { return of.has(b) })
}

// sees reports whether a user is told of another's presence because of roles.
func (g *groups) sees(viewer, target uc.UserID) bool {
	return g.share(viewer, target) || g.supervises(viewer, target)
}

// saw reports whether a user sees another by roles, or did by those that are being taken away.
func (g *groups) saw(viewer, target uc.UserID) bool {
	was := g.was.Load()
	return g.sees(viewer, target) || was != nil && was.sees(viewer, target)
}

// item returns what shared groups and supervision make of a contact in a user's roster.
func (g *groups) item(viewer uc.UserID, c contact) (computedItem, bool) {
	if c.user == viewer {
		return computedItem{}, false
	}
	item := computedItem{contact: c, supervised: c.user != 0 && g.supervises(viewer, c.user)}
	for _, of := range g.ofContact(c) {
		if of.has(viewer) {
			item.shared = true
			item.titles = append(item.titles, of.role.Title)
		}
	}
	if item.supervised && !slices.Contains(item.titles, supervisedTitle) {
		item.titles = append(item.titles, supervisedTitle)
	}
	return item, item.shared || item.supervised
}

// circlesOf lists the sets of people in a user's roster: the shared groups and whom the user supervises.
func (g *groups) circlesOf(id uc.UserID) []*group {
	return append(g.ofUser(id), g.supervisedBy(id)...)
}

// contacts calls f once for each contact of a user, the user excluded.
func (g *groups) contacts(id uc.UserID, f func(contact)) {
	own := g.circlesOf(id)
	seen := make(map[string]bool)
	for _, of := range own {
		for _, list := range [...][]contact{of.users, of.teams} {
			for _, c := range list {
				if c.user == id || len(own) > 1 && seen[c.bare] {
					continue
				}
				if len(own) > 1 {
					seen[c.bare] = true
				}
				f(c)
			}
		}
	}
}

// circles are the sets of people who see the same users by roles. Users who are in the same groups and
// have the same supervisors have the same circle, so that a company of thousands keeps a few lists and not
// one for each user.
type circles struct {
	mu     sync.Mutex
	byRole map[string]*circle // by the roles of its groups and posts
}

func newCircles() *circles { return &circles{byRole: make(map[string]*circle)} }

// circle is everyone in a set of groups and posts, with the sessions of those who are online.
type circle struct {
	of     *circles
	groups []*group
	posts  []*group // of those who supervise

	mu     sync.Mutex // held to look up the sessions anew
	online viewers
}

// viewers are the available sessions that see somebody, as of one generation of the server's availability.
type viewers struct {
	generation uint64
	plain      []*session // see that somebody is busy
	full       []*session // see why
}

func (g *groups) circle(id uc.UserID) *circle {
	own, posts := g.ofUser(id), g.postsOver(id)
	var key strings.Builder
	for _, of := range own {
		key.WriteString(strconv.FormatInt(int64(of.role.ID), 36))
		key.WriteByte(' ')
	}
	for _, of := range posts {
		key.WriteByte('s')
		key.WriteString(strconv.FormatInt(int64(of.role.ID), 36))
		key.WriteByte(' ')
	}
	c := g.circles
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.byRole[key.String()]; known != nil {
		return known
	}
	made := &circle{of: c, groups: own, posts: posts}
	c.byRole[key.String()] = made
	return made
}

// sessions lists the available sessions of everyone in the circle.
func (c *circle) sessions(s *Server, g *groups) viewers {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := s.generation.Load() // read first: what changes while the list is made makes it anew
	if c.online.generation != now {
		c.online = c.lookUp(s, g)
		c.online.generation = now
	}
	return c.online
}

func (c *circle) lookUp(s *Server, roles *groups) (v viewers) {
	seen := make(map[uc.UserID]bool)
	several := len(c.groups)+len(c.posts) > 1
	gather := func(g *group, supervisors bool) {
		for i := range g.users {
			a := s.router.account([]byte(g.users[i].bare))
			if a == nil || len(a.bound()) == 0 || seen[a.user] {
				continue
			}
			if several {
				seen[a.user] = true
			}
			if supervisors || roles.informed(a.user) {
				v.full = a.appendAvailable(v.full)
			} else {
				v.plain = a.appendAvailable(v.plain)
			}
		}
	}
	for _, p := range c.posts {
		gather(p, true) // first, so that supervisors have the details whatever groups they are in
	}
	for _, g := range c.groups {
		gather(g, false)
	}
	return v
}

func (a *account) appendAvailable(list []*session) []*session {
	for _, s := range a.bound() {
		if s.available.Load() {
			list = append(list, s)
		}
	}
	return list
}
