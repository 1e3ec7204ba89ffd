// Package component lets programs beside the server have a domain of their own: external components. A bot, a gateway
// to another network or a push service is one.
//
// Most connect in the clear, say their name and prove that they know its secret (XEP-0114, jabber:component:accept).
// That belongs on a loopback address or a private network. Others begin like clients, with TLS and SASL, prove who they
// are by a certificate or the secret, and bind their domains (XEP-0225). A [Service] has a reader and a writer goroutine
// for each connection; both end with it.
package component

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Config says which components there are, and what they may make the server hold. Zero limits mean the defaults.
type Config struct {
	Secrets map[string]string // by domain, in its normal form; "" is one that proves itself by a certificate

	Domain string         // of the server, which components with TLS connect to
	TLS    *tls.Config    // the server's; nil means that there are none with TLS
	Roots  *x509.CertPool // that components' certificates are checked with; nil means those of the machine

	MaxStanza      int // bytes; default 256 kB
	QueueMax       int // bytes that wait for a component which does not read; default 4 MB
	MaxConnections int // in all; default 1024
	MaxHalfOpen    int // connections of one address that have not proved anything yet; default 64

	HandshakeTimeout time.Duration // from the first byte to the proof; default 10 s
	StanzaTimeout    time.Duration // from the first to the last byte of a stanza; default 60 s
	WriteTimeout     time.Duration // for what a component is slow to read; default 30 s

	// Deliver takes a stanza of a component. Its from is in the component's domain, it has a to, and it reads
	// as in a client's stream. The bytes are valid until Deliver returns.
	Deliver func(domain string, head scan.Head, stanza []byte)
	// Undeliverable takes back a stanza that no component has been sent. It must not wait.
	Undeliverable func(sender, to string, stanza []byte, cond stanza.Condition)
	Log           *slog.Logger
}

func (c *Config) setDefaults() {
	c.MaxStanza = cmp.Or(c.MaxStanza, 256<<10)
	c.QueueMax = cmp.Or(c.QueueMax, 4<<20)
	c.MaxConnections = cmp.Or(c.MaxConnections, 1024)
	c.MaxHalfOpen = cmp.Or(c.MaxHalfOpen, 64)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.StanzaTimeout = cmp.Or(c.StanzaTimeout, time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
}

// Service has the connections of components.
type Service struct {
	cfg     Config
	gate    *admission.Gate
	serving sync.WaitGroup

	mu     sync.RWMutex
	links  map[string]*link // by domain, of those that have proved who they are
	conns  map[net.Conn]struct{}
	closed bool
}

// New makes a service without connections.
func New(cfg Config) *Service {
	cfg.setDefaults()
	return &Service{cfg: cfg, gate: admission.New(cfg.MaxConnections, cfg.MaxHalfOpen), links: map[string]*link{}, conns: map[net.Conn]struct{}{}}
}

// Serves reports whether a domain is a component's, connected or not.
func (s *Service) Serves(domain string) bool {
	_, ok := s.cfg.Secrets[domain]
	return ok
}

// Connected lists the domains of the components that are there, by name.
func (s *Service) Connected() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.links))
}

// Send queues a stanza for the component of the domain to, and never waits. The stanza is the service's from then on; what the head
// says of it is read until Send returns.
func (s *Service) Send(sender, to string, head scan.Head, raw []byte) {
	s.mu.RLock()
	l := s.links[to]
	s.mu.RUnlock()
	switch {
	case l == nil:
		// RFC 6120 §8.3.3.19: the domain is known, but provides nothing at present.
		s.cfg.Undeliverable(sender, to, raw, stanza.ServiceUnavailable)
	case !l.push(outgoing{sender, to, raw}, &head):
		s.cfg.Undeliverable(sender, to, raw, stanza.ResourceConstraint)
	}
}

// Serve accepts components. It returns nil when ctx ends or after Shutdown, and otherwise the error of the listener when
// it is closed by somebody else.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	return s.gate.Serve(ctx, l, s.cfg.Log, func(conn net.Conn, place *admission.Place) {
		s.serving.Go(func() { s.serve(conn, place) })
	})
}

// note makes a connection known to Shutdown, unless that has begun.
func (s *Service) note(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Service) forget(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// enter makes a link the one of a domain, unless there is another.
func (s *Service) enter(l *link, domain string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.links[domain] != nil {
		return false
	}
	s.links[domain] = l
	return true
}

// leave makes a link none of the domain's any more, and reports whether it was.
func (s *Service) leave(l *link, domain string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links[domain] != l {
		return false
	}
	delete(s.links, domain)
	return true
}

func (s *Service) leaveAll(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.links, func(_ string, other *link) bool { return other == l })
}

// bound reports whether a link has a domain.
func (s *Service) bound(l *link) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Contains(slices.Collect(maps.Values(s.links)), l)
}

// has reports whether a domain is a link's.
func (s *Service) has(l *link, domain string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.links[domain] == l
}

// Shutdown tells the components that the server ends, and waits until they have read what was sent to them, or until ctx ends.
func (s *Service) Shutdown(ctx context.Context) {
	s.gate.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		if !slices.ContainsFunc(slices.Collect(maps.Values(s.links)), func(l *link) bool { return l.raw == conn }) {
			conn.Close() // it has proved nothing yet
		}
	}
	for _, l := range s.links {
		l.end(errShutdown)
	}
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for conn := range s.conns {
			conn.Close()
		}
	})
	defer stop()
	s.serving.Wait()
}
