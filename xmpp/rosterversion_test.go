package xmpp

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

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
