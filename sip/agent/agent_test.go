package agent

import (
	"context"
	"errors"
	"testing"
	"time"
)

// pair returns two telephones, the first of which has the second for its server: a call between them
// needs nobody else.
func pair(t *testing.T) (caller, callee *Agent) {
	t.Helper()
	callee = listen(t, Options{Name: "Ben", User: "ben", Domain: "example.org"})
	caller = listen(t, Options{Name: "Anna", User: "anna", Domain: "example.org", Server: callee.conn.LocalAddr().String()})
	return caller, callee
}

func listen(t *testing.T, o Options) *Agent {
	t.Helper()
	a, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func expect(t *testing.T, a *Agent, kind EventKind) Event {
	t.Helper()
	e, err := a.WaitFor(within(t, 30*time.Second), kind)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestCall(t *testing.T) {
	caller, callee := pair(t)
	called := make(chan error, 1)
	go func() { called <- caller.Call(within(t, 30*time.Second), "ben", nil) }()
	if e := expect(t, callee, Ringing); e.From != "Anna" {
		t.Errorf("the call is from %q, want Anna", e.From)
	}
	if err := callee.Answer(); err != nil {
		t.Fatal(err)
	}
	if err := <-called; err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Agent{caller, callee} {
		for deadline := time.Now().Add(30 * time.Second); a.Heard() == 0; time.Sleep(packetEvery) {
			if time.Now().After(deadline) {
				t.Fatalf("%s hears nothing", a.opts.Name)
			}
		}
	}
	if err := caller.Hangup(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(t, callee, Ended)
}

func TestCancel(t *testing.T) {
	caller, callee := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	called := make(chan error, 1)
	go func() { called <- caller.Call(ctx, "ben", cancel) }()
	expect(t, callee, Canceled)
	if err := <-called; !errors.Is(err, context.Canceled) {
		t.Errorf("the canceled call returned %v", err)
	}
}

func TestReject(t *testing.T) {
	caller, callee := pair(t)
	called := make(chan error, 1)
	go func() { called <- caller.Call(within(t, 30*time.Second), "ben", nil) }()
	expect(t, callee, Ringing)
	if err := callee.Reject(486, "Busy Here"); err != nil {
		t.Fatal(err)
	}
	var refused *StatusError
	if err := <-called; !errors.As(err, &refused) || refused.Status != 486 {
		t.Errorf("the rejected call returned %v, want 486", err)
	}
}

func TestRegisterRefused(t *testing.T) {
	caller, _ := pair(t)
	var refused *StatusError
	if err := caller.Register(within(t, 30*time.Second), 60); !errors.As(err, &refused) || refused.Status != 405 {
		t.Errorf("a telephone took a registration: %v, want 405", err)
	}
}
