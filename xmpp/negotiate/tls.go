package negotiate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
)

// alpn is the protocol of direct TLS (XEP-0368 §4).
const alpn = "xmpp-client"

// offersTLS reports whether the client may upgrade the connection.
func (n *negotiation) offersTLS() bool { return n.cfg.TLS != nil && n.tls == nil }

// appendStartTLS tells of the upgrade to TLS, which is required unless Config.Insecure (RFC 6120 §5.3.1).
func (n *negotiation) appendStartTLS(b []byte) []byte {
	if n.cfg.Insecure {
		return append(b, "<starttls xmlns='"+nsTLS+"'/>"...)
	}
	return append(b, "<starttls xmlns='"+nsTLS+"'><required/></starttls>"...)
}

// startTLS upgrades the connection (RFC 6120 §5).
func (n *negotiation) startTLS(ctx context.Context) error {
	// What was sent in the clear behind <starttls/> must not count as if it had come through TLS.
	// A line end is no harm, it is dropped: go-xmpp sends one (RFC 6120 §5.4.3.3 has none there).
	if len(bytes.TrimLeft(n.gate.rest(), " \t\r\n")) > 0 {
		return fault("policy-violation", "sent more before TLS was there")
	}
	if err := n.write([]byte("<proceed xmlns='" + nsTLS + "'/>")); err != nil {
		return err
	}
	return n.secure(ctx)
}

// secure makes a TLS connection of the plain one.
func (n *negotiation) secure(ctx context.Context) error {
	conn := tls.Server(n.conn, n.shared.tls)
	// The end of ctx ends the handshake by the deadline of the connection, which costs no goroutine, see Accept.
	if err := conn.HandshakeContext(context.WithValue(context.WithoutCancel(ctx), negotiationKey{}, n)); err != nil {
		n.gate.broken = true // nothing that we could say would be understood
		return err
	}
	n.tls, n.gate = conn, n.gate.over(conn)
	if static := n.cfg.TLS; n.cert == nil && len(static.Certificates) == 1 && static.GetCertificate == nil {
		n.cert = &static.Certificates[0] // the one of the session that was resumed
	}
	if !n.cfg.NoChannelBinding {
		n.bindings = n.channelBindings()
	}
	return nil
}

// serverTLS makes the configuration of all handshakes. It is one for all connections, because it holds
// the keys with which clients resume TLS.
func (c *Config) serverTLS() *tls.Config {
	cfg := c.TLS.Clone()
	cfg.NextProtos = nil
	if c.DirectTLS {
		cfg.NextProtos = []string{alpn}
	}
	choose := certificateChooser(c.TLS)
	// A stanza is of use to a client only when it is whole. Small records would cost a packet for each.
	cfg.DynamicRecordSizingDisabled = true
	cfg.Certificates = nil // else crypto/tls chooses among them where no server name is given
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := choose(hello)
		if n, ok := hello.Context().Value(negotiationKey{}).(*negotiation); ok {
			n.cert = cert
		}
		return cert, err
	}
	return cfg
}

// negotiationKey finds the negotiation in the context of its handshake.
type negotiationKey struct{}

// certificateChooser returns how crypto/tls chooses a certificate.
func certificateChooser(cfg *tls.Config) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cfg.GetCertificate != nil && (len(cfg.Certificates) == 0 || hello.ServerName != "") {
			if cert, err := cfg.GetCertificate(hello); cert != nil || err != nil {
				return cert, err
			}
		}
		for i := range cfg.Certificates {
			if hello.SupportsCertificate(&cfg.Certificates[i]) == nil {
				return &cfg.Certificates[i], nil
			}
		}
		if len(cfg.Certificates) == 0 {
			return nil, errors.New("negotiate: no certificate for " + hello.ServerName)
		}
		return &cfg.Certificates[0], nil
	}
}
