package s2s

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// TestFlood lets one server send much more than it may: all of it arrives, in order and at the pace that is set, on
// however many streams, and another server does not notice.
func TestFlood(t *testing.T) {
	const sent = 300 // of each domain
	size := len(message("anna@"+a+"/a", "ben@"+b, strings.Repeat("x", 1000)))
	for _, tt := range []struct {
		name  string
		limit func(*Config)
		of    []string // domains that flood
		least time.Duration
	}{
		{"stanzas", func(c *Config) { c.MaxRate = 50 }, []string{a}, (sent - 50) / 50 * time.Second},
		{"bytes", func(c *Config) { c.MaxBytes = 50 * size }, []string{a}, (sent - 50) / 50 * time.Second},
		{"domains of one owner", func(c *Config) { c.MaxRate = 50 }, []string{a, "rooms." + a}, (2*sent - 50) / 50 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				calm := make(chan time.Time, sent)
				sb := w.server(func(c *Config) {
					tt.limit(c)
					deliver := c.Deliver
					c.Deliver = func(remote string, head scan.Head, raw []byte) {
						if remote == "c.example" {
							calm <- time.Now()
							return
						}
						deliver(remote, head, raw)
					}
				}, b).onPipes("192.0.2.2:5269")
				other := w.server(nil, "c.example").onPipes("192.0.2.3:5269")
				began, arrived := time.Now(), map[string]int{}
				for i, domain := range tt.of {
					flooding := w.server(nil, domain).onPipes(fmt.Sprintf("192.0.2.%d:5269", 10+i))
					for n := range sent {
						flooding.chat(domain, b, fmt.Sprint(n, strings.Repeat("x", 1000)))
					}
				}
				for done := range sent * len(tt.of) {
					if done%100 == 50 {
						asked := time.Now()
						other.chat("c.example", b, "hello")
						if came := <-calm; came.After(asked) {
							t.Errorf("the other server waited %v", came.Sub(asked))
						}
					}
					g := take(t, sb.in, "the flood")
					if want := fmt.Sprintf("<body>%dx", arrived[g.remote]); !strings.Contains(g.raw, want) {
						t.Fatalf("%s was expected of %s", want, g.remote)
					}
					arrived[g.remote]++
				}
				if took := time.Since(began); took < tt.least || took > tt.least*3/2 {
					t.Errorf("it took %v, want %v", took, tt.least)
				}
			})
		})
	}
}

// TestFloodAgain begins another stream when the first one is slowed: what was used up is not forgotten.
func TestFloodAgain(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sb := w.server(func(c *Config) { c.MaxRate = 10 }, b).onPipes("192.0.2.2:5269")
		sa := w.server(nil, a).onPipes("192.0.2.1:5269")
		began := time.Now()
		for n := range 40 {
			sa.chat(a, b, fmt.Sprint(n))
			sb.receives(a, fmt.Sprint(n))
			sb.mu.Lock()
			for s := range sb.links {
				s.end(errIdle)
			}
			sb.mu.Unlock()
			synctest.Wait()
		}
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("40 stanzas on 40 streams took %v", took)
		}
		time.Sleep(time.Minute)
		sb.paces.leave(sb.paces.join("c.example"))
		if n := len(sb.paces.servers); n > 2 {
			t.Errorf("%d servers are remembered", n)
		}
	})
}

// TestShutdownWhileSlowed: a stream that waits for its turn ends at once.
func TestShutdownWhileSlowed(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sb := w.server(func(c *Config) { c.MaxBytes = 1 }, b).onPipes("192.0.2.2:5269")
		sa := w.server(nil, a).onPipes("192.0.2.1:5269")
		sa.chat(a, b, "hello")
		sa.getsBack(b, "hello", stanza.RemoteServerTimeout)
		sa.chat(a, b, "hello")
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := sb.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestRegistered(t *testing.T) {
	for domain, want := range map[string]string{
		"example.org": "example.org", "chat.example.org": "example.org", "a.b.example.co.uk": "example.co.uk", "co.uk": "co.uk",
		"server.corp": "server.corp", "rooms.server.corp": "server.corp", "localhost": "localhost", "192.0.2.1": "192.0.2.1",
	} {
		if got := registered(domain); got != want {
			t.Errorf("%s belongs to %s, want %s", domain, got, want)
		}
	}
}
