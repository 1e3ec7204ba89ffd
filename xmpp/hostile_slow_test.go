package xmpp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestSlowAtEveryStage stops at every stage of signing in, and then sends now and then a byte that may stand
// there: nobody holds a connection, and a place among those that are not signed in, for long.
func TestSlowAtEveryStage(t *testing.T) {
	const patience = 300 * time.Millisecond
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='"
	plain := auth + "PLAIN'>" + base64.StdEncoding.EncodeToString([]byte("\x00anna\x00Secret12")) + "</auth>"
	scram := auth + "SCRAM-SHA-256'>" + base64.StdEncoding.EncodeToString([]byte("n,,n=anna,r=x")) + "</auth>"
	startTLS := streamHeader + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // the start of a ClientHello
	for _, tt := range []struct {
		name   string
		secure bool // send under TLS
		direct bool
		send   []string // each after an answer to the one before
		drip   string
	}{
		{name: "connected", drip: " "},
		{name: "half a header", send: []string{"<?xml version='1.0'?><stream:stream to='exa"}, drip: "m"},
		{name: "header", send: []string{streamHeader}, drip: " "},
		{name: "half a STARTTLS", send: []string{streamHeader, "<starttls"}, drip: " "},
		{name: "no handshake", send: []string{startTLS}},
		{name: "half a ClientHello", send: []string{startTLS, hello}, drip: "x"},
		{name: "direct TLS: connected", direct: true},
		{name: "direct TLS: half a ClientHello", direct: true, send: []string{hello}, drip: "x"},
		{name: "handshake", direct: true, secure: true, drip: " "},
		{name: "header under TLS", direct: true, secure: true, send: []string{streamHeader}, drip: "\n"},
		{name: "half a SASL request", direct: true, secure: true, send: []string{streamHeader, auth}, drip: "X"},
		{name: "no SASL response", direct: true, secure: true, send: []string{streamHeader, scram}, drip: " "},
		{name: "no second header", direct: true, secure: true, send: []string{streamHeader, plain}, drip: " "},
		{name: "no bind", direct: true, secure: true, send: []string{streamHeader, plain, streamHeader}, drip: " "},
		{name: "half a bind", direct: true, secure: true, send: []string{streamHeader, plain, streamHeader, "<iq type='set' id='"}, drip: "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			witness := w.witness()
			began := time.Now()
			slow := impatient(t, w, tt.direct, patience)
			conn := slow
			if tt.secure {
				conn = tls.Client(slow, clientTLS)
			}
			if tt.secure { // on a busy machine the time may be over at any of these steps
				_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			}
			for i, text := range tt.send {
				if i > 0 {
					_, _ = conn.Read(make([]byte, 1))
				}
				_, _ = io.WriteString(conn, text)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, conn)
				ended <- err
			}()
			for alive := true; alive; {
				select {
				case <-ended: // it does not matter how
					alive = false
				case <-time.After(patience / 10):
					_, _ = io.WriteString(conn, tt.drip)
				case <-t.Context().Done():
				}
				if time.Since(began) > 20*time.Second {
					t.Fatal("the connection is still there")
				}
			}
			waitFor(t, "the place to be free", func() bool {
				_, unproved := w.server.gate.Count()
				return unproved == 0
			})
			witness.unharmed(t)
		})
	}
}

