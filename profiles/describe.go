package profiles

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// Describe says in words what an action does, with the names that the snapshot knows.
func Describe(dir *uc.Directory, a uc.Action) string {
	switch a.Kind {
	case uc.ActionFollowMe:
		return "FollowMe of " + devices(dir, a.Devices) + ", " + classes(a.Classes) + ": " + ring(&a)
	case uc.ActionGSM:
		return "GSM mode " + onOff(on(&a))
	case uc.ActionTeamLogin:
		return "log in to " + team(dir, a.Team)
	case uc.ActionTeamLogout:
		return "log out of " + team(dir, a.Team)
	case uc.ActionTeamPause:
		return "pause in " + team(dir, a.Team) + inBrackets(a.Reason)
	case uc.ActionTeamUnpause:
		return "end the pause in " + team(dir, a.Team)
	case uc.ActionSetWorkplace:
		return "log in at " + location(dir, a.Location)
	case uc.ActionUnsetWorkplace:
		return "log out of the workplace"
	case uc.ActionSetRedirect:
		return "redirect " + redirected(&a) + " to " + a.Target + inBrackets(dir.NameOf(a.Target))
	case uc.ActionUnsetRedirect:
		return "stop redirecting " + redirected(&a)
	case uc.ActionText:
		if a.Text == "" {
			return "clear the presence text"
		}
		return "show the text “" + a.Text + "”"
	case uc.ActionWebhook:
		return "call the webhook at " + host(a.URL)
	case uc.ActionMessage:
		return "send a message to " + a.Target
	}
	return "unknown action " + strconv.Quote(string(a.Kind))
}

func devices(dir *uc.Directory, sel uc.DeviceSelect) string {
	kind, id, found := strings.Cut(string(sel), ":")
	switch {
	case !found:
		return "all devices"
	case kind == "kind":
		return "all devices of kind " + id
	}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		if d := dir.Devices.Get(uc.DeviceID(n)); d != nil {
			return d.Name
		}
	}
	return "a device that is gone"
}

func classes(list []uc.Class) string {
	if len(list) == 0 || len(list) == len(uc.Classes) {
		return "all calls"
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = string(c)
	}
	return strings.Join(names, " and ") + " calls"
}

func ring(a *uc.Action) string {
	var parts []string
	if a.Enabled != nil {
		parts = append(parts, onOff(*a.Enabled))
	}
	if a.Delay != nil {
		parts = append(parts, fmt.Sprintf("after %d s", *a.Delay))
	}
	if a.Timeout != nil {
		parts = append(parts, fmt.Sprintf("for %d s", *a.Timeout))
	}
	if len(parts) == 0 {
		return "unchanged"
	}
	return strings.Join(parts, ", ")
}

func team(dir *uc.Directory, id uc.TeamID) string {
	if id == 0 {
		return "all teams"
	}
	if t := dir.Teams.Get(id); t != nil {
		return "team " + t.Name
	}
	return "a team that is gone"
}

func location(dir *uc.Directory, id uc.LocationID) string {
	if l := dir.Locations.Get(id); l != nil {
		return l.Name
	}
	return "a workplace that is gone"
}

func redirected(a *uc.Action) string {
	calls := "all calls"
	if class := forwardClass(a); class != uc.ForwardBoth {
		calls = string(class) + " calls"
	}
	switch forwardKind(a) {
	case uc.ForwardBusy:
		return calls + " while busy"
	case uc.ForwardNoAnswer:
		return calls + " that nobody answers"
	case uc.ForwardUnreachable:
		return calls + " while unreachable"
	}
	return calls
}

// host leaves out of a URL what may be secret.
func host(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return "an unusable address"
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
