package s2s

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"
)

// alpn is the protocol of direct TLS between servers (XEP-0368 §4).
const alpn = "xmpp-server"

// serverTLS is for streams that begin elsewhere. The other server is asked for its certificate, but may have none or
// a bad one: dialback can prove it all the same.
func (f *Federation) serverTLS(local string, direct bool) *tls.Config {
	cfg := f.cfg.TLS.Clone()
	f.harden(cfg)
	cfg.GetConfigForClient = nil
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			hello.ServerName = ascii(local)
		}
		if cert := f.certificateFor(hello); cert != nil {
			return cert, nil
		}
		return nil, errNoCertificate
	}
	cfg.Certificates = nil
	cfg.ClientAuth = tls.RequestClientCert
	cfg.ClientCAs = nil // the list would be long, and keep servers from sending what is not in it
	if direct {
		cfg.NextProtos = []string{alpn}
	}
	return cfg
}

// clientTLS is for streams from local to remote. The certificate is verified afterwards, because one that is
// not valid need not be the end.
func (f *Federation) clientTLS(local, remote string, direct bool) *tls.Config {
	cfg := f.cfg.TLS.Clone()
	f.harden(cfg)
	cfg.ServerName = ascii(remote) // RFC 6120 §13.7.1.2.1: the domain, never what DNS made of it
	cfg.InsecureSkipVerify = true
	cfg.Certificates, cfg.GetCertificate = nil, nil
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert := f.certificateOf(local); cert != nil {
			return cert, nil
		}
		return &tls.Certificate{}, nil
	}
	if direct {
		cfg.NextProtos = []string{alpn}
	}
	return cfg
}

// harden sets what both sides have in common (RFC 7590 §3, RFC 9325 §3.1.1).
func (f *Federation) harden(cfg *tls.Config) {
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.NextProtos = nil
	cfg.SessionTicketsDisabled = true // a certificate is looked at on every stream
	cfg.VerifyPeerCertificate, cfg.VerifyConnection = nil, nil
}

// certificateOf returns the certificate of a local domain, or nil.
func (f *Federation) certificateOf(domain string) *tls.Certificate {
	// The schemes and versions are those of any modern client: they decide only what kind of key is returned.
	return f.certificateFor(&tls.ClientHelloInfo{
		ServerName:        ascii(domain),
		SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		SignatureSchemes: []tls.SignatureScheme{
			tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.Ed25519, tls.PSSWithSHA256, tls.PKCS1WithSHA256,
		},
		SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	})
}

// certificateFor returns the certificate of the domain that is asked for, or else any, or nil.
func (f *Federation) certificateFor(hello *tls.ClientHelloInfo) *tls.Certificate {
	cfg := f.cfg.TLS
	if cfg.GetCertificate != nil {
		if cert, err := cfg.GetCertificate(hello); err == nil && cert != nil {
			return cert
		}
	}
	for i := range cfg.Certificates {
		if leaf := leafOf(&cfg.Certificates[i]); leaf != nil && proves(leaf, hello.ServerName) {
			return &cfg.Certificates[i]
		}
	}
	if len(cfg.Certificates) > 0 {
		return &cfg.Certificates[0]
	}
	return nil
}

func leafOf(cert *tls.Certificate) *x509.Certificate {
	if cert.Leaf != nil {
		return cert.Leaf
	}
	if len(cert.Certificate) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}

var errNoCertificate = errors.New("no certificate")

// verify checks that the other side's certificate is valid and proves that it is the domain.
func (f *Federation) verify(state *tls.ConnectionState, domain string) error {
	if len(state.PeerCertificates) == 0 {
		return errNoCertificate
	}
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: f.cfg.RootCAs, Intermediates: between, CurrentTime: time.Now(),
		// Certificates of servers are used in both roles, and most say only one of them.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	if !proves(leaf, ascii(domain)) && !provesXMPP(leaf, domain) {
		return fmt.Errorf("the certificate is not for %s", domain)
	}
	return nil
}

// proves reports whether a certificate has a domain as DNS name or address (RFC 6125 §6.4).
func proves(leaf *x509.Certificate, name string) bool { return leaf.VerifyHostname(name) == nil }

// The kinds of name that only XMPP has in certificates (RFC 6120 §13.7.1.2).
var (
	oidAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
	oidSRVName  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}
)

// provesXMPP reports whether a certificate has a domain as xmppAddr (RFC 6120 §13.7.1.4) or SRVName (RFC 4985).
func provesXMPP(leaf *x509.Certificate, domain string) bool {
	for _, ext := range leaf.Extensions {
		if !ext.Id.Equal(oidAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return false
		}
		for _, n := range names {
			if otherName(n, domain) {
				return true
			}
		}
	}
	return false
}

// otherName reports whether a name of a certificate is one of XMPP's own kinds and stands for the domain.
func otherName(n asn1.RawValue, domain string) bool {
	if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
		return false
	}
	var kind asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(n.Bytes, &kind)
	if err != nil {
		return false
	}
	var wrapped, text asn1.RawValue
	if _, err := asn1.Unmarshal(rest, &wrapped); err != nil {
		return false
	}
	if _, err := asn1.Unmarshal(wrapped.Bytes, &text); err != nil {
		return false
	}
	switch {
	case kind.Equal(oidXMPPAddr):
		return strings.EqualFold(string(text.Bytes), domain)
	case kind.Equal(oidSRVName):
		return strings.EqualFold(string(text.Bytes), "_xmpp-server."+ascii(domain)) ||
			strings.EqualFold(string(text.Bytes), "_xmpps-server."+ascii(domain))
	}
	return false
}
