package s2s

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/rolecall/rolecall/xmpp/identity"
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
			hello.ServerName = identity.ASCII(local)
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
	cfg.ServerName = identity.ASCII(remote) // RFC 6120 §13.7.1.2.1: the domain, never what DNS made of it
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
		ServerName:        identity.ASCII(domain),
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
		if leaf := leafOf(&cfg.Certificates[i]); leaf != nil && leaf.VerifyHostname(hello.ServerName) == nil {
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
	return identity.Verify(state.PeerCertificates, domain, f.cfg.RootCAs)
}
