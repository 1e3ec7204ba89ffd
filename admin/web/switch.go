package web

import (
	"time"

	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// switchForm is the form that puts somebody into a profile.
type switchForm struct {
	Profile uc.ProfileID `json:"profile"`
	For     string       `json:"for"` // one of the options "for"
	Until   string       `json:"until"`
}

// switchPage is what its template gets.
type switchPage struct {
	Form     *form.Form
	User     *uc.User
	Profiles []*uc.Profile
	State    uc.ProfileState
	Back     string
}

func (q *request) switchForm() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	return q.showSwitch(200, u, form.Of(switchForm{Profile: q.web.Profiles.State(u.ID).Effective}))
}

func (q *request) showSwitch(status int, u *uc.User, f *form.Form) error {
	return q.show(status, "switch", "Switch the profile of "+u.Name, switchPage{
		Form: f, User: u, Profiles: q.dir.Offered(u.ID), State: q.web.Profiles.State(u.ID), Back: q.back("/board"),
	})
}

func (q *request) switchProfile() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	var in switchForm
	f := &form.Form{Values: q.PostForm, Errors: form.Decode(q.PostForm, &in)}
	until, err := in.until(q.web.Now(), q.zone())
	if err == nil {
		_, err = q.web.Profiles.Switch(q.Context(), uc.SwitchRequest{User: u.ID, Profile: in.Profile, Until: until, By: q.actor()})
	}
	if err != nil {
		status, err := reject(f, err)
		if err != nil {
			return err
		}
		return q.showSwitch(status, u, f)
	}
	return q.done(q.back("/board"), "switched")
}

// until is when the choice ends; the zero time if never.
func (in switchForm) until(now time.Time, zone *time.Location) (time.Time, error) {
	switch in.For {
	case "":
		return time.Time{}, nil
	case "today":
		year, month, day := now.In(zone).Date()
		return time.Date(year, month, day+1, 0, 0, 0, 0, zone), nil
	case "at":
		at, err := time.ParseInLocation("2006-01-02T15:04", in.Until, zone)
		if err != nil {
			return at, uc.FieldError(uc.ErrInvalid, "until", "Enter a date and a time.")
		}
		if !at.After(now) {
			return at, uc.FieldError(uc.ErrInvalid, "until", "This time has passed.")
		}
		return at, nil
	}
	d, err := time.ParseDuration(in.For)
	if err != nil || d <= 0 {
		return time.Time{}, uc.FieldError(uc.ErrInvalid, "for", "Choose how long.")
	}
	return now.Add(d), nil
}

func (q *request) undoSwitch() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	if _, err := q.web.Profiles.Undo(q.Context(), u.ID, q.actor()); err != nil {
		return err
	}
	return q.done(q.back(pathOf("/users", u.ID)+"/profile"), "undone")
}
