package xmpp

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// midway is a company in which clients come, go and say something while a change of roles is being pushed.
type midway struct {
	*quiet
	t       *rapid.T
	ids     []uc.UserID
	clients map[string]*believer // by full address
	states  []rosterState
	version uint64
	serial  int
}

// believer is a client that believes what it is told.
type believer struct {
	session *session
	roster  map[string]string // items by address
	version string            // of the roster
	online  map[string]string // presence by full address; nil while the client is not available itself
}

// rosterState is what a client held after one of the stanzas that it was sent: what it comes back with if that was the last
// one to reach it.
type rosterState struct {
	user    uc.UserID
	version string
	roster  map[string]string
}

// midwaySeed puts accounts into the same order in each try, so that a failure can be made smaller.
var midwaySeed = maphash.MakeSeed()

// TestMidway does at random what clients and the rest of the product may do between the pushes of a change of roles. In the end
// every client must believe of others' presence what one believes that has just come, and whenever a client comes back with the
// version of the last stanza that reached it, whichever that was, it must have the whole roster.
func TestMidway(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		m := newMidway(outer, t)
		defer m.close()
		m.agree("at first")
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			m.server.pauses = pauses{1, m.something}
			m.change(m.anyChange())
			m.server.pauses = pauses{pushesAtOnce, m.server.meanwhile}
			m.agree("after a change")
		}
	})
}

func newMidway(outer *testing.T, t *rapid.T) *midway {
	var tables uc.Tables
	ids := []uc.UserID{1, 2, 3, 4}
	for _, id := range ids {
		tables.Users = append(tables.Users, uc.User{ID: id, Login: fmt.Sprintf("u%d", id), Name: fmt.Sprintf("User %d", id), Auth: uc.AuthLocal})
	}
	tables.Teams = []uc.Team{{ID: 1, Name: "Team", Ext: "40"}}
	tables.Devices = []uc.Device{{ID: 1, Name: "Desk", Kind: uc.DeviceDesk}}
	for id := range uc.RoleID(2) {
		r := uc.Role{ID: id + 1, Title: fmt.Sprintf("Role %d", id+1)}
		draw(t, &r, ids)
		tables.Roles = append(tables.Roles, r)
	}
	m := &midway{quiet: &quiet{newWorld(outer, uc.NewDirectory(1, tables))}, t: t, ids: ids, clients: map[string]*believer{}}
	m.server.router.seed = midwaySeed
	for _, a := range ids {
		for _, b := range ids {
			if a < b && rapid.IntRange(0, 2).Draw(t, "subscribed") == 0 {
				m.subscribed(a, b, subFrom)
				m.subscribed(b, a, subTo)
			}
		}
	}
	for _, id := range ids {
		m.come(id, "m", "")
	}
	return m
}

func (m *midway) subscribed(owner, contact uc.UserID, kind string) {
	it := uc.RosterItem{User: owner, JID: m.bare(contact), Subscription: kind}
	if err := m.store.PutRosterItem(m.t.Context(), it); err != nil {
		m.t.Fatal(err)
	}
}

func (m *midway) bare(id uc.UserID) string { return fmt.Sprintf("u%d@%s", id, testDomain) }

// draw gives a role types and members.
func draw(t *rapid.T, r *uc.Role, ids []uc.UserID) {
	r.Types, r.Supervises = nil, nil
	if rapid.IntRange(0, 3).Draw(t, "group") > 0 {
		r.Types = append(r.Types, uc.TypeXMPPGroup)
	}
	if rapid.IntRange(0, 2).Draw(t, "supervisor") == 0 {
		r.Types = append(r.Types, uc.TypeSupervisor)
		r.Supervises = rapid.SliceOfDistinct(rapid.SampledFrom([]uc.RoleID{1, 2}), rapid.ID[uc.RoleID]).Draw(t, "supervises")
	}
	if rapid.IntRange(0, 2).Draw(t, "details") == 0 {
		r.Types = append(r.Types, uc.TypePresenceDetails)
	}
	r.Title = rapid.SampledFrom([]string{r.Title, supervisedTitle}).Draw(t, "title")
	r.Users = rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[uc.UserID]).Draw(t, "users")
	r.AutoTeams = rapid.Bool().Draw(t, "teams")
}

