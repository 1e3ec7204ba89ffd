package sip

import (
	"errors"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

// TestShutdown ends the engine while two people talk: a new call is refused, the old one gets its grace
// and is then hung up with a reason.
func TestShutdown(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *uc.Tables) { c.ShutdownGrace = 300 * time.Millisecond })
	ctx := deadline(t)
	callee, caller, late := w.phone(t, annaDesk), w.phone(t, benDesk), w.phone(t, doraDesk)
	result := make(chan error, 1)
	go func() { result <- caller.Call(ctx, "12", nil) }()
	if _, err := callee.WaitFor(ctx, agent.Ringing); err != nil {
		t.Fatal(err)
	}
	if err := callee.Answer(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		w.stop()
		close(stopped)
	}()
	for !w.draining.Load() {
		if ctx.Err() != nil {
			t.Fatal("does not drain")
		}
	}
	var refused *agent.StatusError
	if err := late.Call(ctx, "12", nil); !errors.As(err, &refused) || refused.Status != 503 {
		t.Errorf("a new call: %v, want 503", err)
	}
	for _, p := range []*agent.Agent{caller, callee} {
		e, err := p.WaitFor(ctx, agent.Ended)
		if want := `SIP;cause=503;text="Server shutting down"`; err != nil || e.Text != want {
			t.Errorf("told %q, %v; want %q", e.Text, err, want)
		}
	}
	select {
	case <-stopped:
	case <-ctx.Done():
		t.Fatal("Run does not end")
	}
	if records := w.store.callRecords(); len(records) != 1 || records[0].Cause != "server shutting down" {
		t.Errorf("records: %+v", records)
	}
}
