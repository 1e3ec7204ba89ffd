package xmpp

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/rolecall/rolecall/internal/uc"
)

// switchProfile lets the user choose somebody's profile by hand.
func switchProfile(c *call) (*page, error) {
	now := c.server.deps.Profiles.State(c.whom.ID)
	choice := field{typ: "list-single", name: "profile", label: "Profile", required: true,
		values: []string{strconv.FormatInt(int64(now.Effective), 10)}}
	for _, p := range c.dir.Offered(c.whom.ID) {
		label := p.Name
		if p.ID == now.Effective {
			label += " (current)"
		}
		choice.options = append(choice.options, option{strconv.FormatInt(int64(p.ID), 10), label})
	}
	until := field{typ: "text-single", name: "until", label: "Until (17:30, 90m; empty: until something else is chosen)"}
	return &page{last: true, next: applyProfile,
		form: &form{title: c.title("Switch profile"), instructions: now.Reason, fields: []field{choice, until}}}, nil
}

func applyProfile(c *call, in values) (*page, error) {
	id, err := strconv.ParseInt(in.one("profile"), 10, 64)
	if err != nil {
		return nil, badCommand("bad-payload")
	}
	profile := uc.ProfileID(id)
	if !slices.ContainsFunc(c.dir.Offered(c.whom.ID), func(p *uc.Profile) bool { return p.ID == profile }) {
		return nil, uc.FieldError(uc.ErrInvalid, "profile", "this profile is not offered")
	}
	req := uc.SwitchRequest{User: c.whom.ID, Profile: profile, By: c.by()}
	if text := in.one("until"); text != "" {
		if req.Until, err = parseTime(text, c.now, zone(c.whom)); err != nil {
			return nil, err
		}
		if !req.Until.After(c.now) {
			return nil, uc.FieldError(uc.ErrInvalid, "until", "the time is past")
		}
	}
	entry, err := c.server.deps.Profiles.Switch(c.ctx, req)
	if err != nil {
		return nil, err
	}
	return &page{note: "Profile: " + c.dir.Profiles.Get(profile).Name, form: resultOf(entry)}, nil
}

// resultOf lists what the actions of a switch came to.
func resultOf(entry uc.JournalEntry) *form {
	f := &form{title: "Done", fields: []field{{typ: "text-single", name: "reason", label: "Because", values: []string{entry.Reason}}}}
	for i, a := range entry.Actions {
		text := a.Result
		if a.Error != "" {
			text += ": " + a.Error
		}
		f.fields = append(f.fields, field{typ: "text-single", name: "action" + strconv.Itoa(i+1), label: a.Action, values: []string{text}})
	}
	return f
}

// profileStatus tells which profile the user is in, and why.
func profileStatus(c *call) (*page, error) {
	now := c.server.deps.Profiles.State(c.user.ID)
	name := "?"
	if p := c.dir.Profiles.Get(now.Effective); p != nil {
		name = p.Name
	}
	f := &form{title: "Profile status", fields: []field{
		{typ: "text-single", name: "profile", label: "Profile", values: []string{name}},
		{typ: "text-single", name: "reason", label: "Because", values: []string{cmp.Or(now.Reason, "it is the profile that everybody begins with")}},
	}}
	if !now.Since.IsZero() {
		f.fields = append(f.fields, field{typ: "text-single", name: "since", label: "Since", values: []string{now.Since.In(zone(c.user)).Format("2006-01-02 15:04")}})
	}
	if !now.Base.Until.IsZero() {
		f.fields = append(f.fields, field{typ: "text-single", name: "until", label: "Until", values: []string{now.Base.Until.In(zone(c.user)).Format("2006-01-02 15:04")}})
	}
	return &page{form: f}, nil
}

// clientDND lets the user say whether a client's "do not disturb" switches the profile.
func clientDND(c *call) (*page, error) {
	on := "0"
	if c.user.ClientDND {
		on = "1"
	}
	return &page{last: true, next: applyClientDND, form: &form{title: "My client's do-not-disturb", fields: []field{
		{typ: "boolean", name: "on", label: "It switches to the profile DND and back", values: []string{on}}}}}, nil
}

func applyClientDND(c *call, in values) (*page, error) {
	on := in.one("on") == "1" || in.one("on") == "true" // XEP-0004 §3.3
	if err := c.server.deps.Switches.SetClientDND(c.ctx, c.by(), c.user.ID, on); err != nil {
		return nil, err
	}
	if on {
		return &page{note: "Do-not-disturb of your client switches to the profile DND, and back when it ends."}, nil
	}
	return &page{note: "Do-not-disturb of your client does not change your profile."}, nil
}