// anyChange is a change of the directory.
func (m *midway) anyChange() (c uc.ChangeSet) {
	d := m.dir.Load()
	for range rapid.IntRange(1, 2).Draw(m.t, "rows") {
		switch rapid.IntRange(0, 3).Draw(m.t, "row") {
		case 0, 1:
			r := *d.Roles.Get(rapid.SampledFrom([]uc.RoleID{1, 2}).Draw(m.t, "role"))
			draw(m.t, &r, m.ids)
			c.Put.Roles = append(c.Put.Roles, r)
		case 2:
			u := *d.Users.Get(m.anybody())
			u.Name = rapid.SampledFrom([]string{"Jo", "Al"}).Draw(m.t, "name")
			c.Put.Users = append(c.Put.Users, u)
		case 3:
			if d.Assignments.Get(1) != nil {
				c.Delete = []uc.Ref{{Kind: uc.KindAssignment, ID: 1}}
			} else {
				c.Put.Assignments = []uc.Assignment{{ID: 1, Device: 1, User: m.anybody(), Internal: uc.DefaultRing}}
			}
		}
	}
	return c
}

func (m *midway) anybody() uc.UserID { return rapid.SampledFrom(m.ids).Draw(m.t, "user") }

// something happens, or nothing.
func (m *midway) something() {
	id, other := m.anybody(), m.anybody()
	resource := rapid.SampledFrom([]string{"m", "n"}).Draw(m.t, "resource")
	c := m.clients[m.bare(id)+"/"+resource]
	m.serial++
	what := rapid.IntRange(0, 11).Draw(m.t, "what")
	switch {
	case what <= 2:
		m.version++
		p := uc.Presence{User: id, Version: m.version, Confidential: rapid.Bool().Draw(m.t, "confidential")}
		p.Phone = rapid.SampledFrom([]uc.PhoneState{uc.PhoneFree, uc.PhoneUnreachable}).Draw(m.t, "phone")
		p.Floor.StatusText = rapid.SampledFrom([]string{"In a meeting", "Busy", ""}).Draw(m.t, "text")
		m.mu.Lock()
		m.presences[id] = p
		m.mu.Unlock()
		m.server.onEvent(uc.PresenceChanged{Presence: p})
	case what == 3:
		if len(m.server.accountByID(id).bound()) < 5 {
			m.come(id, fmt.Sprintf("c%d", m.serial), "")
		}
	case c == nil:
		m.come(id, resource, "")
	case what == 4:
		m.server.leave(c.session)
		delete(m.clients, c.session.jid)
	case what == 5:
		m.say(c, "<presence type='unavailable'/>")
		c.online = nil
	case what == 6:
		m.say(c, fmt.Sprintf("<presence><status>%d</status></presence>", m.serial))
	case what == 7:
		m.say(c, fmt.Sprintf("<iq type='set' id='r%d'><query xmlns='jabber:iq:roster'><item jid='%s' name='%s'/></query></iq>", m.serial, m.bare(other),
			rapid.SampledFrom([]string{"My Own", ""}).Draw(m.t, "own")))
	case what == 8:
		m.say(c, fmt.Sprintf("<iq type='set' id='b%d'><%s xmlns='%s'><item jid='%s'/></%[2]s></iq>", m.serial,
			rapid.SampledFrom([]string{"block", "unblock"}).Draw(m.t, "command"), nsBlocking, m.bare(other)))
	case what == 9:
		m.say(c, fmt.Sprintf("<presence type='%s' to='%s'/>", rapid.SampledFrom([]string{"unsubscribe", "unsubscribed"}).Draw(m.t, "type"), m.bare(other)))
	default:
		m.listen()
		state := rapid.SampledFrom(m.states).Draw(m.t, "state")
		if len(m.server.accountByID(state.user).bound()) < 5 {
			m.comeBack(state, fmt.Sprintf("r%d", m.serial))
		}
	}
}

func (m *midway) say(c *believer, stanza string) {
	if c.online == nil && strings.HasPrefix(stanza, "<presence>") {
		c.listen(m) // what came before it was available again
		c.online = map[string]string{}
	}
	m.hear(m.t, c.session, stanza)
}

// come is a client that comes with the version of a roster that it has.
func (m *midway) come(id uc.UserID, resource, version string) *believer {
	login := m.dir.Load().Users.Get(id).Login
	if _, err := m.server.bindResource(id, login, resource); err != nil {
		m.t.Fatal(err)
	}
	c := &believer{session: m.server.accountByLogin(login).byResource(resource), roster: map[string]string{}, online: map[string]string{}}
	m.clients[c.session.jid] = c
	m.say(c, "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='"+version+"'/></iq>")
	m.say(c, "<presence/>")
	return c
}

// comeBack is come for a client that has lost its connection in the middle.
func (m *midway) comeBack(had rosterState, resource string) {
	c := m.come(had.user, resource, had.version)
	c.roster, c.version = maps.Clone(had.roster), had.version
	c.listen(m)
	if whole := m.whole(had.user); !maps.Equal(c.roster, whole) {
		m.t.Fatalf("user %d came back with %q and has\n%v, want\n%v", had.user, had.version, c.roster, whole)
	}
}

