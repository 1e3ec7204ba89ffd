package negotiate

import (
	"net/netip"
	"sync"
	"time"
)

// Throttle is a [Limiter] that remembers failures for a quarter of an hour.
//
// One address that guesses one login waits longer and longer, and so does an address that guesses many
// logins. A login that is guessed from many addresses becomes slow but is never refused: nobody can lock
// others out. Addresses of one IPv6 network of 64 bits count as one.
type Throttle struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[subject]*record
}

// subject is an address, a login, or a login as tried by an address.
type subject struct {
	kind  byte
	addr  netip.Prefix
	login string
}

// record counts the failures of a subject.
type record struct {
	count int
	last  time.Time
}

const (
	remembered  = 15 * time.Minute
	maxSubjects = 100_000
	maxDelay    = time.Minute

	freePair    = 3  // failures before one address waits for one login
	freeAddress = 20 // failures before one address waits for all logins
	freeLogin   = 20 // failures before a login is slow for everybody
	slowLogin   = 2 * time.Second
)

// NewThrottle makes a Throttle; now is the clock, time.Now if nil.
func NewThrottle(now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	return &Throttle{now: now, failures: make(map[subject]*record)}
}

// Allow implements Limiter.
func (t *Throttle) Allow(addr netip.Addr, login string) time.Duration {
	pair, address, account := subjects(addr, login)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	wait := max(t.delay(pair, freePair, now), t.delay(address, freeAddress, now))
	if r := t.known(account, now); r != nil && r.count > freeLogin {
		wait = max(wait, slowLogin)
	}
	return wait
}

// Failed implements Limiter.
func (t *Throttle) Failed(addr netip.Addr, login string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	pair, address, account := subjects(addr, login)
	for _, s := range [...]subject{pair, address, account} {
		r := t.known(s, now)
		if r == nil {
			t.makeRoom(now)
			r = &record{}
			t.failures[s] = r
		}
		r.count++
		r.last = now
	}
}

// Succeeded implements Limiter. What others did to the login, and the address to others, stays remembered.
func (t *Throttle) Succeeded(addr netip.Addr, login string) {
	pair, _, _ := subjects(addr, login)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failures, pair)
}

func subjects(addr netip.Addr, login string) (pair, address, account subject) {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // an address that is not valid has the zero Prefix
	login = login[:min(len(login), 64)]
	return subject{'p', network, login}, subject{kind: 'a', addr: network}, subject{kind: 'l', login: login}
}

// delay returns how long the subject has still to wait: a second after the first failure that is not
// free, and twice as long after each further one.
func (t *Throttle) delay(s subject, free int, now time.Time) time.Duration {
	r := t.known(s, now)
	if r == nil || r.count <= free {
		return 0
	}
	pause := min(time.Second<<min(r.count-free-1, 10), maxDelay)
	return max(0, r.last.Add(pause).Sub(now))
}

// known returns the subject's record unless it is forgotten.
func (t *Throttle) known(s subject, now time.Time) *record {
	if r := t.failures[s]; r != nil && now.Sub(r.last) < remembered {
		return r
	}
	return nil
}

// makeRoom drops what is forgotten when there are too many records, and if need be others.
func (t *Throttle) makeRoom(now time.Time) {
	if len(t.failures) < maxSubjects {
		return
	}
	for s := range t.failures {
		if t.known(s, now) == nil {
			delete(t.failures, s)
		}
	}
	for s := range t.failures {
		if len(t.failures) < maxSubjects*9/10 {
			return
		}
		delete(t.failures, s)
	}
}
