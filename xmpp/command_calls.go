package xmpp

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func supervisesCalls(c *call) bool { return supervises(c) && c.server.deps.Phones != nil }

// visibleCalls lists the calls that go on and that the user may see: those of people they supervise.
func visibleCalls(c *call) []uc.Call {
	return slices.DeleteFunc(c.server.deps.Phones.Calls(), func(of uc.Call) bool { return !maySeeCall(c, of) })
}

func maySeeCall(c *call, of uc.Call) bool {
	may := func(id uc.UserID) bool { return id != 0 && c.dir.Users.Get(id) != nil && superviseOne(c, id) }
	return may(of.Caller.User) || may(of.Called.User) || maySeeTeam(c, of.Called.Team) ||
		slices.ContainsFunc(of.Legs, func(l uc.Leg) bool { return l.State != uc.LegEnded && may(l.User) })
}

// maySeeTeam reports whether the user supervises a member of a team.
func maySeeTeam(c *call, id uc.TeamID) bool {
	return id != 0 && slices.ContainsFunc(c.dir.TeamMembers(id), func(m *uc.Member) bool { return superviseOne(c, m.User) })
}

// superviseCalls lists the calls and teams of those whom the user supervises.
func superviseCalls(c *call) (*page, error) {
	var lines []string
	f := &form{title: "Calls and teams", columns: []field{{name: "what", label: "What"}, {name: "name", label: "Who"}, {name: "state", label: "State"}, {name: "since", label: "Since"}}}
	add := func(what, name, state, since string) {
		f.items = append(f.items, []string{what, name, state, since})
		lines = append(lines, strings.TrimSpace(name+": "+state+" "+since))
	}
	calls := visibleCalls(c)
	for _, of := range calls {
		add("call", callInWords(of), string(of.State), callSince(c, of).In(zone(c.user)).Format(time.TimeOnly))
	}
	var teams []*uc.Team
	for id, t := range c.dir.Teams.All() {
		if maySeeTeam(c, id) {
			teams = append(teams, t)
		}
	}
	slices.SortFunc(teams, func(a, b *uc.Team) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	for _, t := range teams {
		add("team", t.Name, teamOf(c.dir, t.ID, c.server.queued.of(t.ID)).text(), "")
	}
	if len(lines) == 0 {
		return &page{note: "There are no calls."}, nil
	}
	return &page{note: strings.Join(lines, "\n"), form: f}, nil
}

func callInWords(of uc.Call) string {
	name := func(p uc.Party) string { return cmp.Or(p.Name, p.Number, "somebody") }
	return name(of.Caller) + " → " + name(of.Called)
}

func callSince(_ *call, of uc.Call) time.Time {
	if of.Answered.IsZero() {
		return of.Began
	}
	return of.Answered
}

// chooseCall asks for one of some calls.
func chooseCall(c *call, title string, calls []uc.Call, more ...field) *page {
	choice := field{typ: "list-single", name: "call", label: "Call", required: true}
	for _, of := range calls {
		if len(choice.options) < maxListed {
			choice.options = append(choice.options, option{of.ID, fmt.Sprintf("%s (%s since %s)", callInWords(of), of.State,
				callSince(c, of).In(zone(c.user)).Format(time.TimeOnly))})
		}
	}
	if len(choice.options) == 0 {
		return &page{note: "There is no call to do this with."}
	}
	return &page{last: true, form: &form{title: title, fields: append([]field{choice}, more...)}}
}

// chosenCall returns the call of a form, if it is one that the user may steer. The refusal does not tell whether it exists.
func chosenCall(calls []uc.Call, in values) (uc.Call, error) {
	for _, of := range calls {
		if of.ID == in.one("call") {
			return of, nil
		}
	}
	return uc.Call{}, errForbidden
}

// hangUp ends a call of somebody whom the user supervises.
func hangUp(c *call) (*page, error) {
	p := chooseCall(c, "Hang up a call", visibleCalls(c))
	if p.form == nil {
		return p, nil
	}
	p.next = func(c *call, in values) (*page, error) {
		of, err := chosenCall(visibleCalls(c), in)
		if err != nil {
			return nil, err
		}
		if err := c.server.deps.Phones.HangUp(c.ctx, of.ID, c.by()); err != nil {
			return nil, err
		}
		return &page{note: "Hung up the call " + callInWords(of) + "."}, nil
	}
	return p, nil
}

// divert leads a call that nobody has answered elsewhere: to the user's own phones, which is to pick it up,
// or to somebody else.
func divert(c *call) (*page, error) {
	unanswered := slices.DeleteFunc(visibleCalls(c), func(of uc.Call) bool { return of.State == uc.CallAnswered })
	p := chooseCall(c, "Pick up a ringing call, or pass it on", unanswered,
		field{typ: "text-single", name: "to", label: "To (extension; yours picks it up)", values: []string{c.user.Ext}, required: true})
	if p.form == nil {
		return p, nil
	}
	p.next = func(c *call, in values) (*page, error) {
		of, err := chosenCall(visibleCalls(c), in)
		if err != nil {
			return nil, err
		}
		to := strings.TrimSpace(in.one("to"))
		if _, ok := c.dir.ByExt(to); !ok {
			return nil, uc.FieldError(uc.ErrInvalid, "to", "%s is no extension", strconv.Quote(to))
		}
		if err := c.server.deps.Phones.Divert(c.ctx, of.ID, to, c.by()); err != nil {
			return nil, err
		}
		return &page{note: "Led the call " + callInWords(of) + " to " + to + "."}, nil
	}
	return p, nil
}
