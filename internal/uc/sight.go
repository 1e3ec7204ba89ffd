package uc

import (
	"cmp"
	"maps"
	"slices"
)

// Sight says that a user sees somebody's presence, and because of what.
type Sight struct {
	User       UserID   `json:"user,omitempty"` // whom they see, or who sees them
	Team       TeamID   `json:"team,omitempty"` // or the team
	Name       string   `json:"name"`
	Groups     []string `json:"groups,omitempty"`     // titles of the roles with xmpp.group that both are in
	Supervises []string `json:"supervises,omitempty"` // titles of the roles with xmpp.supervisor that give the right
	Subscribed bool     `json:"subscribed"`           // also, or only, by a subscription that was agreed to
	Details    bool     `json:"details"`              // with the reason why somebody is busy
}

// sights collects reasons by who is seen, or sees.
type sights struct {
	dir *Directory
	of  map[Target]*Sight
}

func (s *sights) at(t Target) *Sight {
	if s.of[t] == nil {
		s.of[t] = &Sight{User: t.User, Team: t.Team}
	}
	return s.of[t]
}

// list returns what was collected by name, without whom it is about.
func (s *sights) list(about UserID, details func(*Sight) bool) []Sight {
	delete(s.of, Target{User: about})
	all := make([]Sight, 0, len(s.of))
	for _, sight := range s.of {
		if u := s.dir.Users.Get(sight.User); u != nil {
			sight.Name = cmp.Or(u.Name, u.Login)
		} else if t := s.dir.Teams.Get(sight.Team); t != nil {
			sight.Name = t.Name
		} else {
			continue
		}
		sight.Details = sight.User != 0 && (len(sight.Supervises) > 0 || details(sight))
		slices.Sort(sight.Groups)
		slices.Sort(sight.Supervises)
		all = append(all, *sight)
	}
	slices.SortFunc(all, func(a, b Sight) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.User, b.User), cmp.Compare(a.Team, b.Team))
	})
	return all
}

// Sees lists whom a user sees. subscribed are those whose presence the user has subscribed to.
func (d *Directory) Sees(user UserID, subscribed []UserID) []Sight {
	s := &sights{dir: d, of: make(map[Target]*Sight)}
	for _, r := range d.UserRoles(user) {
		if slices.Contains(r.Types, TypeXMPPGroup) {
			for _, id := range d.RoleUsers(r) {
				s.at(Target{User: id}).share(r)
			}
			for _, id := range d.RoleTeams(r) {
				s.at(Target{Team: id}).share(r)
			}
		}
		if slices.Contains(r.Types, TypeSupervisor) {
			for _, id := range d.supervised(r) {
				s.at(Target{User: id}).supervise(r)
			}
		}
	}
	for _, id := range subscribed {
		s.at(Target{User: id}).Subscribed = true
	}
	informed := d.HasType(user, TypePresenceDetails)
	return s.list(user, func(*Sight) bool { return informed })
}

// SeenBy lists who sees a user. subscribed are those who have subscribed to the user's presence.
func (d *Directory) SeenBy(user UserID, subscribed []UserID) []Sight {
	s := &sights{dir: d, of: make(map[Target]*Sight)}
	for _, r := range d.UserRoles(user) {
		if slices.Contains(r.Types, TypeXMPPGroup) {
			for _, id := range d.RoleUsers(r) {
				s.at(Target{User: id}).share(r)
			}
		}
	}
	for _, r := range d.Roles.All() {
		if slices.Contains(r.Types, TypeSupervisor) && slices.Contains(d.supervised(r), user) {
			for _, id := range d.RoleUsers(r) {
				s.at(Target{User: id}).supervise(r)
			}
		}
	}
	for _, id := range subscribed {
		s.at(Target{User: id}).Subscribed = true
	}
	return s.list(user, func(by *Sight) bool { return d.HasType(by.User, TypePresenceDetails) })
}

// supervised lists the users whom a role of supervisors is for.
func (d *Directory) supervised(r *Role) []UserID {
	if len(r.Supervises) == 0 {
		return sortedKeys(&d.Users)
	}
	all := make(map[UserID]bool)
	for _, id := range r.Supervises {
		if of := d.Roles.Get(id); of != nil {
			for _, u := range d.RoleUsers(of) {
				all[u] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (s *Sight) share(r *Role)     { s.Groups = append(s.Groups, r.Title) }
func (s *Sight) supervise(r *Role) { s.Supervises = append(s.Supervises, r.Title) }
