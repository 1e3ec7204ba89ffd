package muc

import (
	"maps"
	"time"
)

// Rate bounds how fast a user may send to one room: Burst at once, and then PerSecond.
type Rate struct{ Burst, PerSecond float64 }

// bucket counts what may still be sent.
type bucket struct {
	tokens float64
	at     time.Time
}

func (b bucket) filled(now time.Time, r Rate) bucket {
	if elapsed := now.Sub(b.at).Seconds(); elapsed > 0 {
		b.tokens = min(r.Burst, b.tokens+elapsed*r.PerSecond)
	}
	b.at = now
	return b
}

// manyBuckets is when buckets that are full again are forgotten.
const manyBuckets = 1024

// take reports whether a user may send one more now. It goes on counting when the user leaves and comes back.
func (r *Room) take(bare string) bool { return r.takeMany(bare, 1) }

// takeMany is take for what costs as much as n stanzas. It may be more than there is left: the user then waits until it
// is paid for.
func (r *Room) takeMany(bare string, n int) bool {
	b, known := r.rates[bare]
	if !known {
		b = bucket{r.limits.Rate.Burst, r.now}
		if len(r.rates) >= manyBuckets {
			maps.DeleteFunc(r.rates, func(_ string, other bucket) bool {
				return other.filled(r.now, r.limits.Rate).tokens == r.limits.Rate.Burst
			})
		}
	}
	b = b.filled(r.now, r.limits.Rate)
	allowed := b.tokens >= 1
	if allowed {
		b.tokens -= float64(n)
	}
	r.rates[bare] = b
	return allowed
}
