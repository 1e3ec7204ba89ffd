package plan

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"pgregory.net/rapid"
)

const crowd = 5 // users with extensions 10 to 14; teams have 20 and 21

// Whatever the company looks like: the plan is made, is sound, and is the same every time.
func TestEveryPlanIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables, live := drawCompany(t), drawState(t)
		dir := uc.NewDirectory(1, tables)
		req := drawRequest(t)
		p := Make(req, dir, live)
		sound(t, req, p, dir, live)
		// Tables are maps: a directory made anew is walked through in another order.
		if again := Make(req, uc.NewDirectory(1, tables), live); !reflect.DeepEqual(p, again) {
			t.Fatalf("two plans of one call:%s\n%s", story(p), story(again))
		}
	})
}

// A call that nobody ever takes ends, and visits no extension twice on its whole way.
func TestEveryCallEnds(t *testing.T) {
	statuses := []uc.CallStatus{uc.StatusNoAnswer, uc.StatusBusy, uc.StatusUnreachable}
	rapid.Check(t, func(t *rapid.T) {
		dir, live := uc.NewDirectory(1, drawCompany(t)), drawState(t)
		req := drawRequest(t)
		req.After = uc.StatusNone
		for range crowd + 4 {
			p := Make(req, dir, live)
			sound(t, req, p, dir, live)
			if p.Outcome == uc.OutcomeReject {
				return
			}
			req = Next(req, p, rapid.SampledFrom(statuses).Draw(t, "status"), time.Time{})
		}
		t.Fatal("the call goes on for ever")
	})
}

func sound(t *rapid.T, req uc.PlanRequest, p uc.Plan, dir *uc.Directory, live uc.Live) {
	for i, ext := range p.Path {
		if slices.Contains(p.Path[:i], ext) {
			t.Fatalf("visits %s twice: %q", ext, p.Path)
		}
	}
	for _, l := range p.Lines {
		if l.Step == "" || l.Text == "" || l.Because == "" {
			t.Fatalf("a line without step, text or reason: %+v", l)
		}
	}
	if len(p.Lines) == 0 || p.Lines[len(p.Lines)-1].Step != stepResult {
		t.Fatalf("the last line is no result:%s", story(p))
	}
	if p.Outcome == uc.OutcomeReject {
		if len(p.Branches) > 0 || p.Status < 400 || p.Status > 699 || p.Cause == "" {
			t.Fatalf("rejects with %d %q and %d branches", p.Status, p.Cause, len(p.Branches))
		}
		return
	}
	if p.Outcome != uc.OutcomeRing || len(p.Branches) == 0 || p.Status != 0 {
		t.Fatalf("outcome %q with %d branches and status %d", p.Outcome, len(p.Branches), p.Status)
	}
	longest := 0
	for i, b := range p.Branches {
		longest = max(longest, b.Delay+b.Timeout)
		if slices.ContainsFunc(p.Branches[:i], func(o uc.Branch) bool { return o.Device == b.Device }) {
			t.Fatalf("device %d rings twice", b.Device)
		}
		if why := mayNotRing(req, p, b, dir, live); why != "" {
			t.Fatalf("device %d of user %d rings, but %s:%s", b.Device, b.User, why, story(p))
		}
	}
	if p.Ring != longest {
		t.Fatalf("rings %d s, the longest branch %d s", p.Ring, longest)
	}
}

// mayNotRing says in its own way why a branch is wrong, or "".
func mayNotRing(req uc.PlanRequest, p uc.Plan, b uc.Branch, dir *uc.Directory, live uc.Live) string {
	owner, dev := dir.Users.Get(b.User), dir.Devices.Get(b.Device)
	enabled := slices.ContainsFunc(dir.Endpoints(b.User), func(a *uc.Assignment) bool {
		return a.Device == b.Device && a.Ring(p.Class).Enabled
	})
	switch {
	case b.Delay < 0 || b.Timeout <= 0:
		return fmt.Sprintf("delay %d and timeout %d make no sense", b.Delay, b.Timeout)
	case b.Device == req.Caller.Device:
		return "it is the calling device"
	case !enabled:
		return "FollowMe is off"
	case b.Number == "" && !live.Registered(b.Device):
		return "it is not registered"
	case b.Number != "" && dev.Kind != uc.DeviceExternal && (dev.Kind != uc.DeviceMobile || !dir.State(b.User).GSM):
		return "it has a number without GSM mode"
	case !owner.CallWaiting && (live.UserCalls(b.User) > 0 || live.DeviceCalls(b.Device) > 0):
		return "the user is busy"
	case p.Called.Team == 0 && b.User != p.Called.User:
		return "somebody else was called"
	}
	return ""
}

