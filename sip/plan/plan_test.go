package plan

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestStories(t *testing.T) {
	const dnd = "profile DND, 2026-03-02 10:02"
	for _, s := range []struct {
		name  string
		given []fact
		req   uc.PlanRequest
		want  string   // see brief
		path  []string // nil: only the extension dialed
		says  []string // see told
	}{
		// The caller.
		{
			name: "a colleague calls: internal, all devices ring at once",
			req:  uc.PlanRequest{Caller: from(ben), To: "12"},
			want: "ring 1:0+999 2:0+999 3:0+999 (999 s)",
			says: []string{
				"caller: Internal call from Ben (the call comes from a phone of Ben)",
				"ring: Desk phone of Anna rings at once for 999 s (FollowMe internal)",
				"endpoint: Fax of Anna does not ring (it is no telephone)",
				"result: 3 devices ring, nobody has answered after 999 s (the largest delay + timeout)",
			},
		},
		{
			name: "a company in the phone book calls from outside",
			req:  uc.PlanRequest{Caller: outsider("0891234"), To: "34"},
			want: "ring 5:0+999 (999 s)",
			says: []string{
				"caller: External call from Miller & Co (the company's phone book has 0891234)",
				"ring: Desk phone of Ben rings at once for 999 s (FollowMe external)",
			},
		},
		{
			name: "nobody knows the caller",
			req:  uc.PlanRequest{Caller: outsider("0899"), To: "34"},
			want: "ring 5:0+999 (999 s)",
			says: []string{"caller: External call from 0899 (the caller is none of our users, and no phone book entry has the number)"},
		},
		{
			name: "a caller from outside who shows an internal number stays outside",
			req:  uc.PlanRequest{Caller: outsider("12"), To: "34"},
			want: "ring 5:0+999 (999 s)",
			says: []string{"ring: Desk phone of Ben rings at once for 999 s (FollowMe external)"},
		},
		{
			name: "a location phone at which nobody is logged in calls",
			req:  uc.PlanRequest{Caller: uc.Party{Device: lobby, Number: "90"}, To: "34"},
			want: "ring 5:0+999 (999 s)",
			says: []string{"caller: Internal call from 90 (the call comes from a phone of ours at which nobody is logged in)"},
		},
		{
			name: "explain: as if the call came from outside",
			req:  uc.PlanRequest{Caller: from(ben), To: "34", Class: uc.External},
			want: "480 Not Reachable",
			says: []string{"endpoint: Desk phone of Ben does not ring (it is the calling device)"},
		},

		// Before-actions.
		{
			name: "a before-line leads elsewhere before anything rings",
			given: []fact{
				flow(uc.FlowLine{User: anna, List: uc.ExternalBefore, Action: "prompt", Target: "welcome"}),
				flow(uc.FlowLine{User: anna, List: uc.ExternalBefore, Action: "goto", Target: "34"}),
			},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "12"}, want: "ring 5:0+999 (999 s)", path: []string{"12", "34"},
			says: []string{
				"before: Call-flow line 1 of Anna, prompt welcome, is skipped (this server does not play prompts yet)",
				"before: Call-flow line 2 of Anna, go to 34, is followed (external-before)",
			},
		},
		{
			name:  "a before-line for calls from outside is nothing to a colleague",
			given: []fact{flow(uc.FlowLine{User: ben, List: uc.ExternalBefore, Action: "hangup"})},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name:  "a before-line hangs up",
			given: []fact{flow(uc.FlowLine{User: ben, List: uc.InternalBefore, Action: "hangup"})},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "603 Decline",
			says: []string{"before: Call-flow line 1 of Ben hangs up (internal-before)"},
		},
		{
			name:  "a before-line hangs up with a cause",
			given: []fact{flow(uc.FlowLine{User: ben, List: uc.InternalBefore, Action: "hangup", Target: "486"})},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "486 Busy Here",
		},

		// Forwarding always.
		{
			name:  "forwarding always",
			given: []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34")},
			req:   uc.PlanRequest{Caller: from(cleo), To: "12"}, want: "ring 5:0+999 (999 s)", path: []string{"12", "34"},
			says: []string{"forwarding: Forwarding always of Anna to 34 is followed " +
				"(forwarding always for all calls, set by profile Meeting, 2026-03-02 10:02)"},
		},
		{
			name:  "forwarding for calls from outside leaves colleagues alone",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardExternal, "12")},
			req:   uc.PlanRequest{Caller: from(cleo), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name: "a forwarding that is switched off",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "56"),
				func(t *uc.Tables, _ *state) { t.Forwardings[0].Active = false }},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name: "forwarding for the class alone goes before forwarding for both",
			given: []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34"),
				forward(anna, uc.ForwardAlways, uc.ForwardInternal, "78")},
			req: uc.PlanRequest{Caller: from(cleo), To: "12"}, want: "ring 7:0+999 (999 s)", path: []string{"12", "78"},
		},
		{
			name: "a chain of forwardings",
			given: []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34"),
				forward(ben, uc.ForwardAlways, uc.ForwardInternal, "56")},
			req: uc.PlanRequest{Caller: from(anna), To: "12"}, want: "ring 6:0+999 (999 s)", path: []string{"12", "34", "56"},
		},
		{
			name: "a loop of forwardings is cut and told; the last one rings",
			given: []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34"),
				forward(ben, uc.ForwardAlways, uc.ForwardBoth, "12")},
			req: uc.PlanRequest{Caller: from(cleo), To: "12"}, want: "ring 5:0+999 (999 s)", path: []string{"12", "34"},
			says: []string{"forwarding: Forwarding always of Ben to 12 is not followed (the call has already visited 12: the loop is cut)"},
		},
		{
			name:  "forwarding to oneself is cut",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "34")},
			req:   uc.PlanRequest{Caller: from(cleo), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name:  "what the call visited before counts for loops",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "56")},
			req:   uc.PlanRequest{Caller: from(anna), To: "34", Path: []string{"56"}}, want: "ring 5:0+999 (999 s)", path: []string{"56", "34"},
		},
		{
			name:  "a call cannot come to where it has been",
			req:   uc.PlanRequest{Caller: from(anna), To: "34", Path: []string{"34", "56"}},
			want:  "482 Loop Detected",
			path:  []string{"34", "56"},
			given: nil,
		},
		{
			name:  "redirect.choice reaches the person called",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "12")},
			req:   uc.PlanRequest{Caller: from(dora), To: "34"}, want: "ring 5:0+999 (999 s)",
			says: []string{"forwarding: Forwarding always of Ben to 12 does not count (Dora has redirect.choice by role Management)"},
		},
		{
			name:  "forwarding to a number needs a trunk",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "0891234")},
			req:   uc.PlanRequest{Caller: from(cleo), To: "34"}, want: "503 No Trunk", path: []string{"34", "0891234"},
			says: []string{"result: The call is rejected with 503 No Trunk (0891234 is no extension, and there is no trunk that could carry the call outside)"},
		},
		{
			name:  "forwarding to a team rings the team",
			given: []fact{forward(cleo, uc.ForwardAlways, uc.ForwardBoth, "80")},
			req:   uc.PlanRequest{Caller: outsider("0899"), To: "56"},
			want:  "ring 1:0+15 2:0+15 3:0+15 5:0+15 (15 s)", path: []string{"56", "80"},
		},

		// Busy.
		{
			name:  "in a call without call waiting: busy",
			given: []fact{inCall(ben, benDesk)},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "486 Busy Here",
			says: []string{"busy: Ben is busy (in a call, and call waiting is off)",
				"result: The call is rejected with 486 Busy Here (no forwarding and no after-action takes the call)"},
		},
		{
			name:  "in a call with call waiting: it rings",
			given: []fact{inCall(ben, benDesk), waiting(ben)},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name:  "busy goes to the forwarding for busy",
			given: []fact{inCall(ben, benDesk), forward(ben, uc.ForwardBusy, uc.ForwardBoth, "56")},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 6:0+999 (999 s)", path: []string{"34", "56"},
		},
		{
			name: "busy with no forwarding goes to the after-lines for busy",
			given: []fact{inCall(ben, benDesk),
				flow(uc.FlowLine{User: ben, List: uc.InternalAfter, Status: "noanswer", Action: "goto", Target: "12"}),
				flow(uc.FlowLine{User: ben, List: uc.InternalAfter, Status: "busy", Action: "goto", Target: "56"})},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 6:0+999 (999 s)", path: []string{"34", "56"},
			says: []string{"after: Call-flow line 2 of Ben, go to 56, is followed (internal-after, status busy)"},
		},
		{
			name:  "every device that could ring is ringing already: busy",
			given: []fact{onlyDesk, ringing(annaDesk)},
			req:   uc.PlanRequest{Caller: from(ben), To: "12"}, want: "486 Busy Here",
			says: []string{"endpoint: Desk phone of Anna does not ring (in a call, and call waiting is off)",
				"busy: Anna is busy (every device that could ring is in a call)"},
		},
		{
			name:  "one device is ringing, the others ring",
			given: []fact{ringing(annaDesk)},
			req:   uc.PlanRequest{Caller: from(ben), To: "12"}, want: "ring 2:0+999 3:0+999 (999 s)",
		},

		// Endpoints.
		{
			name: "FollowMe: delays and timeouts per class",
			given: []fact{ring(annaDesk, uc.Internal, uc.Ring{Enabled: true, Timeout: 20}),
				ring(annaMobile, uc.Internal, uc.Ring{Enabled: true, Delay: 10, Timeout: 30, SetBy: "anna over xmpp, 2026-03-01 17:00"}),
				off(annaSoft, uc.Internal, dnd)},
			req: uc.PlanRequest{Caller: from(ben), To: "12"}, want: "ring 1:0+20 3:10+30 (40 s)",
			says: []string{
				"ring: Mobile of Anna rings after 10 s for 30 s (FollowMe internal, set by anna over xmpp, 2026-03-01 17:00)",
				"endpoint: Softphone of Anna does not ring (FollowMe internal is off, set by profile DND, 2026-03-02 10:02)",
			},
		},
		{
			name:  "DND: nothing rings, and it is told why",
			given: []fact{off(benDesk, uc.Internal, dnd)},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "480 Not Reachable",
			says: []string{"endpoint: Desk phone of Ben does not ring (FollowMe internal is off, set by profile DND, 2026-03-02 10:02)",
				"endpoint: Ben is unreachable (no device rings for calls of this class)"},
		},
		{
			name:  "internal off, external on",
			given: []fact{off(benDesk, uc.Internal, dnd)},
			req:   uc.PlanRequest{Caller: outsider("0899"), To: "34"}, want: "ring 5:0+999 (999 s)",
		},
		{
			name:  "no device is registered",
			given: []fact{unregistered(benDesk)},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "480 Not Reachable",
			says: []string{"endpoint: Desk phone of Ben does not ring (not registered)"},
		},
		{
			name:  "unreachable goes to the forwarding for unreachable",
			given: []fact{unregistered(benDesk), forward(ben, uc.ForwardUnreachable, uc.ForwardInternal, "56")},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 6:0+999 (999 s)", path: []string{"34", "56"},
			says: []string{"forwarding: Forwarding unreachable of Ben to 56 is followed " +
				"(forwarding unreachable for internal calls, set by profile Meeting, 2026-03-02 10:02)"},
		},
		{
			name:  "a ring timeout of nothing rings nothing",
			given: []fact{ring(benDesk, uc.Internal, uc.Ring{Enabled: true})},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "480 Not Reachable",
			says: []string{"endpoint: Desk phone of Ben does not ring (FollowMe internal: it rings for 0 s)"},
		},
		{
			name:  "the location where somebody is logged in rings too",
			given: []fact{switches(uc.UserState{User: ben, Workplace: reception})},
			req:   uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 8:0+999 (999 s)",
			says: []string{"ring: Lobby phone at Reception rings at once for 999 s (FollowMe internal)"},
		},
		{
			name:  "GSM mode: the mobile rings through its number, registered or not",
			given: []fact{switches(uc.UserState{User: anna, GSM: true, SetBy: dnd}), unregistered(annaMobile)},
			req:   uc.PlanRequest{Caller: from(ben), To: "12"}, want: "ring 1:0+999 2:0+999 3:0+999 via +4917012 (999 s)",
			says: []string{"ring: Mobile of Anna rings at once for 999 s " +
				"(FollowMe internal; GSM mode is on, set by profile DND, 2026-03-02 10:02: +4917012 is called)"},
		},
		{
			name: "GSM mode does not ring a mobile that FollowMe silences",
			given: []fact{switches(uc.UserState{User: anna, GSM: true}), off(annaMobile, uc.Internal, dnd),
				unregistered(annaDesk, annaSoft)},
			req: uc.PlanRequest{Caller: from(ben), To: "12"}, want: "480 Not Reachable",
		},
		{
			name: "GSM mode without a number",
			given: []fact{switches(uc.UserState{User: anna, GSM: true}), unregistered(annaDesk, annaSoft),
				func(t *uc.Tables, _ *state) { t.Devices[annaMobile-1].Number = "" }},
			req: uc.PlanRequest{Caller: from(ben), To: "12"}, want: "480 Not Reachable",
			says: []string{"endpoint: Mobile of Anna does not ring (GSM mode is on, but no number is known)"},
		},
		{
			name: "GSM mode falls back to the user's mobile number",
			given: []fact{switches(uc.UserState{User: anna, GSM: true}), unregistered(annaDesk, annaSoft),
				func(t *uc.Tables, _ *state) { t.Devices[annaMobile-1].Number = "" },
				user(anna, func(u *uc.User) { u.MobileNumber = "+4916" })},
			req: uc.PlanRequest{Caller: from(ben), To: "12"}, want: "ring 3:0+999 via +4916 (999 s)",
		},
		{
			name: "GSM mode is about the user's own mobile, not about one at their workplace",
			given: []fact{switches(uc.UserState{User: ben, GSM: true, Workplace: reception}),
				func(t *uc.Tables, _ *state) {
					t.Devices[lobby-1].Kind, t.Devices[lobby-1].Number = uc.DeviceMobile, "+4915"
				}},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 8:0+999 (999 s)",
		},
		{
			name: "a device that is the user's own and at their workplace too rings once",
			given: []fact{switches(uc.UserState{User: ben, Workplace: reception}),
				func(t *uc.Tables, _ *state) {
					t.Assignments = append(t.Assignments, uc.Assignment{ID: 9, Device: benDesk, Location: reception, Internal: uc.DefaultRing})
				}},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 8:0+999 (999 s)",
		},
		{
			name: "of such a device the user's own FollowMe counts",
			given: []fact{switches(uc.UserState{User: ben, Workplace: reception}), off(benDesk, uc.Internal, dnd), unregistered(lobby),
				func(t *uc.Tables, _ *state) {
					t.Assignments = append(t.Assignments, uc.Assignment{ID: 9, Device: benDesk, Location: reception, Internal: uc.DefaultRing})
				}},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "480 Not Reachable",
		},
		{
			name: "an external number is a device like any other",
			given: []fact{func(t *uc.Tables, _ *state) {
				t.Devices[benDesk-1].Kind, t.Devices[benDesk-1].Number = uc.DeviceExternal, "+4989"
			}},
			req: uc.PlanRequest{Caller: from(anna), To: "34"}, want: "ring 5:0+999 via +4989 (999 s)",
		},
		{
			name: "calling oneself rings the other devices",
			req:  uc.PlanRequest{Caller: from(anna), To: "12"}, want: "ring 2:0+999 3:0+999 (999 s)",
			says: []string{"endpoint: Desk phone of Anna does not ring (it is the calling device)"},
		},

		// After the ringing.
		{
			name:  "no answer: forwarding",
			given: []fact{forward(ben, uc.ForwardNoAnswer, uc.ForwardBoth, "56")},
			req:   uc.PlanRequest{Caller: from(anna), To: "34", After: uc.StatusNoAnswer},
			want:  "ring 6:0+999 (999 s)", path: []string{"34", "56"},
			says: []string{"forwarding: Forwarding no answer of Ben to 56 is followed " +
				"(forwarding no answer for all calls, set by profile Meeting, 2026-03-02 10:02)"},
		},
		{
			name: "no answer: nothing takes the call",
			req:  uc.PlanRequest{Caller: from(anna), To: "34", After: uc.StatusNoAnswer}, want: "480 No Answer",
		},
		{
			name: "all devices refused",
			req:  uc.PlanRequest{Caller: from(anna), To: "34", After: uc.StatusBusy}, want: "486 Busy Here",
		},
		{
			name: "no answer: the voicemail line is told, the next line takes the call",
			given: []fact{flow(uc.FlowLine{User: ben, List: uc.InternalAfter, Status: "any", Action: "voicemail", Target: "34"}),
				flow(uc.FlowLine{User: ben, List: uc.InternalAfter, Status: "any", Action: "goto", Target: "56"})},
			req: uc.PlanRequest{Caller: from(anna), To: "34", After: uc.StatusNoAnswer}, want: "ring 6:0+999 (999 s)", path: []string{"34", "56"},
			says: []string{"after: Call-flow line 1 of Ben, voicemail box 34, is skipped (this server has no voicemail boxes yet)"},
		},
		{
			name: "redirect.choice ignores the forwarding for no answer too",
			given: []fact{forward(ben, uc.ForwardNoAnswer, uc.ForwardBoth, "56"),
				flow(uc.FlowLine{User: ben, List: uc.InternalAfter, Action: "goto", Target: "12"})},
			req:  uc.PlanRequest{Caller: from(dora), To: "34", After: uc.StatusNoAnswer},
			want: "ring 1:0+999 2:0+999 3:0+999 (999 s)", path: []string{"34", "12"},
		},

		// Teams.
		{
			name: "a team rings its active members for the member timeout",
			req:  uc.PlanRequest{Caller: from(cleo), To: "80"},
			want: "ring 1:0+15 2:0+15 3:0+15 5:0+15 (15 s)",
			says: []string{
				"caller: The caller is shown as Support: Cleo (display prefix of team Support)",
				"endpoint: Cleo does not ring (the caller)",
			},
		},
		{
			name: "logged out and paused members do not ring",
			given: []fact{member(1, func(m *uc.Member) {
				m.Paused, m.Reason, m.SetBy = true, "lunch", "profile Lunch, 2026-03-02 12:00"
			})},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 5:0+15 (15 s)",
			says: []string{
				"endpoint: Anna does not ring (paused in team Support (lunch), set by profile Lunch, 2026-03-02 12:00)",
				"endpoint: Cleo does not ring (not logged in to team Support, set by cleo over xmpp, 2026-03-02 08:00)",
				"ring: Desk phone of Ben rings at once for 15 s (FollowMe queue)",
			},
		},
		{
			name: "the device's own queue timeout overrides the team's",
			given: []fact{onlyDesk, ring(annaDesk, uc.Queue, uc.Ring{Enabled: true, Delay: 3, Timeout: 40}),
				off(benDesk, uc.Queue, dnd)},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 1:3+40 (43 s)",
			says: []string{"endpoint: Desk phone of Ben does not ring (FollowMe queue is off, set by profile DND, 2026-03-02 10:02)"},
		},
		{
			name: "linear: one member after the other",
			given: []fact{onlyDesk, team(func(t *uc.Team) { t.Strategy = uc.Linear }),
				member(3, func(m *uc.Member) { m.LoggedIn = true })},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 1:0+15 5:15+15 6:30+15 (45 s)",
		},
		{
			name: "weighted: the highest weight first",
			given: []fact{onlyDesk, team(func(t *uc.Team) { t.Strategy = uc.Weighted }),
				member(2, func(m *uc.Member) { m.Weight = 5 })},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 5:0+15 1:15+15 (30 s)",
		},
		{
			name: "longest-idle: who has had no call, then who has been idle longest",
			given: []fact{onlyDesk, team(func(t *uc.Team) { t.Strategy = uc.LongestIdle }), member(3, func(m *uc.Member) { m.LoggedIn = true }),
				did(anna, 1, 10*time.Minute), did(ben, 5, time.Hour)},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80", Now: now}, want: "ring 6:0+15 5:15+15 1:30+15 (45 s)",
			says: []string{"ring: The members ring one after the other, the longest idle first " +
				"(strategy longest-idle of team Support: Cleo (no call yet), Ben (idle for 1h0m0s), Anna (idle for 10m0s))"},
		},
		{
			name: "fewest-calls: today's calls, then idleness",
			given: []fact{onlyDesk, team(func(t *uc.Team) { t.Strategy = uc.FewestCalls }), member(3, func(m *uc.Member) { m.LoggedIn = true }),
				did(anna, 2, time.Hour), did(ben, 1, time.Minute), did(cleo, 2, 2*time.Hour)},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80", Now: now}, want: "ring 5:0+15 6:15+15 1:30+15 (45 s)",
			says: []string{"ring: The members ring one after the other, who has taken the fewest calls today first " +
				"(strategy fewest-calls of team Support: Ben (1 call), Cleo (2 calls), Anna (2 calls))"},
		},
		{
			name: "round-robin: behind who took the last call",
			given: []fact{onlyDesk, team(func(t *uc.Team) { t.Strategy = uc.RoundRobin }), member(3, func(m *uc.Member) { m.LoggedIn = true }),
				did(anna, 9, time.Minute), did(ben, 1, time.Hour)},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80", Now: now}, want: "ring 5:0+15 6:15+15 1:30+15 (45 s)",
			says: []string{"ring: The members ring one after the other, beginning behind who took the last call " +
				"(strategy round-robin of team Support: Ben, Cleo, Anna)"},
		},
		{
			name:  "members' forwardings and busy states: forwardings never count, busy members are passed over",
			given: []fact{onlyDesk, inCall(ben, benDesk), forward(anna, uc.ForwardAlways, uc.ForwardBoth, "56")},
			req:   uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 1:0+15 (15 s)",
			says: []string{"busy: Ben does not ring (in a call, and call waiting is off)"},
		},
		{
			name:  "all members are in calls: the team is full",
			given: []fact{inCall(anna, annaDesk), inCall(ben, benDesk), flow(uc.FlowLine{Team: support, List: uc.ExternalAfter, Status: "full", Action: "goto", Target: "78"})},
			req:   uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 7:0+999 (999 s)", path: []string{"80", "78"},
		},
		{
			name: "nobody is there: the team's overflow",
			given: []fact{member(1, func(m *uc.Member) { m.Paused = true }), member(2, func(m *uc.Member) { m.LoggedIn = false }),
				team(func(t *uc.Team) { t.Overflow = "78" })},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80"}, want: "ring 7:0+999 (999 s)", path: []string{"80", "78"},
			says: []string{"after: Overflow of team Support to 78 is followed (overflow target of the team)"},
		},
		{
			name: "from a team the call goes on as an ordinary one",
			given: []fact{team(func(t *uc.Team) { t.Overflow = "78" }), forward(dora, uc.ForwardAlways, uc.ForwardBoth, "56"),
				member(1, func(m *uc.Member) { m.Paused = true }), member(2, func(m *uc.Member) { m.Paused = true })},
			req: uc.PlanRequest{Caller: outsider("0899"), To: "80", Class: uc.Queue}, want: "ring 6:0+999 (999 s)",
			path: []string{"80", "78", "56"},
		},
		{
			name:  "the team's after-lines for timeout",
			given: []fact{flow(uc.FlowLine{Team: support, List: uc.InternalAfter, Status: "timeout", Action: "hangup", Target: "480"})},
			req:   uc.PlanRequest{Caller: from(dora), To: "80", After: uc.StatusNoAnswer}, want: "480 Temporarily Unavailable",
		},
		{
			name:  "through a team: the member's forwarding and before-lines do not count",
			given: []fact{forward(ben, uc.ForwardAlways, uc.ForwardBoth, "56"), flow(uc.FlowLine{User: ben, List: uc.ExternalBefore, Action: "hangup"})},
			req:   uc.PlanRequest{Caller: outsider("0899"), To: "34", Team: support}, want: "ring 5:0+15 (15 s)",
			says: []string{"caller: The call comes through team Support (queue call)",
				"forwarding: Forwarding of Ben to 56 does not count (queue calls are never forwarded)"},
		},
		{
			name: "through a team that the person is not logged in to",
			req:  uc.PlanRequest{Caller: outsider("0899"), To: "56", Team: support}, want: "480 Not Reachable",
			says: []string{"endpoint: Cleo does not ring (not logged in to team Support, set by cleo over xmpp, 2026-03-02 08:00)"},
		},
		{
			name: "through a team of others",
			req:  uc.PlanRequest{Caller: outsider("0899"), To: "78", Team: support}, want: "480 Not Reachable",
			says: []string{"endpoint: Dora does not ring (no member of team Support)"},
		},

		// Numbers that are nobody's.
		{
			name: "an unknown extension",
			req:  uc.PlanRequest{Caller: from(anna), To: "99"}, want: "404 Not Found",
			says: []string{"result: The call is rejected with 404 Not Found (no user and no team has the extension 99)"},
		},
		{
			name: "an unknown function code",
			req:  uc.PlanRequest{Caller: from(anna), To: "*97"}, want: "404 Not Found",
			says: []string{"result: The call is rejected with 404 Not Found (there is no function code *97)"},
		},
		{
			name: "a number outside",
			req:  uc.PlanRequest{Caller: from(anna), To: "0891234"}, want: "503 No Trunk",
		},
		{
			name: "an emergency number is not held up by any rule, even if somebody has it as extension",
			given: []fact{user(ben, func(u *uc.User) { u.Ext = "112" }),
				flow(uc.FlowLine{User: ben, List: uc.InternalBefore, Action: "hangup"})},
			req: uc.PlanRequest{Caller: from(anna), To: "112"}, want: "503 No Trunk",
			says: []string{"result: The call is rejected with 503 No Trunk " +
				"(112 is an emergency number and no rule holds it up, but there is no trunk that could carry it)"},
		},
		{
			name: "nothing was dialed",
			req:  uc.PlanRequest{Caller: from(anna)}, want: "404 Not Found", path: []string{},
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			p := tell(s.req, s.given...)
			if got := brief(p); got != s.want {
				t.Errorf("got  %s\nwant %s", got, s.want)
			}
			if s.path == nil {
				s.path = []string{s.req.To}
			}
			if !slices.Equal(p.Path, s.path) {
				t.Errorf("path %q, want %q", p.Path, s.path)
			}
			for _, line := range s.says {
				if !said(p, line) {
					t.Errorf("does not say %q", line)
				}
			}
			if t.Failed() {
				t.Log("the plan says:", story(p))
			}
		})
	}
}

