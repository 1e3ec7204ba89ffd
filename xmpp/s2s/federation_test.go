package s2s

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"
)

const a, b = "a.example", "b.example"

func TestBothWaysOnOneStream(t *testing.T) {
	w := newWorld(t)
	sa, sb := w.server(nil, a).online(false), w.server(nil, b).online(false)
	sa.chat(a, b, "hello")
	sb.receives(a, "hello")
	if out := sa.only(true); out.Method != "EXTERNAL" || !out.Bidi {
		t.Errorf("stream %+v, want EXTERNAL and bidi", out)
	}
	if in := sb.only(false); in.Method != "EXTERNAL" || !in.Bidi || len(in.Domains) != 1 || in.Domains[0] != a {
		t.Errorf("stream %+v, want EXTERNAL and bidi", in)
	}
	sb.chat(b, a, "and back")
	sa.receives(b, "and back")
	if n := w.dialed(sa.addr); n != 0 {
		t.Errorf("%d connections back, want the answer on the same stream", n)
	}
}

func TestDirectTLS(t *testing.T) {
	w := newWorld(t)
	sa, sb := w.server(nil, a).online(true), w.server(nil, b).online(true)
	sa.chat(a, b, "hello")
	sb.receives(a, "hello")
	sb.chat(b, a, "and back")
	sa.receives(b, "and back")
}

// TestCertificates: what a server can prove decides how it authenticates, and whether at all.
func TestCertificates(t *testing.T) {
	other := newAuthority(t)
	certs := map[string]func(w *world) tls.Certificate{
		"good":        func(w *world) tls.Certificate { return w.ca.issue(t, validUntil, a) },
		"wildcard":    func(w *world) tls.Certificate { return w.ca.issue(t, validUntil, "*.example") },
		"self-signed": func(*world) tls.Certificate { return other.issue(t, validUntil, a) },
		"expired":     func(w *world) tls.Certificate { return w.ca.issue(t, validFrom.Add(time.Hour), a) },
		"wrong name":  func(w *world) tls.Certificate { return w.ca.issue(t, validUntil, "mallory.example") },
	}
	for _, c := range []struct {
		cert, method      string
		required, refused bool
	}{
		{cert: "good", method: "EXTERNAL"},
		{cert: "good", method: "EXTERNAL", required: true},
		{cert: "wildcard", method: "EXTERNAL", required: true},
		{cert: "self-signed", method: "dialback"},
		{cert: "self-signed", required: true, refused: true},
		{cert: "expired", method: "dialback"},
		{cert: "expired", required: true, refused: true},
		{cert: "wrong name", method: "dialback"},
		{cert: "wrong name", required: true, refused: true},
	} {
		t.Run(fmt.Sprintf("%s,required=%v", c.cert, c.required), func(t *testing.T) {
			w := newWorld(t)
			sa := w.server(func(cfg *Config) { cfg.TLS = &tls.Config{Certificates: []tls.Certificate{certs[c.cert](w)}} }, a).online(false)
			sb := w.server(func(cfg *Config) { cfg.RequireValidCertificates = c.required }, b).online(false)
			sa.chat(a, b, "hello")
			sb.chat(b, a, "hello")
			if c.refused {
				sa.getsBack(b, "hello", stanza.RemoteServerNotFound)
				sb.getsBack(a, "hello", stanza.RemoteServerNotFound)
				return
			}
			sb.receives(a, "hello")
			sa.receives(b, "hello")
			for _, st := range sb.Streams() {
				if !st.Outgoing && st.Method != c.method {
					t.Errorf("proved by %s, want %s", st.Method, c.method)
				}
			}
		})
	}
}

