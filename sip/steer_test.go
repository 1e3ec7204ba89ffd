package sip

import (
	"errors"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

var boss = uc.Actor{Name: "boss", Via: "xmpp"}

// TestDivert has a call that rings at Anna led to another phone, which answers it.
func TestDivert(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	desk, caller, other := w.phone(t, annaDesk), w.phone(t, benDesk), w.phone(t, cleoDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	result := make(chan error, 1)
	go func() { result <- caller.Call(ctx, "12", nil) }()
	if _, err := desk.WaitFor(ctx, agent.Ringing); err != nil {
		t.Fatal(err)
	}
	call := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallRinging }).Call
	if err := w.Divert(ctx, call.ID, "56", boss); err != nil {
		t.Fatal(err)
	}
	e, err := desk.WaitFor(ctx, agent.Canceled)
	if err != nil || !strings.Contains(e.Text, "elsewhere") {
		t.Fatalf("the first phone was told %q, %v", e.Text, err)
	}
	if e, err := other.WaitFor(ctx, agent.Ringing); err != nil || e.From != "Ben" {
		t.Fatalf("the other phone shows %q, %v", e.From, err)
	}
	if err := other.Answer(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallAnswered })
	if err := w.Divert(ctx, call.ID, "12", boss); !errors.Is(err, uc.ErrConflict) {
		t.Errorf("diverting an answered call: %v", err)
	}
	if err := w.HangUp(ctx, call.ID, boss); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*agent.Agent{caller, other} {
		if _, err := p.WaitFor(ctx, agent.Ended); err != nil {
			t.Fatal(err)
		}
	}
	ended := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallEnded })
	if ended.Call.Cause != "hung up by boss" {
		t.Errorf("the call ended because %q", ended.Call.Cause)
	}
	if err := w.HangUp(ctx, call.ID, boss); !errors.Is(err, uc.ErrNotFound) {
		t.Errorf("hanging up again: %v", err)
	}
}

// TestHangUpRinging ends a call before anybody answers: the caller is refused, and nothing rings on.
func TestHangUpRinging(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	desk, caller := w.phone(t, annaDesk), w.phone(t, benDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	result := make(chan error, 1)
	go func() { result <- caller.Call(ctx, "12", nil) }()
	if _, err := desk.WaitFor(ctx, agent.Ringing); err != nil {
		t.Fatal(err)
	}
	call := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallRinging }).Call
	if err := w.HangUp(ctx, call.ID, boss); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err == nil || !strings.Contains(err.Error(), "603") {
		t.Errorf("the caller was told %v", err)
	}
	if _, err := desk.WaitFor(ctx, agent.Canceled); err != nil {
		t.Fatal(err)
	}
}
