package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/s2s"
)

// FederationConfig is for other XMPP servers. It is on while it has a listener.
type FederationConfig struct {
	Listen       string   `name:"listen-s2s" help:"Address for other servers, which begin with STARTTLS; empty, with listen-s2s-tls empty too, switches federation off: no message leaves for other servers." default:":5269"`
	ListenTLS    string   `name:"listen-s2s-tls" help:"Address for other servers that begin with TLS (XEP-0368); empty switches it off."`
	Domains      []string `name:"s2s-domains" help:"Domains that messages may go to and come from; empty allows all."`
	Certificates bool     `name:"s2s-certificates" help:"Talk only to servers with a valid certificate; without it one may prove by DNS who it is (dialback), over TLS with any certificate."`
	MaxRate      int      `name:"s2s-max-rate" help:"Stanzas a second that one other server may send, on all its connections; one that sends more is slowed, nothing is dropped. Servers of one registered domain, as example.org, count as one. 0 is no limit." default:"1000"`
	MaxBytes     int      `name:"s2s-max-bytes" help:"Bytes a second that one other server may send, likewise." default:"1048576"`
	CAFile       string   `name:"s2s-ca-file" help:"Certificates to trust besides the machine's, PEM: those of other servers' and components' authorities."`
}

// On reports whether there are streams with other servers.
func (c FederationConfig) On() bool { return c.Listen != "" || c.ListenTLS != "" }

func (c FederationConfig) validate() error {
	for _, domain := range c.Domains {
		if err := validDomain(domain); err != nil {
			return err
		}
	}
	if c.MaxRate < 0 || c.MaxBytes < 0 {
		return errors.New("s2s-max-rate and s2s-max-bytes must not be negative")
	}
	_, err := c.roots()
	return err
}

// roots returns the certificates that other servers' and components' are checked with; nil means those of the machine.
func (c FederationConfig) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // the machine has none
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("s2s-ca-file has no certificates")
	}
	return pool, nil
}

// newFederation connects the XMPP server with others.
func (a *App) newFederation(cert tls.Certificate, roots *x509.CertPool, secret []byte, resolver s2s.Resolver) (err error) {
	c := a.cfg.S2S
	if !c.On() {
		return nil
	}
	cfg := s2s.Config{
		Local: a.xmpp.Local, Deliver: a.xmpp.Deliver, Undeliverable: a.xmpp.Undeliverable,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, RootCAs: roots,
		RequireValidCertificates: c.Certificates, Secret: append([]byte("s2s "), secret...),
		Resolver: resolver, MaxStanza: a.cfg.XMPP.MaxStanza, MaxRate: c.MaxRate, MaxBytes: c.MaxBytes, Log: a.log,
	}
	if len(c.Domains) > 0 {
		cfg.Allowed = func(domain string) bool { return slices.Contains(c.Domains, domain) }
	}
	if a.federation, err = s2s.New(cfg); err != nil {
		return err
	}
	if a.s2s, err = a.listen("xmpp.listen-s2s", c.Listen); err != nil {
		return err
	}
	if a.s2sTLS, err = a.listen("xmpp.listen-s2s-tls", c.ListenTLS); err != nil {
		return err
	}
	a.xmpp.Federate(a.federation)
	return nil
}

// serverStreams describes the streams with other servers, oldest first.
func (a *App) serverStreams() []uc.ServerStream {
	proofs := map[string]uc.StreamProof{"EXTERNAL": uc.ProofExternal, "certificate": uc.ProofCertificate, "dialback": uc.ProofDialback}
	streams := a.federation.Streams()
	list := make([]uc.ServerStream, len(streams))
	for i, s := range streams {
		list[i] = uc.ServerStream{
			Domains: s.Domains, Local: s.Local, Begun: uc.StreamIn, Both: s.Bidi, Proof: proofs[s.Method], Address: s.Address.String(), Since: s.Since,
		}
		if s.Outgoing {
			list[i].Begun = uc.StreamOut
			if !slices.Contains(s.Domains, s.Remote) { // nothing comes on it, so nobody was verified to send
				list[i].Domains = []string{s.Remote}
			}
		}
	}
	return list
}

// serveFederation lets other servers in.
func (a *App) serveFederation(group *errgroup.Group, ctx context.Context) {
	for ln, serve := range map[net.Listener]func(context.Context, net.Listener) error{
		a.s2s: a.federation.Serve, a.s2sTLS: a.federation.ServeTLS,
	} {
		if ln != nil {
			group.Go(func() error { return serve(ctx, ln) })
		}
	}
}
