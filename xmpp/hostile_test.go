package xmpp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Which test holds what the server promises about hostile clients. In most of them a witness, two other users
// who talk to each other, must not notice anything.
//
//	too much before sign-in                 TestHostileBeforeSignIn, negotiate.TestTooMuchBeforeLogin
//	too big, too deep, too many attributes  TestHostileXML, scan.TestRefuses, scan.FuzzAgainstEncodingXML
//	DTD, entities, PI, comments, UTF-8      TestHostileXML, negotiate/testdata/bad-xml.script
//	slow-loris                              TestSlowAtEveryStage, TestStanzaThatNeverEnds, TestWebSocketHostile,
//	                                        app.TestSlowRequests
//	10,000 half-open connections            TestHalfOpenFlood, TestHalfOpenConnections, TestWebSocketHalfOpen
//	no more descriptors                     TestWithinDescriptors
//	SASL in the wrong order                 TestSASLInDisorder, negotiate/testdata/sasl2-disorder.script
//	somebody else's authzid                 TestSASLInDisorder, negotiate.TestSCRAM
//	`from` of somebody else                 TestForgedFrom, testdata/carbons.script
//	capability hashes that lie              TestPoisonedCaps, TestVerifyCaps, TestCapsCacheIsBounded
//	paging                                  TestHostilePaging
//	floods of contacts and requests         TestRosterFlood, TestSubscriptionFlood
//	floods of messages for who is offline   TestOfflineFlood
//	storms of presence                      TestPresenceStorm, TestRoomPresenceStorm, TestLeaveRoomWhileBehind
//	clients that never read                 TestClientThatNeverReads, TestFloodWithoutReading,
//	                                        TestHibernatedSessionIsBounded, TestAsksAndGivesUp
//	guessing of passwords                   negotiate: TestGuessing*, TestNobodyCanLockOthersOut,
//	                                        TestUnknownLoginsLookLikeOthers, TestUnknownLoginsCostTheSame,
//	                                        testdata/guessing.script, TestOfferByAddress; ldap.TestCheck
//	tokens that can be guessed              arch.TestImports: no math/rand
//	too many stanzas                        TestTooFast; of another server: TestForeignFlood, s2s.TestFlood
//	addresses in odd Unicode                TestOddAddresses
//	long names and ids                      TestLongNames
//	answers that nobody asked for           TestUnwantedAnswers
//	priorities                              TestPriorities
//	WebSocket: fragments and pings          TestWebSocketHostile, TestWebSocketPings
//	floods of commands, rooms, upload slots TestCommandFlood, TestCommandSessions, TestRoomFlood, muc.TestRate,
//	                                        TestSlotFlood

// witness is two users who have nothing to do with the attack.
type witness struct {
	carl, dora *client
	seen       int
}

func (w *world) witness() *witness {
	return &witness{carl: w.must("carl", "witness"), dora: w.must("dora", "witness")}
}

// unharmed fails unless the witnesses can still talk, to each other and to the server.
func (x *witness) unharmed(t *testing.T) {
	t.Helper()
	x.seen++
	x.carl.send(t, fmt.Sprintf("<message to='dora@example.org/witness' type='chat' id='w%d'><body>?</body></message>", x.seen))
	x.dora.expect(t, fmt.Sprintf("id='w%d'", x.seen), "from='carl@example.org/witness'")
	x.dora.send(t, fmt.Sprintf("<iq type='get' id='w%d'><ping xmlns='urn:xmpp:ping'/></iq>", x.seen))
	x.dora.expect(t, fmt.Sprintf("id='w%d'", x.seen), "type='result'")
}

// until takes stanzas up to the one that contains a text.
func (c *client) takeUntil(t *testing.T, text string) (got []string) {
	t.Helper()
	for {
		s, err := c.Receive(t.Context())
		if err != nil {
			t.Fatalf("%v while waiting for %s", err, text)
		}
		if got = append(got, s); strings.Contains(s, text) {
			return got
		}
	}
}

