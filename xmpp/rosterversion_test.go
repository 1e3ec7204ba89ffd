package xmpp

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestTallyOfRoster changes contacts at random. What is counted at each change is what is counted when the roster is read anew.
func TestTallyOfRoster(t *testing.T) {
	w := newWorld(t, uc.NewDirectory(1, company()))
	a := w.server.accountByLogin("anna")
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for range 500 {
		a.rosterMu.Lock()
		if _, err := w.server.rosterOf(a); err != nil {
			t.Fatal(err)
		}
		it := uc.RosterItem{User: a.user, JID: fmt.Sprintf("c%d@example.org", random.IntN(20)), Name: strconv.Itoa(random.IntN(3))}
		it.Subscription = []string{"", subNone, subBoth}[random.IntN(3)]
		if it.Ask = random.IntN(2) == 0; random.IntN(2) == 0 {
			it.PendingIn = []byte("<presence/>")
		}
		if err := w.server.putItem(a, it); err != nil {
			t.Fatal(err)
		}
		got := a.tally
		a.roster = nil
		if _, err := w.server.rosterOf(a); err != nil {
			t.Fatal(err)
		}
		if a.tally != got {
			t.Fatalf("after %+v it counts %+v, want %+v", it, got, a.tally)
		}
		a.rosterMu.Unlock()
	}
}

// TestVersionTellsSupervised makes a group of colleagues one that they supervise, under the same title: the contacts are the
// same, and their subscriptions are not.
func TestVersionTellsSupervised(t *testing.T) {
	d := company1(2)
	r := *d.Roles.Get(1)
	r.Title = supervisedTitle
	w := &quiet{newWorld(t, d.With(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}}))}
	defer w.close()
	a := w.server.accountByLogin("u0")
	before := w.server.rosterVersion(a, w.server.groups.Load())
	r.Types, r.Supervises = []uc.RoleType{uc.TypeSupervisor}, []uc.RoleID{1}
	w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}})
	if w.server.rosterVersion(a, w.server.groups.Load()) == before {
		t.Error("two rosters have one version")
	}
}
