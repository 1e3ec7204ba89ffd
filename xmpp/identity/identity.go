// Package identity tells which XMPP domains a certificate stands for (RFC 6120 §13.7.1).
package identity

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
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
	leaf, names := *chain[0], xmppNames(chain[0])
	if len(names) > 0 { // understood here, if not by x509, which asks when the subject is empty (RFC 5280 §4.2.1.6)
		leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidAltName.Equal)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: time.Now(),
		// Certificates of servers are used in both roles, and most say only one of them.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	// As DNS name or address (RFC 6125 §6.4), or as one of XMPP's own names.
	if leaf.VerifyHostname(ASCII(domain)) == nil || slices.ContainsFunc(names, standsFor(domain)) && slices.ContainsFunc(chains, unconstrained) {
		return nil
	}
	return fmt.Errorf("the certificate is not for %s", domain)
}

// unconstrained reports whether nobody in a chain is limited to the names of some domains. Constraints of DNS names
// (RFC 5280 §4.2.1.10) say nothing of XMPP's own names: who is limited could sign those of any domain.
func unconstrained(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		return len(c.PermittedDNSDomains) > 0 || len(c.ExcludedDNSDomains) > 0
	})
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

// xmppName is an xmppAddr (RFC 6120 §13.7.1.4) or SRVName (RFC 4985).
type xmppName struct {
	kind asn1.ObjectIdentifier
	text string
}

// xmppNames lists XMPP's own names in a certificate.
func xmppNames(leaf *x509.Certificate) (list []xmppName) {
	for _, ext := range leaf.Extensions {
		if !ext.Id.Equal(oidAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return nil
		}
		for _, n := range names {
			if name, ok := otherName(n); ok {
				list = append(list, name)
			}
		}
	}
	return list
}

// otherName reads a name of a certificate if it is one of XMPP's own kinds.
func otherName(n asn1.RawValue) (xmppName, bool) {
	if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
		return xmppName{}, false
	}
	var kind asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(n.Bytes, &kind)
	if err != nil || !kind.Equal(oidXMPPAddr) && !kind.Equal(oidSRVName) {
		return xmppName{}, false
	}
	var wrapped, text asn1.RawValue
	if _, err := asn1.Unmarshal(rest, &wrapped); err != nil {
		return xmppName{}, false
	}
	if _, err := asn1.Unmarshal(wrapped.Bytes, &text); err != nil || text.Tag != asn1.TagUTF8String && text.Tag != asn1.TagIA5String {
		return xmppName{}, false
	}
	return xmppName{kind, string(text.Bytes)}, len(text.Bytes) > 0
}

// standsFor returns whether a name stands for a domain.
func standsFor(domain string) func(xmppName) bool {
	return func(n xmppName) bool {
		if n.kind.Equal(oidXMPPAddr) {
			return strings.EqualFold(n.text, domain)
		}
		return strings.EqualFold(n.text, "_xmpp-server."+ASCII(domain)) || strings.EqualFold(n.text, "_xmpps-server."+ASCII(domain))
	}
}
