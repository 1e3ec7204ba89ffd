package graph

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	minGap        = 500 * time.Millisecond // between the end of a poll and the next
	maxInterval   = time.Minute            // how far 429 stretches the interval
	maxRetryAfter = 10 * time.Minute       // longer is not believed
	maxDoublings  = 10                     // after which every backoff is at its cap, and none overflows
)

// pace says when the next request may begin. It stretches the interval when Graph throttles and
// shrinks it slowly after.
type pace struct {
	base     time.Duration // as configured
	interval time.Duration // at present, from base to maxInterval; 0 means base
	refused  time.Duration // the interval at which Graph last began to throttle
	kind     failureKind   // of the failures in a row
	failures int           // in a row, all of one kind
}

// after returns how long to wait after a poll that took so long and ended with f, nil for success.
func (p *pace) after(f *failure, took time.Duration) time.Duration {
	p.interval = max(p.interval, p.base)
	if f == nil || f.partial {
		p.failures = 0
		wait := shorten(p.interval) - took
		p.shrink()
		return max(wait, minGap)
	}
	if p.failures == 0 || p.kind != f.kind {
		p.kind, p.failures = f.kind, 0
	}
	p.failures++
	switch f.kind {
	case throttled:
		if p.failures == 1 {
			p.refused = p.interval
		}
		p.interval = max(p.base, min(2*p.interval, maxInterval))
		if f.retryAfter == 0 {
			return lengthen(backoff(p.failures, 5*time.Second, 5*time.Minute))
		}
		wait := lengthen(f.retryAfter)
		// What refused requests have spent counts too, so that whoever asks at the very moment that Graph
		// names can be refused again and again.
		if f.fruitless && p.failures > 1 {
			wait += p.refused
		}
		return wait
	case needsAdmin:
		return shorten(backoff(p.failures, time.Minute, 15*time.Minute))
	default:
		return max(f.retryAfter, shorten(backoff(p.failures, 2*time.Second, time.Minute)))
	}
}

// shrink shortens the interval, slowly where Graph may throttle again. What several 429 in a row have
// added beyond twice the interval that was refused goes quickly, or presence would be late for long.
func (p *pace) shrink() {
	next := p.interval * 19 / 20
	if p.interval > 2*p.refused {
		next = min(next, max(p.interval*7/10, 2*p.refused))
	}
	p.interval = max(p.base, next)
}

// backoff doubles from first, which the first failure waits, up to most.
func backoff(failures int, first, most time.Duration) time.Duration {
	return min(first<<min(failures-1, maxDoublings), most)
}

// shorten takes up to a tenth off, so that servers that started together do not poll together.
func shorten(d time.Duration) time.Duration { return d - rand.N(d/10+1) }

// lengthen adds up to a tenth, where a wait must not be cut short.
func lengthen(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110 §10.2.3). It returns 0 if there is
// none that makes sense. A date counts from the answer's own Date, so that our clock may be wrong.
func retryAfter(value, date string, now time.Time) time.Duration {
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		if !(n > 0) { // also NaN
			return 0
		}
		return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if answered, err := http.ParseTime(date); err == nil {
		now = answered
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
