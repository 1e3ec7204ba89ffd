package directory

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// maxLines limits the triggers and the actions of each list of a profile.
const maxLines = 100

// AddProfile adds a profile of the company or a personal one. System profiles ship with the server.
func (d *Directory) AddProfile(ctx context.Context, by uc.Actor, p uc.Profile) (uc.Profile, error) {
	p = cloneProfile(p)
	err := d.do(ctx, by, func(e *edit) error {
		p.ID = 0
		if p.Assigned == uc.AssignedSystem {
			return uc.FieldError(uc.ErrInvalid, "assigned", "system profiles cannot be added")
		}
		if err := e.checkProfile(&p); err != nil {
			return err
		}
		p.ID = uc.ProfileID(e.nextID(uc.KindProfile))
		e.put.Profiles = append(e.put.Profiles, p)
		e.note("added profile %s", p.Name)
		return nil
	})
	if err != nil {
		return uc.Profile{}, err
	}
	return p, nil
}

// UpdateProfile changes a profile. System profiles stay system profiles, keep their name and are offered to all.
func (d *Directory) UpdateProfile(ctx context.Context, by uc.Actor, p uc.Profile) error {
	p = cloneProfile(p)
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Profiles, p.ID, uc.KindProfile)
		if err != nil {
			return err
		}
		if err := e.checkProfile(&p); err != nil {
			return err
		}
		if err := checkSystemProfile(&old, &p); err != nil {
			return err
		}
		if reflect.DeepEqual(old, p) {
			return nil
		}
		e.put.Profiles = append(e.put.Profiles, p)
		e.note("changed profile %s: %s", old.Name, diff(old, p))
		return nil
	})
}

func checkSystemProfile(old, p *uc.Profile) error {
	switch {
	case (old.Assigned == uc.AssignedSystem) != (p.Assigned == uc.AssignedSystem):
		return uc.FieldError(uc.ErrForbidden, "assigned", "what ships with the server stays a system profile, and nothing else becomes one")
	case old.Assigned != uc.AssignedSystem:
		return nil
	case old.Name != p.Name:
		return uc.FieldError(uc.ErrForbidden, "name", "the profile %s cannot be renamed", old.Name)
	case len(p.Roles) != 0:
		return uc.FieldError(uc.ErrForbidden, "roles", "the profile %s is offered to everybody", old.Name)
	}
	return nil
}

// checkProfile brings a profile into its stored form and checks it.
func (e *edit) checkProfile(p *uc.Profile) error {
	var c checks
	c.name("name", &p.Name)
	for id, other := range e.dir.Profiles.All() {
		c.free(id == p.ID || other.Owner != p.Owner || !strings.EqualFold(other.Name, p.Name),
			"name", "there is a profile %s already", other.Name)
	}
	c.that(p.Color == "" || colorForm.MatchString(p.Color), "color", "%q is not a color like #2e9e4f", p.Color)
	c.text("icon", &p.Icon, maxName)
	c.text("text", &p.Text, maxText)
	c.that(slices.Contains([]uc.Show{uc.ShowAvailable, uc.ShowAway, uc.ShowXA, uc.ShowDND}, p.Show),
		"show", "a profile shows available, away, xa or dnd")
	p.Roles = set(p.Roles)
	known(&c, "roles", &e.dir.Roles, p.Roles...)
	e.checkOwner(&c, p)
	c.that(len(p.Triggers) <= maxLines, "triggers", "more than %d triggers", maxLines)
	for i := range p.Triggers {
		checkTrigger(&c, fmt.Sprintf("triggers[%d].", i), &p.Triggers[i])
	}
	e.checkActions(&c, "enter", p.Enter)
	e.checkActions(&c, "leave", p.Leave)
	return c.err
}

func (e *edit) checkOwner(c *checks, p *uc.Profile) {
	oneOf(c, "assigned", p.Assigned, uc.AssignedSystem, uc.AssignedAdmin, uc.AssignedPersonal)
	if p.Assigned != uc.AssignedPersonal {
		c.that(p.Owner == 0, "owner", "only personal profiles have an owner")
		return
	}
	known(c, "owner", &e.dir.Users, p.Owner)
	c.that(len(p.Roles) == 0, "roles", "a personal profile is offered to its owner only")
	if !e.dir.HasType(p.Owner, uc.TypePersonal) {
		c.add(uc.FieldError(uc.ErrForbidden, "owner", "%s has no role with %s", userName(e.dir, p.Owner), uc.TypePersonal))
	}
}

