package s2s

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/rolecall/rolecall/internal/testenv"
)

// atLocalhost publishes all under a name that every machine knows: ejabberd does not ask the DNS server for addresses.
func (w *world) atLocalhost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range w.srv {
		for _, r := range list {
			r.Target = "localhost."
		}
	}
	w.hosts["localhost."] = []string{"127.0.0.1"}
}

// serveDNS answers for the world's names by DNS, and returns where.
func (w *world) serveDNS() string {
	w.t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	go func() {
		var buf [1500]byte
		for {
			n, from, err := conn.ReadFrom(buf[:])
			if err != nil {
				return
			}
			if answer, err := w.answer(buf[:n]); err == nil {
				_, _ = conn.WriteTo(answer, from) // it asks again
			}
		}
	}()
	return conn.LocalAddr().String()
}

func (w *world) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("%w or not one question", err)
	}
	m.Response, m.RecursionAvailable, m.Authoritative = true, true, true
	m.Additionals = nil
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch q.Type {
	case dnsmessage.TypeA:
		for _, addr := range w.hosts[name] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte(net.ParseIP(addr).To4())}})
		}
	case dnsmessage.TypeSRV:
		service, domain, _ := strings.Cut(strings.TrimPrefix(name, "_"), "._tcp.")
		for _, r := range w.srv[service+" "+domain] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.SRVResource{
				Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: dnsmessage.MustNewName(r.Target),
			}})
		}
	}
	return m.Pack()
}

// pems returns a certificate as peers want it.
func pems(t *testing.T, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TestPeers: stanzas to real servers and back, in all the ways that servers prove who they are.
func TestPeers(t *testing.T) {
	prosody, ejabberd := (*testenv.Peer).StartProsody, (*testenv.Peer).StartEjabberd
	for _, c := range []struct {
		name    string
		start   func(*testenv.Peer, testing.TB, testenv.PeerConfig)
		valid   bool // both certificates
		clients bool // they are for clients, too, and not only for servers
		direct  bool
		bidi    bool
		method  string // by which we prove who we are
		theirs  string // by which they do, if not by that
		modules []string
	}{
		{name: "Prosody, EXTERNAL and bidi", start: prosody, valid: true, bidi: true, method: "EXTERNAL", modules: []string{"s2s_bidi"}},
		{name: "Prosody, EXTERNAL", start: prosody, valid: true, method: "EXTERNAL"},
		{name: "Prosody, direct TLS", start: prosody, valid: true, direct: true, method: "EXTERNAL"},
		{name: "Prosody, dialback", start: prosody, method: "dialback"},
		{name: "Prosody, dialback and bidi", start: prosody, method: "dialback", modules: []string{"s2s_bidi"}},
		{name: "ejabberd, EXTERNAL", start: ejabberd, valid: true, clients: true, method: "EXTERNAL"},
		{name: "ejabberd, certificates for servers only", start: ejabberd, valid: true, method: "dialback", theirs: "EXTERNAL"},
		{name: "ejabberd, direct TLS", start: ejabberd, valid: true, clients: true, direct: true, method: "EXTERNAL"},
		{name: "ejabberd, dialback", start: ejabberd, method: "dialback"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const theirs = "peer.example"
			w := newWorld(t)
			issuer := w.ca
			if c.clients {
				issuer.purposes = append(issuer.purposes, x509.ExtKeyUsageClientAuth)
			}
			if !c.valid {
				issuer = newAuthority(t)
			}
			sa := w.server(func(cfg *Config) {
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{issuer.issue(t, validUntil, a)}}
			}, a).online(c.direct)
			p := testenv.NewPeer(t)
			if c.direct {
				w.publish(theirs, "xmpps-server", mustPort(p.Direct))
			} else {
				w.publish(theirs, "xmpp-server", mustPort(p.Address))
			}
			w.atLocalhost()
			cert, key := pems(t, issuer.issue(t, validUntil, theirs))
			roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.cert.Raw})
			c.start(p, t, testenv.PeerConfig{Domain: theirs, Certificate: cert, Key: key, Roots: roots, Nameserver: w.serveDNS(), Modules: c.modules})

			for i := range 3 {
				id := fmt.Sprint("ping", i)
				sa.Send(a, theirs, []byte("<iq type='get' id='"+id+"' from='anna@a.example/x' to='"+theirs+"'><ping xmlns='urn:xmpp:ping'/></iq>"))
				select {
				case got := <-sa.in:
					if got.remote != theirs || !strings.Contains(got.raw, id) || !strings.Contains(got.raw, "result") {
						t.Fatalf("got %+v", got)
					}
				case back := <-sa.back:
					t.Fatalf("not sent: %+v", back)
				case <-time.After(patience):
					t.Fatal("no answer")
				}
			}
			if out := sa.only(true); out.Method != c.method || out.Bidi != c.bidi {
				t.Errorf("our stream is %+v, want %s, bidi %v", out, c.method, c.bidi)
			}
			if !c.bidi {
				want := cmp.Or(c.theirs, c.method)
				if in := sa.only(false); in.Method != want {
					t.Errorf("their stream is %+v, want %s", in, want)
				}
			}
		})
	}
}