// hostileXML is what RFC 6120 §11 forbids, or is too much, and the error that it earns.
var hostileXML = []struct{ name, send, want string }{
	{"a DTD", "<!DOCTYPE message [<!ENTITY a 'b'>]>", "restricted-xml"},
	{"a DTD within", "<message><!DOCTYPE x></message>", "restricted-xml"},
	{"an entity", "<message><body>&lol;</body></message>", "restricted-xml"},
	{"a processing instruction", "<?php evil() ?>", "restricted-xml"},
	{"a second XML declaration", "<?xml version='1.0'?><presence/>", "restricted-xml"},
	{"a comment", "<message><!-- hello --></message>", "restricted-xml"},
	{"invalid UTF-8", "<message><body>\xff\xfe</body></message>", "unsupported-encoding"},
	{"a surrogate", "<message><body>\xed\xa0\x80</body></message>", "unsupported-encoding"},
	{"NUL", "<message><body>\x00</body></message>", "not-well-formed"},
	{"tags that do not match", "<message><body></message></body>", "not-well-formed"},
	{"an attribute twice", "<message to='a' to='b'/>", "not-well-formed"},
	{"an undeclared prefix", "<message><x:y/></message>", "bad-namespace-prefix"},
	{"text between stanzas", "hello", "bad-format"},
	{"deep nesting", "<message>" + strings.Repeat("<a>", 100_000), "policy-violation"},
	{"a million attributes", "<message" + strings.Repeat(" a", 1_000_000) + ">", "policy-violation"},
	{"a million attributes with values", "<message" + attributes(1_000_000) + ">", "policy-violation"},
	{"an attribute without end", "<message id='" + strings.Repeat("x", 1<<20), "policy-violation"},
	{"a name without end", "<" + strings.Repeat("x", 1<<20), "policy-violation"},
	{"a tag of whitespace", "<message" + strings.Repeat(" ", 1<<20), "policy-violation"},
	{"many namespaces", "<message" + strings.ReplaceAll(attributes(1000), " a", " xmlns:a") + ">", "policy-violation"},
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='x'", i)
	}
	return b.String()
}

// offend sends something for which the connection must end, and returns all that came back. The server may
// have closed before all is sent.
func offend(t *testing.T, conn net.Conn, text string) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, text)
	}()
	got, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the server did not close; it sent %.200q", got)
	}
	conn.Close()
	<-sent
	return string(got)
}

func TestHostileXML(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxStanza = 64 << 10 })
	witness := w.witness()
	for _, tt := range hostileXML {
		c := w.must("anna", "a")
		if got := offend(t, c.conn, tt.send); !strings.Contains(got, "<stream:error><"+tt.want) || !strings.HasSuffix(got, "</stream:stream>") {
			t.Errorf("%s: got %.300s, want %s", tt.name, got, tt.want)
		}
		witness.unharmed(t)
	}
}

// TestHostileBeforeSignIn sends the same, and too early what would be right later, to a server that does not
// know yet who it is.
func TestHostileBeforeSignIn(t *testing.T) {
	w := start(t)
	witness := w.witness()
	for _, tt := range append(hostileXML, []struct{ name, send, want string }{
		{"a stanza of more than 64 kB", "<message><body>" + strings.Repeat("x", 65<<10), "policy-violation"},
		{"64 kB of elements", strings.Repeat("<iq type='get'/>", 8<<10), "not-authorized"},
		{"a message", "<message to='ben@example.org'><body>x</body></message>", "not-authorized"},
		{"a bind", "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "not-authorized"},
	}...) {
		for stage, begin := range map[string]func() net.Conn{
			"in the clear": func() net.Conn { return dial(t, "", w.starttls) },
			"under TLS":    func() net.Conn { return dialTLS(t, w) },
		} {
			if got := offend(t, begin(), streamHeader+tt.send); !strings.Contains(got, "<stream:error><"+tt.want) {
				t.Errorf("%s, %s: got %.400s, want %s", tt.name, stage, got, tt.want)
			}
		}
		witness.unharmed(t)
	}
}

var clientTLS = &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}}

// dial connects from an address of this machine, empty for any.
func dial(t testing.TB, from string, to net.Addr) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: 20 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.DialContext(context.Background(), to.Network(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// drainUntilEnd reads what a client is sent until the server closes.
func drainUntilEnd(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the server did not close; it sent %.200q", got)
	}
	return string(got)
}

func TestOversizeStanza(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxStanza = 16 << 10 })
	c := w.must("anna", "a")
	c.send(t, "<message to='ben@example.org'><body>"+strings.Repeat("x", 20<<10)+"</body></message>")
	if got := drainUntilEnd(t, c.conn); !strings.Contains(got, "<policy-violation") {
		t.Errorf("got %s, want policy-violation", got)
	}
}

