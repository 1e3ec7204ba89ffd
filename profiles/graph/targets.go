package graph

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// targets says whose presence is read.
type targets struct {
	ids       []string               // object ids in lower case, sorted
	users     map[string][]uc.UserID // by object id; several if an administrator gave them the same
	listed    int                    // how many users can only be found in the list of users
	fromList  map[string]bool        // the object ids that were found there
	unmatched []string               // who has no account, and why; sorted
}

// aim finds the accounts of all users who may be in a profile with a Teams trigger. Without a book,
// those whose object id is not stored are left out and not called unmatched. Object ids that Graph
// refused are left out.
func aim(d *uc.Directory, b *book, domain string, refused func(id string) bool) targets {
	t := targets{users: make(map[string][]uc.UserID), fromList: make(map[string]bool)}
	for _, u := range triggered(d) {
		id, why := strings.ToLower(u.TeamsID), ""
		if id == "" {
			t.listed++
			if b == nil {
				continue
			}
			id, why = b.find(u, domain)
			t.fromList[id] = id != ""
		}
		if id != "" && refused(id) {
			why = "Graph refuses object id " + id
		}
		if why != "" {
			t.unmatched = append(t.unmatched, u.Login+": "+why)
			continue
		}
		t.users[id] = append(t.users[id], u.ID)
	}
	t.ids = slices.Sorted(maps.Keys(t.users))
	slices.Sort(t.unmatched)
	return t
}

// count returns how many users are polled.
func (t *targets) count() int {
	n := 0
	for _, users := range t.users {
		n += len(users)
	}
	return n
}

// triggered lists the users for whom some offered profile has a Teams trigger, in order of their ids.
func triggered(d *uc.Directory) []*uc.User {
	var profiles []*uc.Profile
	for _, p := range d.Profiles.All() {
		if slices.ContainsFunc(p.Triggers, func(t uc.Trigger) bool { return t.Kind == uc.TriggerTeams }) {
			profiles = append(profiles, p)
		}
	}
	var users []*uc.User
	for id, u := range d.Users.All() {
		if slices.ContainsFunc(profiles, func(p *uc.Profile) bool { return d.MayUseProfile(id, p) }) {
			users = append(users, u)
		}
	}
	slices.SortFunc(users, func(a, b *uc.User) int { return cmp.Compare(a.ID, b.ID) })
	return users
}
