package negotiate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// clock is a time that stands still until it is moved.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTestThrottle() (*Throttle, *clock) {
	c := &clock{time.Unix(1_000_000, 0)}
	return NewThrottle(c.now), c
}

func fail(t *Throttle, times int, from, login string) {
	for range times {
		t.Failed(addr(from), login)
	}
}

func checkWait(t *testing.T, th *Throttle, from, login string, want time.Duration) {
	t.Helper()
	if got := th.Allow(addr(from), login); got != want {
		t.Errorf("%s waits %v for %s, want %v", from, got, login, want)
	}
}

func TestGuessingOneLogin(t *testing.T) {
	th, c := newTestThrottle()
	fail(th, 3, "192.0.2.1", "anna")
	checkWait(t, th, "192.0.2.1", "anna", 0)
	fail(th, 1, "192.0.2.1", "anna")
	checkWait(t, th, "192.0.2.1", "anna", time.Second)
	checkWait(t, th, "192.0.2.1", "ben", 0)
	checkWait(t, th, "192.0.2.2", "anna", 0)
	c.t = c.t.Add(600 * time.Millisecond)
	checkWait(t, th, "192.0.2.1", "anna", 400*time.Millisecond)
	fail(th, 2, "192.0.2.1", "anna")
	checkWait(t, th, "192.0.2.1", "anna", 4*time.Second)
	fail(th, 10, "192.0.2.1", "anna")
	checkWait(t, th, "192.0.2.1", "anna", time.Minute)
	th.Succeeded(addr("192.0.2.1"), "anna")
	checkWait(t, th, "192.0.2.1", "anna", 0)
}

func TestGuessingManyLogins(t *testing.T) {
	th, _ := newTestThrottle()
	for i := range 21 {
		fail(th, 1, "2001:db8::1", fmt.Sprint("user", i))
	}
	checkWait(t, th, "2001:db8::ffff", "anna", time.Second)
	checkWait(t, th, "2001:db8:0:1::1", "anna", 0)
}

func TestNobodyCanLockOthersOut(t *testing.T) {
	th, c := newTestThrottle()
	for i := range 250 {
		fail(th, 3, fmt.Sprint("198.51.100.", i), "anna")
	}
	checkWait(t, th, "192.0.2.1", "anna", slowLogin)
	c.t = c.t.Add(remembered)
	checkWait(t, th, "192.0.2.1", "anna", 0)
}

func TestThrottleIsBounded(t *testing.T) {
	th, _ := newTestThrottle()
	for i := range maxSubjects {
		th.Failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "anna")
	}
	if len(th.failures) > maxSubjects {
		t.Errorf("%d records", len(th.failures))
	}
}

func TestThrottleWithoutAddress(t *testing.T) {
	th, _ := newTestThrottle()
	for range 4 {
		th.Failed(netip.Addr{}, "anna")
	}
	if got := th.Allow(netip.Addr{}, "anna"); got != time.Second {
		t.Error(got)
	}
}