// checkTrigger checks one trigger; prefix names it in errors.
func checkTrigger(c *checks, prefix string, t *uc.Trigger) {
	oneOf(c, prefix+"kind", t.Kind, uc.TriggerTimed, uc.TriggerTeams)
	if t.Kind == uc.TriggerTeams {
		c.that(t.At == "" && t.End == "" && t.Date == "" && len(t.Weekdays) == 0, prefix+"kind", "a Teams trigger has no times")
		for i := range t.Activities {
			c.name(prefix+"activities", &t.Activities[i])
		}
		return
	}
	c.that(clockTime(t.At), prefix+"at", "%q is not a time of day like 08:30", t.At)
	c.that(t.End == "" || clockTime(t.End), prefix+"end", "%q is not a time of day like 17:00", t.End)
	c.that(len(t.Activities) == 0, prefix+"activities", "only Teams triggers have activities")
	slices.Sort(t.Weekdays)
	t.Weekdays = slices.Compact(t.Weekdays)
	for _, day := range t.Weekdays {
		c.within(prefix+"weekdays", int(day), 0, 6)
	}
	if t.Date != "" {
		_, err := time.Parse(time.DateOnly, t.Date)
		c.that(err == nil, prefix+"date", "%q is not a date like 2026-12-24", t.Date)
		c.that(len(t.Weekdays) == 0, prefix+"weekdays", "a trigger has weekdays or a date, not both")
	}
}

var clockForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

func clockTime(s string) bool { return clockForm.MatchString(s) }

func (e *edit) checkActions(c *checks, list string, actions []uc.Action) {
	c.that(len(actions) <= maxLines, list, "more than %d actions", maxLines)
	for i := range actions {
		e.checkAction(c, fmt.Sprintf("%s[%d].", list, i), &actions[i])
	}
}

// checkAction checks the parameters of one action; prefix names it in errors.
func (e *edit) checkAction(c *checks, prefix string, a *uc.Action) {
	switch a.Kind {
	case uc.ActionFollowMe:
		e.checkFollowMeAction(c, prefix, a)
	case uc.ActionGSM:
		c.that(a.Enabled != nil, prefix+"enabled", "say whether GSM mode is switched on or off")
	case uc.ActionTeamLogin, uc.ActionTeamLogout, uc.ActionTeamPause, uc.ActionTeamUnpause:
		if a.Team != 0 {
			known(c, prefix+"team", &e.dir.Teams, a.Team)
		}
		c.text(prefix+"reason", &a.Reason, maxName)
	case uc.ActionSetWorkplace:
		known(c, prefix+"location", &e.dir.Locations, a.Location)
	case uc.ActionUnsetWorkplace:
	case uc.ActionSetRedirect, uc.ActionUnsetRedirect:
		if a.Forward != "" {
			oneOf(c, prefix+"forward", a.Forward, forwardKinds...)
		}
		if a.Class != "" {
			oneOf(c, prefix+"class", a.Class, forwardClasses...)
		}
		if a.Kind == uc.ActionSetRedirect {
			c.target(prefix+"target", &a.Target)
		}
	case uc.ActionText:
		c.text(prefix+"text", &a.Text, maxText)
	case uc.ActionWebhook:
		u, err := url.Parse(a.URL)
		c.that(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "", prefix+"url", "%q is not an http or https address", a.URL)
	case uc.ActionMessage:
		c.name(prefix+"target", &a.Target)
		c.notes(prefix+"text", &a.Text)
		c.that(a.Text != "", prefix+"text", "the message is empty")
	default:
		c.that(false, prefix+"kind", "%q is not a known action", a.Kind)
	}
}

func (e *edit) checkFollowMeAction(c *checks, prefix string, a *uc.Action) {
	sel, err := parseSelect(a.Devices)
	c.that(err == nil, prefix+"devices", "%q selects no devices", a.Devices)
	if sel.device != 0 {
		known(c, prefix+"devices", &e.dir.Devices, sel.device)
	}
	for _, class := range a.Classes {
		oneOf(c, prefix+"classes", class, uc.Classes...)
	}
	c.that(a.Enabled != nil || a.Delay != nil || a.Timeout != nil, prefix+"enabled", "say what is changed: enabled, delay or timeout")
	if a.Delay != nil {
		c.within(prefix+"delay", *a.Delay, 0, maxRing)
	}
	if a.Timeout != nil {
		c.within(prefix+"timeout", *a.Timeout, 1, maxRing)
	}
}

// cloneProfile copies a profile with all its lists, so that neither side can change the other's.
func cloneProfile(p uc.Profile) uc.Profile {
	p.Roles, p.Triggers = owned(p.Roles), owned(p.Triggers)
	for i := range p.Triggers {
		t := &p.Triggers[i]
		t.Weekdays, t.Activities = owned(t.Weekdays), owned(t.Activities)
	}
	p.Enter, p.Leave = cloneActions(p.Enter), cloneActions(p.Leave)
	return p
}

func cloneActions(list []uc.Action) []uc.Action {
	list = owned(list)
	for i := range list {
		a := &list[i]
		a.Classes = owned(a.Classes)
		a.Enabled, a.Delay, a.Timeout = clonePointer(a.Enabled), clonePointer(a.Delay), clonePointer(a.Timeout)
	}
	return list
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
