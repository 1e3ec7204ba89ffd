package negotiate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"hash"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/saslprep"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	password   = "Secret123"
	iterations = 128 // enough for a test
)

// accounts has anna, whose password is known, old, who has no keys for SHA-512, and early, who has some for SHA-1 only. All
// have the same password, under three numbers that follow one another.
type accounts struct {
	mu       sync.Mutex
	keys     map[string]uc.PasswordKeys
	between  func()            // called before keys are added
	breakage error             // of the store
	added    []uc.PasswordKeys // by upgrades
	checked  []string          // logins whose password was checked
}

var (
	annaKeys  = uc.PasswordKeys{SHA1: keysOf(sha1.New), SHA256: keysOf(sha256.New), SHA512: keysOf(sha512.New)}
	oldKeys   = uc.PasswordKeys{SHA1: annaKeys.SHA1, SHA256: annaKeys.SHA256}
	earlyKeys = uc.PasswordKeys{SHA1: annaKeys.SHA1}
	logins    = []string{"anna", "old", "early"} // from 7 on
)

func newAccounts() *accounts {
	return &accounts{keys: map[string]uc.PasswordKeys{"anna": annaKeys, "old": oldKeys, "early": earlyKeys}}
}

// Keys implements negotiate.Accounts.
func (a *accounts) Keys(login string) (uc.PasswordKeys, uc.UserID, bool) {
	if login == "panic" {
		panic("the accounts are broken")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	keys, ok := a.keys[login]
	return keys, uc.UserID(7 + slices.Index(logins, login)), ok
}

func (a *accounts) of(login string) uc.PasswordKeys {
	keys, _, _ := a.Keys(login)
	return keys
}

func (a *accounts) set(login string, keys uc.PasswordKeys) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[login] = keys
}

// Hashes implements negotiate.Accounts.
func (a *accounts) Hashes() (census uc.HashCensus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, keys := range a.keys {
		census[keys.Hashes()]++
	}
	return census
}

// AddKeys implements negotiate.Accounts.
func (a *accounts) AddKeys(_ context.Context, user uc.UserID, had, add uc.PasswordKeys) error {
	if a.between != nil {
		a.between()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	login := logins[user-7]
	keys := a.keys[login]
	if a.breakage != nil {
		return a.breakage
	}
	if !keys.Same(&had) {
		return uc.Errorf(uc.ErrConflict, "another password")
	}
	a.keys[login] = keys.With(&add)
	a.added = append(a.added, add)
	return nil
}

// CheckPassword implements negotiate.Accounts.
func (a *accounts) CheckPassword(_ context.Context, login, password string) (uc.UserID, bool) {
	keys, user, _ := a.Keys(login)
	census := a.Hashes()
	a.mu.Lock()
	a.checked = append(a.checked, login)
	a.mu.Unlock()
	prepared, _ := saslprep.Prepare(password)
	nobody := scram.Nobody{Iterations: iterations}
	return user, nobody.Check(login, prepared, &keys, &census)
}

// keysOf makes SCRAM keys of the password as RFC 5802 §3 has it.
func keysOf(h func() hash.Hash) uc.ScramKeys {
	salt := []byte("0123456789abcdef")
	salted, err := pbkdf2.Key(h, password, salt, iterations, h().Size())
	if err != nil {
		panic(err)
	}
	stored := h()
	stored.Write(mac(h, salted, "Client Key"))
	return uc.ScramKeys{Salt: salt, Iterations: iterations, StoredKey: stored.Sum(nil), ServerKey: mac(h, salted, "Server Key")}
}

func mac(h func() hash.Hash, key []byte, message string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// bind refuses some resources and makes up one for those who want none.
func bind(_ uc.UserID, _, requested string) (string, error) {
	switch requested {
	case "":
		return "made-up", nil
	case "taken":
		return "", uc.Errorf(uc.ErrConflict, "in use")
	case "full":
		return "", uc.Errorf(uc.ErrUnavailable, "too many")
	case "never":
		return "", uc.Errorf(uc.ErrForbidden, "no")
	case "broken":
		return "", context.DeadlineExceeded
	}
	return requested, nil
}

// shout is something that clients may ask for while they bind.
func shout(session jid.JID, request *scan.Node) []byte {
	return []byte("<enabled xmlns='urn:example:shout:1'>" + request.Attr("what") + " " + session.String() + "</enabled>")
}

func config() *negotiate.Config {
	return &negotiate.Config{
		Domain: "example.org", TLS: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		Accounts: newAccounts(), Bind: bind, Inline: []negotiate.Inline{{NS: "urn:example:shout:1", Enable: shout}}, Tokens: &tokens{}, Secret: []byte("of the server"), Iterations: iterations,
		Features: []xml.StartElement{
			{Name: xml.Name{Space: "urn:xmpp:features:rosterver", Local: "ver"}},
			{Name: xml.Name{Space: "http://jabber.org/protocol/caps", Local: "c"}, Attr: []xml.Attr{{Name: xml.Name{Local: "ver"}, Value: "1 & 2"}}},
		},
		Timeout: 20 * time.Second, Log: slog.New(slog.DiscardHandler),
	}
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), // also in virtual time
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(certificate().Certificate[0])
	if err != nil {
		panic(err)
	}
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, ServerName: "example.org"}
}

