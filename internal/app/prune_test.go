package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// records has so many old rows; the second batch of the first round fails.
type records struct {
	left   int64
	asked  []time.Time
	failed bool
}

func (r *records) Prune(_ context.Context, before time.Time, limit int) (int64, error) {
	r.asked = append(r.asked, before)
	if len(r.asked) == 2 && !r.failed {
		r.failed = true
		return 0, errors.New("the disk is full")
	}
	n := min(r.left, int64(limit))
	r.left -= n
	return n, nil
}

// What is older than the retention goes, hour by hour, and a failure is made good an hour later.
func TestPruneKeepsTheRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &records{left: 2*pruneBatch + 7}
		began := time.Now()
		go prune(ctx, r, 24*time.Hour, time.Now, slog.New(slog.DiscardHandler))
		synctest.Wait()
		if r.left != pruneBatch+7 || !r.asked[0].Equal(began.Add(-24*time.Hour)) {
			t.Errorf("at the start %d rows are left, asked for those before %v", r.left, r.asked[0])
		}
		time.Sleep(pruneEvery)
		synctest.Wait()
		if last := r.asked[len(r.asked)-1]; r.left != 0 || !last.Equal(began.Add(-23*time.Hour)) {
			t.Errorf("an hour later %d rows are left, asked for those before %v", r.left, last)
		}
		cancel()
		synctest.Wait()
		keeps := &records{left: 1}
		prune(t.Context(), keeps, 0, time.Now, slog.New(slog.DiscardHandler))
		if keeps.left != 1 {
			t.Error("with a retention of 0 something was removed")
		}
	})
}
