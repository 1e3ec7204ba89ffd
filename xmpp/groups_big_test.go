package xmpp

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

const bigGroup = 10_000

// bigCompany has a shared group of many members, and u10000 and u10001, who are not in it.
func bigCompany() *uc.Directory {
	var t uc.Tables
	role := uc.Role{ID: 1, Title: "Works", Types: []uc.RoleType{uc.TypeXMPPGroup}}
	for i := range bigGroup + 2 {
		id := uc.UserID(i + 1)
		t.Users = append(t.Users, uc.User{ID: id, Login: fmt.Sprintf("u%d", i), Name: fmt.Sprintf("User %d", i), Auth: uc.AuthLocal})
		if i < bigGroup {
			role.Users = append(role.Users, id)
		}
	}
	t.Roles = []uc.Role{role}
	return uc.NewDirectory(1, t)
}

// TestBigGroupRosters: what the rosters of a big group have in common is made once, for as long as somebody uses it. A
// member who is in another group, and a contact with a name of one's own, are what they are to this user.
func TestBigGroupRosters(t *testing.T) {
	dir := bigCompany().With(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{{ID: 2, Title: "Sales", Types: []uc.RoleType{uc.TypeXMPPGroup}, Users: []uc.UserID{1, 3}}}}})
	g := newGroups(dir, testDomain)
	kept := g.byRole[1].roster()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for id := uc.UserID(10); id < 60; id++ {
		rosterParts(nil, g, id, nil)
	}
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	if each := (after.TotalAlloc - before.TotalAlloc) / 50; each > 4<<10 {
		t.Errorf("each roster takes %d bytes", each)
	}
	mine := string(bytes.Join(rosterParts(nil, g, 1, map[string]*uc.RosterItem{
		"u4@" + testDomain: {JID: "u4@" + testDomain, Name: "Vi", Groups: []string{"Friends"}},
	}), nil))
	if n := strings.Count(mine, "<item "); n != bigGroup-1 {
		t.Errorf("%d contacts", n)
	}
	for _, want := range []string{
		"<item jid='u2@example.org' name='User 2' subscription='both'><group>Works</group><group>Sales</group></item>",
		"<item jid='u3@example.org' name='User 3' subscription='both'><group>Works</group></item>",
		"<item jid='u4@example.org' name='Vi' subscription='both'><group>Friends</group><group>Works</group></item>",
		"<item jid='u9999@example.org' name='User 9999' subscription='both'><group>Works</group></item>",
	} {
		if strings.Count(mine, want) != 1 {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(mine, "'u0@example.org'") {
		t.Error("one is in one's own roster")
	}
}

// TestBigGroup changes a role of 10,000 members. Each client is sent its own changes, and nothing else.
func TestBigGroup(t *testing.T) {
	w := &quiet{newWorld(t, bigCompany(), func(c *Config) { c.QueueSoft, c.QueueHard = 32<<20, 64<<20 })}
	defer w.close()
	clients := map[string]*session{"member": w.appear(t, 1), "other": w.appear(t, 2), "joins": w.appear(t, bigGroup+1), "outside": w.appear(t, bigGroup+2)}
	sent := map[string][2]int{} // pushes, presences
	listen := func() {
		for name, c := range clients {
			var n [2]int
			for _, stanza := range heard(t, c) {
				switch {
				case stanza.Name == "presence":
					n[1]++
				case stanza.Attr("type") != "set":
					if items := len(stanza.Child(nsRoster, "query").Nodes); name == "member" && items != bigGroup-1 {
						t.Errorf("the first roster of a member has %d items", items)
					}
				case len(stanza.Child(nsRoster, "query").Nodes) != 1:
					t.Errorf("a push has %d items", len(stanza.Child(nsRoster, "query").Nodes))
				default:
					n[0]++
				}
			}
			sent[name] = n
		}
	}
	listen()
	role := func(change func(*uc.Role)) {
		r := *w.dir.Load().Roles.Get(1)
		change(&r)
		w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}})
	}
	without := func(list []uc.UserID, n int) []uc.UserID { return append([]uc.UserID{}, list[:len(list)-n]...) }
	for _, step := range []struct {
		what   string
		change func()
		want   map[string][2]int
	}{
		{"nothing", func() { role(func(r *uc.Role) { r.Description = "all of us" }) }, nil},
		{"one offline member goes", func() { role(func(r *uc.Role) { r.Users = without(r.Users, 1) }) },
			map[string][2]int{"member": {1, 0}, "other": {1, 0}}},
		{"50 offline members go", func() { role(func(r *uc.Role) { r.Users = without(r.Users, 50) }) },
			map[string][2]int{"member": {50, 0}, "other": {50, 0}}},
		{"a member is renamed", func() {
			u := *w.dir.Load().Users.Get(77)
			u.Name = "Somebody Else"
			w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
		}, map[string][2]int{"member": {1, 0}, "other": {1, 0}}},
		{"an outsider is renamed", func() {
			u := *w.dir.Load().Users.Get(bigGroup + 2)
			u.Name = "Somebody Else"
			w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
		}, nil},
		{"somebody who is online joins", func() {
			role(func(r *uc.Role) { r.Users = append(append([]uc.UserID{}, r.Users...), bigGroup+1) })
		}, map[string][2]int{"member": {1, 1}, "other": {1, 1}, "joins": {bigGroup - 51, 2}}},
		{"and leaves", func() { role(func(r *uc.Role) { r.Users = without(r.Users, 1) }) },
			map[string][2]int{"member": {1, 1}, "other": {1, 1}, "joins": {bigGroup - 51, 2}}},
		{"the role is renamed", func() { role(func(r *uc.Role) { r.Title = "Plant" }) },
			map[string][2]int{"member": {bigGroup - 52, 0}, "other": {bigGroup - 52, 0}}},
		{"it is no group any more", func() { role(func(r *uc.Role) { r.Types = nil }) },
			map[string][2]int{"member": {bigGroup - 52, 1}, "other": {bigGroup - 52, 1}}},
	} {
		step.change()
		listen()
		for name := range clients {
			if sent[name] != step.want[name] {
				t.Errorf("%s: %s is sent %d pushes and %d presences, want %v", step.what, name, sent[name][0], sent[name][1], step.want[name])
			}
		}
	}
}