func tell(req uc.PlanRequest, given ...fact) uc.Plan {
	tables, live := company(), newState()
	for _, f := range given {
		f(tables, live)
	}
	return Make(req, uc.NewDirectory(1, *tables), live)
}

func TestCallerShown(t *testing.T) {
	for _, c := range []struct {
		name         string
		given        []fact
		req          uc.PlanRequest
		show, number string
	}{
		{"a colleague", nil, uc.PlanRequest{Caller: from(ben), To: "12"}, "Ben", "34"},
		{"an alternative caller ID", []fact{user(ben, func(u *uc.User) { u.CallerID = "10" })},
			uc.PlanRequest{Caller: from(ben), To: "12"}, "Ben", "10"},
		{"the company's phone book", nil, uc.PlanRequest{Caller: outsider("0891234"), To: "12"}, "Miller & Co", "0891234"},
		{"the callee's own phone book goes before the company's", []fact{func(t *uc.Tables, _ *state) {
			t.Phonebook = append(t.Phonebook, uc.PhonebookEntry{ID: 2, Owner: anna, Name: "Uncle Joe", Numbers: []string{"0891234"}},
				uc.PhonebookEntry{ID: 3, Owner: ben, Name: "Joseph", Numbers: []string{"0891234"}})
		}}, uc.PlanRequest{Caller: outsider("0891234"), To: "12"}, "Uncle Joe", "0891234"},
		{"the name that came with the call", nil, uc.PlanRequest{Caller: uc.Party{Number: "0899", Name: "Town hall"}, To: "12"}, "Town hall", "0899"},
		{"team prefix before the number of a stranger", nil, uc.PlanRequest{Caller: outsider("0899"), To: "80"}, "Support: 0899", "0899"},
		{"through a team", nil, uc.PlanRequest{Caller: outsider("0891234"), To: "34", Team: support}, "Support: Miller & Co", "0891234"},
	} {
		p := tell(c.req, c.given...)
		if p.CallerName != c.show || p.CallerNumber != c.number {
			t.Errorf("%s: shown as %q %q, want %q %q", c.name, p.CallerName, p.CallerNumber, c.show, c.number)
		}
	}
}

