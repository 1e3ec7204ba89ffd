package component

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	chat       = "chat.example.org" // proves itself by a certificate
	clientHead = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='example.org' from='"
	startTLS   = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	external   = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func issue(t *testing.T, by *authority, names ...string) (tls.Certificate, *authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, BasicConstraintsValid: true, IsCA: by == nil,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, &authority{cert, key, pool}
}

// securely runs a test with a service that has a certificate, and components with and without one.
func securely(t *testing.T, play func(*testing.T, *desk, *authority)) {
	_, ca := issue(t, nil)
	server, _ := issue(t, ca, "example.org")
	played(t, func(c *Config) {
		c.Secrets["two."+domain], c.Secrets["other.example.org"], c.Secrets[chat] = secret, "another", ""
		c.Domain, c.TLS, c.Roots = "example.org", &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12}, ca.pool
	}, func(t *testing.T, d *desk) { play(t, d, ca) })
}

// secure is a component that has TLS; without names it has no certificate. It returns the features, too.
func (d *desk) secure(t *testing.T, ca *authority, from string, names ...string) (*party, string) {
	t.Helper()
	p := d.dial(t)
	p.say(clientHead + from + "'>")
	if features := p.hear("</stream:features>"); !strings.Contains(features, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>") {
		t.Fatalf("the features are %q", features)
	}
	p.say(startTLS)
	p.hear("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	cfg := &tls.Config{RootCAs: ca.pool, ServerName: "example.org"}
	if len(names) > 0 {
		own, _ := issue(t, ca, names...)
		cfg.Certificates = []tls.Certificate{own}
	}
	conn := tls.Client(p.conn, cfg)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	p.say(clientHead + from + "'>")
	return p, p.hear("</stream:features>")
}

func plain(who, password string) string {
	return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.StdEncoding.EncodeToString([]byte("\x00"+who+"\x00"+password)) + "</auth>"
}

// begin is what comes after the proof.
func (p *party) begin(from string) {
	p.t.Helper()
	p.hear("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	p.say(clientHead + from + "'>")
	p.hear("<bind xmlns='urn:xmpp:component:0'><required/></bind></stream:features>")
}

func (p *party) bind(verb, name, want string) {
	p.t.Helper()
	p.say("<iq type='set' id='b'><" + verb + " xmlns='urn:xmpp:component:0'><hostname>" + name + "</hostname></" + verb + "></iq>")
	if got := p.hear("</iq>"); !strings.Contains(got, want) {
		p.t.Errorf("%s of %s is answered with %q, want %s", verb, name, got, want)
	}
}

// TestLogin: components prove who they are by certificate or secret, bind what they may, and are heard.
func TestLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		from, auth string
		names      []string
		offered    string
		may, not   string
	}{
		"certificate":                   {chat, external, []string{chat, domain}, "<mechanism>EXTERNAL</mechanism><mechanism>PLAIN</mechanism>", domain, "other.example.org"},
		"certificate, name said":        {chat, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>" + base64.StdEncoding.EncodeToString([]byte(chat)) + "</auth>", []string{chat}, "EXTERNAL", chat, domain},
		"secret":                        {domain, plain(domain, secret), nil, "'><mechanism>PLAIN</mechanism></mechanisms>", "two." + domain, chat},
		"secret, with some certificate": {domain, plain(domain, secret), []string{"www.example.net"}, "'><mechanism>PLAIN</mechanism></mechanisms>", domain, "other.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			securely(t, func(t *testing.T, d *desk, ca *authority) {
				p, features := d.secure(t, ca, tt.from, tt.names...)
				if !strings.Contains(features, tt.offered) {
					t.Errorf("offered is %q, want %s", features, tt.offered)
				}
				p.say(tt.auth)
				p.begin(tt.from)
				p.bind("bind", tt.not, "not-allowed")
				p.bind("bind", "nobody.example.org", "not-allowed")
				p.bind("bind", "a@b/c", "not-allowed")
				p.bind("bind", tt.from, "<iq type='result' id='b'><bind xmlns='urn:xmpp:component:0'><hostname>"+tt.from+"</hostname></bind></iq>")
				p.bind("bind", tt.from, "conflict")
				if tt.may != tt.from {
					p.bind("bind", tt.may, "type='result'")
				}
				p.say("<message from='a@" + tt.may + "' to='anna@example.org'><body>Hi</body></message>")
				synctest.Wait()
				if len(d.delivered) != 1 || d.delivered[0] != "<message from='a@"+tt.may+"' to='anna@example.org'><body>Hi</body></message>" {
					t.Errorf("delivered is %q", d.delivered)
				}
				go d.Send("example.org", tt.may, []byte("<message to='"+tt.may+"'/>"))
				p.hear("<message to='" + tt.may + "'/>")
				if tt.may != tt.from {
					p.say("<iq type='set' id='u'><unbind xmlns='urn:xmpp:component:0'><hostname>" + tt.may + "</hostname></unbind></iq>")
					p.hear("<iq type='result' id='u'></iq>")
					p.bind("unbind", tt.may, "item-not-found")
					if got := d.Connected(); len(got) != 1 || got[0] != tt.from {
						t.Errorf("connected is %q", got)
					}
					p.say("<message from='" + tt.may + "' to='anna@example.org'/>")
					if got := p.end(); !strings.Contains(got, "<invalid-from ") {
						t.Errorf("the end is %q", got)
					}
				}
			})
		})
	}
}