func TestStanzaThatNeverEnds(t *testing.T) {
	w := start(t, func(c *Config) { c.StanzaTimeout = 50 * time.Millisecond })
	c := w.must("anna", "a")
	c.send(t, " ") // a keep-alive is no stanza
	c.send(t, "<message to='ben@example.org'>")
	if got := drainUntilEnd(t, c.conn); !strings.Contains(got, "<connection-timeout") {
		t.Errorf("got %s, want connection-timeout", got)
	}
}

// gathered is a connection that holds back what is written while told to.
type gathered struct {
	net.Conn
	hold bool
	held []byte
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.hold {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	return g.Conn.Write(p)
}

func (g *gathered) release() error {
	_, err := g.Conn.Write(g.held)
	g.hold, g.held = false, nil
	return err
}

// TestRecordsAtOnce sends as many TLS records at once as are handled in one burst, and one more, and one less: none
// may be left lying until something else comes.
func TestRecordsAtOnce(t *testing.T) {
	w := start(t)
	c, g := w.gathering(t)
	for n := pollMax - 3; n <= pollMax+3; n++ {
		g.hold = true
		for i := range n {
			c.send(t, fmt.Sprintf("<iq type='get' id='%d-%d'><ping xmlns='urn:xmpp:ping'/></iq>", n, i))
		}
		if err := g.release(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			c.expect(t, fmt.Sprintf("id='%d-%d'", n, i))
		}
	}
}

// gathering logs Anna in on a connection whose writes can be held back and made together.
func (w *world) gathering(t *testing.T) (*client, *gathered) {
	t.Helper()
	dialer := net.Dialer{}
	raw, err := dialer.DialContext(t.Context(), "tcp", w.direct.String())
	if err != nil {
		t.Fatal(err)
	}
	g := &gathered{Conn: raw}
	c := &client{conn: tls.Client(g, &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}})}
	t.Cleanup(func() { raw.Close() })
	if err := c.negotiate(t.Context(), "anna", "a"); err != nil {
		t.Fatal(err)
	}
	return c, g
}

// TestStanzaInPieces sends every byte in a TLS record of its own.
func TestStanzaInPieces(t *testing.T) {
	w := start(t)
	c := w.must("anna", "a")
	for _, b := range []byte(" <iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq> ") {
		if _, err := c.conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	c.expect(t, "id='1'", "type='result'")
}

// TestClientThatNeverReads floods a client that takes nothing: the server's memory stays bounded, the
// client's session ends, and no message that came after it was full is lost.
func TestClientThatNeverReads(t *testing.T) {
	const hard = 256 << 10
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 64<<10, hard, time.Second })
	dead := w.must("ben", "dead")
	dead.send(t, "<presence/>")
	dead.expect(t, "<presence")
	from := w.must("anna", "a")
	body := strings.Repeat("x", 8<<10)
	sent := 0
	var most uint64
	for w.server.router.session([]byte("ben@example.org/dead")) != nil {
		from.send(t, fmt.Sprintf("<message to='ben@example.org' type='chat' id='n%d'><body>%s</body></message>", sent, body))
		if sent++; sent%100 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		if sent > 20000 {
			t.Fatal("the session that does not read does not end")
		}
	}
	if most > 200<<20 {
		t.Errorf("the heap grew to %d MB", most>>20)
	}
	// Everything that the kernel did not take is kept; what it took is in order from the first.
	from.send(t, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	from.expect(t, "id='p'")
	took := drainUntilEnd(t, dead.conn)
	if ctx := t.Context(); w.server.Shutdown(ctx) != nil {
		t.Fatal("the server did not stop")
	}
	kept, err := w.store.Offline(t.Context(), ben)
	if err != nil {
		t.Fatal(err)
	}
	all := took
	for _, m := range kept {
		all += string(m.Stanza)
	}
	for i := range sent {
		if id := fmt.Sprintf("id='n%d'", i); !strings.Contains(all, id) {
			t.Errorf("message %d of %d is lost (%d kept)", i, sent, len(kept))
			break
		}
	}
}

