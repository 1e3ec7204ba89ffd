package xmpp

import (
	"strings"
	"testing"
)

// states are the nine subscription states of RFC 6121 Appendix A.1, by the names of its tables.
var states = map[string]subState{
	"None":        {listed: true},
	"None+Out":    {listed: true, pendingOut: true},
	"None+In":     {listed: true, pendingIn: true},
	"None+Out+In": {listed: true, pendingOut: true, pendingIn: true},
	"To":          {listed: true, to: true},
	"To+In":       {listed: true, to: true, pendingIn: true},
	"From":        {listed: true, from: true},
	"From+Out":    {listed: true, from: true, pendingOut: true},
	"Both":        {listed: true, to: true, from: true},
}

// tables are those of RFC 6121 Appendix A.2 and A.3: state, route or deliver (yes or no), new state.
const tables = `
outbound subscribe
	None yes None+Out; None+Out yes None+Out; None+In yes None+Out+In; None+Out+In yes None+Out+In
	To yes To; To+In yes To+In; From yes From+Out; From+Out yes From+Out; Both yes Both
outbound unsubscribe
	None yes None; None+Out yes None; None+In yes None+In; None+Out+In yes None+In
	To yes None; To+In yes None+In; From yes From; From+Out yes From; Both yes From
outbound subscribed
	None no None; None+Out no None+Out; None+In yes From; None+Out+In yes From+Out
	To no To; To+In yes Both; From no From; From+Out no From+Out; Both no Both
outbound unsubscribed
	None no None; None+Out no None+Out; None+In yes None; None+Out+In yes None+Out
	To no To; To+In yes To; From yes None; From+Out yes None+Out; Both yes To
inbound subscribe
	None yes None+In; None+Out yes None+Out+In; None+In no None+In; None+Out+In no None+Out+In
	To yes To+In; To+In no To+In; From no From; From+Out no From+Out; Both no Both
inbound unsubscribe
	None no None; None+Out no None+Out; None+In yes None; None+Out+In yes None+Out
	To no To; To+In yes To; From yes None; From+Out yes None+Out; Both yes To
inbound subscribed
	None no None; None+Out yes To; None+In no None+In; None+Out+In yes To+In
	To no To; To+In no To+In; From no From; From+Out yes Both; Both no Both
inbound unsubscribed
	None no None; None+Out yes None; None+In no None+In; None+Out+In yes None+In
	To yes None; To+In yes None+In; From no From; From+Out yes From; Both yes From
`

func TestSubscriptionTables(t *testing.T) {
	var direction, typ string
	rows := 0
	for line := range strings.Lines(tables) {
		if !strings.HasPrefix(line, "\t") {
			direction, typ, _ = strings.Cut(strings.TrimSpace(line), " ")
			continue
		}
		for cell := range strings.SplitSeq(line, ";") {
			f := strings.Fields(cell)
			step := subState.outbound
			if direction == "inbound" {
				step = subState.inbound
			}
			got := step(states[f[0]], typ)
			want := states[f[2]]
			// The tables leave pre-approval out: it is what "subscribed" does where there is nothing to answer.
			got.state.approved = false
			if got.route != (f[1] == "yes") || got.state != want {
				t.Errorf("%s %s in %s: route %v, %+v; want %s, %s", direction, typ, f[0], got.route, got.state, f[1], f[2])
			}
			rows++
		}
	}
	if rows != 8*9 {
		t.Errorf("%d rows, want 72", rows)
	}
}

func TestPreApproval(t *testing.T) {
	o := subState{}.outbound("subscribed")
	if !o.state.approved || !o.state.listed || o.route {
		t.Fatalf("approving in advance: %+v", o)
	}
	if o = o.state.inbound("subscribe"); o.answer != "subscribed" || !o.state.from || o.route {
		t.Errorf("the request that was approved: %+v", o)
	}
	if o = o.state.outbound("unsubscribed"); o.state.approved || o.state.from {
		t.Errorf("taking it back: %+v", o)
	}
}