// impatient connects to a listener at which there is little time to sign in.
func impatient(t *testing.T, w *world, direct bool, patience time.Duration) net.Conn {
	t.Helper()
	cfg := w.server.negotiation(direct)
	cfg.Timeout = patience
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	conn := dial(t, "", w.listen(ctx, func(ctx context.Context, l net.Listener) error { return w.server.accept(ctx, l, cfg) }))
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// TestDrippedStanza sends one byte of a stanza after the other: a clock runs for the stanza as a whole.
func TestDrippedStanza(t *testing.T) {
	w := start(t, func(c *Config) { c.StanzaTimeout = 300 * time.Millisecond })
	witness := w.witness()
	c := w.must("anna", "a")
	c.send(t, "<message to='ben@example.org'><body>")
	ended := make(chan string, 1)
	go func() {
		got, _ := io.ReadAll(c.conn)
		ended <- string(got)
	}()
	for range 500 {
		select {
		case got := <-ended:
			if !strings.Contains(got, "<connection-timeout") {
				t.Errorf("got %s, want connection-timeout", got)
			}
			witness.unharmed(t)
			return
		case <-time.After(20 * time.Millisecond):
			_, _ = io.WriteString(c.conn, "x")
		}
	}
	t.Error("the stanza may take as long as it likes")
}

// TestHalfOpenFlood opens 10,000 connections from one address: only a few are taken, and whoever comes from
// another one signs in meanwhile.
func TestHalfOpenFlood(t *testing.T) {
	const all, limit = 10_000, 64
	w := start(t, func(c *Config) { c.NegotiateTimeout = 5 * time.Minute })
	witness := w.witness()
	before := runtime.NumGoroutine()
	var attack sync.WaitGroup
	var mu sync.Mutex
	var taken []net.Conn
	for range 8 {
		attack.Go(func() {
			for range all / 8 {
				conn, err := net.Dial("tcp", w.starttls.String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
					conn.Close()
					continue
				}
				mu.Lock()
				taken = append(taken, conn) // or it was refused only just now
				mu.Unlock()
			}
		})
	}
	attack.Wait()
	defer func() {
		for _, conn := range taken {
			conn.Close()
		}
	}()
	open, _ := w.server.gate.Count()
	if open > limit+2 {
		t.Errorf("%d connections are open, want no more than %d and the witnesses", open, limit)
	}
	if n := runtime.NumGoroutine() - before; n > 4*limit {
		t.Errorf("%d goroutines more than before", n)
	}
	witness.unharmed(t)
	other := tls.Client(dial(t, "127.0.0.2", w.direct), clientTLS)
	c := &client{conn: other}
	if err := c.negotiate(t.Context(), "ben", "elsewhere"); err != nil {
		t.Errorf("who comes from another address is kept out: %v", err)
	}
}

func TestWithinDescriptors(t *testing.T) {
	for _, tt := range []struct {
		connections int
		all         uint64
		want        int
	}{{50000, 1 << 20, 50000}, {50000, 20000, 19744}, {50000, 1024, 768}, {50000, 256, 128}, {10, 256, 10}, {50000, 1<<64 - 1, 50000}} {
		if got := withinDescriptors(tt.connections, tt.all); got != tt.want {
			t.Errorf("%d connections with %d descriptors: %d, want %d", tt.connections, tt.all, got, tt.want)
		}
	}
}

// TestTooFast sends more in a second than a client may: it is slowed, hears every answer, and nobody else waits.
func TestTooFast(t *testing.T) {
	const perSecond, sent = 100, 300
	w := start(t, func(c *Config) { c.MaxRate = perSecond })
	witness := w.witness()
	c := w.must("anna", "a")
	var all strings.Builder
	for i := range sent {
		fmt.Fprintf(&all, "<iq type='get' id='p%d'><ping xmlns='urn:xmpp:ping'/></iq>", i)
	}
	began := time.Now()
	c.send(t, all.String())
	witness.unharmed(t)
	for i := range sent {
		c.expect(t, fmt.Sprintf("id='p%d'", i))
	}
	if took := time.Since(began); took < (sent-perSecond)*time.Second/perSecond*9/10 {
		t.Errorf("%d stanzas took %v", sent, took)
	}
	witness.unharmed(t)
}

// TestEndWhileSlowed ends a session that waits for its turn.
func TestEndWhileSlowed(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxRate = 1 })
	c := w.must("anna", "a")
	c.send(t, strings.Repeat("<presence/>", 100))
	c.expect(t, "<presence")
	w.must("anna", "a")
	if got := drainUntilEnd(t, c.conn); !strings.Contains(got, "<conflict") {
		t.Errorf("got %s, want conflict", got)
	}
}

