package sip

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

// phone is a telephone of the demo at a device of the company.
func (w *world) phone(t testing.TB, device uc.DeviceID) *agent.Agent {
	t.Helper()
	d := w.dir.Snapshot().Devices.Get(device)
	a, err := agent.Listen(agent.Options{Name: d.SIPUser, User: d.SIPUser, Secret: d.SIPSecret, Domain: w.cfg.Domain,
		Server: w.Addrs().UDP.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if err := a.Register(t.Context(), 300); err != nil {
		t.Fatal(err)
	}
	return a
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestCallForksAndTalks has Ben call Anna: both her phones ring, the softphone answers, the desk phone
// is told so, audio flows, and the record says all of it.
func TestCallForksAndTalks(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	desk, soft, caller := w.phone(t, annaDesk), w.phone(t, annaSoft), w.phone(t, benDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	result := make(chan error, 1)
	go func() { result <- caller.Call(ctx, "12", nil) }()
	for _, p := range []*agent.Agent{desk, soft} {
		e, err := p.WaitFor(ctx, agent.Ringing)
		if err != nil {
			t.Fatal(err)
		}
		if e.From != "Ben" {
			t.Errorf("the caller is shown as %q", e.From)
		}
	}
	ringing := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallRinging && len(e.Call.Legs) == 3 })
	if ringing.Call.Called.User != anna || ringing.Call.Caller.User != ben || ringing.Call.Class != uc.Internal {
		t.Errorf("call is %+v", ringing.Call)
	}
	if err := soft.Answer(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	e, err := desk.WaitFor(ctx, agent.Canceled)
	if err != nil {
		t.Fatal(err)
	}
	if want := `SIP;cause=200;text="Call completed elsewhere"`; e.Text != want {
		t.Errorf("the desk phone was told %q, want %q", e.Text, want)
	}
	await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallAnswered })
	if w.UserCalls(anna) != 1 || w.UserCalls(ben) != 1 || w.DeviceCalls(annaSoft) != 1 {
		t.Errorf("live state: anna %d, ben %d, softphone %d", w.UserCalls(anna), w.UserCalls(ben), w.DeviceCalls(annaSoft))
	}
	heard(t, w)
	if err := caller.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := soft.WaitFor(ctx, agent.Ended); err != nil {
		t.Fatal(err)
	}
	await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallEnded })
	w.stop()
	records := w.store.callRecords()
	if len(records) != 1 || records[0].Cause != "the caller hung up" || records[0].Answered.IsZero() {
		t.Fatalf("records are %+v", records)
	}
	causes := map[uc.DeviceID]string{}
	for _, l := range records[0].Legs {
		causes[l.Device] = l.Cause
	}
	if causes[annaDesk] != "answered elsewhere" {
		t.Errorf("legs are %+v", records[0].Legs)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, nil)
	caller := w.phone(t, benDesk)
	for _, test := range []struct {
		to     string
		status int
	}{{"99", 404}, {"90", 480}} {
		err := caller.Call(deadline(t), test.to, nil)
		var refused *agent.StatusError
		if !errors.As(err, &refused) || refused.Status != test.status {
			t.Errorf("calling %s: %v, want %d", test.to, err, test.status)
		}
	}
}

// TestFewestCallsTakesTurns calls a team twice: who took the first call does not ring first for the second.
func TestFewestCallsTakesTurns(t *testing.T) {
	const support uc.TeamID = 7
	w := newWorld(t, func(_ *Config, tables *uc.Tables) {
		tables.Teams = []uc.Team{{ID: support, Name: "Support", Ext: "80", Strategy: uc.FewestCalls, MemberTimeout: 20}}
		tables.Members = []uc.Member{{ID: 1, Team: support, User: cleo, Static: true}, {ID: 2, Team: support, User: dora, Static: true}}
	})
	ctx := deadline(t)
	caller := w.phone(t, benDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	phones := map[uc.UserID]*agent.Agent{cleo: w.phone(t, cleoDesk), dora: w.phone(t, doraDesk)}
	for _, first := range []uc.UserID{cleo, dora} {
		result := make(chan error, 1)
		go func() { result <- caller.Call(ctx, "80", nil) }()
		if _, err := phones[first].WaitFor(ctx, agent.Ringing); err != nil {
			t.Fatal(err)
		}
		if err := phones[first].Answer(); err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if did := w.AgentRecord(support, first); did.Answered != 1 || did.LastAnswer.IsZero() {
			t.Errorf("user %d: %+v", first, did)
		}
		if err := caller.Hangup(ctx); err != nil {
			t.Fatal(err)
		}
		await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallEnded })
		if did := w.AgentRecord(support, first); !did.LastEnd.After(did.LastAnswer) {
			t.Errorf("user %d after the call: %+v", first, did)
		}
	}
}
