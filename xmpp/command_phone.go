package xmpp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// followMe lets the user say whether and when a device rings.
func followMe(c *call) (*page, error) {
	device := field{typ: "list-single", name: "device", label: "Device", required: true}
	var now []string
	for _, a := range c.dir.UserAssignments(c.whom.ID) {
		d := c.dir.Devices.Get(a.Device)
		if d == nil {
			continue
		}
		now = append(now, d.Name+": "+ringsInWords(a))
		if a.UserConfigurable {
			device.options = append(device.options, option{"device:" + strconv.FormatInt(int64(d.ID), 10), d.Name})
		}
	}
	if len(device.options) == 0 {
		return &page{note: strings.Join(append(now, "None of your devices is configurable by you."), "\n")}, nil
	}
	device.values = []string{device.options[0].value}
	class := field{typ: "list-multi", name: "class", label: "For calls", required: true}
	for _, cl := range uc.Classes {
		class.options = append(class.options, option{string(cl), string(cl)})
		class.values = append(class.values, string(cl))
	}
	return &page{last: true, next: applyFollowMe, form: &form{
		title: "FollowMe", instructions: strings.Join(now, "\n"),
		fields: []field{device, class,
			{typ: "list-single", name: "rings", label: "Rings", values: []string{"keep"},
				options: []option{{"keep", "as it is"}, {"on", "yes"}, {"off", "no"}}},
			{typ: "text-single", name: "delay", label: "After so many seconds (empty: as it is)"},
			{typ: "text-single", name: "timeout", label: "For so many seconds (empty: as it is)"},
		}}}, nil
}

func ringsInWords(a *uc.Assignment) string {
	var list []string
	for _, cl := range uc.Classes {
		r := a.Ring(cl)
		switch {
		case !r.Enabled:
			list = append(list, string(cl)+" off")
		case r.Delay > 0:
			list = append(list, string(cl)+" after "+strconv.Itoa(r.Delay)+" s")
		default:
			list = append(list, string(cl)+" on")
		}
	}
	return strings.Join(list, ", ")
}

func applyFollowMe(c *call, in values) (*page, error) {
	sel := uc.DeviceSelect(in.one("device"))
	if !slices.ContainsFunc(c.dir.UserAssignments(c.whom.ID), func(a *uc.Assignment) bool {
		return a.UserConfigurable && sel == uc.DeviceSelect("device:"+strconv.FormatInt(int64(a.Device), 10))
	}) {
		return nil, uc.FieldError(uc.ErrForbidden, "device", "this device is not yours to configure")
	}
	var classes []uc.Class
	for _, name := range in["class"] {
		if !slices.Contains(uc.Classes, uc.Class(name)) {
			return nil, badCommand("bad-payload")
		}
		classes = append(classes, uc.Class(name))
	}
	if len(classes) == 0 { // which would mean all
		return nil, uc.FieldError(uc.ErrInvalid, "class", "for which calls is missing")
	}
	var patch uc.RingPatch
	if rings := in.one("rings"); rings == "on" || rings == "off" {
		patch.Enabled = new(rings == "on")
	}
	var err error
	if patch.Delay, err = seconds(in, "delay"); err != nil {
		return nil, err
	}
	if patch.Timeout, err = seconds(in, "timeout"); err != nil {
		return nil, err
	}
	return finish(c.server.deps.Switches.SetFollowMe(c.ctx, c.by(), c.whom.ID, sel, classes, patch))
}

// seconds reads a field that may be empty; then it is nil.
func seconds(in values, name string) (*int, error) {
	text := strings.TrimSpace(in.one(name))
	if text == "" {
		return nil, nil //nolint:nilnil // nil means: leave as it is
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, uc.FieldError(uc.ErrInvalid, name, "%q is not a number of seconds", text)
	}
	return &n, nil
}

