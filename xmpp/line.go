package xmpp

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lineDelay is how long the first in a line waits for others to share its transaction.
const lineDelay = 50 * time.Millisecond

// line is what waits to be written into the database: its one writer commits together what has come together.
// Whoever tells a client that something was handled waits for the place in the line up to which that must be
// written (docs/adr/0007).
type line struct {
	mu      sync.Mutex
	changed sync.Cond // the line has been written
	queued  uint64    // ever
	written uint64    // of them
	waiters lineWaiters
	closed  bool

	wake, hurry chan struct{} // hold one token
}

// lineWaiters are called once everything up to their places in the line is written.
type lineWaiters []lineWaiter

type lineWaiter struct {
	upTo uint64
	f    func()
}

func (l lineWaiters) call() {
	for _, w := range l {
		w.f()
	}
}

func (l *line) init() {
	l.changed.L = &l.mu
	l.wake, l.hurry = make(chan struct{}, 1), make(chan struct{}, 1)
}

// serve calls write whenever there is something in line, until ctx ends, and then once more. write commits all
// that is in line.
func (l *line) serve(ctx context.Context, write func(context.Context)) {
	for {
		select {
		case <-l.wake:
			l.gather(ctx)
			write(ctx)
		case <-ctx.Done():
			l.mu.Lock()
			l.closed = true
			l.mu.Unlock()
			write(context.WithoutCancel(ctx))
			return
		}
	}
}

// gather waits a moment for more, unless somebody waits for the line to be written.
func (l *line) gather(ctx context.Context) {
	timer := time.NewTimer(lineDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.hurry:
	case <-ctx.Done():
	}
}

// wrote notes that n more are written, and returns those whose wait is over, to be called without the lock; mu is
// held.
func (l *line) wrote(n int) (over lineWaiters) {
	l.written += uint64(n)
	l.changed.Broadcast()
	l.waiters = slices.DeleteFunc(l.waiters, func(w lineWaiter) bool {
		if w.upTo > l.written {
			return false
		}
		over = append(over, w)
		return true
	})
	return over
}

// sync waits until everything that was put in line is written.
func (l *line) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waitUntil(l.queued)
}

// await waits until the line is written up to a place.
func (l *line) await(upTo uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waitUntil(upTo)
}

func (l *line) waitUntil(upTo uint64) {
	for l.written < upTo && !l.closed {
		signal(l.hurry)
		signal(l.wake)
		l.changed.Wait()
	}
}

// after calls f, in the goroutine of the writer, when the line is written up to a place. If it is already,
// after does nothing and returns false.
func (l *line) after(upTo uint64, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written >= upTo || l.closed {
		return false
	}
	l.waiters = append(l.waiters, lineWaiter{upTo, f})
	signal(l.hurry)
	signal(l.wake)
	return true
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
