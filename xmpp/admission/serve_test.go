package admission

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestServe is the life of a listener: who is let in, who is not, what happens when nobody can be accepted for a while, and
// the three ways in which it ends.
func TestServe(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(cancel func(), g *Gate, l *listener)
		want error
	}{
		{"the context ends", func(cancel func(), _ *Gate, _ *listener) { cancel() }, nil},
		{"the gate is closed", func(_ func(), g *Gate, _ *listener) { g.Close() }, nil},
		{"somebody closes the listener", func(_ func(), _ *Gate, l *listener) { l.Close() }, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, l := New(2, 2), newListener()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var log strings.Builder
				var mu sync.Mutex
				var let []*Place
				done := make(chan error, 1)
				go func() {
					done <- g.Serve(ctx, l, slog.New(slog.NewTextHandler(&log, nil)), func(_ net.Conn, p *Place) {
						mu.Lock()
						defer mu.Unlock()
						let = append(let, p)
					})
				}()

				in := func() []*Place {
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					return slices.Clone(let)
				}
				first, second, third := l.dial(), l.dial(), l.dial()
				places := in()
				if len(places) != 2 || first.closed || second.closed || !third.closed {
					t.Fatalf("%d came in; closed: %v, %v, %v; want two let in and the third closed", len(places), first.closed, second.closed, third.closed)
				}
				if from := places[0].From.String(); from != "192.0.2.1" {
					t.Errorf("the first one comes from %s", from)
				}

				places[0].Leave()
				l.accepted <- attempt{err: &net.OpError{Op: "accept", Err: syscall.EMFILE}}
				before := time.Now()
				fourth := l.dial()
				if len(in()) != 2 {
					t.Error("somebody was accepted without a pause after a failure")
				}
				time.Sleep(afterFailure)
				if len(in()) != 3 || fourth.closed {
					t.Errorf("nobody was accepted %v after a failure", time.Since(before))
				}
				if !strings.Contains(log.String(), "too many open files") || !strings.Contains(log.String(), "192.0.2.254:5222") {
					t.Errorf("the failure is not in the log: %q", log.String())
				}

				tt.end(cancel, g, l)
				if err := <-done; !errors.Is(err, tt.want) {
					t.Errorf("it ended with %v, want %v", err, tt.want)
				}
				if !l.isClosed() {
					t.Error("the listener is open")
				}
				if len(g.listeners) != 0 {
					t.Error("the gate remembers the listener")
				}
			})
		})
	}
}

// TestServeWhilePausing: what ends a listener does so while it waits after a failure, too.
func TestServeWhilePausing(t *testing.T) {
	for name, end := range map[string]func(cancel func(), g *Gate){
		"the context ends":   func(cancel func(), _ *Gate) { cancel() },
		"the gate is closed": func(_ func(), g *Gate) { g.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, l := New(1, 1), newListener()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- g.Serve(ctx, l, slog.New(slog.DiscardHandler), func(net.Conn, *Place) {}) }()
				l.accepted <- attempt{err: syscall.ECONNABORTED}
				synctest.Wait()
				end(cancel, g)
				if err := <-done; err != nil {
					t.Errorf("it ended with %v", err)
				}
			})
		})
	}
}

func TestServeAtClosedGate(t *testing.T) {
	g, l := New(1, 1), newListener()
	g.Close()
	if err := g.Serve(t.Context(), l, slog.New(slog.DiscardHandler), nil); err != nil || !l.isClosed() {
		t.Errorf("it ended with %v, the listener is closed: %v", err, l.isClosed())
	}
}

// attempt is what Accept returns.
type attempt struct {
	conn net.Conn
	err  error
}

// listener accepts what a test puts there.
type listener struct {
	accepted chan attempt
	closed   chan struct{}
	close    func()
}

func newListener() *listener {
	l := &listener{accepted: make(chan attempt, 8), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *listener) dial() *caller {
	c := &caller{end: end{remote: "192.0.2.1:40000"}}
	l.accepted <- attempt{conn: c}
	return c
}

func (l *listener) Accept() (net.Conn, error) {
	if l.isClosed() {
		return nil, net.ErrClosed
	}
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (l *listener) Close() error   { l.close(); return nil }
func (l *listener) Addr() net.Addr { return end{remote: "192.0.2.254:5222"} }

// caller knows whether it was turned away.
type caller struct {
	end
	closed bool
}

func (c *caller) Close() error { c.closed = true; return nil }
