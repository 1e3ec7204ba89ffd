package xmpp

import (
	"runtime"
	"time"
)

// turnMax is how many bytes a goroutine handles in one go.
const turnMax = 64 << 10

// restMax bounds a rest: what took longer than that had to wait itself.
const restMax = 10 * time.Millisecond

// turn is what one goroutine has done in one go of a lot: of what a client sends without a pause, or has left. Its
// zero value has not begun. When it is over the goroutine rests.
type turn struct {
	began int64 // Unix time in nanoseconds
	done  int   // bytes
}

func (t *turn) over() bool { return t.done >= turnMax }

// took is how long the turn has taken until now.
func (t *turn) took() time.Duration { return time.Duration(time.Now().UnixNano() - t.began) }

// rest lets the others have their share of the processor when somebody has worked for some time and has more to
// do: for as long again they have it alone.
//
// The runtime by itself would not do that. While any goroutine can run it looks only every 10 ms or more whether
// something has come from the network, so to yield is not enough; and who wakes up is put before those that wait, so to
// sleep is not either.
func rest(worked time.Duration) {
	time.Sleep(min(worked, restMax))
	runtime.Gosched()
}