// Of two entries with one number the older one names the caller, in whatever order the table is read.
func TestOldestEntryNamesTheCaller(t *testing.T) {
	tables := company()
	for id := uc.PhonebookID(65); id <= 641; id += 64 { // these share a shard of the table with entry 1
		tables.Phonebook = append(tables.Phonebook, uc.PhonebookEntry{ID: id, Name: "Impostor", Numbers: []string{"0891234"}})
	}
	p := Make(uc.PlanRequest{Caller: outsider("0891234"), To: "12"}, uc.NewDirectory(1, *tables), newState())
	if p.CallerName != "Miller & Co" {
		t.Errorf("shown as %q", p.CallerName)
	}
}

// A chain of forwardings that is no loop ends all the same.
func TestLongChainIsCut(t *testing.T) {
	var tables uc.Tables
	for i := range 2 * maxVisits {
		ext, next := strconv.Itoa(200+i), strconv.Itoa(201+i)
		id := i + 1
		tables.Users = append(tables.Users, uc.User{ID: uc.UserID(id), Name: ext, Ext: ext})
		tables.Forwardings = append(tables.Forwardings, uc.Forwarding{ID: uc.ForwardingID(id), User: uc.UserID(id),
			Kind: uc.ForwardAlways, Class: uc.ForwardBoth, Target: next, Active: true})
	}
	p := Make(uc.PlanRequest{Caller: outsider("0899"), To: "200"}, uc.NewDirectory(1, tables), newState())
	if len(p.Path) != maxVisits || brief(p) != "480 Not Reachable" {
		t.Errorf("%s after %d extensions, want %d:%s", brief(p), len(p.Path), maxVisits, story(p))
	}
}