func drawExt(t *rapid.T) string {
	return rapid.SampledFrom([]string{"10", "11", "12", "13", "14", "20", "21", "99", "0891", "112", ""}).Draw(t, "ext")
}

func drawRing(t *rapid.T) uc.Ring {
	return uc.Ring{
		Enabled: rapid.IntRange(0, 3).Draw(t, "on") > 0,
		Delay:   rapid.IntRange(-1, 20).Draw(t, "delay"),
		Timeout: rapid.SampledFrom([]int{-1, 0, 5, 30, 999}).Draw(t, "timeout"),
	}
}

func drawCompany(t *rapid.T) uc.Tables {
	var c uc.Tables
	coin := func(label string) bool { return rapid.Bool().Draw(t, label) }
	userID := func(label string) uc.UserID { return uc.UserID(rapid.IntRange(1, crowd).Draw(t, label)) }
	kinds := []uc.DeviceKind{uc.DeviceDesk, uc.DeviceSoftphone, uc.DeviceMobile, uc.DeviceFax, uc.DeviceExternal}
	for i := 1; i <= crowd; i++ {
		c.Users = append(c.Users, uc.User{ID: uc.UserID(i), Name: string(rune('A' + i)), Ext: fmt.Sprint(9 + i),
			CallWaiting: coin("waiting"), MobileNumber: rapid.SampledFrom([]string{"", "+49"}).Draw(t, "mobile")})
		c.UserStates = append(c.UserStates, uc.UserState{User: uc.UserID(i), GSM: coin("gsm"),
			Workplace: uc.LocationID(rapid.IntRange(0, 2).Draw(t, "workplace"))})
	}
	for i := range rapid.IntRange(0, 9).Draw(t, "devices") {
		c.Devices = append(c.Devices, uc.Device{ID: uc.DeviceID(i + 1), Name: "phone", Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			Number: rapid.SampledFrom([]string{"", "+491"}).Draw(t, "number")})
	}
	c.Locations = []uc.Location{{ID: 1, Name: "Desk 1"}, {ID: 2, Name: "Desk 2"}}
	for i := range rapid.IntRange(0, 12).Draw(t, "assignments") {
		a := uc.Assignment{ID: uc.AssignmentID(i + 1), Device: uc.DeviceID(rapid.IntRange(1, 9).Draw(t, "device")),
			Internal: drawRing(t), External: drawRing(t), Queue: drawRing(t)}
		if coin("own") {
			a.User = userID("owner")
		} else {
			a.Location = uc.LocationID(rapid.IntRange(1, 2).Draw(t, "location"))
		}
		c.Assignments = append(c.Assignments, a)
	}
	drawFlows(t, &c)
	strategies := []uc.Strategy{uc.RingAll, uc.Linear, uc.Weighted, uc.RandomMember, ""}
	for i := range 2 {
		c.Teams = append(c.Teams, uc.Team{ID: uc.TeamID(i + 1), Name: "T", Ext: fmt.Sprint(20 + i), Prefix: "T:", Overflow: drawExt(t),
			Strategy:      rapid.SampledFrom(strategies).Draw(t, "strategy"),
			MemberTimeout: rapid.SampledFrom([]int{0, 15}).Draw(t, "member timeout")})
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "members") {
		c.Members = append(c.Members, uc.Member{ID: uc.MemberID(i + 1), Team: uc.TeamID(rapid.IntRange(1, 2).Draw(t, "team")),
			User: userID("member"), Static: coin("static"), LoggedIn: coin("in"), Paused: coin("paused"),
			Weight: rapid.IntRange(0, 3).Draw(t, "weight")})
	}
	c.Roles = []uc.Role{{ID: 1, Title: "All", AutoUsers: true},
		{ID: 2, Title: "Boss", Types: []uc.RoleType{uc.TypeRedirectChoice}, Users: []uc.UserID{userID("boss")}}}
	c.Phonebook = []uc.PhonebookEntry{{ID: 1, Name: "One", Numbers: []string{"0891"}}, {ID: 2, Name: "Two", Numbers: []string{"0891"}}}
	return c
}

