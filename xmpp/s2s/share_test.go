package s2s

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"
)

// hanging lets nobody be reached, and nobody be refused.
func hanging(cfg *Config) {
	cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
}

// TestShares: who fills what waits for servers that do not answer is told so, and keeps nobody else from sending: not to the same
// domain, not to others, and not by the number of domains.
func TestShares(t *testing.T) {
	body := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name   string
		change func(*Config)
		flood  func(i int) string // domain of each message of the flood
		spare  string             // domain of the other's
	}{
		{"one domain", func(cfg *Config) { cfg.MaxQueue = 100 << 10 }, func(int) string { return b }, b},
		{"all domains", func(cfg *Config) { cfg.MaxQueued = 100 << 10 }, func(i int) string { return fmt.Sprintf("d%d.example", i%10) }, b},
		{"routes", func(cfg *Config) { cfg.MaxRoutes = 100 }, func(i int) string { return fmt.Sprintf("d%d.example", i) }, b},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				sa := w.server(func(cfg *Config) { hanging(cfg); c.change(cfg) }, a)
				for i := range 500 {
					w.publish(c.flood(i), "xmpp-server", 5269)
				}
				w.publish(c.spare, "xmpp-server", 5269)
				for i := range 500 {
					sa.chatAs("eve", a, c.flood(i), body)
				}
				synctest.Wait()
				told := len(sa.back)
				for range told {
					if g := <-sa.back; g.reason != stanza.ResourceConstraint {
						t.Fatalf("told of %s", g.reason)
					}
				}
				if told < 440 {
					t.Errorf("%d of 500 were refused", told)
				}
				for _, user := range []string{"anna", "cleo", "dora"} {
					sa.chatAs(user, a, c.spare, "mine") // one after the other: what they have waits, too
				}
				sa.chatAs("anna", a, c.spare, "more of mine")
				synctest.Wait()
				if len(sa.back) > 0 {
					t.Errorf("the others were refused, too: %+v", <-sa.back)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				sa.mu.Lock()
				defer sa.mu.Unlock()
				if len(sa.back) != 504-told || sa.size != 0 || len(sa.routes) != 0 || len(sa.shares) != 0 {
					t.Errorf("%d came back of %d, %d bytes, %d routes, %d shares are left", len(sa.back), 504-told, sa.size, len(sa.routes), len(sa.shares))
				}
			})
		})
	}
}

// TestTurns: who sends to very many domains that do not answer keeps no others from having their streams opened.
func TestTurns(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa := w.server(func(cfg *Config) {
			cfg.MaxConnecting = 8
			cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == "192.0.2.1:5269" {
					return w.Dial(ctx, network, addr)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, a)
		sb := w.server(nil, b).onPipes("192.0.2.1:5269")
		for i := range 50 {
			domain := fmt.Sprintf("d%d.example", i)
			w.publish(domain, "xmpp-server", 5269)
			sa.chatAs("eve", a, domain, "x")
		}
		synctest.Wait()
		began := time.Now()
		sa.chat(a, b, "hello")
		sb.receives(a, "hello")
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestBigStanza: a stanza of the greatest size may always be sent by who has nothing waiting.
func TestBigStanza(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(func(cfg *Config) { cfg.MaxQueue = 100 << 10 }, a), w.server(nil, b).onPipes("192.0.2.1:5269")
		body := strings.Repeat("x", 90<<10)
		sa.chat(a, b, body)
		sb.receives(a, body)
	})
}
