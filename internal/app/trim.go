package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When memory that is not needed any more goes back to the operating system.
const (
	trimEvery = 5 * time.Second // between looks
	trimQuiet = 16 << 20        // bytes allocated since the last look up to which the server counts as quiet
	trimLeast = 8 << 20         // bytes allocated since the last trim from which on another one is worth it
	trimAgain = 2               // looks after a trim, at which there is a second one
	trimBusy  = trimEvery / 20  // processor time since the last look from which on the server does not count as quiet
)

// trimmer decides when to trim. After many clients have signed in, the heap has room for as much garbage as
// there are live objects, and stacks are as deep as the sign-in was. While there is much to do that is
// as it should be; when it is over a collection and the return of free pages halve the memory of the
// process (docs/adr/0008-idle-sessions.md).
type trimmer struct {
	seen    uint64 // bytes allocated ever, at the last look
	trimmed uint64 // the same, at the last trim
	again   int    // looks until the second trim; 0: it is done
}

// due takes how much was allocated ever, how much of it is live and how much processor time was used since
// the last look, and reports whether to trim now. Messages allocate next to nothing, but whoever waits for one
// would notice: on one processor a trim holds everybody up for tens of milliseconds. Each
// trim is followed by a second one: pools give up what they hold at the second collection, and clients that
// have just become quiet give up their stacks a few seconds after everything else.
func (t *trimmer) due(allocated, live uint64, used time.Duration) bool {
	quiet := allocated-t.seen <= trimQuiet && used <= trimBusy
	t.seen = allocated
	switch {
	case !quiet:
		return false
	case allocated-t.trimmed >= max(trimLeast, live/8):
		t.again = trimAgain
	case t.again == 0:
		return false
	default:
		if t.again--; t.again > 0 {
			return false
		}
	}
	t.trimmed = allocated
	return true
}

// trim lets garbage gather while there is much to do, and gives memory back whenever it is due, until ctx ends.
func trim(ctx context.Context) {
	ballast := newBallast()
	defer runtime.KeepAlive(ballast)
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	var t trimmer
	used := processorTime()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		metrics.Read(samples)
		before := used
		used = processorTime()
		live := samples[1].Value.Uint64()
		if t.due(samples[0].Value.Uint64(), live-min(live, uint64(len(ballast))), used-before) {
			debug.FreeOSMemory()
			used = processorTime() // without what the trim itself has taken
		}
	}
}
