package xmpp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestSearchCost: what is looked for is read once, not for everybody who is looked at, and the phone book is made once for
// a directory.
func TestSearchCost(t *testing.T) {
	w := newWorld(t, company1(3000))
	long := values{"name": {strings.Repeat("İX", 50<<10)}, "email": {strings.Repeat("Y", 100<<10)}}
	w.server.phoneBook()
	cost := testing.AllocsPerRun(3, func() {
		if found := w.server.phoneBook().find(long); len(found) != 0 {
			t.Errorf("found %v", found)
		}
	})
	if cost > 20 {
		t.Errorf("a search among 3000 costs %v allocations", cost)
	}
}

// TestFind has what is typed into a search, by people and by others.
func TestFind(t *testing.T) {
	var tables uc.Tables
	for i, name := range []string{"Zoe Öz", "İlkay Ünal", "Anna (Sales) [x]", "anna *"} {
		tables.Users = append(tables.Users, uc.User{ID: uc.UserID(i + 1), Login: fmt.Sprintf("u%d", i), Name: name, Auth: uc.AuthLocal})
	}
	for i := range 2 * maxFound {
		tables.Users = append(tables.Users, uc.User{ID: uc.UserID(i + 10), Login: fmt.Sprintf("many%d", i), Name: fmt.Sprintf("Many %03d", i), Auth: uc.AuthLocal})
	}
	p := newPhoneBook(uc.NewDirectory(1, tables))
	for wanted, want := range map[string][]string{
		"öZ": {"Zoe Öz"}, "İLKAY": {"İlkay Ünal"}, "ün": {"İlkay Ünal"}, "anna": {"Anna (Sales) [x]", "anna *"}, "*anna*": {"Anna (Sales) [x]", "anna *"},
		"a*a": nil, "%": nil, "_": nil, "[": {"Anna (Sales) [x]"}, "(": {"Anna (Sales) [x]"}, ".*": nil, "\x00": nil,
	} {
		var got []string
		for _, u := range p.find(values{"name": {wanted}}) {
			got = append(got, u.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", wanted, got, want)
		}
	}
	found := p.find(values{"name": {"many"}})
	if len(found) != maxFound || found[0].Name != "Many 000" || found[maxFound-1].Name != "Many 199" {
		t.Errorf("%d are found", len(found))
	}
}
