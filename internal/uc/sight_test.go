package uc

import (
	"reflect"
	"testing"
)

// TestSights asks who sees whom, and finds the same from both sides.
func TestSights(t *testing.T) {
	d := NewDirectory(1, Tables{
		Users: []User{{ID: 1, Login: "anna", Name: "Anna"}, {ID: 2, Login: "ben", Name: "Ben"}, {ID: 3, Login: "carl"}, {ID: 4, Login: "dora", Name: "Dora"}},
		Teams: []Team{{ID: 1, Name: "Hotline"}},
		Roles: []Role{
			{ID: 1, Title: "All", AutoUsers: true},
			{ID: 2, Title: "Sales", Types: []RoleType{TypeXMPPGroup}, Users: []UserID{1, 2}, Teams: []TeamID{1}},
			{ID: 3, Title: "Board", Types: []RoleType{TypeXMPPGroup, TypePresenceDetails}, Users: []UserID{2, 1}},
			{ID: 4, Title: "Heads", Types: []RoleType{TypeSupervisor}, Users: []UserID{4}, Supervises: []RoleID{2}},
			{ID: 5, Title: "Boss", Types: []RoleType{TypeSupervisor}, Users: []UserID{3}},
		},
	})
	for _, c := range []struct {
		what string
		got  []Sight
		want []Sight
	}{
		{"Anna sees", d.Sees(1, []UserID{3}), []Sight{
			{User: 2, Name: "Ben", Groups: []string{"Board", "Sales"}, Details: true}, {Team: 1, Name: "Hotline", Groups: []string{"Sales"}}, {User: 3, Name: "carl", Subscribed: true, Details: true}}},
		{"Anna is seen by", d.SeenBy(1, []UserID{4}), []Sight{
			{User: 2, Name: "Ben", Groups: []string{"Board", "Sales"}, Details: true}, {User: 4, Name: "Dora", Supervises: []string{"Heads"}, Subscribed: true, Details: true},
			{User: 3, Name: "carl", Supervises: []string{"Boss"}, Details: true}}},
		{"Dora sees", d.Sees(4, nil), []Sight{{User: 1, Name: "Anna", Supervises: []string{"Heads"}, Details: true}, {User: 2, Name: "Ben", Supervises: []string{"Heads"}, Details: true}}},
		{"nobody sees", d.Sees(9, nil), []Sight{}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s\n%+v, want\n%+v", c.what, c.got, c.want)
		}
	}
}
