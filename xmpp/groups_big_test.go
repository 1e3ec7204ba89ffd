package xmpp

import (
	"fmt"
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
