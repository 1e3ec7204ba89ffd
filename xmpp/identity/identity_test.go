package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// issuer signs certificates.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue signs a certificate, its own if there is no issuer.
func (by *issuer) issue(t *testing.T, template *x509.Certificate) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &issuer{key: key}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if made.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

// authority makes the template of one that may sign for certain domains only; for all without one.
func authority(permitted ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority " + rand.Text()}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: len(permitted) > 0, PermittedDNSDomains: permitted,
	}
}

// other is a name that only XMPP has, of a kind and a type of string.
type other struct {
	kind asn1.ObjectIdentifier
	tag  int
	text string
}

func xmppAddr(text string) other { return other{oidXMPPAddr, asn1.TagUTF8String, text} }
func srvName(text string) other  { return other{oidSRVName, asn1.TagIA5String, text} }

// altNames makes the extension for names of XMPP and of DNS.
func altNames(t *testing.T, critical bool, dns []string, others ...other) pkix.Extension {
	t.Helper()
	marshal := func(v any) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var names []asn1.RawValue
	for _, d := range dns {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(d)})
	}
	for _, o := range others {
		text := marshal(asn1.RawValue{Tag: o.tag, Bytes: []byte(o.text)})
		value := marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text})
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(marshal(o.kind), value...)})
	}
	return pkix.Extension{Id: oidAltName, Critical: critical, Value: marshal(names)}
}

