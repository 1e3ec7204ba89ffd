package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// forward follows the user's active forwarding of a kind, if there is one. moved tells that the call
// goes on at the extension returned, or that the outcome is decided if that is "".
func (m *maker) forward(u *uc.User, kind uc.ForwardKind) (to string, moved bool) {
	f := m.forwarding(u, kind)
	if f == nil {
		return "", false
	}
	what := "Forwarding " + forwardName(kind) + " of " + u.Name + " to " + f.Target
	if m.choice != nil {
		m.line(stepForward, what+" does not count", m.caller.Name+" has redirect.choice by role "+m.choice.Title)
		return "", false
	}
	because := "forwarding " + forwardName(kind) + " for " + string(f.Class) + " calls"
	if f.Class == uc.ForwardBoth {
		because = "forwarding " + forwardName(kind) + " for all calls"
	}
	return m.follow(stepForward, what, f.Target, setBy(because, f.SetBy))
}

// forwarding finds the active forwarding of a kind that covers the call: one for this class alone before
// one for both, then the oldest.
func (m *maker) forwarding(u *uc.User, kind uc.ForwardKind) *uc.Forwarding {
	var found *uc.Forwarding
	for _, f := range m.dir.UserForwardings(u.ID) {
		if !f.Active || f.Kind != kind || !f.Class.Covers(m.plan.Class) {
			continue
		}
		if found == nil || found.Class == uc.ForwardBoth && f.Class != uc.ForwardBoth {
			found = f
		}
	}
	return found
}

func forwardName(kind uc.ForwardKind) string {
	if kind == uc.ForwardNoAnswer {
		return "no answer"
	}
	return string(kind)
}

// follow sends the call to a target. A target that the call has visited is not followed (moved is
// false), and the cut is told; one that is no extension needs a trunk.
func (m *maker) follow(step, what, target, because string) (to string, moved bool) {
	switch {
	case target == "":
		m.line(step, what+" is not followed", "it has no target")
	case slices.Contains(m.plan.Path, target):
		m.line(step, what+" is not followed", "the call has already visited "+target+": the loop is cut")
	case len(m.plan.Path) >= maxVisits:
		m.line(step, what+" is not followed", "the call has already been passed on "+strconv.Itoa(maxVisits-1)+" times")
	default:
		m.line(step, what+" is followed", because)
		return target, true
	}
	return "", false
}

// unassigned ends a call to what is neither a user nor a team.
func (m *maker) unassigned(number string) {
	m.plan.Called = uc.Party{Number: number}
	switch {
	case uc.Emergency(number):
		m.reject(503, "No Trunk", number+" is an emergency number and no rule holds it up, but there is no trunk that could carry it")
	case strings.HasPrefix(number, "*"):
		m.reject(404, "Not Found", "there is no function code "+number)
	case len(m.plan.Path) > len(m.req.Path)+1 || outside(number):
		m.reject(503, "No Trunk", number+" is no extension, and there is no trunk that could carry the call outside")
	default:
		m.reject(404, "Not Found", "no user and no team has the extension "+number)
	}
}

// outside reports whether a number can only be meant for a trunk: extensions never begin with 0.
func outside(number string) bool {
	return strings.HasPrefix(number, "0") || strings.HasPrefix(number, "+")
}

// setBy adds who or what made a setting.
func setBy(setting, by string) string {
	if by == "" {
		return setting
	}
	return setting + ", set by " + by
}
