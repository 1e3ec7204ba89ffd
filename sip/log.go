package sip

import (
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// limitedLog writes at most a few lines a second, so that whoever sends rubbish cannot fill the disk.
// It tells how many lines were left out.
type limitedLog struct {
	log     *slog.Logger
	limiter *rate.Limiter
	dropped atomic.Int64
}

func newLimitedLog(log *slog.Logger) *limitedLog {
	return &limitedLog{log: log, limiter: rate.NewLimiter(10, 50)}
}

// warn writes one line about what a peer did.
func (l *limitedLog) warn(text string, args ...any) {
	if !l.limiter.Allow() {
		l.dropped.Add(1)
		return
	}
	if n := l.dropped.Swap(0); n > 0 {
		args = append(args, "similar lines left out", n)
	}
	l.log.Warn(text, args...)
}
