package negotiate

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
)

// nsChannelBinding is of XEP-0440.
const nsChannelBinding = "urn:xmpp:sasl-cb:0"

// channelBinding is what a client's proof is bound to, so that it is worthless on any other TLS connection (RFC 5056).
type channelBinding struct {
	name string
	data func() []byte
}

// channelBindings lists what the TLS connection has to offer.
func (n *negotiation) channelBindings() []channelBinding {
	var list []channelBinding
	state := n.tls.ConnectionState()
	// Go refuses to export where RFC 9266 §4.2 forbids it: before TLS 1.3 without the extended master secret.
	export := func() []byte {
		data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			return nil
		}
		return data
	}
	if state.Version >= tls.VersionTLS13 || export() != nil {
		list = append(list, channelBinding{"tls-exporter", export})
	}
	if len(state.TLSUnique) > 0 { // never with TLS 1.3
		list = append(list, channelBinding{"tls-unique", func() []byte { return state.TLSUnique }})
	}
	if data := endPoint(n.cert); data != nil {
		list = append(list, channelBinding{"tls-server-end-point", func() []byte { return data }})
	}
	return list
}

// endPoint hashes the server's certificate with the hash of its signature, but no weaker one than
// SHA-256 (RFC 5929 §4.1). It is nil for signatures that have no such hash.
func endPoint(cert *tls.Certificate) []byte {
	if cert == nil {
		return nil
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil
		}
	}
	var hash crypto.Hash
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return nil
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum(nil)
}

// appendChannelBindings tells which types of channel binding there are (XEP-0440).
func (n *negotiation) appendChannelBindings(b []byte) []byte {
	if len(n.bindings) == 0 {
		return b
	}
	b = append(b, "<sasl-channel-binding xmlns='"+nsChannelBinding+"'>"...)
	for _, cb := range n.bindings {
		b = append(b, "<channel-binding type='"+cb.name+"'/>"...)
	}
	return append(b, "</sasl-channel-binding>"...)
}