// BenchmarkFirstRoster is what a member of a group of 10,000 waits for at first, without the network.
func BenchmarkFirstRoster(b *testing.B) {
	w := &quiet{newWorld(b, bigCompany(), func(c *Config) { c.QueueSoft, c.QueueHard = 32<<20, 64<<20 })}
	defer w.close()
	c := w.appear(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		w.hear(b, c, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
		c.queue.mu.Lock()
		c.queue.waiting = nil
		c.queue.mu.Unlock()
	}
}

// present is a company of one role whose members are all online and have read what was sent to them so far.
func present(t testing.TB, members int) (*quiet, []*session) {
	d := company1(members)
	w := &quiet{newWorld(t, d, func(c *Config) { c.QueueSoft, c.QueueHard = 32<<20, 64<<20 })}
	var clients []*session
	for i := range members {
		c := w.appear(t, uc.UserID(i+1))
		drain(c)
		clients = append(clients, c)
	}
	for _, c := range clients { // what the others sent when they came
		drain(c)
	}
	return w, clients
}

// company1 has so many users, all in one shared group.
func company1(members int) *uc.Directory {
	var tables uc.Tables
	for i := range members {
		tables.Users = append(tables.Users, uc.User{ID: uc.UserID(i + 1), Login: fmt.Sprintf("u%d", i), Name: fmt.Sprintf("User %d", i), Auth: uc.AuthLocal})
	}
	tables.Roles = []uc.Role{{ID: 1, Title: "Works", Types: []uc.RoleType{uc.TypeXMPPGroup}, AutoUsers: true}}
	return uc.NewDirectory(1, tables)
}

// drain forgets what waits for a client, and returns how many bytes that were.
func drain(c *session) int {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	n := len(c.queue.waiting)
	c.queue.waiting = c.queue.waiting[:0]
	return n
}

func (w *quiet) rename(title string) {
	r := *w.dir.Load().Roles.Get(1)
	r.Title = title
	w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}})
}

// TestRenameIsCheap renames a role whose members are all online: each is sent a push for each of the others, but what
// has to be found out and made for that grows with the members, not with the pushes.
func TestRenameIsCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const members, most = 200, 60
	w, clients := present(t, members)
	defer w.close()
	w.rename("Warm") // the queues have their room from now on
	for _, c := range clients {
		drain(c)
	}
	titles := [2]string{"Plant", "Works"}
	n := 0
	got := testing.AllocsPerRun(4, func() {
		w.rename(titles[n%2])
		n++
		for _, c := range clients {
			drain(c)
		}
	})
	if got > most*members {
		t.Errorf("%.0f allocations for %d members, want at most %d for each of them", got, members, most)
	}
}

// TestEventsBetweenPushes: while a change of a role is pushed to its members, what else happens is told, up to the next change of
// the directory, which waits.
func TestEventsBetweenPushes(t *testing.T) {
	const members = 70
	if members*(members-1) < pushesAtOnce {
		t.Fatal("they are too few")
	}
	w, clients := present(t, members)
	w.close() // the follower has ended: the test takes its place
	var p uc.Presence
	status := func(text string) {
		p.User, p.Version, p.Phone, p.Floor.StatusText = 1, p.Version+1, uc.PhoneUnreachable, text
		w.bus.Publish(uc.PresenceChanged{Presence: p})
	}
	status("before")
	w.bus.Publish(uc.DirectoryChanged{Before: w.dir.Load(), After: w.dir.Load()})
	w.rename("Plant")
	status("after")
	told := func() string {
		clients[1].queue.mu.Lock()
		defer clients[1].queue.mu.Unlock()
		return string(clients[1].queue.waiting)
	}
	if got := told(); strings.Count(got, "<group>Plant</group>") != members-1 || !strings.Contains(got, "before") {
		t.Errorf("while it was pushed: %s", got)
	}
	last, _, _ := w.server.events.TryNext()
	if e, ok := last.(uc.PresenceChanged); !ok || e.Presence.Floor.StatusText != "after" {
		t.Errorf("what comes last is %+v", last)
	}
	if _, ok := w.server.postponed.event.(uc.DirectoryChanged); !ok {
		t.Errorf("what waits is %+v", w.server.postponed)
	}
}

// BenchmarkRename is what the follower does when a role of 500 members who are all online is renamed.
func BenchmarkRename(b *testing.B) {
	const members = 500
	w, clients := present(b, members)
	defer w.close()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w.rename(fmt.Sprint("Works ", n))
		n++
		for _, c := range clients {
			drain(c)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(members*(members-1)), "ns/push")
}
