// Package bus carries facts (see uc.Event) inside one process from those who state them to those who
// follow them. Publishing never blocks: each reader has a queue of its own, in which an event replaces
// a queued one of the same subject. A reader that falls behind loses its whole queue, is told so once
// by [ErrOverflow], and then reads a snapshot from the owner of the state before it goes on.
//
// The bus starts no goroutine; readers are read by their owners.
package bus

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// ErrOverflow is returned by [Reader.Next] once after events were lost.
var ErrOverflow = errors.New("bus: reader fell behind, events were lost")

// Bus hands each published event to all readers of its type. The zero Bus is ready to use.
type Bus struct {
	mu      sync.RWMutex
	readers []*Reader
}

// New returns a bus without readers.
func New() *Bus { return &Bus{} }

// Publish hands an event to every reader of its type and returns at once. It must not be called with
// a lock held that a reader might want.
func (b *Bus) Publish(e uc.Event) {
	b.mu.RLock()
	readers := b.readers
	b.mu.RUnlock()
	t := reflect.TypeOf(e)
	for _, r := range readers {
		if r.types[t] {
			r.push(e)
		}
	}
}

// Reader is one follower's queue. It is read by one goroutine.
type Reader struct {
	bus   *Bus
	types map[reflect.Type]bool
	limit int

	mu       sync.Mutex
	queue    []uc.Event // queue[head:] waits to be read
	head     int
	index    map[any]int // subject → place in queue
	overflow bool
	ready    chan struct{} // holds one token while there may be something to read
}

// Subscribe makes a reader of the types that the sample events have. At most limit events wait.
func (b *Bus) Subscribe(limit int, samples ...uc.Event) *Reader {
	r := &Reader{
		bus:   b,
		types: make(map[reflect.Type]bool, len(samples)),
		limit: limit,
		index: make(map[any]int),
		ready: make(chan struct{}, 1),
	}
	for _, s := range samples {
		r.types[reflect.TypeOf(s)] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers = append(b.readers[:len(b.readers):len(b.readers)], r)
	return r
}

// Close ends the subscription; a waiting Next goes on waiting for its context.
func (r *Reader) Close() {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	rest := make([]*Reader, 0, len(r.bus.readers))
	for _, other := range r.bus.readers {
		if other != r {
			rest = append(rest, other)
		}
	}
	r.bus.readers = rest
}

// Next returns the next event. It waits until there is one or ctx ends; then it returns the context's
// error. ErrOverflow says that events were lost; the reader goes on with those that came after.
func (r *Reader) Next(ctx context.Context) (uc.Event, error) {
	for {
		e, err, ok := r.pop()
		if ok {
			return e, err
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Ready returns a channel that yields after something was queued, for readers that select on more than
// the bus; they then call [Reader.TryNext] until it returns false.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// TryNext returns the next event without waiting; ok is false if there is none.
func (r *Reader) TryNext() (e uc.Event, err error, ok bool) { return r.pop() } //nolint:staticcheck // the error is a value read in turn, ok says whether anything was

func (r *Reader) push(e uc.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	subject := e.Subject()
	if at, queued := r.index[subject]; queued && subject != nil {
		r.queue[at] = e
		return
	}
	if len(r.queue)-r.head >= r.limit {
		r.queue, r.head, r.overflow = nil, 0, true
		clear(r.index)
	}
	if subject != nil {
		r.index[subject] = len(r.queue)
	}
	r.queue = append(r.queue, e)
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

func (r *Reader) pop() (uc.Event, error, bool) { //nolint:staticcheck // see TryNext
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.overflow {
		r.overflow = false
		return nil, ErrOverflow, true
	}
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
		return nil, nil, false
	}
	e := r.queue[r.head]
	r.queue[r.head] = nil
	r.head++
	if subject := e.Subject(); subject != nil {
		delete(r.index, subject)
	}
	return e, nil, true
}
