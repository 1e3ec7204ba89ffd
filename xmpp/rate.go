package xmpp

import (
	"sync/atomic"
	"time"
)

// rate bounds how many stanzas a second a client may send: a token bucket that holds a second's worth, so
// that a client may catch up at once after a quiet time. It belongs to the session's reader.
type rate struct {
	perSecond float64 // 0: no bound
	tokens    float64
	at        time.Time // when the tokens were last counted
}

func newRate(perSecond int) rate {
	return rate{perSecond: float64(perSecond), tokens: float64(perSecond), at: time.Now()}
}

// take reports whether one more stanza may be handled now, and counts it. The clock is read only when the
// bucket is empty.
func (r *rate) take() bool {
	if r.perSecond == 0 {
		return true
	}
	if r.tokens < 1 {
		r.fill(time.Now())
	}
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// giveBack takes a take back: there was no whole stanza.
func (r *rate) giveBack() { r.tokens++ }

func (r *rate) fill(now time.Time) {
	r.tokens = min(r.perSecond, r.tokens+now.Sub(r.at).Seconds()*r.perSecond)
	r.at = now
}

// ratePause is how long a client that has sent too much waits at a time. What it may send meanwhile is then
// handled in one go.
const ratePause = 20 * time.Millisecond

// pause is how long to wait until the client may send more.
func (r *rate) pause() time.Duration {
	return max(ratePause, time.Duration((1-r.tokens)/r.perSecond*float64(time.Second)))
}

// waitForRate keeps a client from sending more: nothing is read from it, and what it has sent stays where it
// is. It is not disconnected, and no other client waits. The wait ends when the session is to end.
func (c *session) waitForRate() error {
	end := time.Now().Add(c.rate.pause())
	for c.interrupted() == nil {
		left := time.Until(end)
		if left <= 0 {
			break
		}
		time.Sleep(min(left, ratePause))
	}
	return c.interrupted()
}

// seldom is for what is done once in a while, however often there is cause for it.
type seldom struct {
	last atomic.Int64 // nanoseconds since 1970
}

// due reports whether it is to be done now, because that was not so for a while.
func (s *seldom) due(now time.Time, pause time.Duration) bool {
	last := s.last.Load()
	return now.UnixNano()-last >= int64(pause) && s.last.CompareAndSwap(last, now.UnixNano())
}

// forget makes it due at once.
func (s *seldom) forget() { s.last.Store(0) }