// drawFlows draws forwardings and call-flow lines.
func drawFlows(t *rapid.T, c *uc.Tables) {
	userID := func() uc.UserID { return uc.UserID(rapid.IntRange(1, crowd).Draw(t, "whose")) }
	for i := range rapid.IntRange(0, 10).Draw(t, "forwardings") {
		c.Forwardings = append(c.Forwardings, uc.Forwarding{
			ID: uc.ForwardingID(i + 1), User: userID(), Target: drawExt(t), Active: rapid.IntRange(0, 3).Draw(t, "active") > 0,
			Kind: rapid.SampledFrom([]uc.ForwardKind{uc.ForwardAlways, uc.ForwardBusy, uc.ForwardNoAnswer, uc.ForwardUnreachable}).
				Draw(t, "kind"),
			Class: rapid.SampledFrom([]uc.ForwardClass{uc.ForwardInternal, uc.ForwardExternal, uc.ForwardBoth}).Draw(t, "class"),
		})
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "lines") {
		l := uc.FlowLine{
			ID: uc.FlowLineID(i + 1), Position: rapid.IntRange(0, 2).Draw(t, "position"), Target: drawExt(t),
			List: rapid.SampledFrom([]uc.FlowList{uc.InternalBefore, uc.InternalAfter, uc.ExternalBefore, uc.ExternalAfter}).
				Draw(t, "list"),
			Status: rapid.SampledFrom([]string{"", "any", "noanswer", "busy", "unreachable", "full", "timeout"}).Draw(t, "status"),
			Action: rapid.SampledFrom([]string{"goto", "goto", "goto", "hangup", "voicemail", "prompt", "?"}).Draw(t, "action"),
		}
		if rapid.Bool().Draw(t, "of a user") {
			l.User = userID()
		} else {
			l.Team = uc.TeamID(rapid.IntRange(1, 2).Draw(t, "team"))
		}
		c.FlowLines = append(c.FlowLines, l)
	}
}

func drawState(t *rapid.T) *state {
	s := newState()
	for d := uc.DeviceID(1); d <= 9; d++ {
		s.gone[d] = rapid.IntRange(0, 3).Draw(t, "gone") == 0
		s.devices[d] = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "device calls")
	}
	for u := uc.UserID(1); u <= crowd; u++ {
		s.users[u] = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "user calls")
	}
	return s
}

func drawRequest(t *rapid.T) uc.PlanRequest {
	r := uc.PlanRequest{
		To:    drawExt(t),
		Class: rapid.SampledFrom([]uc.Class{"", "", uc.Internal, uc.External, uc.Queue}).Draw(t, "class"),
		Team:  uc.TeamID(rapid.SampledFrom([]int{0, 0, 0, 1, 7}).Draw(t, "through")),
		After: rapid.SampledFrom([]uc.CallStatus{"", "", uc.StatusNoAnswer, uc.StatusBusy, uc.StatusUnreachable}).Draw(t, "after"),
		Path:  rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"10", "11", "12", "20"}), 0, 2, rapid.ID).Draw(t, "path"),
	}
	if rapid.Bool().Draw(t, "from outside") {
		r.Caller = uc.Party{Number: rapid.SampledFrom([]string{"0891", "0899", ""}).Draw(t, "caller")}
	} else {
		r.Caller = uc.Party{User: uc.UserID(rapid.IntRange(0, crowd+1).Draw(t, "caller")),
			Device: uc.DeviceID(rapid.IntRange(1, 9).Draw(t, "caller's device"))}
	}
	return r
}
