package s2s

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
)

// The kinds of name that only XMPP has in certificates (RFC 6120 §13.7.1.2).
var (
	oidAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
	oidSRVName  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}
)

// otherNames encodes names that only XMPP has.
func otherNames(t *testing.T, names map[string]asn1.ObjectIdentifier) []byte {
	t.Helper()
	var list []asn1.RawValue
	for text, kind := range names {
		tag := asn1.TagUTF8String
		if kind.Equal(oidSRVName) {
			tag = asn1.TagIA5String
		}
		inner, err := asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: inner})
		if err != nil {
			t.Fatal(err)
		}
		oid, err := asn1.Marshal(kind)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(oid, wrapped...)})
	}
	der, err := asn1.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestXMPPNames: certificates may name a domain in XMPP's own ways (RFC 6120 §13.7.1.2).
func TestXMPPNames(t *testing.T) {
	w := newWorld(t)
	s := w.server(nil, b)
	for _, c := range []struct {
		text  string
		kind  asn1.ObjectIdentifier
		valid bool
	}{
		{"a.example", oidXMPPAddr, true},
		{"A.example", oidXMPPAddr, true},
		{"anna@a.example", oidXMPPAddr, false},
		{"_xmpp-server.a.example", oidSRVName, true},
		{"_xmpp-client.a.example", oidSRVName, false},
		{"a.example", oidSRVName, false},
		{"c.example", oidXMPPAddr, false},
		{"a.example", asn1.ObjectIdentifier{1, 2, 3}, false},
	} {
		key := newKey(t)
		leaf := signed(t, &x509.Certificate{
			SerialNumber: big.NewInt(3), NotBefore: validFrom, NotAfter: validUntil,
			ExtraExtensions: []pkix.Extension{{Id: oidAltName, Value: otherNames(t, map[string]asn1.ObjectIdentifier{c.text: c.kind})}},
		}, w.ca.cert, &key.PublicKey, w.ca.key)
		err := s.verify(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, a)
		if (err == nil) != c.valid {
			t.Errorf("%s as %v: %v", c.text, c.kind, err)
		}
	}
}

// TestCertificateOf: of several certificates the domain's own is shown.
func TestCertificateOf(t *testing.T) {
	w := newWorld(t)
	one, two := w.ca.issue(t, validUntil, a), w.ca.issue(t, validUntil, b)
	s := w.server(func(cfg *Config) { cfg.TLS = &tls.Config{Certificates: []tls.Certificate{one, two}} }, a, b)
	if got := s.certificateOf(b); got == nil || got.Leaf != two.Leaf {
		t.Errorf("wrong certificate for %s", b)
	}
	if got := s.certificateOf("c.example"); got == nil || got.Leaf != one.Leaf {
		t.Error("no certificate where none fits")
	}
	s = w.server(func(cfg *Config) {
		cfg.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName == b {
				return &two, nil
			}
			return &one, nil
		}}
	}, a, b)
	if got := s.certificateOf(b); got == nil || got.Leaf != two.Leaf {
		t.Errorf("wrong certificate for %s", b)
	}
}

func TestKeys(t *testing.T) {
	// The example of XEP-0185 §4.
	k := newKeyring([]byte("s3cr3tf0rd14lb4ck"))
	if got := k.key("xmpp.example.com", "example.org", "D60000229F"); got != "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643" {
		t.Errorf("key %s", got)
	}
	if !k.made(b, a, "1", k.key(b, a, "1")) || k.made(a, b, "1", k.key(b, a, "1")) || k.made(b, a, "2", k.key(b, a, "1")) || k.made(b, a, "1", "") {
		t.Error("keys are not bound to what they are made of")
	}
}
