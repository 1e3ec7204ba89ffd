package xmpp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// mirror is a client that believes what it is told: its roster and whom it sees online.
type mirror struct {
	session *session
	roster  map[string]string // address → name and groups
	online  map[string]string // full addresses → why the user is busy, as far as told
}

// failer is a test, or a try of a property.
type failer interface{ Fatal(...any) }

// listen takes what was queued for the client since the last time.
func (m *mirror) listen(t failer) {
	for _, stanza := range heard(t, m.session) {
		m.take(stanza)
	}
}

// heard takes what was queued for a client since the last time.
func heard(t failer, c *session) []*scan.Node {
	q := &c.queue
	q.mu.Lock()
	queued := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	var list []*scan.Node
	for len(queued) > 0 {
		_, raw, n, err := scan.New(unlimited).Next(queued)
		if err != nil {
			t.Fatal(err)
		}
		stanza, err := scan.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, stanza)
		queued = queued[n:]
	}
	return list
}

func (m *mirror) take(stanza *scan.Node) {
	if stanza.Name == "presence" {
		if stanza.Attr("type") == "unavailable" {
			delete(m.online, stanza.Attr("from"))
		} else {
			m.online[stanza.Attr("from")] = stanza.ChildText(scan.NSClient, "status")
		}
		return
	}
	for _, item := range stanza.Child(nsRoster, "query").Nodes {
		if item.Attr("subscription") == "remove" {
			delete(m.roster, item.Attr("jid"))
			continue
		}
		var titles []string
		for _, g := range item.Nodes {
			titles = append(titles, g.Text)
		}
		slices.Sort(titles)
		m.roster[item.Attr("jid")] = item.Attr("name") + " " + strings.Join(titles, ",")
	}
}

// expected computes from the directory alone what a client must believe. Everybody is in a meeting.
func expected(d *uc.Directory, user uc.UserID, online []uc.UserID) (roster map[string]string, seen map[string]string) {
	groups := map[string][]string{}
	seen = map[string]string{}
	see := func(other uc.UserID) {
		if slices.Contains(online, other) {
			status := "Busy"
			if other == user || d.HasType(user, uc.TypePresenceDetails) || d.MaySupervise(user, other) {
				status = "In a meeting"
			}
			seen[d.Users.Get(other).Login+"@"+testDomain+"/m"] = status
		}
	}
	add := func(address, title string) { groups[address] = append(groups[address], title) }
	names := map[string]string{}
	for _, r := range d.Roles.All() {
		if !slices.Contains(r.Types, uc.TypeXMPPGroup) || !slices.Contains(d.RoleUsers(r), user) {
			continue
		}
		for _, other := range d.RoleUsers(r) {
			u := d.Users.Get(other)
			if other != user {
				add(u.Login+"@"+testDomain, r.Title)
				names[u.Login+"@"+testDomain] = u.Name
			}
			see(other)
		}
		for _, id := range d.RoleTeams(r) {
			team := d.Teams.Get(id)
			address := "team-" + team.Ext + "@" + testDomain
			add(address, r.Title)
			names[address] = team.Name
			seen[address] = "Closed, 0 of 0 members in"
		}
	}
	for other, u := range d.Users.All() {
		if other != user && d.MaySupervise(user, other) {
			add(u.Login+"@"+testDomain, supervisedTitle)
			names[u.Login+"@"+testDomain] = u.Name
			see(other)
		}
	}
	see(user)
	roster = map[string]string{}
	for address, titles := range groups {
		slices.Sort(titles)
		roster[address] = names[address] + " " + strings.Join(titles, ",")
	}
	return roster, seen
}