// TestNames: which domains the names of a certificate stand for (RFC 6120 §13.7.1.2, RFC 6125 §6.4).
func TestNames(t *testing.T) {
	ca := (*issuer)(nil).issue(t, authority())
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	dns := func(names ...string) *x509.Certificate { return &x509.Certificate{DNSNames: names} }
	own := func(others ...other) *x509.Certificate {
		return &x509.Certificate{ExtraExtensions: []pkix.Extension{altNames(t, false, nil, others...)}}
	}
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		yes  []string
		no   []string
	}{
		{"DNS name", dns("a.example"), []string{"a.example"}, []string{"b.example", "x.a.example", "example", "aa.example", "a.example.org", ""}},
		{"DNS name in capitals", dns("A.Example"), []string{"a.example"}, []string{"b.example"}},
		{"several", dns("a.example", "b.example"), []string{"a.example", "b.example"}, []string{"c.example"}},
		// RFC 6125 §6.4.3: one whole label, the first.
		{"wildcard", dns("*.a.example"), []string{"x.a.example"}, []string{"a.example", "y.x.a.example", ".a.example", "*.b.example"}},
		{"part of a label", dns("x*.a.example", "*x.a.example"), nil, []string{"xy.a.example", "yx.a.example", "x.a.example"}},
		{"wildcard inside", dns("x.*.example"), nil, []string{"x.a.example"}},
		{"wildcard of all", dns("*"), nil, []string{"a.example"}},
		{"international", dns("xn--bcher-kva.example"), []string{"bücher.example", "xn--bcher-kva.example"}, []string{"bucher.example"}},
		{"wildcard before an international one", dns("*.xn--bcher-kva.example"), []string{"x.bücher.example"}, []string{"bücher.example"}},
		{"wildcard for an international label", dns("*.example"), []string{"bücher.example"}, []string{"x.bücher.example"}}, // RFC 6125 §7.2
		{"common name", &x509.Certificate{Subject: pkix.Name{CommonName: "a.example"}}, nil, []string{"a.example"}},
		{"common name beside others", &x509.Certificate{Subject: pkix.Name{CommonName: "a.example"}, DNSNames: []string{"b.example"}}, []string{"b.example"}, []string{"a.example"}},
		{"address", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")}},
			[]string{"192.0.2.1", "[2001:db8::1]"}, []string{"192.0.2.2", "[2001:db8::2]", "a.example"}},
		{"address as DNS name", dns("192.0.2.1"), nil, []string{"192.0.2.1"}},
		{"mail and web", &x509.Certificate{EmailAddresses: []string{"x@a.example", "a.example"}, URIs: []*url.URL{{Scheme: "xmpp", Opaque: "a.example"}, {Scheme: "https", Host: "a.example"}}},
			nil, []string{"a.example"}},

		{"xmppAddr", own(xmppAddr("a.example")), []string{"a.example"}, []string{"b.example", "x.a.example", "example"}},
		{"xmppAddr in capitals", own(xmppAddr("A.Example")), []string{"a.example"}, nil},
		{"xmppAddr, international", own(xmppAddr("bücher.example")), []string{"bücher.example"}, []string{"bucher.example"}},
		{"xmppAddr of a user", own(xmppAddr("x@a.example"), xmppAddr("a.example/x")), nil, []string{"a.example"}},
		{"xmppAddr with wildcard", own(xmppAddr("*.a.example")), nil, []string{"a.example", "x.a.example"}},
		{"xmppAddr, cut short", own(xmppAddr("a.example\x00.b.example")), nil, []string{"a.example", "b.example"}},
		{"xmppAddr of another type", own(other{oidXMPPAddr, asn1.TagOctetString, "a.example"}), nil, []string{"a.example"}},
		{"empty xmppAddr", own(xmppAddr("")), nil, []string{"a.example", ""}},
		{"SRVName", own(srvName("_xmpp-server.a.example")), []string{"a.example"}, []string{"b.example", "x.a.example", "_xmpp-server.a.example"}},
		{"SRVName of direct TLS", own(srvName("_xmpps-server.a.example")), []string{"a.example"}, []string{"b.example"}},
		{"SRVName in capitals", own(srvName("_XMPP-Server.A.example")), []string{"a.example"}, nil},
		{"SRVName, international", own(srvName("_xmpp-server.xn--bcher-kva.example")), []string{"bücher.example"}, nil},
		{"SRVName of other services", own(srvName("_xmpp-client.a.example"), srvName("_xmpps-client.a.example"), srvName("_imap.a.example"), srvName("a.example"), srvName("_.a.example")),
			nil, []string{"a.example"}},
		{"SRVName of another type", own(other{oidSRVName, asn1.TagOctetString, "_xmpp-server.a.example"}), nil, []string{"a.example"}},
		{"xmppAddr as SRVName", own(srvName("a.example"), xmppAddr("_xmpp-server.a.example")), nil, []string{"a.example"}},
		{"unknown kind", own(other{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 9}, asn1.TagUTF8String, "a.example"}), nil, []string{"a.example"}},
		{"all kinds", &x509.Certificate{ExtraExtensions: []pkix.Extension{altNames(t, false, []string{"a.example"}, xmppAddr("b.example"), srvName("_xmpp-server.c.example"))}},
			[]string{"a.example", "b.example", "c.example"}, []string{"d.example"}},
		// RFC 5280 §4.2.1.6: so it must be where the subject is empty.
		{"critical", &x509.Certificate{ExtraExtensions: []pkix.Extension{altNames(t, true, nil, xmppAddr("a.example"))}}, []string{"a.example"}, []string{"b.example"}},
		{"critical, unknown kind", &x509.Certificate{ExtraExtensions: []pkix.Extension{altNames(t, true, nil, other{asn1.ObjectIdentifier{1, 2, 3}, asn1.TagUTF8String, "a.example"})}},
			nil, []string{"a.example"}},
		{"something else critical", &x509.Certificate{DNSNames: []string{"a.example"}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}},
			nil, []string{"a.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain := []*x509.Certificate{ca.issue(t, c.cert).cert}
			for _, d := range c.yes {
				if err := Verify(chain, d, roots); err != nil {
					t.Errorf("not good for %q: %v", d, err)
				}
			}
			for _, d := range c.no {
				if Verify(chain, d, roots) == nil {
					t.Errorf("good for %q", d)
				}
			}
		})
	}
}

