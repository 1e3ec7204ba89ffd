package muc

import (
	"context"
	"log/slog"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// lineBytes is the size of what waits to be stored from which on senders wait.
const lineBytes = 4 << 20

// writer stores what changes in rooms, in the order in which it happened, and then lets who waits for it go on.
// What comes together is committed together.
type writer struct {
	store Store
	log   *slog.Logger

	mu      sync.Mutex
	moved   sync.Cond // stored or closed has changed
	line    []job
	bytes   int    // of what is in line
	queued  uint64 // jobs, ever
	stored  uint64 // of them
	closed  bool
	waiting chan struct{} // holds a token while the line may not be empty
}

// job is what one stanza changes. then is called behind the commit, in the order of the line.
type job struct {
	changes []uc.RoomChange
	then    func(error)
}

func newWriter(store Store, log *slog.Logger) *writer {
	w := &writer{store: store, log: log, waiting: make(chan struct{}, 1)}
	w.moved.L = &w.mu
	return w
}

// run writes the line until ctx ends, and then what is left.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-w.waiting:
			w.write(context.WithoutCancel(ctx))
		case <-ctx.Done():
			w.write(context.WithoutCancel(ctx))
			w.close()
			return
		}
	}
}

// close lets everybody go on who waits.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.moved.Broadcast()
}

// put puts a job in line and returns its place.
func (w *writer) put(j job) (ticket uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, j)
	w.bytes += sizeOf(j.changes)
	w.queued++
	w.signal()
	return w.queued
}

func (w *writer) signal() {
	select {
	case w.waiting <- struct{}{}:
	default:
	}
}

func sizeOf(changes []uc.RoomChange) (n int) {
	for i := range changes {
		c := &changes[i]
		if c.Add != nil {
			n += len(c.Add.Stanza)
		}
		if c.Put != nil {
			n += len(c.Put.Card) + roomBytes + (len(c.Put.Members)+len(c.Changed))*memberBytes
		}
	}
	return n
}

// About how many bytes a room takes that waits to be stored, beside its card and its members, and how many one of those.
const (
	roomBytes   = 1 << 10
	memberBytes = 128
)

// after calls f when the line is stored up to a place. If it is already, after does nothing and returns false.
func (w *writer) after(ticket uint64, f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stored >= ticket || w.closed {
		return false
	}
	w.line = append(w.line, job{then: func(error) { f() }})
	w.queued++
	w.signal()
	return true
}

// await waits until the line is stored up to a place.
func (w *writer) await(ticket uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.stored < ticket && !w.closed {
		w.moved.Wait()
	}
}

// sync waits until everything that is in line is stored.
func (w *writer) sync() {
	w.mu.Lock()
	ticket := w.queued
	w.mu.Unlock()
	w.await(ticket)
}

// breathe waits while too much is in line. It is called without locks.
func (w *writer) breathe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.bytes > lineBytes && !w.closed {
		w.moved.Wait()
	}
}

func (w *writer) write(ctx context.Context) {
	w.mu.Lock()
	line := w.line
	w.line, w.bytes = nil, 0
	w.moved.Broadcast()
	w.mu.Unlock()
	errs := w.commit(ctx, line)
	for i, j := range line {
		if j.then != nil {
			j.then(errs[i])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored += uint64(len(line))
	w.moved.Broadcast()
}

// commit stores jobs in one transaction; if that fails, each in one of its own. It returns their errors.
func (w *writer) commit(ctx context.Context, line []job) []error {
	errs := make([]error, len(line))
	var all []uc.RoomChange
	for _, j := range line {
		all = append(all, j.changes...)
	}
	if len(all) == 0 {
		return errs
	}
	err := w.store.ChangeRooms(ctx, all)
	switch {
	case err == nil:
	case len(line) == 1:
		w.log.Error("muc: a room is not stored", "cause", err)
		errs[0] = err
	default:
		for i := range line {
			errs[i] = w.commit(ctx, line[i:i+1])[0]
		}
	}
	return errs
}
