package app

import (
	"sync/atomic"
	"time"
)

// Clock is the time that profiles go by. It is the machine's, unless a demo moved it forward.
type Clock struct{ ahead atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Ahead()) }

// Ahead returns by how much the clock is ahead of the machine's.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// SetAhead moves the clock; it is never moved back.
func (c *Clock) SetAhead(d time.Duration) {
	for {
		old := c.ahead.Load()
		if int64(d) <= old || c.ahead.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}