// TestManyDomains: each pair of domains is in order, and the same servers may have several.
func TestManyDomains(t *testing.T) {
	w := newWorld(t)
	sa := w.server(nil, a, "rooms."+a).online(false)
	sb := w.server(nil, b, "rooms."+b).online(false)
	const each = 50
	for i := range each {
		for _, from := range sa.domains {
			for _, to := range sb.domains {
				sa.chat(from, to, fmt.Sprintf("%s-%d", to, i))
			}
		}
	}
	next := map[string]int{}
	for range 4 * each {
		g := take(t, sb.in, "one of many")
		matched := false
		for _, to := range sb.domains {
			key := g.remote + " " + to
			if string(message("anna@"+g.remote+"/a", "ben@"+to, fmt.Sprintf("%s-%d", to, next[key]))) == g.raw {
				next[key]++
				matched = true
			}
		}
		if !matched {
			t.Fatalf("out of order: %s", g.raw)
		}
	}
}

func TestNowhere(t *testing.T) {
	w := newWorld(t)
	sa := w.server(func(cfg *Config) { cfg.Allowed = func(d string) bool { return d != "bad.example" } }, a).online(false)
	w.publish("dead.example", "xmpp-server", 1) // nobody listens on that port
	w.publish("none.example", "xmpp-server", 5269)
	w.srv["xmpp-server none.example."][0].Target = "."
	sa.chat(a, "unknown.example", "1")
	sa.getsBack("unknown.example", "1", stanza.RemoteServerNotFound)
	sa.chat(a, "dead.example", "2")
	sa.getsBack("dead.example", "2", stanza.RemoteServerNotFound)
	sa.chat(a, "none.example", "3")
	sa.getsBack("none.example", "3", stanza.RemoteServerNotFound)
	sa.chat(a, "bad.example", "4")
	sa.getsBack("bad.example", "4", stanza.NotAllowed)
	sa.chat(a, a, "5")
	sa.getsBack(a, "5", stanza.NotAllowed)
}

// TestRefusedByTheOther: a server that does not serve the domain, or wants nothing of us.
func TestRefusedByTheOther(t *testing.T) {
	w := newWorld(t)
	sa := w.server(nil, a).online(false)
	sb := w.server(func(cfg *Config) { cfg.Allowed = func(string) bool { return false } }, b).online(false)
	sa.chat(a, b, "hello")
	sa.getsBack(b, "hello", stanza.RemoteServerNotFound)
	w.publish("d.example", "xmpp-server", mustPort(sb.addr))
	sa.chat(a, "d.example", "hello")
	sa.getsBack("d.example", "hello", stanza.RemoteServerNotFound)
}

// TestNextServer: a domain's second server is used when the first does not answer or speaks something else.
func TestNextServer(t *testing.T) {
	w := newWorld(t)
	sa, sb := w.server(nil, a).online(false), w.server(nil, b).online(false)
	good := *w.srv["xmpp-server "+b+"."][0]
	good.Priority = 10
	w.mu.Lock()
	w.hosts["dead.example."] = []string{"127.0.0.1"}
	w.srv["xmpps-server "+b+"."] = append(w.srv["xmpps-server "+b+"."],
		&good, // as direct TLS it makes no sense, and must not be the end
	)
	w.srv["xmpp-server "+b+"."] = []*net.SRV{{Target: "dead.example.", Port: 1}, {Target: good.Target, Port: good.Port, Priority: 20}}
	w.mu.Unlock()
	sa.chat(a, b, "hello")
	sb.receives(a, "hello")
}

func TestShutdown(t *testing.T) {
	w := newWorld(t)
	sa, sb := w.server(nil, a).online(false), w.server(nil, b).online(false)
	sa.chat(a, b, "hello")
	sb.receives(a, "hello")
	for i := range 100 {
		sa.chat(a, b, fmt.Sprint(i))
	}
	sa.stop()
	for i := range 100 {
		sb.receives(a, fmt.Sprint(i))
	}
	sa.chat(a, b, "too late")
	sa.bounceAll()
	sa.getsBack(b, "too late", stanza.RemoteServerTimeout)
}
