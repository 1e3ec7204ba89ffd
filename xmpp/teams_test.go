package xmpp

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestTeamAddresses has teams whose numbers are the extensions of others, and addresses that are no team's.
func TestTeamAddresses(t *testing.T) {
	g := newGroups(uc.NewDirectory(1, uc.Tables{
		Users: []uc.User{{ID: 1, Login: "anna", Ext: "12"}},
		Teams: []uc.Team{{ID: 40, Name: "Board"}, {ID: 3, Name: "Support", Ext: "40"}, {ID: 4, Name: "Door"}, {ID: 5, Name: "Desk", Ext: "4"}},
	}), testDomain)
	for id, bare := range map[uc.TeamID]string{40: "team-040@example.org", 3: "team-40@example.org", 4: "team-04@example.org", 5: "team-4@example.org"} {
		if c := g.teamContact(id); c.bare != bare {
			t.Errorf("team %d is at %s, want %s", id, c.bare, bare)
		}
		if c, ok := g.find(bare); !ok || c.team != id {
			t.Errorf("at %s is team %d", bare, c.team)
		}
	}
	for _, bare := range []string{"team-3@example.org", "team-03@example.org", "team-0040@example.org", "team-0@example.org", "team-@example.org",
		"team-12@example.org", "team-40@other.example", "team-+4@example.org", "team-0-4@example.org", "team-040"} {
		if c, ok := g.find(bare); ok {
			t.Errorf("%s is found: %+v", bare, c)
		}
	}
}
