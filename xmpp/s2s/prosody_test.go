package s2s

import (
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

// pems returns a certificate as Prosody wants it.
func pems(t *testing.T, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TestProsody: stanzas to a real server and back, in all the ways that servers prove who they are.
func TestProsody(t *testing.T) {
	const theirs = "prosody.example"
	for _, c := range []struct {
		name    string
		valid   bool // both certificates
		direct  bool
		bidi    bool
		method  string
		modules []string
	}{
		{name: "EXTERNAL and bidi", valid: true, bidi: true, method: "EXTERNAL", modules: []string{"s2s_bidi"}},
		{name: "EXTERNAL", valid: true, method: "EXTERNAL"},
		{name: "direct TLS", valid: true, direct: true, method: "EXTERNAL"},
		{name: "dialback", method: "dialback"},
		{name: "dialback and bidi", method: "dialback", modules: []string{"s2s_bidi"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			issuer := w.ca
			if !c.valid {
				issuer = newAuthority(t)
			}
			sa := w.server(func(cfg *Config) {
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{issuer.issue(t, validUntil, a)}}
			}, a).online(c.direct)
			p := testenv.NewProsody(t)
			if c.direct {
				w.publish(theirs, "xmpps-server", mustPort(p.Direct))
			} else {
				w.publish(theirs, "xmpp-server", mustPort(p.Address))
			}
			cert, key := pems(t, issuer.issue(t, validUntil, theirs))
			roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.cert.Raw})
			p.Start(t, testenv.ProsodyConfig{Domain: theirs, Certificate: cert, Key: key, Roots: roots, Nameserver: w.serveDNS(), Modules: c.modules})

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
				if in := sa.only(false); in.Method != c.method {
					t.Errorf("Prosody's stream is %+v, want %s", in, c.method)
				}
			}
		})
	}
}
