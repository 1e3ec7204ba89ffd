package s2s

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/testenv"
)

// TestNotes: what another server does again and again on a stream makes one line, and one with the number at its end.
func TestNotes(t *testing.T) {
	const times = 200
	for _, c := range []struct {
		name, say string
		proved    bool
		lines     []string // parts of those of this stream, in order
	}{
		{"false keys to be verified", "<db:verify from='c.example' to='b.example' id='1'>x</db:verify>", false,
			[]string{"not us", "complaints=200"}},
		{"false keys", "<db:result from='c.example' to='b.example'>x</db:result>", true,
			[]string{"verified", "cannot be verified", "complaints="}},
		{"claims of what is verified", "<db:result from='a.example' to='b.example'>x</db:result>", true, []string{"verified"}},
		{"stanzas from others", "<message from='anna@c.example' to='ben@b.example'/>", true, []string{"verified"}},
		{"stanzas with bad addresses", "<message from='@@a.example' to='@@b.example'/>", true, []string{"verified"}},
		{"stanzas to others", "<message from='anna@a.example' to='ben@c.example'/>", true, []string{"verified"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				var log testenv.Log
				sb := w.server(func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) }, b)
				here, there := net.Pipe()
				sb.admit(there)
				p := newPeer(t, here)
				if c.proved {
					p.secured(w, []tls.Certificate{w.ca.issue(t, validUntil, a)})
					p.external()
				} else {
					p.secured(w, nil)
				}
				go func() {
					for p.next() != "" {
					}
				}()
				for range times {
					_ = p.SetWriteDeadline(time.Now().Add(patience))
					p.say(c.say)
					synctest.Wait()
				}
				here.Close()
				time.Sleep(time.Minute)
				got := log.Lines("stream=1 ")
				for i, line := range got {
					if i >= len(c.lines) || !strings.Contains(line, c.lines[i]) {
						t.Errorf("line %d is %s", i, line)
					}
					if i > 10 {
						break
					}
				}
				if len(got) < len(c.lines) {
					t.Errorf("got %q, want %q", got, c.lines)
				}
			})
		})
	}
}

// TestManyPairsByCertificate: a certificate for all names below a domain is not good for any number of them on one stream.
func TestManyPairsByCertificate(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sb := w.server(func(cfg *Config) { cfg.MaxPairs = 5 }, b)
		here, there := net.Pipe()
		sb.admit(there)
		p := newPeer(t, here)
		p.secured(w, []tls.Certificate{w.ca.issue(t, validUntil, a, "*."+a)})
		p.external()
		for i := range 10 {
			p.say(fmt.Sprintf("<db:result from='d%d.a.example' to='b.example'>x</db:result>", i))
			got := p.until("<db:result")
			if valid := strings.Contains(got, "type='valid'"); valid != (i < 4) {
				t.Errorf("domain %d: %s", i, got)
			}
		}
		p.say("<db:result from='d1.a.example' to='b.example'>x</db:result>")
		if got := p.until("<db:result"); !strings.Contains(got, "type='valid'") {
			t.Errorf("one that is verified already: %s", got)
		}
		here.Close()
	})
}
