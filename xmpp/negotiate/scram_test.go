package negotiate_test

import (
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

const header = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' " +
	"xmlns:stream='http://etherx.jabber.org/streams'>"

var ctx = context.Background()

// try is one SCRAM exchange, right unless something is changed.
type try struct {
	mechanism string // default SCRAM-SHA-256
	hash      func() hash.Hash
	flag      string // default n
	authzid   string // with a=
	login     string // default anna
	password  string
	binding   []byte // channel-binding data

	first   string                    // instead of the first message
	changed func(final string) string // changes the last message without its proof
	proof   func([]byte) string       // encodes the proof
}

// run plays the exchange and returns the name of the last element, what it says, and the first challenge.
func (c try) run(t *testing.T, w *wire) (name, text, challenge string) {
	t.Helper()
	c = c.completed()
	first := c.gs2() + c.bare()
	if c.first != "" {
		first = c.first
	}
	name, challenge = w.sasl(t, "auth mechanism='"+c.mechanism+"'", first)
	if name != "challenge" {
		return name, challenge, ""
	}
	final, want := c.answer(t, challenge)
	if name, text = w.sasl(t, "response", final); name == "success" && text != want {
		t.Errorf("the server proves itself by %s, want %s", text, want)
	}
	return name, text, challenge
}

// completed fills in what is not set.
func (c try) completed() try {
	if c.hash == nil {
		c.mechanism, c.hash = "SCRAM-SHA-256", sha256.New
	}
	c.flag, c.login, c.password = cmp.Or(c.flag, "n"), cmp.Or(c.login, "anna"), cmp.Or(c.password, password)
	return c
}

func (c try) gs2() string { return c.flag + "," + c.authzid + "," }

func (c try) bare() string { return "n=" + c.login + ",r=client-nonce" }

// answer makes the last message for a challenge, and what the server must prove itself by.
func (c try) answer(t *testing.T, challenge string) (message, want string) {
	t.Helper()
	c = c.completed()
	gs2, bare := c.gs2(), c.bare()
	var nonce, salt string
	var count int
	if _, err := fmt.Sscanf(strings.ReplaceAll(challenge, ",", " "), "r=%s s=%s i=%d", &nonce, &salt, &count); err != nil {
		t.Fatal(challenge, err)
	}
	rawSalt, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(c.hash, c.password, rawSalt, count, c.hash().Size())
	if err != nil {
		t.Fatal(err)
	}
	final := "c=" + base64.StdEncoding.EncodeToString(append([]byte(gs2), c.binding...)) + ",r=" + nonce
	if c.changed != nil {
		final = c.changed(final)
	}
	key := mac(c.hash, salted, "Client Key")
	stored := c.hash()
	stored.Write(key)
	signed := bare + "," + challenge + "," + final
	subtle.XORBytes(key, key, mac(c.hash, stored.Sum(nil), signed))
	proof := base64.StdEncoding.EncodeToString(key)
	if c.proof != nil {
		proof = c.proof(key)
	}
	return final + ",p=" + proof, "v=" + base64.StdEncoding.EncodeToString(mac(c.hash, mac(c.hash, salted, "Server Key"), signed))
}

// sasl sends one SASL element and reads the answer: the text of a challenge or success, the condition of a failure.
func (w *wire) sasl(t *testing.T, element, text string) (string, string) {
	t.Helper()
	end, _, _ := strings.Cut(element, " ")
	w.send(t, "<"+strings.Replace(element, end, end+" xmlns='urn:ietf:params:xml:ns:xmpp-sasl'", 1)+">"+
		base64.StdEncoding.EncodeToString([]byte(text))+"</"+end+">")
	var answer struct {
		XMLName xml.Name
		Text    string                       `xml:",chardata"`
		Inner   []struct{ XMLName xml.Name } `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(w.receive(t)), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Inner) > 0 {
		return answer.XMLName.Local, answer.Inner[0].XMLName.Local
	}
	decoded, err := base64.StdEncoding.DecodeString(answer.Text)
	if err != nil {
		t.Fatal(err)
	}
	return answer.XMLName.Local, string(decoded)
}

func (w *wire) send(t *testing.T, text string) {
	t.Helper()
	if err := w.Send(ctx, text); err != nil {
		t.Fatal(err)
	}
}

func (w *wire) receive(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*1e9)
	defer cancel()
	m, err := w.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// openTLS connects, secures and opens a stream; the features have been received.
func openTLS(t *testing.T, s *server, cfg *tls.Config) *wire {
	t.Helper()
	w := openPlain(t, s)
	w.secure(t, cfg)
	return w
}

// secure starts TLS and opens a stream anew.
func (w *wire) secure(t *testing.T, cfg *tls.Config) {
	t.Helper()
	w.send(t, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	w.receive(t)
	w.Conn = tls.Client(w.Conn, cfg)
	w.open(t)
}

// open opens a stream; the features have been received.
func (w *wire) open(t *testing.T) {
	t.Helper()
	w.send(t, header)
	w.receive(t)
	w.receive(t)
}

func openPlain(t *testing.T, s *server) *wire {
	t.Helper()
	w := &wire{script.Stream{Conn: s.dial(t)}}
	w.open(t)
	return w
}

func TestSCRAM(t *testing.T) {
	cfg := config()
	cfg.Insecure = true
	s := serve(t, cfg)
	for _, c := range []struct {
		what string
		try  try
		want string
	}{
		{"all right", try{}, "success"},
		{"SHA-1", try{mechanism: "SCRAM-SHA-1", hash: sha1.New}, "success"},
		{"SHA-512", try{mechanism: "SCRAM-SHA-512", hash: sha512.New}, "success"},
		{"no keys for SHA-512", try{mechanism: "SCRAM-SHA-512", hash: sha512.New, login: "old"}, "not-authorized"},
		{"but for SHA-256", try{login: "old"}, "success"},
		{"upper case login", try{login: "ANNA"}, "success"},
		{"y where there is no channel binding", try{flag: "y"}, "success"},
		{"own address", try{authzid: "a=anna@example.org"}, "success"},
		{"other's address", try{authzid: "a=ben@example.org"}, "invalid-authzid"},
		{"own address elsewhere", try{authzid: "a=anna@example.com"}, "invalid-authzid"},
		{"wrong password", try{password: "wrong"}, "not-authorized"},
		{"no such login", try{login: "nobody"}, "not-authorized"},
		{"impossible login", try{login: "a@b"}, "not-authorized"},
		{"PLUS without TLS", try{mechanism: "SCRAM-SHA-256-PLUS", hash: sha256.New, flag: "p=tls-exporter"}, "invalid-mechanism"},
		{"p without PLUS", try{flag: "p=tls-exporter"}, "malformed-request"},
		{"flag not kept", try{changed: func(f string) string { return strings.Replace(f, "c=biws", "c=eSws", 1) }}, "not-authorized"},
		{"binding appended", try{binding: []byte("x")}, "not-authorized"},
		{"own nonce only", try{changed: func(f string) string { return f[:strings.Index(f, "client-nonce")+12] }}, "not-authorized"},
		{"other nonce", try{changed: func(f string) string { return f + "x" }}, "not-authorized"},
		{"nothing but proof", try{changed: func(string) string { return "" }}, "malformed-request"},
		{"c= that is no base64", try{changed: func(f string) string { return strings.Replace(f, "c=", "c=!", 1) }}, "malformed-request"},
		{"extension", try{changed: func(f string) string { return f + ",x=y" }}, "success"},
		{"short proof", try{proof: func(p []byte) string { return base64.StdEncoding.EncodeToString(p[:31]) }}, "not-authorized"},
		{"empty proof", try{proof: func([]byte) string { return "" }}, "not-authorized"},
		{"proof that is no base64", try{proof: func([]byte) string { return "!" }}, "malformed-request"},
		{"no message", try{first: " "}, "malformed-request"},
		{"no nonce", try{first: "n,,n=anna"}, "malformed-request"},
		{"empty nonce", try{first: "n,,n=anna,r="}, "malformed-request"},
		{"unprintable nonce", try{first: "n,,n=anna,r=a b"}, "malformed-request"},
		{"empty login", try{first: "n,,n=,r=x"}, "malformed-request"},
		{"mandatory extension", try{first: "n,,m=x,n=anna,r=x"}, "malformed-request"},
		{"unknown flag", try{first: "z,,n=anna,r=x"}, "malformed-request"},
		{"p of nothing", try{first: "p=,,n=anna,r=x"}, "malformed-request"},
		{"equals sign in login", try{first: "n,,n=an=na,r=x"}, "malformed-request"},
		{"malformed authzid", try{first: "n,anna,n=anna,r=x"}, "malformed-request"},
		{"invalid UTF-8", try{first: "n,,n=\xff,r=x"}, "malformed-request"},
	} {
		t.Run(c.what, func(t *testing.T) {
			name, text, _ := c.try.run(t, openPlain(t, s))
			if name != c.want && (name != "failure" || text != c.want) {
				t.Errorf("%s %s, want %s", name, text, c.want)
			}
		})
	}
}

// A comma and an equals sign in a login are escaped; such logins do not exist here, but must be understood.
func TestEscapedLogin(t *testing.T) {
	cfg := config()
	cfg.Insecure = true
	if name, text, challenge := (try{login: "a=2Cb=3Dc"}).run(t, openPlain(t, serve(t, cfg))); challenge == "" || text != "not-authorized" {
		t.Error(name, text)
	}
}

func TestUnknownLoginsLookLikeOthers(t *testing.T) {
	cfg := config()
	cfg.Insecure = true
	s := serve(t, cfg)
	saltOf := func(login, mechanism string, h func() hash.Hash) string {
		_, _, challenge := try{login: login, mechanism: mechanism, hash: h}.run(t, openPlain(t, s))
		_, rest, _ := strings.Cut(challenge, ",")
		return rest
	}
	known, nobody := saltOf("anna", "SCRAM-SHA-256", sha256.New), saltOf("nobody", "SCRAM-SHA-256", sha256.New)
	if len(known) != len(nobody) || known[len(known)-5:] != nobody[len(nobody)-5:] {
		t.Errorf("%s for a known login, %s for an unknown one", known, nobody)
	}
	if again := saltOf("Nobody", "SCRAM-SHA-256", sha256.New); again != nobody {
		t.Errorf("%s at first, %s later", nobody, again)
	}
	if other := saltOf("nobody", "SCRAM-SHA-1", sha1.New); other == nobody {
		t.Error("the salt is the same for each hash")
	}
	if other := saltOf("somebody", "SCRAM-SHA-256", sha256.New); other == nobody {
		t.Error("the salt is the same for each login")
	}
}

func TestChannelBinding(t *testing.T) {
	s := serve(t, config())
	exported := func(w *wire) []byte {
		state := w.Conn.(*tls.Conn).ConnectionState()
		data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	endPoint := func(w *wire) []byte {
		sum := sha256.Sum256(w.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw)
		return sum[:]
	}
	unique := func(w *wire) []byte { return w.Conn.(*tls.Conn).ConnectionState().TLSUnique }
	for _, c := range []struct {
		what, mechanism, flag string
		version               uint16
		data                  func(*wire) []byte
		want                  string
	}{
		{"exporter", "SCRAM-SHA-256-PLUS", "p=tls-exporter", tls.VersionTLS13, exported, "success"},
		{"exporter, TLS 1.2", "SCRAM-SHA-256-PLUS", "p=tls-exporter", tls.VersionTLS12, exported, "success"},
		{"end point", "SCRAM-SHA-256-PLUS", "p=tls-server-end-point", tls.VersionTLS13, endPoint, "success"},
		{"unique", "SCRAM-SHA-256-PLUS", "p=tls-unique", tls.VersionTLS12, unique, "success"},
		{"unique, TLS 1.3", "SCRAM-SHA-256-PLUS", "p=tls-unique", tls.VersionTLS13, unique, "malformed-request"},
		{"somebody in between", "SCRAM-SHA-256-PLUS", "p=tls-exporter", tls.VersionTLS13, endPoint, "not-authorized"},
		{"no data", "SCRAM-SHA-256-PLUS", "p=tls-exporter", tls.VersionTLS13, nil, "not-authorized"},
		{"PLUS without p", "SCRAM-SHA-256-PLUS", "n", tls.VersionTLS13, nil, "malformed-request"},
		{"none", "SCRAM-SHA-256", "n", tls.VersionTLS13, nil, "success"},
		{"downgrade", "SCRAM-SHA-256", "y", tls.VersionTLS13, nil, "not-authorized"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg := clientTLS()
			cfg.MinVersion, cfg.MaxVersion = c.version, c.version
			w := openTLS(t, s, cfg)
			try := try{mechanism: c.mechanism, hash: sha256.New, flag: c.flag}
			if c.data != nil {
				try.binding = c.data(w)
			}
			name, text, _ := try.run(t, w)
			if name != c.want && (name != "failure" || text != c.want) {
				t.Errorf("%s %s, want %s", name, text, c.want)
			}
		})
	}
}

func TestNoChannelBinding(t *testing.T) {
	cfg := config()
	cfg.NoChannelBinding = true
	s := serve(t, cfg)
	if name, text, _ := (try{flag: "y"}).run(t, openTLS(t, s, clientTLS())); name != "success" {
		t.Error(name, text)
	}
	plus := try{mechanism: "SCRAM-SHA-256-PLUS", hash: sha256.New, flag: "p=tls-exporter"}
	if _, text, _ := plus.run(t, openTLS(t, s, clientTLS())); text != "invalid-mechanism" {
		t.Error(text)
	}
}

// The certificate is noted also when it is chosen for each client.
func TestEndPointOfChosenCertificate(t *testing.T) {
	cfg := config()
	cert := certificate()
	cfg.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }}
	w := openTLS(t, serve(t, cfg), clientTLS())
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.Raw)
	try := try{mechanism: "SCRAM-SHA-256-PLUS", hash: sha256.New, flag: "p=tls-server-end-point", binding: sum[:]}
	if name, text, _ := try.run(t, w); name != "success" {
		t.Error(name, text)
	}
}

var _ negotiate.Limiter = (*negotiate.Throttle)(nil)
