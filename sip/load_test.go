package sip

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

// pairs adds n pairs of users with a phone each to the company: extensions 1000+i call 2000+i.
func pairs(n int) func(*Config, *uc.Tables) {
	return func(_ *Config, t *uc.Tables) {
		for i := range 2 * n {
			id, ext := int64(100+i), 1000+i%n+1000*(i/n)
			login := fmt.Sprintf("u%d", ext)
			t.Users = append(t.Users, uc.User{ID: uc.UserID(id), Login: login, Name: login, Ext: fmt.Sprint(ext), CallWaiting: true})
			t.Devices = append(t.Devices, uc.Device{ID: uc.DeviceID(id), Kind: uc.DeviceDesk, SIPUser: login, SIPSecret: "s-" + login})
			t.Assignments = append(t.Assignments, uc.Assignment{ID: uc.AssignmentID(id), Device: uc.DeviceID(id), User: uc.UserID(id),
				Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing})
		}
	}
}

// TestManyCalls makes 500 calls, 20 at a time: half are answered, a quarter refused and a quarter given
// up while they ring. Afterwards nothing is left of them: no call, port, transaction or goroutine.
func TestManyCalls(t *testing.T) {
	const lines, each = 20, 25
	w := newWorld(t, pairs(lines))
	var callers, callees []*agent.Agent
	for i := range lines {
		callers, callees = append(callers, w.phone(t, uc.DeviceID(100+i))), append(callees, w.phone(t, uc.DeviceID(100+lines+i)))
	}
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range lines {
		wg.Go(func() {
			for n := range each {
				if err := oneCall(t.Context(), callers[i], callees[i], fmt.Sprint(2000+i), n%4); err != nil {
					t.Errorf("call %d of line %d: %v", n, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	<-w.calls.none()
	if n := w.pool.InUse(); n != 0 {
		t.Errorf("%d pairs of ports are still in use", n)
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls are still listed", n)
	}
	settle(t, "goroutines", func() int { return runtime.NumGoroutine() - before - 5 })
	// The phones of the demo do not acknowledge the 487 of a call that they gave up: Timer H ends those.
	const unacknowledged = lines * 6
	settle(t, "transactions", func() int {
		w.edge.tx.mu.Lock()
		defer w.edge.tx.mu.Unlock()
		return len(w.edge.tx.clients) + len(w.edge.tx.servers) - unacknowledged
	})
	w.stop()
	if n := len(w.store.callRecords()); n != lines*each {
		t.Errorf("%d records of %d calls", n, lines*each)
	}
}

// settle waits until a count is not positive any more; finished transactions are held for 5 s.
func settle(t *testing.T, what string, count func() int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(15 * time.Second); count() > 0; {
		select {
		case <-tick.C:
		case <-limit:
			t.Errorf("%d %s too many are left", count(), what)
			return
		}
	}
}

// oneCall makes a call that ends in one of four ways.
func oneCall(ctx context.Context, caller, callee *agent.Agent, to string, way int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	dial, hangUp := context.WithCancel(ctx)
	defer hangUp()
	result := make(chan error, 1)
	go func() { result <- caller.Call(dial, to, nil) }()
	if _, err := callee.WaitFor(ctx, agent.Ringing); err != nil {
		return err
	}
	switch way {
	case 0:
		if err := callee.Reject(486, "Busy Here"); err != nil {
			return err
		}
		if err := <-result; err == nil || !strings.HasPrefix(err.Error(), "486") {
			return fmt.Errorf("refused call: %w", err)
		}
		return nil
	case 1:
		hangUp()
		<-result
		_, err := callee.WaitFor(ctx, agent.Canceled)
		return err
	}
	if err := callee.Answer(); err != nil {
		return err
	}
	if err := <-result; err != nil {
		return err
	}
	one, other := caller, callee
	if way == 3 {
		one, other = callee, caller
	}
	if err := one.Hangup(ctx); err != nil {
		return err
	}
	_, err := other.WaitFor(ctx, agent.Ended)
	return err
}
