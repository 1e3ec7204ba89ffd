package negotiate

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

// alpn is the protocol of direct TLS (XEP-0368 §4).
const alpn = "xmpp-client"

// startTLSFeature upgrades the connection (RFC 6120 §5). It is required unless Config.Insecure.
func (n *negotiation) startTLSFeature() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsTLS, Local: "starttls"},
		Prohibited: xmpp.Secure | xmpp.Authn,
		List:       n.listStartTLS,
		Negotiate: func(ctx context.Context, _ *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := n.startTLS(ctx); err != nil {
				return 0, nil, n.gate.stop(err)
			}
			return xmpp.Secure, n.gate, nil
		},
	}
}

func (n *negotiation) listStartTLS(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (bool, error) {
	required := !n.cfg.Insecure
	var inner xml.TokenReader
	if required {
		inner = xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "required"}})
	}
	_, err := xmlstream.Copy(w, xmlstream.Wrap(inner, start))
	return required, err
}

func (n *negotiation) startTLS(ctx context.Context) error {
	if _, err := n.gate.element(); err != nil {
		return err
	}
	// What was sent in the clear behind <starttls/> must not count as if it had come through TLS.
	if len(n.gate.rest()) > 0 {
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
	if err := conn.HandshakeContext(context.WithValue(ctx, negotiationKey{}, n)); err != nil {
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

// listEmpty tells of a feature by an empty element.
func listEmpty(required bool, attrs ...xml.Attr) func(context.Context, xmlstream.TokenWriter, xml.StartElement) (bool, error) {
	return func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (bool, error) {
		start.Attr = append(start.Attr, attrs...)
		_, err := xmlstream.Copy(w, xmlstream.Wrap(nil, start))
		return required, err
	}
}