// TestGroupsFollowTheDirectory changes users, teams and roles at random. What every client was told must
// always add up to what the directory says, and the last client to come sees the same as the first.
func TestGroupsFollowTheDirectory(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		var tables uc.Tables
		ids := []uc.UserID{1, 2, 3, 4, 5}
		for _, id := range ids {
			tables.Users = append(tables.Users, uc.User{ID: id, Login: fmt.Sprintf("u%d", id), Name: fmt.Sprintf("User %d", id), Auth: uc.AuthLocal})
		}
		for id := range uc.TeamID(2) {
			tables.Teams = append(tables.Teams, uc.Team{ID: id + 1, Name: fmt.Sprintf("Team %d", id+1), Ext: fmt.Sprintf("4%d", id)})
		}
		for id := range uc.RoleID(3) {
			tables.Roles = append(tables.Roles, uc.Role{ID: id + 1, Title: fmt.Sprintf("Role %d", id+1)})
		}
		w := &quiet{newWorld(outer, uc.NewDirectory(1, tables))}
		defer w.close()
		for _, id := range ids {
			w.presences[id] = uc.Presence{User: id, Confidential: true, Floor: uc.Floor{StatusText: "In a meeting"}}
		}
		mirrors := map[uc.UserID]*mirror{}
		appear := func(id uc.UserID) {
			m := &mirror{session: w.appear(t, id), roster: map[string]string{}, online: map[string]string{}}
			mirrors[id] = m
		}
		for _, id := range ids[:3] {
			appear(id)
		}
		check := func() {
			online := slices.Collect(maps.Keys(mirrors))
			for id, m := range mirrors {
				m.listen(t)
				roster, seen := expected(w.dir.Load(), id, online)
				if !maps.Equal(m.roster, roster) {
					t.Fatalf("user %d has the roster\n%v, want\n%v", id, m.roster, roster)
				}
				if !maps.Equal(m.online, seen) {
					t.Fatalf("user %d sees\n%v, want\n%v", id, m.online, seen)
				}
			}
		}
		check()
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			var put uc.Tables
			d := w.dir.Load()
			for range rapid.IntRange(1, 3).Draw(t, "rows") {
				switch rapid.IntRange(0, 6).Draw(t, "kind") {
				case 0, 1, 2:
					r := *d.Roles.Get(rapid.SampledFrom([]uc.RoleID{1, 2, 3}).Draw(t, "role"))
					r.Types, r.Supervises = nil, nil
					if rapid.IntRange(0, 4).Draw(t, "group") > 0 {
						r.Types = append(r.Types, uc.TypeXMPPGroup)
					}
					if rapid.IntRange(0, 3).Draw(t, "supervisor") == 0 {
						r.Types = append(r.Types, uc.TypeSupervisor)
						r.Supervises = rapid.SliceOfDistinct(rapid.SampledFrom([]uc.RoleID{1, 2, 3}), rapid.ID[uc.RoleID]).Draw(t, "supervises")
					}
					if rapid.IntRange(0, 5).Draw(t, "details") == 0 {
						r.Types = append(r.Types, uc.TypePresenceDetails)
					}
					r.Users = rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[uc.UserID]).Draw(t, "users")
					r.Teams = rapid.SliceOfDistinct(rapid.SampledFrom([]uc.TeamID{1, 2}), rapid.ID[uc.TeamID]).Draw(t, "teams")
					r.AutoUsers, r.AutoTeams = rapid.IntRange(0, 5).Draw(t, "auto") == 0, rapid.Bool().Draw(t, "autoTeams")
					put.Roles = append(put.Roles, r)
				case 3:
					r := *d.Roles.Get(1)
					r.Title = rapid.SampledFrom([]string{"Role 1", "Renamed"}).Draw(t, "title")
					put.Roles = append(put.Roles, r)
				case 4:
					u := *d.Users.Get(rapid.SampledFrom(ids).Draw(t, "user"))
					u.Name = rapid.SampledFrom([]string{"Jo", "Al"}).Draw(t, "name")
					put.Users = append(put.Users, u)
				case 5:
					team := *d.Teams.Get(1)
					team.Ext = rapid.SampledFrom([]string{"40", "49"}).Draw(t, "ext")
					put.Teams = append(put.Teams, team)
				case 6:
					for _, id := range ids[3:] {
						if mirrors[id] == nil {
							appear(id)
							break
						}
					}
				}
			}
			w.change(uc.ChangeSet{Put: put})
			check()
		}
	})
}

// quiet is a server without listeners, to which changes and stanzas are handed directly.
type quiet struct{ *world }

// close ends the server's goroutines; the sessions have no reader that could end them.
func (w *quiet) close() {
	w.server.cancel()
	w.server.workers.Wait()
}

func (w *quiet) change(c uc.ChangeSet) {
	after := w.dir.Load().With(c)
	w.dir.Store(after)
	b := w.server.newBatch()
	w.server.changeDirectory(b, after, c.Refs())
	b.done()
}

// appear makes a session whose queue is held, so that all that it is sent can be read there.
func (w *quiet) appear(t failer, id uc.UserID) *session {
	login := w.dir.Load().Users.Get(id).Login
	if _, err := w.server.bindResource(id, login, "m"); err != nil {
		t.Fatal(err)
	}
	c := w.server.accountByLogin(login).byResource("m")
	w.hear(t, c, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	w.hear(t, c, "<presence/>")
	return c
}

// hear handles a stanza as if the client had sent it.
func (w *quiet) hear(t failer, c *session, stanza string) {
	in := newInput(c)
	in.buf = []byte(stanza)
	if _, err := c.handleInput(in); err != nil {
		t.Fatal(err)
	}
}
