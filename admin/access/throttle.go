package access

import (
	"net/netip"
	"sync"
	"time"
)

// limit says how guesses are slowed down: the first free ones are not; after them the next try must
// wait, first for the shortest time, then twice as long each, up to the longest.
type limit struct {
	free     int
	shortest time.Duration
	longest  time.Duration
}

// The limits. A pair of address and account has the strictest, and the only one if it has signed in
// before: so nobody's guesses, however many and from however many addresses, shut an owner out.
var (
	pairLimit    = limit{free: 4, shortest: time.Second, longest: 5 * time.Minute}
	addressLimit = limit{free: 20, shortest: time.Second, longest: time.Minute}
	accountLimit = limit{free: 50, shortest: time.Second, longest: 2 * time.Second}
)

const (
	forgetAfter = time.Hour // since the last failure
	maxTracked  = 20_000    // memory bound; beyond it the oldest are forgotten
)

// throttle counts failed tries to sign in.
type throttle struct {
	mu      sync.Mutex
	tracked map[any]*failures
	known   map[pair]bool // pairs that have signed in
}

type failures struct {
	count int
	last  time.Time
}

type pair struct {
	address netip.Prefix
	account string
}

func newThrottle() *throttle {
	return &throttle{tracked: make(map[any]*failures), known: make(map[pair]bool)}
}

// try counts a try as failed, before it is known, so that parallel guesses count too. If it comes too
// early it is not counted, and wait says how long to wait.
func (t *throttle) try(address netip.Addr, account string, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	both := pairOf(address, account)
	keys, limits := both.keys(), []limit{pairLimit, addressLimit, accountLimit}
	if t.known[both] {
		keys = keys[:1]
	}
	for i, key := range keys {
		wait = max(wait, limits[i].wait(t.tracked[key], now))
	}
	if wait > 0 {
		return wait
	}
	t.forget(now)
	for _, key := range keys {
		f := t.tracked[key]
		if f == nil || now.Sub(f.last) > forgetAfter {
			f = &failures{}
			t.tracked[key] = f
		}
		f.count++
		f.last = now
	}
	return 0
}

// succeeded takes back what try counted, forgets the pair's failures and remembers the pair.
func (t *throttle) succeeded(address netip.Addr, account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	both := pairOf(address, account)
	if len(t.known) >= maxTracked {
		clear(t.known)
	}
	counted := both.keys()
	if t.known[both] {
		counted = counted[:1]
	}
	t.known[both] = true
	for i, key := range counted {
		switch f := t.tracked[key]; {
		case f == nil:
		case i == 0 || f.count <= 1:
			delete(t.tracked, key)
		default:
			f.count--
		}
	}
}

// forget drops what is too old, and if that is not enough an arbitrary part of the rest.
func (t *throttle) forget(now time.Time) {
	if len(t.tracked) < maxTracked {
		return
	}
	for key, f := range t.tracked {
		if now.Sub(f.last) > forgetAfter {
			delete(t.tracked, key)
		}
	}
	for key := range t.tracked {
		if len(t.tracked) < maxTracked/2 {
			return
		}
		delete(t.tracked, key)
	}
}

func (l limit) wait(f *failures, now time.Time) time.Duration {
	if f == nil || f.count < l.free || now.Sub(f.last) > forgetAfter {
		return 0
	}
	pause := l.longest
	if doublings := f.count - l.free; doublings < 20 {
		pause = min(l.longest, l.shortest<<doublings)
	}
	return max(0, f.last.Add(pause).Sub(now))
}

// pairOf names an address and an account. An IPv6 site counts as one address, because it can choose
// among 2^64.
func pairOf(address netip.Addr, account string) pair {
	bits := 32
	if address.Is6() && !address.Is4In6() {
		bits = 64
	}
	site, _ := address.Unmap().Prefix(bits)
	return pair{site, account}
}

// keys returns what a try counts for: the pair, the address and the account.
func (p pair) keys() []any { return []any{p, p.address, p.account} }