// TestChains: which certificates are believed (RFC 6120 §13.7.2, RFC 5280 §6).
func TestChains(t *testing.T) {
	root := (*issuer)(nil).issue(t, authority())
	stranger := (*issuer)(nil).issue(t, authority())
	between := root.issue(t, authority())
	narrow := root.issue(t, authority("a.example"))
	without := authority()
	without.ExcludedDNSDomains, without.PermittedDNSDomainsCritical = []string{"b.example"}, true
	excluding := root.issue(t, without)
	leaf := root.issue(t, &x509.Certificate{DNSNames: []string{"a.example"}, Subject: pkix.Name{CommonName: "no authority"}})
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	named := func(names ...string) *x509.Certificate { return &x509.Certificate{DNSNames: names} }
	valid := func(from, until time.Duration) *x509.Certificate {
		return &x509.Certificate{DNSNames: []string{"a.example"}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until)}
	}
	use := func(usage ...x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{DNSNames: []string{"a.example"}, ExtKeyUsage: usage}
	}
	own := func(o other) *x509.Certificate {
		return &x509.Certificate{ExtraExtensions: []pkix.Extension{altNames(t, false, []string{"x.a.example"}, o)}}
	}
	for _, c := range []struct {
		name   string
		by     *issuer
		cert   *x509.Certificate
		rest   []*x509.Certificate
		domain string
		good   bool
	}{
		{"by the root", root, named("a.example"), nil, "a.example", true},
		{"with the root", root, named("a.example"), []*x509.Certificate{root.cert}, "a.example", true},
		{"by one between", between, named("a.example"), []*x509.Certificate{between.cert}, "a.example", true},
		{"in any order", between, named("a.example"), []*x509.Certificate{root.cert, stranger.cert, between.cert}, "a.example", true},
		{"without the one between", between, named("a.example"), nil, "a.example", false},
		{"by a stranger", stranger, named("a.example"), nil, "a.example", false},
		{"by a stranger who is there", stranger, named("a.example"), []*x509.Certificate{stranger.cert}, "a.example", false},
		{"by itself", nil, named("a.example"), nil, "a.example", false},
		{"by who is no authority", leaf, named("a.example"), []*x509.Certificate{leaf.cert}, "a.example", false},
		{"the name of another of the chain", root, named("x.example"), []*x509.Certificate{leaf.cert}, "a.example", false},

		{"over", root, valid(-2*time.Hour, -time.Minute), nil, "a.example", false},
		{"not yet", root, valid(time.Minute, time.Hour), nil, "a.example", false},

		// Servers play both parts, most certificates name one.
		{"for servers", root, use(x509.ExtKeyUsageServerAuth), nil, "a.example", true},
		{"for clients", root, use(x509.ExtKeyUsageClientAuth), nil, "a.example", true},
		{"for programs", root, use(x509.ExtKeyUsageCodeSigning), nil, "a.example", false},
		{"for mail", root, use(x509.ExtKeyUsageEmailProtection), nil, "a.example", false},

		{"inside of what the authority may sign", narrow, named("x.a.example"), []*x509.Certificate{narrow.cert}, "x.a.example", true},
		{"outside", narrow, named("b.example"), []*x509.Certificate{narrow.cert}, "b.example", false},
		{"outside, as xmppAddr", narrow, own(xmppAddr("b.example")), []*x509.Certificate{narrow.cert}, "b.example", false},
		{"outside, as SRVName", narrow, own(srvName("_xmpp-server.b.example")), []*x509.Certificate{narrow.cert}, "b.example", false},
		{"excluded, as xmppAddr", excluding, own(xmppAddr("b.example")), []*x509.Certificate{excluding.cert}, "b.example", false},
		{"a DNS name beside such", narrow, own(xmppAddr("b.example")), []*x509.Certificate{narrow.cert}, "x.a.example", true},
		{"xmppAddr of one who may sign all", between, own(xmppAddr("b.example")), []*x509.Certificate{between.cert}, "b.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain := append([]*x509.Certificate{c.by.issue(t, c.cert).cert}, c.rest...)
			if err := Verify(chain, c.domain, roots); (err == nil) != c.good {
				t.Errorf("%v", err)
			}
		})
	}
	if Verify(nil, "a.example", roots) == nil {
		t.Error("no certificate is good")
	}
}

// TestASCII: how certificates write a domain.
func TestASCII(t *testing.T) {
	for domain, want := range map[string]string{
		"a.example": "a.example", "bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example",
		"a_b.example": "a_b.example", "192.0.2.1": "192.0.2.1", "[2001:db8::1]": "[2001:db8::1]",
	} {
		if got := ASCII(domain); got != want {
			t.Errorf("%s is %s, want %s", domain, got, want)
		}
	}
}