// TestPresenceStorm changes a presence thousands of times in sight of a client that does not read: what it
// has not been sent is coalesced, so that its session lives and it ends with the last word.
func TestPresenceStorm(t *testing.T) {
	const changes = 3000
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 16<<10, 256<<10, time.Minute })
	viewer := w.must("ben", "viewer")
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users = append(r.Users, ben) })
	viewer.send(t, "<presence/>")
	viewer.expect(t, "<presence")
	witness := w.witness()
	anna := w.must("anna", "storm")
	status := strings.Repeat("x", 4<<10)
	go func() { _, _ = io.Copy(io.Discard, anna.conn) }()
	for i := range changes {
		anna.send(t, fmt.Sprintf("<presence><status>%s n%d.</status></presence>", status, i))
	}
	anna.send(t, "<message to='ben@example.org/viewer' id='last'/>")
	witness.unharmed(t)
	waitFor(t, "the storm to be over", func() bool {
		return w.server.router.session([]byte("anna@example.org/storm")).caughtUpTo(changes - 1)
	})
	s := w.server.router.session([]byte("ben@example.org/viewer"))
	if s == nil {
		t.Fatal("the viewer's session has ended")
	}
	if s.queue.longer(256 << 10) {
		t.Error("the viewer's queue is over its limit")
	}
	got := len(viewer.takeUntil(t, fmt.Sprintf(" n%d.", changes-1)))
	if got >= changes {
		t.Errorf("the viewer was told of %d changes out of %d", got, changes)
	}
	// From now on it keeps up, and hears everything.
	for i := range 3 {
		anna.send(t, fmt.Sprintf("<presence><status>after %d</status></presence>", i))
		viewer.takeUntil(t, fmt.Sprintf("after %d", i))
	}
	if s.behind.Load() != nil {
		t.Error("the viewer still counts as one that does not keep up")
	}
}

// caughtUpTo reports whether the client's presence is the one with the number.
func (c *session) caughtUpTo(n int) bool {
	c.account.presenceMu.Lock()
	defer c.account.presenceMu.Unlock()
	return strings.HasSuffix(c.presence.status, fmt.Sprintf(" n%d.", n))
}

// TestWebSocketPings floods the server with control frames and with empty fragments: they cost nothing but
// the time to read them.
func TestWebSocketPings(t *testing.T) {
	w := start(t, func(c *Config) { c.StanzaTimeout = 5 * time.Second })
	witness := w.witness()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := openPage(ctx, w.web())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.login(ctx, "anna", "web"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { // pongs come only while somebody reads
		_, err := p.until(ctx, "id='f'")
		answered <- err
	}()
	for range 2000 {
		if err := p.ws.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	witness.unharmed(t)
	m, err := p.ws.Writer(ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		if _, err := m.Write(nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(m, "<iq xmlns='jabber:client' type='get' id='f'><ping xmlns='urn:xmpp:ping'/></iq>"); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	witness.unharmed(t)
}

// TestLongQueueUnderTLS: what waits for a client that does not read is encrypted when its turn has come. It waits once.
func TestLongQueueUnderTLS(t *testing.T) {
	const stanzas = 160
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 32<<20, 64<<20, time.Minute })
	c := w.must("anna", "a")
	s := w.of(c)
	body := strings.Repeat("x", 100<<10)
	b := w.server.newBatch()
	for i := range stanzas {
		b.push(s, fmt.Appendf(nil, "<message id='n%d'><body>%s</body></message>", i, body))
	}
	b.done()
	w.eventually(func() bool { // the sockets are full
		s.wire.mu.Lock()
		defer s.wire.mu.Unlock()
		if cap(s.wire.output) > keepSize {
			t.Fatalf("%d bytes are encrypted", cap(s.wire.output))
		}
		_, written, _ := s.queue.rest()
		return written > 0
	})
	for i := range stanzas {
		c.expect(t, fmt.Sprintf("id='n%d'", i), body)
	}
	w.eventually(func() bool { return !s.queue.longer(0) })
}
