// Package identity tells which XMPP domains a certificate stands for (RFC 6120 §13.7.1).
package identity

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

var errNoCertificate = errors.New("no certificate")

// Verify checks that a chain, the certificate first, is valid and proves that its owner is the domain. roots may be nil:
// those of the machine.
func Verify(chain []*x509.Certificate, domain string, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errNoCertificate
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: time.Now(),
		// Certificates of servers are used in both roles, and most say only one of them.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	// As DNS name or address (RFC 6125 §6.4), or as one of XMPP's own names.
	if chain[0].VerifyHostname(ASCII(domain)) != nil && !provesXMPP(chain[0], domain) {
		return fmt.Errorf("the certificate is not for %s", domain)
	}
	return nil
}

// ASCII is a domain as DNS and certificates write it.
func ASCII(domain string) string {
	if name, err := idna.Lookup.ToASCII(domain); err == nil {
		return name
	}
	return domain
}

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
		return strings.EqualFold(string(text.Bytes), "_xmpp-server."+ASCII(domain)) ||
			strings.EqualFold(string(text.Bytes), "_xmpps-server."+ASCII(domain))
	}
	return false
}