// TestOthersBesideAClientThatNeverReads go on as if nothing was: their messages come, whatever is sent to that
// client meanwhile, and what waits for it never exceeds its bound.
func TestOthersBesideAClientThatNeverReads(t *testing.T) {
	const hard = 256 << 10
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 64<<10, hard, time.Minute })
	dead := w.must("carl", "dead")
	stuck := w.of(dead)
	flood := w.must("dora", "flood")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = flood.conn.SetWriteDeadline(time.Now().Add(time.Minute))
		text := []byte(strings.Repeat(fmt.Sprintf("<message to='%s' type='headline'><body>%s</body></message>", dead.jid, strings.Repeat("x", 4<<10)), 8))
		for {
			if _, err := flood.conn.Write(text); err != nil {
				return
			}
		}
	}()
	w.eventually(func() bool { return stuck.queue.longer(hard / 8) })
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for i := range 200 {
		a.send(t, chat(b.jid, fmt.Sprintf("there%d.", i)))
		b.expect(t, fmt.Sprintf("there%d.", i))
		b.send(t, chat(a.jid, fmt.Sprintf("back%d.", i)))
		a.expect(t, fmt.Sprintf("back%d.", i))
		if stuck.queue.longer(hard + 8<<10) {
			t.Fatal("what waits for the client exceeds its bound")
		}
	}
	_ = flood.conn.(*tls.Conn).NetConn().Close()
	<-done
}

// TestSenderIsSlowedByBytes has a client send to one that reads nothing. It waits for what it sent, not for how often the
// server reads from it, since a whole record of TLS is read at once, nor for how many stanzas it was.
func TestSenderIsSlowedByBytes(t *testing.T) {
	const soft = 64 << 10
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = soft, 1<<20, time.Minute })
	dead := w.must("ben", "dead")
	stuck := w.of(dead)
	from := w.must("anna", "a")
	send := func(n, size int) (took time.Duration) {
		text := fmt.Sprintf("<message to='%s' type='headline'><body>%s</body></message>", dead.jid, strings.Repeat("x", size))
		began := time.Now()
		from.send(t, strings.Repeat(text, n)+"<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
		from.expect(t, "id='p'")
		return time.Since(began)
	}
	for !stuck.queue.longer(soft) {
		send(1, slowBytes)
	}
	for _, tt := range []struct {
		n, size int
		least   time.Duration
	}{
		{10, slowBytes, 9 * slowPause}, // the last need not be waited for
		{1, 10 * slowBytes, 10 * slowPause},
		{50, slowBytes / 10, 4 * slowPause},
	} {
		if took := send(tt.n, tt.size); took < tt.least {
			t.Errorf("%d messages of %d bytes to a client that reads nothing were handled in %v, want at least %v", tt.n, tt.size, took, tt.least)
		}
	}
}

// TestFloodWithoutReading is a client that asks and asks and never reads an answer.
func TestFloodWithoutReading(t *testing.T) {
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 32<<10, 128<<10, time.Second })
	c := w.must("anna", "a")
	_ = c.conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
	ask := bytes.Repeat([]byte("<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"), 100)
	var err error
	for range 2000 {
		if _, err = c.conn.Write(ask); err != nil {
			break
		}
	}
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the flood was not ended: %v", err)
	}
}

func TestHalfOpenConnections(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxHalfOpen, c.NegotiateTimeout = 3, time.Second })
	var open []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", w.starttls.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	for i := range 20 { // the first three are being negotiated as soon as one more is refused
		extra, err := net.Dial("tcp", w.starttls.String())
		if err != nil {
			t.Fatal(err)
		}
		defer extra.Close()
		if got := drainUntilEnd(t, extra); got == "" {
			break
		} else if i == 19 {
			t.Fatalf("the fourth connection was let in and got %s", got)
		}
	}
	for _, conn := range open {
		drainUntilEnd(t, conn) // nobody may stay for long without logging in
	}
	w.must("anna", "a")
}

func TestTooManyResources(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxResources = 2 })
	w.must("anna", "one")
	w.must("anna", "two")
	if _, err := w.login(t.Context(), "anna", "three"); err == nil {
		t.Error("a third resource was let in")
	}
	w.must("anna", "two") // takes the place of the old one
}

func TestShutdownDuringTraffic(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(a.conn, "<message to='ben@example.org/b' type='chat'><body>%d</body></message>", i); err != nil {
				return
			}
		}
	}()
	b.expect(t, "<body>")
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := drainUntilEnd(t, b.conn); !strings.Contains(got, "system-shutdown") {
		t.Errorf("the end of what Ben got is %.300q", got[max(0, len(got)-300):])
	}
	if len(w.server.Sessions()) != 0 {
		t.Error("sessions are left")
	}
}

// dialTLS connects to the listener of direct TLS.
func dialTLS(t testing.TB, w *world) net.Conn {
	return tls.Client(dial(t, "", w.direct), clientTLS)
}
