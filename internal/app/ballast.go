package app

import (
	"math"
	"runtime/debug"
)

// ballastSize is how much of the ballast there is, in bytes.
const ballastSize = 32 << 20

// newBallast allocates memory that is never touched: it takes addresses and no RAM. The garbage collector counts it
// among the live objects, whose size decides how much garbage may gather before the next collection. Without it a
// company of some hundreds, whose live objects are a few megabytes, is collected a dozen times a second while people
// sign in, which takes a sixth of the processor time. What gathers goes back to the system when there is quiet, see
// trimmer. It is kept alive by whoever holds it. Under a memory limit (GOMEMLIMIT) it would only be in the way: nil.
func newBallast() []byte {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return nil
	}
	return make([]byte, ballastSize)
}