// outcome is what Accept returned.
type outcome struct {
	bound *negotiate.Bound
	err   error
}

// server accepts connections; their outcomes can be asked for.
type server struct {
	addr     string
	outcomes chan outcome
}

func serve(t *testing.T, cfg *negotiate.Config) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Prepare()
	s := &server{addr: l.Addr().String(), outcomes: make(chan outcome)}
	over := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				b, err := negotiate.Accept(t.Context(), conn, cfg)
				select {
				case s.outcomes <- outcome{b, err}:
				case <-over:
					if b != nil {
						b.Conn.Close()
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(over)
		running.Wait()
	})
	return s
}

func (s *server) outcome(t *testing.T) outcome {
	t.Helper()
	select {
	case o := <-s.outcomes:
		if o.bound != nil {
			t.Cleanup(func() { o.bound.Conn.Close() })
		}
		return o
	case <-time.After(30 * time.Second):
		t.Fatal("Accept does not return")
		return outcome{}
	}
}

func (s *server) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// login negotiates with mellium's client side.
// Its bind request has an empty resource whatever it was told (mellium.im/xmpp v0.22.0, bindPayload.TokenReader).
func login(t *testing.T, conn net.Conn, cfg *tls.Config, secret string, m sasl.Mechanism) (*xmpp.Session, error) {
	t.Helper()
	me := jid.MustParse("anna@example.org/desk")
	features := []xmpp.StreamFeature{xmpp.SASL("", secret, m), xmpp.BindResource()}
	state := xmpp.SessionState(0)
	if _, direct := conn.(*tls.Conn); direct {
		state = xmpp.Secure
	} else if cfg != nil {
		features = append(features, xmpp.StartTLS(cfg))
	} else {
		state = xmpp.Secure // as far as the client is concerned
	}
	return xmpp.NewSession(t.Context(), me.Domain(), me, conn, state, xmpp.NewNegotiator(
		func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
}

func TestLogin(t *testing.T) {
	s := serve(t, config())
	for _, m := range []sasl.Mechanism{sasl.ScramSha256Plus, sasl.ScramSha256, sasl.ScramSha1Plus, sasl.ScramSha1, sasl.Plain} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(m.Name+" "+tls.VersionName(version), func(t *testing.T) {
				if m.Name == sasl.ScramSha256.Name || m.Name == sasl.ScramSha1.Name {
					t.Skip("mellium's client says that it could do channel binding: a downgrade, see TestDowngrade")
				}
				cfg := clientTLS()
				cfg.MinVersion, cfg.MaxVersion = version, version
				session, err := login(t, s.dial(t), cfg, password, m)
				if err != nil {
					t.Fatal(err, s.outcome(t).err)
				}
				o := s.outcome(t)
				if o.err != nil {
					t.Fatal(o.err)
				}
				b := o.bound
				if b.JID.String() != "anna@example.org/made-up" || b.User != 7 || b.Login != "anna" || b.Resource != "made-up" ||
					b.Mechanism != m.Name || b.TLS == nil || b.TLS.Version != version || len(b.Rest) != 0 {
					t.Errorf("bound %+v", b)
				}
				if got := session.LocalAddr().String(); got != "anna@example.org/made-up" {
					t.Errorf("client thinks that it is %s", got)
				}
			})
		}
	}
}

func TestWrongPassword(t *testing.T) {
	s := serve(t, config())
	if _, err := login(t, s.dial(t), clientTLS(), "wrong", sasl.ScramSha256Plus); err == nil {
		t.Error("logged in")
	}
}

func TestDirectTLS(t *testing.T) {
	cfg := config()
	cfg.DirectTLS = true
	s := serve(t, cfg)
	client := clientTLS()
	client.NextProtos = []string{"xmpp-client"}
	conn := tls.Client(s.dial(t), client)
	if _, err := login(t, conn, nil, password, sasl.ScramSha256Plus); err != nil {
		t.Fatal(err)
	}
	if o := s.outcome(t); o.err != nil || o.bound.TLS.NegotiatedProtocol != "xmpp-client" {
		t.Errorf("%+v", o)
	}
}

func TestDirectTLSForAnotherProtocol(t *testing.T) {
	cfg := config()
	cfg.DirectTLS = true
	s := serve(t, cfg)
	client := clientTLS()
	client.NextProtos = []string{"h2"}
	if err := tls.Client(s.dial(t), client).HandshakeContext(t.Context()); err == nil {
		t.Error("the server speaks h2")
	}
	if o := s.outcome(t); o.err == nil {
		t.Error("accepted")
	}
}

func TestInsecure(t *testing.T) {
	cfg := config()
	cfg.Insecure = true
	s := serve(t, cfg)
	if _, err := login(t, s.dial(t), nil, password, sasl.ScramSha256); err != nil {
		t.Fatal(err)
	}
	if o := s.outcome(t); o.err != nil || o.bound.TLS != nil || o.bound.Mechanism != "SCRAM-SHA-256" {
		t.Errorf("%+v", o)
	}
}
