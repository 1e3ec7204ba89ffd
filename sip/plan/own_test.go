package plan

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// Before a call is dialled for somebody their own telephones ring, and nobody else's.
func TestOwn(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []fact
		req   uc.PlanRequest
		want  string
		show  string
	}{
		{"all own devices, for a minute", nil, uc.PlanRequest{Caller: from(anna), To: "34"}, "ring 1:0+60 2:0+60 3:0+60 (60 s)", "Ben"},
		{"a team is called", nil, uc.PlanRequest{Caller: from(ben), To: "80"}, "ring 5:0+60 (60 s)", "Support"},
		{"by FollowMe for internal calls", []fact{off(annaSoft, uc.Internal, ""), ring(annaMobile, uc.Internal, uc.Ring{Enabled: true, Delay: 5, Timeout: 20})},
			uc.PlanRequest{Caller: from(anna), To: "34"}, "ring 1:0+60 3:5+20 (60 s)", "Ben"},
		{"forwardings do not count", []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "56")},
			uc.PlanRequest{Caller: from(ben), To: "12"}, "ring 5:0+60 (60 s)", "Anna"},
		{"nor do call-flow lines", []fact{flow(uc.FlowLine{User: ben, List: uc.InternalBefore, Action: "goto", Target: "56"})},
			uc.PlanRequest{Caller: from(ben), To: "12"}, "ring 5:0+60 (60 s)", "Anna"},
		{"the phone of the workplace", []fact{switches(uc.UserState{User: ben, Workplace: reception})},
			uc.PlanRequest{Caller: from(ben), To: "12"}, "ring 5:0+60 8:0+60 (60 s)", "Anna"},
		{"no phone", []fact{unregistered(benDesk)}, uc.PlanRequest{Caller: from(ben), To: "12"}, "480 Not Reachable", "Anna"},
		{"in a call", []fact{inCall(ben, benDesk)}, uc.PlanRequest{Caller: from(ben), To: "12"}, "486 Busy Here", "Anna"},
		{"a number that is nobody's", nil, uc.PlanRequest{Caller: from(ben), To: "99"}, "ring 5:0+60 (60 s)", ""},
		{"nobody of ours", nil, uc.PlanRequest{Caller: outsider("0899"), To: "12"}, "404 Not Found", "Anna"},
	} {
		tables, live := company(), newState()
		for _, f := range c.given {
			f(tables, live)
		}
		p := Own(c.req, uc.NewDirectory(1, *tables), live)
		if brief(p) != c.want || p.CallerName != c.show || p.CallerNumber != c.req.To {
			t.Errorf("%s: %s, shown %q %q, want %s, shown %q%s", c.name, brief(p), p.CallerName, p.CallerNumber, c.want, c.show, story(p))
		}
	}
}