// TestRefusedLogin: whoever proves nothing gets nowhere, and is told why.
func TestRefusedLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		from  string
		names []string
		say   string
		want  string
	}{
		"no certificate":              {chat, nil, external, "<not-authorized/>"},
		"another's certificate":       {chat, []string{"www.example.net"}, external, "<not-authorized/>"},
		"certificate of no component": {"www.example.net", []string{"www.example.net"}, external, "<not-authorized/>"},
		"wrong secret":                {domain, nil, plain(domain, "sesame"), "<not-authorized/>"},
		"no secret":                   {chat, nil, plain(chat, ""), "<not-authorized/>"},
		"for another":                 {domain, nil, strings.Replace(plain("", ""), "AAA=", base64.StdEncoding.EncodeToString([]byte(chat+"\x00"+domain+"\x00"+secret)), 1), "<invalid-authzid/>"},
		"unknown mechanism":           {domain, nil, strings.Replace(external, "EXTERNAL", "ANONYMOUS", 1), "<invalid-mechanism/>"},
		"no base64":                   {domain, nil, strings.Replace(external, "=<", "!<", 1), "<incorrect-encoding/>"},
		"half a message":              {domain, nil, strings.Replace(external, "EXTERNAL", "PLAIN", 1), "<malformed-request/>"},
		"a stanza first":              {domain, nil, "<message from='" + domain + "' to='anna@example.org'/>", "<policy-violation "},
		"a stanza before it is bound": {domain, nil, plain(domain, secret) + clientHead + domain + "'><message from='" + domain + "' to='anna@example.org'/>", "<not-authorized "},
		"three proofs that are wrong": {domain, nil, strings.Repeat(plain(domain, "x"), 3), "<policy-violation "},
		"a deep proof":                {domain, nil, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'><a><b/></a></auth>", "</stream:stream>"},
		"silence":                     {domain, nil, "<auth", "<connection-timeout "},
	} {
		t.Run(name, func(t *testing.T) {
			securely(t, func(t *testing.T, d *desk, ca *authority) {
				p, features := d.secure(t, ca, tt.from, tt.names...)
				if strings.Contains(features, "EXTERNAL") {
					t.Errorf("offered is %q", features)
				}
				go func() { _, _ = io.WriteString(p.conn, tt.say) }()
				if strings.HasSuffix(tt.want, "/>") {
					p.hear(tt.want + "</failure>")
					p.conn.Close()
				} else if got := p.end(); !strings.Contains(got, tt.want) {
					t.Errorf("the end is %q, want %q", got, tt.want)
				}
				if len(d.delivered) > 0 || len(d.Connected()) > 0 {
					t.Errorf("delivered is %q, connected %q", d.delivered, d.Connected())
				}
			})
		})
	}
}

// TestBeforeTLS: nothing but TLS may come first, and what comes in the clear behind it does not count.
func TestBeforeTLS(t *testing.T) {
	for name, tt := range map[string]struct{ say, want string }{
		"a proof":           {clientHead + domain + "'>" + plain(domain, secret), "<policy-violation "},
		"more in the clear": {clientHead + domain + "'>" + startTLS + plain(domain, secret), "<policy-violation "},
		"another server":    {strings.Replace(clientHead, "example.org", "example.net", 1) + domain + "'>", "<host-unknown "},
		"another namespace": {strings.Replace(clientHead, scan.NSClient, "jabber:server", 1) + domain + "'>", "<invalid-namespace "},
	} {
		t.Run(name, func(t *testing.T) {
			securely(t, func(t *testing.T, d *desk, _ *authority) {
				p := d.dial(t)
				go func() { _, _ = io.WriteString(p.conn, tt.say) }()
				if got := p.end(); !strings.Contains(got, tt.want) {
					t.Errorf("the end is %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestNoCertificateInTheClear: a component without a secret cannot prove itself in the clear, whatever it sends.
func TestNoCertificateInTheClear(t *testing.T) {
	securely(t, func(t *testing.T, d *desk, _ *authority) {
		p := d.dial(t)
		p.say(strings.Replace(header, domain, chat, 1))
		p.hear("?>")
		_, id, _ := strings.Cut(p.hear(">"), " id='")
		p.say("<handshake>" + prove(id[:strings.IndexByte(id, '\'')], "") + "</handshake>")
		if got := p.end(); !strings.Contains(got, "<not-authorized ") {
			t.Errorf("the end is %q", got)
		}
	})
}