// workplace logs somebody in at a location, or out.
func workplace(c *call) (*page, error) {
	at := c.dir.State(c.whom.ID).Workplace
	place := field{typ: "list-single", name: "location", label: "Workplace", values: []string{strconv.FormatInt(int64(at), 10)},
		options: []option{{"0", "none"}}}
	for id, l := range c.dir.Locations.All() {
		if ok, _ := c.dir.MayUseLocation(c.whom.ID, id); ok {
			place.options = append(place.options, option{strconv.FormatInt(int64(id), 10), l.Name})
		}
	}
	slices.SortFunc(place.options[1:], func(a, b option) int { return cmp.Compare(a.label, b.label) })
	return &page{last: true, next: applyWorkplace, form: &form{title: c.title("Workplace"), fields: []field{place}}}, nil
}

func applyWorkplace(c *call, in values) (*page, error) {
	id, err := strconv.ParseInt(in.one("location"), 10, 64)
	if err != nil {
		return nil, badCommand("bad-payload")
	}
	if id == 0 {
		return finish(c.server.deps.Switches.UnsetWorkplace(c.ctx, c.by(), c.whom.ID))
	}
	loc := uc.LocationID(id)
	if ok, _ := c.dir.MayUseLocation(c.whom.ID, loc); !ok {
		return nil, uc.FieldError(uc.ErrForbidden, "location", "this workplace is not offered") // nor told whether there is one
	}
	return finish(c.server.deps.Switches.SetWorkplace(c.ctx, c.by(), c.whom.ID, loc))
}

func inTeams(c *call) bool { return len(c.dir.Memberships(c.whom.ID)) > 0 }

// teams logs somebody in and out of teams, and pauses.
func teams(c *call) (*page, error) {
	team := field{typ: "list-single", name: "team", label: "Team", values: []string{"0"}, options: []option{{"0", "all"}}}
	var now []string
	for _, m := range c.dir.Memberships(c.whom.ID) {
		if t := c.dir.Teams.Get(m.Team); t != nil {
			team.options = append(team.options, option{strconv.FormatInt(int64(t.ID), 10), t.Name})
			now = append(now, t.Name+": "+memberInWords(m))
		}
	}
	action := field{typ: "list-single", name: "action", label: "Do", required: true, options: []option{
		{"login", "log in"}, {"logout", "log out"}, {"pause", "pause"}, {"unpause", "end the pause"}}}
	reason := field{typ: "text-single", name: "reason", label: "Reason of the pause"}
	return &page{last: true, next: applyTeams, form: &form{
		title: c.title("Teams"), instructions: strings.Join(now, "\n"), fields: []field{action, team, reason}}}, nil
}

func memberInWords(m *uc.Member) string {
	switch {
	case m.Paused && m.Reason != "":
		return "paused, " + m.Reason
	case m.Paused:
		return "paused"
	case m.Static || m.LoggedIn:
		return "in"
	}
	return "out"
}

func applyTeams(c *call, in values) (*page, error) {
	id, err := strconv.ParseInt(cmp.Or(in.one("team"), "0"), 10, 64)
	if err != nil {
		return nil, badCommand("bad-payload")
	}
	team, sw := uc.TeamID(id), c.server.deps.Switches
	if team != 0 && !slices.ContainsFunc(c.dir.Memberships(c.whom.ID), func(m *uc.Member) bool { return m.Team == team }) {
		return nil, uc.FieldError(uc.ErrForbidden, "team", "this team is not offered") // nor told whether there is one
	}
	switch in.one("action") {
	case "login":
		return finish(sw.TeamLogin(c.ctx, c.by(), c.whom.ID, team))
	case "logout":
		return finish(sw.TeamLogout(c.ctx, c.by(), c.whom.ID, team))
	case "pause":
		return finish(sw.TeamPause(c.ctx, c.by(), c.whom.ID, team, in.one("reason")))
	case "unpause":
		return finish(sw.TeamUnpause(c.ctx, c.by(), c.whom.ID, team))
	}
	return nil, badCommand("bad-payload")
}

