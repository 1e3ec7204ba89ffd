package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

// registerPeople registers what tells of people as they are now: presence, profile, journal.
func (a *API) registerPeople() {
	handle(a, route{"list-presence", http.MethodGet, "/presence", access.ReadBoard, "presence",
		"Everybody's presence", 0}, a.presence)
	handle(a, route{"get-presence", http.MethodGet, "/users/{id}/presence", access.ReadBoard, "presence",
		"One user's presence", 0}, a.presenceOf)
	handle(a, route{"get-profile-state", http.MethodGet, "/users/{id}/profile", access.ReadBoard, "profile of a user",
		"Which profile a user is in, and why", 0}, a.profileOf)
	handle(a, route{"switch-profile", http.MethodPost, "/users/{id}/profile", access.SwitchProfile, "profile of a user",
		"Put a user into a profile", 0}, a.switchProfile)
	handle(a, route{"undo-switch", http.MethodPost, "/users/{id}/profile/undo", access.SwitchProfile, "profile of a user",
		"Undo a user's last switch of profile", 0}, a.undoSwitch)
	handle(a, route{"list-journal", http.MethodGet, "/journal", access.ReadJournal, "journal",
		"Switches of profiles, newest first", 0}, a.journal)
	a.registerSights()
	a.registerEvents()
}

func (a *API) presence(*call, *struct{}) (*list[uc.Presence], error) {
	all := slices.Clone(a.Presences.All())
	slices.SortFunc(all, func(x, y uc.Presence) int { return int(x.User - y.User) })
	return full(all), nil
}

func (a *API) presenceOf(_ *call, in *ByID) (*one[uc.Presence], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	return &one[uc.Presence]{Body: a.Presences.Get(uc.UserID(in.ID))}, nil
}

func (a *API) profileOf(_ *call, in *ByID) (*one[uc.ProfileState], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	return &one[uc.ProfileState]{Body: a.Profiles.State(uc.UserID(in.ID))}, nil
}

func (a *API) known(user int64) error {
	if a.Directory.Snapshot().Users.Get(uc.UserID(user)) == nil {
		return notFound(uc.KindUser, user)
	}
	return nil
}

func (a *API) switchProfile(c *call, in *struct {
	ByID
	Body struct {
		Profile uc.ProfileID `json:"profile" required:"true"`
		Until   time.Time    `json:"until,omitzero" doc:"When the profile before it returns; missing means never."`
	}
}) (*one[uc.JournalEntry], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	entry, err := a.Profiles.Switch(c, uc.SwitchRequest{
		User: uc.UserID(in.ID), Profile: in.Body.Profile, Until: in.Body.Until, By: c.actor(),
	})
	return &one[uc.JournalEntry]{Body: entry}, err
}

func (a *API) undoSwitch(c *call, in *ByID) (*one[uc.JournalEntry], error) {
	if err := a.known(in.ID); err != nil {
		return nil, err
	}
	entry, err := a.Profiles.Undo(c, uc.UserID(in.ID), c.actor())
	return &one[uc.JournalEntry]{Body: entry}, err
}

func (a *API) journal(c *call, in *struct {
	User   uc.UserID `query:"user" doc:"Only this user's."`
	Before int64     `query:"before" doc:"Only entries with a smaller id; to read on, pass the last id."`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*list[uc.JournalEntry], error) {
	entries, err := a.Profiles.Journal(c, uc.JournalQuery{User: in.User, Before: in.Before, Limit: in.Limit})
	return full(entries), err
}
