package app

import (
	"context"
	"log/slog"
	"time"
)

const (
	pruneEvery = time.Hour
	pruneBatch = 1000 // rows of a kind in one transaction, so that others wait for no more
)

// pruner removes old records; see store.Store.Prune.
type pruner interface {
	Prune(ctx context.Context, before time.Time, limit int) (int64, error)
}

// prune removes audit, journal and call records older than keep, at the start and every hour, until ctx
// ends. With keep 0 they stay.
func prune(ctx context.Context, records pruner, keep time.Duration, now func() time.Time, log *slog.Logger) {
	if keep <= 0 {
		return
	}
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if n, err := pruneAll(ctx, records, now().Add(-keep)); err != nil && ctx.Err() == nil {
			log.Error("cannot remove old records", "cause", err)
		} else if n > 0 {
			log.Info("old records removed", "records", n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// pruneAll removes everything older than a time, a batch at a time.
func pruneAll(ctx context.Context, records pruner, before time.Time) (all int64, err error) {
	for {
		n, err := records.Prune(ctx, before, pruneBatch)
		all += n
		if err != nil || n == 0 {
			return all, err
		}
	}
}
