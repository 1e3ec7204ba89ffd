package sip

import (
	"context"
	"log/slog"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	recordQueue = 4096                   // calls that wait to be written
	recordBatch = 512                    // calls in one transaction
	recordDelay = 100 * time.Millisecond // how long the first of a batch waits for others
	recordRetry = 5 * time.Second        // after the store has failed
	recordLast  = 2 * time.Second        // for what is left at the end
)

// records writes the records of calls that have ended, in their order and many at a time, away from the
// calls.
type records struct {
	store Store
	log   *slog.Logger
	queue chan uc.Call
}

func newRecords(store Store, log *slog.Logger) *records {
	return &records{store: store, log: log, queue: make(chan uc.Call, recordQueue)}
}

// add queues a record. If the store has been failing for thousands of calls the record goes to the log.
func (r *records) add(c uc.Call) {
	select {
	case r.queue <- c:
	default:
		r.lost(c, nil)
	}
}

func (r *records) lost(c uc.Call, cause error) {
	r.log.Error("call record lost", "call", c.ID, "caller", c.Caller.Number, "called", c.Called.Number, "cause", cause)
}

// write saves records until ctx ends, then what is left.
func (r *records) write(ctx context.Context) {
	for {
		select {
		case c := <-r.queue:
			pause(ctx, recordDelay)
			r.save(ctx, r.take([]uc.Call{c}))
		case <-ctx.Done():
			for batch := r.take(nil); len(batch) > 0; batch = r.take(nil) {
				r.last(ctx, batch)
			}
			return
		}
	}
}

// take adds to a batch what is queued.
func (r *records) take(batch []uc.Call) []uc.Call {
	for len(batch) < recordBatch {
		select {
		case c := <-r.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// save tries until it succeeds or ctx ends.
func (r *records) save(ctx context.Context, batch []uc.Call) {
	for ctx.Err() == nil {
		err := r.store.AddCallRecords(ctx, batch)
		if err == nil {
			return
		}
		r.log.Error("call records not saved", "calls", len(batch), "cause", err)
		pause(ctx, recordRetry)
	}
	r.last(ctx, batch)
}

// last is one try at the end.
func (r *records) last(ctx context.Context, batch []uc.Call) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLast)
	defer cancel()
	if err := r.store.AddCallRecords(ctx, batch); err != nil {
		for _, c := range batch {
			r.lost(c, err)
		}
	}
}