// redirect sets and clears somebody's forwardings.
func redirect(c *call) (*page, error) {
	kind := field{typ: "list-single", name: "kind", label: "When", values: []string{string(uc.ForwardAlways)}, options: []option{
		{string(uc.ForwardAlways), "always"}, {string(uc.ForwardBusy), "busy"},
		{string(uc.ForwardNoAnswer), "no answer"}, {string(uc.ForwardUnreachable), "unreachable"}}}
	class := field{typ: "list-single", name: "class", label: "For calls", values: []string{string(uc.ForwardBoth)}, options: []option{
		{string(uc.ForwardBoth), "internal and external"}, {string(uc.ForwardInternal), "internal"}, {string(uc.ForwardExternal), "external"}}}
	target := field{typ: "text-single", name: "target", label: "To (extension or number; empty: off)"}
	var now []string
	for _, f := range c.dir.UserForwardings(c.whom.ID) {
		state := "off"
		if f.Active {
			state = "on"
		}
		now = append(now, string(f.Kind)+" ("+string(f.Class)+") to "+f.Target+": "+state)
	}
	return &page{last: true, next: applyRedirect, form: &form{
		title: c.title("Redirect"), instructions: strings.Join(now, "\n"), fields: []field{kind, class, target}}}, nil
}

func applyRedirect(c *call, in values) (*page, error) {
	kind := uc.ForwardKind(cmp.Or(in.one("kind"), string(uc.ForwardAlways)))
	class := uc.ForwardClass(cmp.Or(in.one("class"), string(uc.ForwardBoth)))
	target := strings.TrimSpace(in.one("target"))
	if target == "" {
		return finish(c.server.deps.Switches.UnsetForwarding(c.ctx, c.by(), c.whom.ID, kind, class))
	}
	return finish(c.server.deps.Switches.SetForwarding(c.ctx, c.by(), c.whom.ID, kind, class, target))
}

func canExplain(c *call) bool { return c.server.deps.Explainer != nil }

// explain tells what a call would do, and because of what.
func explain(c *call) (*page, error) {
	return &page{last: true, next: applyExplain, form: &form{title: "Explain a call", fields: []field{
		{typ: "text-single", name: "from", label: "From (extension or number)", required: true},
		{typ: "text-single", name: "to", label: "To (extension)", required: true, values: []string{c.user.Ext}},
		{typ: "text-single", name: "time", label: "When (17:30, 2026-03-02 09:00; empty: now)"},
	}}}, nil
}

func applyExplain(c *call, in values) (*page, error) {
	req := uc.PlanRequest{To: strings.TrimSpace(in.one("to")), Now: c.now}
	if !mayExplain(c, req.To) {
		return nil, errForbidden
	}
	req.Caller.Number = strings.TrimSpace(in.one("from"))
	if t, ok := c.dir.ByExt(req.Caller.Number); ok {
		req.Caller.User = t.User
	}
	if text := in.one("time"); text != "" {
		at, err := parseTime(text, c.now, zone(c.user))
		if err != nil {
			return nil, err
		}
		req.Now = at
	}
	plan := c.server.deps.Explainer.Explain(req)
	f := &form{title: req.Caller.Number + " calls " + req.To}
	for i, l := range plan.Lines {
		f.fields = append(f.fields, field{typ: "text-single", name: l.Step + "." + strconv.Itoa(i+1), label: l.Text, values: []string{l.Because}})
	}
	return &page{form: f}, nil
}

// mayExplain reports whether the user may know why calls to an extension go where they go: their own,
// those of teams they are in, and those of people they supervise.
func mayExplain(c *call, ext string) bool {
	t, ok := c.dir.ByExt(ext)
	switch {
	case !ok:
		return false
	case t.User != 0:
		return t.User == c.user.ID || c.dir.MaySupervise(c.user.ID, t.User)
	}
	return slices.ContainsFunc(c.dir.Memberships(c.user.ID), func(m *uc.Member) bool { return m.Team == t.Team })
}
