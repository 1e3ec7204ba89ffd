package xmpp

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"
)

// TestAllocations holds the hot path: what a stanza costs in allocations from the bytes read to the bytes
// written, in every shape that a message takes often.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	archived := func(c *Config) { c.Archive = time.Hour }
	for _, tt := range []struct {
		name   string
		to     string // the resource; empty means r
		most   float64
		config func(*Config)
		ready  func(*crowd)
		after  func(*crowd)
	}{
		{name: "message", most: 0},
		{name: "message over TLS", most: 0, to: "tls", ready: func(c *crowd) { c.addTo(1, "tls", true) }},
		{name: "archived message", most: 1, config: archived},
		{name: "managed message", most: 1, ready: func(c *crowd) { c.session(1).startManagement(nil, true) }, after: func(c *crowd) {
			q := &c.session(1).queue
			q.acknowledge(q.acks.kept.sent())
		}},
		{name: "message with a carbon copy", most: 10, ready: func(c *crowd) { c.addTo(1, "other", false).carbons.Store(true) }},
		{name: "archived and managed message with carbon copies at both ends", most: 20, config: archived, ready: func(c *crowd) {
			c.session(1).startManagement(nil, true)
			c.addTo(1, "other", false).carbons.Store(true)
			c.addTo(0, "other", false).carbons.Store(true)
		}, after: func(c *crowd) {
			q := &c.session(1).queue
			q.acknowledge(q.acks.kept.sent())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*Config)
			if tt.config != nil {
				change = append(change, tt.config)
			}
			c := gather(t, 2, false, change...)
			c.store.forgetful = true
			go func() { _, _ = io.Copy(io.Discard, c.clients[1]) }()
			if tt.ready != nil {
				tt.ready(c)
			}
			stanza := bytes.Replace(fmt.Appendf(nil, benchMessage, 1), []byte("/r'"), []byte("/"+cmp.Or(tt.to, "r")+"'"), 1)
			if got := c.allocations(0, stanza, tt.after); got > tt.most {
				t.Errorf("%.1f allocations, want at most %.0f", got, tt.most)
			}
		})
	}
}

// TestPresenceAllocations is a change of presence: what it allocates does not depend on how many see it.
func TestPresenceAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const most = 60
	for _, viewers := range []int{20, 200} {
		c := gather(t, viewers+1, false)
		for i := range c.clients {
			go func() { _, _ = io.Copy(io.Discard, c.clients[i]) }()
			c.handle(i, []byte("<presence/>"))
		}
		got := c.allocations(0, []byte("<presence><show>away</show><status>out</status></presence>"), nil)
		if got > most {
			t.Errorf("%.1f allocations for %d viewers, want at most %d", got, viewers, most)
		}
	}
}

// handle has the server handle something that a client has sent.
func (c *crowd) handle(i int, stanza []byte) {
	c.t.Helper()
	in := newInput(c.session(i))
	in.buf = append(takeReadBuffer(), stanza...)
	if _, err := in.session.handleInput(in); err != nil {
		c.t.Fatal(err)
	}
	in.free()
}

// allocations returns what one stanza of a client costs. after is called behind each, if it is not nil.
func (c *crowd) allocations(i int, stanza []byte, after func(*crowd)) float64 {
	c.t.Helper()
	from := c.session(i)
	in := newInput(from)
	got := testing.AllocsPerRun(500, func() {
		in.buf, in.from = append(takeReadBuffer(), stanza...), 0
		if _, err := from.handleInput(in); err != nil {
			c.t.Fatal(err)
		}
		in.free()
		if after != nil {
			after(c)
		}
		runtime.Gosched() // to who reads what is sent
	})
	for _, s := range c.unread {
		s.end(errShutdown)
		c.server.begin(s)
	}
	return got
}

// addTo gives a user one more client, which reads all that it is sent.
func (c *crowd) addTo(i int, resource string, overTLS bool) *session {
	login := fmt.Sprintf("user%d", i)
	conn := c.connectAs(login, resource, false, overTLS)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	return c.server.accountByLogin(login).byResource(resource)
}