// A call that nobody answers goes on from plan to plan until it ends.
func TestNextGoesOnWhereThePlanRang(t *testing.T) {
	tables, live := company(), newState()
	for _, f := range []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34"), forward(ben, uc.ForwardNoAnswer, uc.ForwardBoth, "80"),
		onlyDesk, team(func(t *uc.Team) { t.Overflow = "12" })} {
		f(tables, live)
	}
	dir, now := uc.NewDirectory(1, *tables), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	req := uc.PlanRequest{Caller: outsider("0899"), To: "12", Now: now}
	var got []string
	for {
		p := Make(req, dir, live)
		got = append(got, brief(p))
		if p.Outcome == uc.OutcomeReject {
			break
		}
		now = now.Add(time.Duration(p.Ring) * time.Second)
		if req = Next(req, p, uc.StatusNoAnswer, now); !req.Now.Equal(now) {
			t.Fatalf("asked at %v, want %v", req.Now, now)
		}
	}
	want := []string{"ring 5:0+999 (999 s)", "ring 1:0+15 5:0+15 (15 s)", "480 No Answer"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The team of a request is for the person called, not for where the call goes from there.
func TestNextKeepsTheTeamOnlyForItsMember(t *testing.T) {
	req := uc.PlanRequest{Caller: outsider("0899"), To: "34", Team: support}
	if got := Next(req, tell(req), uc.StatusNoAnswer, time.Time{}); got.Team != support || got.To != "34" {
		t.Errorf("going on at the member: %+v", got)
	}
	req = uc.PlanRequest{Caller: outsider("0899"), To: "12", Team: support}
	if got := Next(req, uc.Plan{Called: uc.Party{Number: "34"}, Path: []string{"12", "34"}}, uc.StatusNoAnswer, time.Time{}); got.Team != 0 || !slices.Equal(got.Path, []string{"12"}) {
		t.Errorf("going on elsewhere: %+v", got)
	}
}