// whole is the roster of a client that had none.
func (m *midway) whole(id uc.UserID) map[string]string {
	c := m.come(id, "whole", "")
	c.listen(m)
	m.server.leave(c.session)
	delete(m.clients, c.session.jid)
	return c.roster
}

// listen lets all clients take what was sent to them.
func (m *midway) listen() {
	for _, c := range m.clients {
		c.listen(m)
	}
}

func (c *believer) listen(m *midway) {
	for _, stanza := range heard(m.t, c.session) {
		query := stanza.Child(nsRoster, "query")
		switch {
		case stanza.Name == "presence" && stanza.Attr("type") == "unavailable":
			delete(c.online, stanza.Attr("from"))
		case stanza.Name == "presence" && stanza.Attr("type") == "" && c.online != nil:
			var text []byte
			for _, n := range stanza.Nodes {
				text = n.AppendXML(text, scan.NSClient)
			}
			c.online[stanza.Attr("from")] = string(text)
		case query != nil:
			c.takeRoster(stanza, query)
			m.states = append(m.states, rosterState{c.session.account.user, c.version, maps.Clone(c.roster)})
		}
	}
}

func (c *believer) takeRoster(stanza, query *scan.Node) {
	c.version = query.Attr("ver")
	if stanza.Attr("type") == "result" {
		clear(c.roster)
	}
	for _, item := range query.Nodes {
		if item.Attr("subscription") == "remove" {
			delete(c.roster, item.Attr("jid"))
			continue
		}
		slices.SortFunc(item.Nodes, func(a, b *scan.Node) int { return strings.Compare(a.Text, b.Text) })
		c.roster[item.Attr("jid")] = string(item.AppendXML(nil, scan.NSClient))
	}
}

// agree compares all clients with others that have just come, and tries all states that a client could come back with.
func (m *midway) agree(when string) {
	m.listen()
	for _, id := range m.ids {
		fresh := m.come(id, "fresh", "")
		fresh.listen(m)
		m.listen()
		for _, c := range m.clients {
			if c.session.account.user != id {
				continue
			}
			if !maps.Equal(c.roster, fresh.roster) {
				m.t.Fatalf("%s: %s has the roster\n%v, want\n%v", when, c.session.jid, c.roster, fresh.roster)
			}
			if c.online != nil && !maps.Equal(c.online, fresh.online) {
				m.t.Fatalf("%s: %s sees\n%v, want\n%v", when, c.session.jid, c.online, fresh.online)
			}
		}
		a := m.server.accountByID(id)
		for _, state := range m.states {
			if state.user == id && state.version == m.server.rosterVersion(a, m.server.groups.Load()) && !maps.Equal(state.roster, fresh.roster) {
				m.t.Fatalf("%s: user %d would come back with %q and keep\n%v, want\n%v", when, id, state.version, state.roster, fresh.roster)
			}
		}
		m.server.leave(fresh.session)
		delete(m.clients, fresh.session.jid)
	}
	m.listen()
}

// TestWelcomeMidway takes a colleague away from a client that is just being told of its colleagues. What it is told
// too late must be taken back.
func TestWelcomeMidway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &quiet{newWorld(t, company1(3))}
		defer w.close()
		w.appear(t, 2)
		w.appear(t, 3)
		if _, err := w.server.bindResource(1, "u0", "m"); err != nil {
			t.Fatal(err)
		}
		c := w.server.accountByLogin("u0").byResource("m")
		w.server.cfg.QueueSoft = 1
		told := make(chan struct{})
		go func() {
			defer close(told)
			w.hear(t, c, "<presence/>")
		}()
		online := map[string]bool{}
		listen := func() {
			synctest.Wait() // it has been told of one and does not read
			for list := heard(t, c); len(list) > 0; list = heard(t, c) {
				for _, stanza := range list {
					online[stanza.Attr("from")] = stanza.Attr("type") == ""
				}
				c.catchUp()
			}
			c.queue.mu.Lock()
			defer c.queue.mu.Unlock()
			c.queue.tell()
		}
		listen()
		if len(online) != 2 || !online["u0@example.org/m"] {
			t.Fatalf("at first it sees %v", online)
		}
		r := *w.dir.Load().Roles.Get(1)
		r.AutoUsers, r.Users = false, []uc.UserID{2, 3}
		w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}})
		for range 3 {
			listen()
		}
		<-told
		for from, sees := range online {
			if sees != (from == "u0@example.org/m") {
				t.Errorf("it sees %v", online)
			}
		}
	})
}
