package xmpp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // XEP-0114 names it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// The component of the tests.
const (
	testComponent = "echo." + testDomain
	testSecret    = "open sesame"
)

func withComponent(c *Config) { c.Components = map[string]string{testComponent: testSecret} }

// elsewhere is a Carrier that plays the other servers.
type elsewhere struct {
	server  *Server
	mu      sync.Mutex
	domains map[string]*otherServer
}

// otherServer is a whole other server as a party of a script: it says and is sent stanzas of any address.
type otherServer struct {
	world  *elsewhere
	domain string

	mu    sync.Mutex
	inbox []string
	came  chan struct{} // holds one token while the inbox may not be empty
}

// Send implements Carrier.
func (e *elsewhere) Send(sender, to string, _ scan.Head, raw []byte) {
	e.mu.Lock()
	o := e.domains[to]
	e.mu.Unlock()
	if o == nil {
		e.server.Undeliverable(sender, to, raw, stanza.RemoteServerNotFound)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inbox = append(o.inbox, string(raw))
	signal(o.came)
}

// Send implements script.Transport.
func (o *otherServer) Send(_ context.Context, text string) error {
	head, raw, _, err := scan.New(scan.DefaultLimits).Next([]byte(text))
	if err != nil {
		return err
	}
	o.world.server.Deliver(o.domain, head, raw)
	return nil
}

// Receive implements script.Transport.
func (o *otherServer) Receive(ctx context.Context) (string, error) {
	for {
		o.mu.Lock()
		if len(o.inbox) > 0 {
			first := o.inbox[0]
			o.inbox = o.inbox[1:]
			o.mu.Unlock()
			return first, nil
		}
		o.mu.Unlock()
		select {
		case <-o.came:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Close implements script.Transport.
func (o *otherServer) Close() error {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	delete(o.world.domains, o.domain)
	return nil
}

// otherServer makes another server be there. The first makes the server federate.
func (w *world) otherServer(domain string) *otherServer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.elsewhere == nil {
		w.elsewhere = &elsewhere{server: w.server, domains: map[string]*otherServer{}}
		w.server.Federate(w.elsewhere)
	}
	o := &otherServer{world: w.elsewhere, domain: domain, came: make(chan struct{}, 1)}
	w.elsewhere.mu.Lock()
	defer w.elsewhere.mu.Unlock()
	w.elsewhere.domains[domain] = o
	return o
}

// componentParty is a component that says just what its script tells it to.
type componentParty struct {
	client
	raw bool // the script says the header, too
}

// dialComponents connects to the listener of components.
func (w *world) dialComponents(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", w.components.String())
}

func (w *world) component(ctx context.Context, raw bool) (*componentParty, error) {
	conn, err := w.dialComponents(ctx)
	if err != nil {
		return nil, err
	}
	c := &componentParty{client: client{conn: conn, scanner: scan.NewStreamOf(scan.DefaultLimits, scan.NSComponent)}, raw: raw}
	if raw {
		return c, nil
	}
	if err := c.Send(ctx, componentHeader(testComponent)); err != nil {
		return nil, err
	}
	header, err := c.until(">")
	for err == nil && !regexp.MustCompile(`<stream:stream .*>$`).MatchString(header) {
		var more string
		more, err = c.until(">")
		header += more
	}
	if err != nil {
		return nil, err
	}
	id := regexp.MustCompile(` id='([^']+)'`).FindStringSubmatch(header)
	if id == nil {
		return nil, fmt.Errorf("no id in %s", header)
	}
	if err := c.Send(ctx, "<handshake>"+proof(id[1], testSecret)+"</handshake>"); err != nil {
		return nil, err
	}
	answer, err := c.until(">")
	if err != nil || answer != "<handshake/>" {
		return nil, fmt.Errorf("the answer to the handshake is %q: %w", answer, err)
	}
	c.scanner = scan.NewOf(scan.DefaultLimits, scan.NSComponent)
	return c, nil
}

func componentHeader(domain string) string {
	return "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='" + domain + "'>"
}

func proof(id, secret string) string {
	sum := sha1.Sum([]byte(id + secret)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// proofs are written in scripts as the id that they are made of.
var proofs = regexp.MustCompile(`proof:(\w+)`)

// Send implements script.Transport.
func (c *componentParty) Send(ctx context.Context, text string) error {
	return c.client.Send(ctx, proofs.ReplaceAllStringFunc(text, func(p string) string {
		return proof(proofs.FindStringSubmatch(p)[1], testSecret)
	}))
}

// Receive implements script.Transport. A header is told by its id.
func (c *componentParty) Receive(ctx context.Context) (string, error) {
	c.deadline(ctx)
	for {
		head, raw, n, err := c.scanner.Next(c.buf)
		if err == nil {
			text := string(raw)
			c.buf = c.buf[n:]
			switch head.Kind {
			case scan.StreamEnd:
				return "", io.EOF
			case scan.StreamStart:
				return "<header from='" + string(head.From) + "' id='" + string(head.ID) + "'/>", nil
			}
			return text, nil
		}
		if !errors.Is(err, scan.ErrIncomplete) {
			return "", err
		}
		c.buf = c.buf[n:]
		more := make([]byte, 4096)
		n, err = c.conn.Read(more)
		c.buf = append(c.buf, more[:n]...)
		if n == 0 && err != nil {
			return "", err
		}
	}
}

// connectDomain connects a party that is a domain: another server, or a component.
func (w *world) connectDomain(ctx context.Context, props map[string]string) (script.Transport, error) {
	switch {
	case props["server"] != "":
		return w.otherServer(props["server"]), nil
	case props["component"] != "":
		return w.component(ctx, props["component"] == "raw")
	}
	return nil, nil
}

// dialect is that of XMPP, in which domains ask for an answer in their own name.
func dialect() script.Dialect {
	d := script.XMPP()
	ping := d.Barrier
	d.Barrier = func(c script.Client, n int) (string, func(string) bool) {
		message, answers := ping(c, n)
		domain := c.Props["server"]
		if domain == "" && slices.Contains(slices.Collect(maps.Keys(c.Props)), "component") {
			domain = testComponent
		}
		if domain == "" {
			return message, answers
		}
		return fmt.Sprintf("<iq type='get' id='barrier-%d' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", n, domain, testDomain), answers
	}
	return d
}

// TestOtherDomains plays the conversations with components and other servers.
func TestOtherDomains(t *testing.T) {
	script.Run(t, "testdata/domains/*.script", func(t *testing.T) *script.Runner {
		w := start(t, withComponent, withArchive)
		return &script.Runner{
			Dialect: dialect(),
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				if party, err := w.connectDomain(ctx, c.Props); party != nil || err != nil {
					return party, err
				}
				return w.login(ctx, c.Props["login"], c.Props["resource"])
			},
			Do: func(_ context.Context, words string) error { return w.do(words) },
		}
	})
}

// TestStrangersHaveNoRoles: what everybody here may do, somebody elsewhere may not.
func TestStrangersHaveNoRoles(t *testing.T) {
	all := company()
	all.Roles[0].Types = []uc.RoleType{uc.TypeXMPPGroup, uc.TypeSupervisor, uc.TypePresenceDetails}
	w := newWorld(t, uc.NewDirectory(1, all), withComponent)
	w.run(t)
	who := w.server.stranger("bot@"+testComponent, "", testComponent).account
	g, target := w.server.groups.Load(), w.server.accountByLogin("anna")
	if w.server.sees(who, target) || g.informed(who.user) || g.details(who.user, target.user) || g.supervises(who.user, target.user) {
		t.Error("a stranger has the rights of role All")
	}
	if ben := w.server.accountByLogin("ben"); !w.server.sees(ben, target) || !g.supervises(ben.user, target.user) {
		t.Error("Ben has not")
	}
}

// TestSlixmppComponent connects a bot that a real library makes, and a real client that uses it.
func TestSlixmppComponent(t *testing.T) {
	w := start(t, withComponent, withArchive)
	_, port, err := net.SplitHostPort(w.components.String())
	if err != nil {
		t.Fatal(err)
	}
	if said := w.slixmpp(t, "component.py", port, testSecret); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}

// TestForgedSendersAreRefused: what comes from a domain speaks for that domain only, also if its carrier lets
// something else through.
func TestForgedSendersAreRefused(t *testing.T) {
	w := start(t, withComponent)
	far := w.otherServer("far.example")
	a := w.must("anna", "a")
	for _, from := range []string{"ben@" + testDomain, testDomain, "x@evil-far.example", "x@" + testComponent, "x@sub.far.example", "@far.example", ""} {
		if err := far.Send(t.Context(), "<message from='"+from+"' to='anna@"+testDomain+"/a'><body>forged by "+from+"</body></message>"); err != nil {
			t.Fatal(err)
		}
	}
	if err := far.Send(t.Context(), "<message from='zoe@FAR.example/x' to='anna@"+testDomain+"/a'><body>true</body></message>"); err != nil {
		t.Fatal(err)
	}
	a.expect(t, "<body>true</body>", "zoe@far.example/x")
}

// TestFloodOfRequestsFromAbroad: strangers cannot fill a roster, nor the screen of who comes online.
func TestFloodOfRequestsFromAbroad(t *testing.T) {
	w := start(t)
	far := w.otherServer("far.example")
	for i := range 3 * maxRequests {
		if err := far.Send(t.Context(), fmt.Sprintf("<presence type='subscribe' from='u%d@far.example' to='anna@%s'/>", i, testDomain)); err != nil {
			t.Fatal(err)
		}
	}
	items, err := w.store.RosterItems(t.Context(), anna)
	if err != nil || len(items) != maxRequests {
		t.Errorf("%d requests are kept, %v; want %d", len(items), err, maxRequests)
	}
}

// TestUnreadableAddressesFromAbroad: another server's stanzas to addresses that are none are answered, or dropped.
func TestUnreadableAddressesFromAbroad(t *testing.T) {
	w := start(t)
	far := w.otherServer("far.example")
	for i, to := range []string{"@" + testDomain, "a b@" + testDomain, "anna@" + testDomain + "/", "@@", "\u00a0@" + testDomain} {
		if err := far.Send(t.Context(), fmt.Sprintf("<iq type='get' id='i%d' from='zoe@far.example/x' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", i, to)); err != nil {
			t.Fatal(err)
		}
		got, err := far.Receive(t.Context())
		if err != nil || !strings.Contains(got, fmt.Sprintf("id='i%d'", i)) || !strings.Contains(got, "type='error'") {
			t.Errorf("%q: %s %v", to, got, err)
		}
	}
}

// TestSlixmppComponentTLS is a component that proves itself by its certificate, and binds two domains.
func TestSlixmppComponentTLS(t *testing.T) {
	own, key, cert := componentCertificate(t, "echo.example.org", "other.example.org")
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	w := start(t, func(c *Config) {
		c.Components = map[string]string{"echo.example.org": "", "other.example.org": ""}
		c.ComponentRoots = roots
	})
	_, port, err := net.SplitHostPort(w.components.String())
	if err != nil {
		t.Fatal(err)
	}
	if said := w.slixmpp(t, "componenttls.py", port, own, key); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}

// componentCertificate writes a certificate that a program can show, and its key.
func componentCertificate(t *testing.T, names ...string) (certFile, keyFile string, cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "own.pem"), filepath.Join(dir, "own.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, cert
}

// TestSenders: the carrier is told on whose account each stanza is: a user's or a room's, whatever resource it has, and a component's
// as a whole.
func TestSenders(t *testing.T) {
	x := start(t, withComponent).server
	for from, want := range map[string]string{
		"Anna@" + testDomain + "/a": "anna@" + testDomain, "hall@" + x.cfg.RoomsDomain + "/Anna": "hall@" + x.cfg.RoomsDomain,
		testDomain: testDomain, "one@" + testComponent + "/x": testComponent, "two@" + testComponent: testComponent,
	} {
		if got := x.senderOf([]byte(from)); got != want {
			t.Errorf("%s is on account of %s, want %s", from, got, want)
		}
	}
}
