package s2s

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// patience is how long a test waits for what must come. It is long: the machine may be busy.
const patience = 2 * time.Minute

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool

	purposes []x509.ExtKeyUsage // of the certificates that it issues
}

// validity suits the real and the virtual time.
var (
	validFrom  = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t), pool: x509.NewCertPool(), purposes: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: validFrom, NotAfter: validUntil, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = signed(t, template, template, &a.key.PublicKey, a.key)
	a.pool.AddCert(a.cert)
	return a
}

func signed(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate for domains, as public authorities do: for servers only.
func (a *authority) issue(t testing.TB, until time.Time, domains ...string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	leaf := signed(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: domains, NotBefore: validFrom, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: a.purposes,
	}, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// world is a network of servers with names and addresses of its own.
type world struct {
	t  testing.TB
	ca *authority

	mu     sync.Mutex
	srv    map[string][]*net.SRV // by service and domain
	hosts  map[string][]string   // by name
	listen map[string]func(net.Conn)
	dials  map[string]int // by address
}

func newWorld(t testing.TB) *world {
	return &world{
		t: t, ca: newAuthority(t), srv: map[string][]*net.SRV{}, hosts: map[string][]string{}, listen: map[string]func(net.Conn){},
		dials: map[string]int{},
	}
}

func (w *world) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := w.srv[service+" "+name]; proto == "tcp" && len(list) > 0 {
		return name, list, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (w *world) LookupHost(_ context.Context, host string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := w.hosts[host]; len(list) > 0 {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// publish lets a domain be found at a port of this machine.
func (w *world) publish(domain, service string, port int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	host := "host." + domain + "."
	w.srv[service+" "+domain+"."] = []*net.SRV{{Target: host, Port: uint16(port)}}
	w.hosts[host] = []string{"127.0.0.1"}
}

// Dial connects over a pipe to who listens in the test, else over the network.
func (w *world) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dials[addr]++
	serve := w.listen[addr]
	w.mu.Unlock()
	if serve == nil {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	here, there := net.Pipe()
	serve(there)
	return here, nil
}

func (w *world) dialed(addr string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[addr]
}

// got is a stanza that was delivered, or came back.
type got struct {
	remote, raw string
	reason      stanza.Condition
}

// server is a federation of some domains.
type server struct {
	*Federation
	t       testing.TB
	world   *world
	domains []string
	in      chan got
	back    chan got
	addr    string
}

// server makes a federation. change, which may be nil, changes its configuration.
func (w *world) server(change func(*Config), domains ...string) *server {
	w.t.Helper()
	s := &server{t: w.t, world: w, domains: domains, in: make(chan got, 10000), back: make(chan got, 10000)}
	cfg := Config{
		Local:   func(d string) bool { return s.has(d) },
		Deliver: func(remote string, _ scan.Head, raw []byte) { s.in <- got{remote: remote, raw: string(raw)} },
		Undeliverable: func(_, to string, raw []byte, reason stanza.Condition) {
			s.back <- got{to, string(raw), reason}
		},
		TLS:     &tls.Config{Certificates: []tls.Certificate{w.ca.issue(w.t, validUntil, domains...)}},
		RootCAs: w.ca.pool, Resolver: w, Dial: w.Dial, Secret: []byte(domains[0]),
	}
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("of", domains[0])
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.Federation, err = New(cfg); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.stop)
	return s
}

func (s *server) has(domain string) bool {
	for _, d := range s.domains {
		if d == domain {
			return true
		}
	}
	return false
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown of %s: %v", s.domains[0], err)
	}
}

// online listens on the network and publishes the domains.
func (s *server) online(direct bool) *server {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	serve, service := s.Serve, "xmpp-server"
	if direct {
		serve, service = s.ServeTLS, "xmpps-server"
	}
	go serve(context.Background(), l)
	s.addr = l.Addr().String()
	for _, d := range s.domains {
		s.world.publish(d, service, l.Addr().(*net.TCPAddr).Port)
	}
	return s
}

// admit serves a connection in the clear, as that of a listener.
func (s *server) admit(c net.Conn) {
	if !s.gate.Enter(admission.AddressOf(c), func(place *admission.Place) {
		s.work.Go(func() { s.receive(c, place, false) })
	}) {
		c.Close()
	}
}

// onPipes lets the domains be found at an address that leads to the server through pipes.
func (s *server) onPipes(addr string) *server {
	s.addr = addr
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.listen[addr] = s.admit
	for _, d := range s.domains {
		s.world.srv["xmpp-server "+d+"."] = []*net.SRV{{Target: "host." + d + ".", Port: uint16(number)}}
		s.world.hosts["host."+d+"."] = []string{host}
	}
	return s
}

func mustPort(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

func message(from, to, body string) []byte {
	return []byte("<message from='" + from + "' to='" + to + "'><body>" + body + "</body></message>")
}

// Send sends what the test has written out.
func (s *server) Send(sender, to string, raw []byte) {
	s.Federation.Send(sender, to, headOf(s.t, raw), raw)
}

func headOf(t testing.TB, raw []byte) scan.Head {
	head, _, _, err := scan.New(scan.DefaultLimits).Next(raw)
	if err != nil {
		t.Errorf("%s: %v", raw, err)
	}
	return head
}

// chat sends a message between users of two domains.
func (s *server) chat(from, to, body string) { s.chatAs("anna", from, to, body) }

func (s *server) chatAs(user, from, to, body string) {
	s.Send(user+"@"+from, to, message(user+"@"+from+"/a", "ben@"+to, body))
}

func take(t testing.TB, from chan got, what string) got {
	t.Helper()
	select {
	case g := <-from:
		return g
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		return got{}
	}
}

// receives waits for a message that chat has sent.
func (s *server) receives(from, body string) {
	s.t.Helper()
	g := take(s.t, s.in, body+" from "+from)
	if g.remote != from || !strings.Contains(g.raw, "<body>"+body+"</body>") {
		s.t.Fatalf("got %s from %s, want %s from %s", g.raw, g.remote, body, from)
	}
}

// getsBack waits for a message that chat has sent and that did not arrive.
func (s *server) getsBack(to, body string, reason stanza.Condition) {
	s.t.Helper()
	g := take(s.t, s.back, body+" back from "+to)
	if g.remote != to || !strings.Contains(g.raw, "<body>"+body+"</body>") || g.reason != reason {
		s.t.Fatalf("got %s back from %s: %s; want %s from %s: %s", g.raw, g.remote, g.reason, body, to, reason)
	}
}

// only returns the one stream that there is in a direction.
func (s *server) only(outgoing bool) Stream {
	s.t.Helper()
	var found []Stream
	for _, st := range s.Streams() {
		if st.Outgoing == outgoing {
			found = append(found, st)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("%s has streams %+v, want one with outgoing=%v", s.domains[0], s.Streams(), outgoing)
	}
	return found[0]
}
