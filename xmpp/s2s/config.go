package s2s

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// Resolver finds servers. Names are absolute, they end in a dot. *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupHost(ctx context.Context, host string) (addresses []string, err error)
}

// Config says whom the federation works for and what other servers may make it hold. Zero limits and times mean the defaults,
// where nothing else is said.
//
// The functions are called from many goroutines and must not wait for other servers or clients.
type Config struct {
	// Local reports whether a domain is served here.
	Local func(domain string) bool

	// Allowed reports whether there may be streams with a domain; nil means that there may be with all.
	Allowed func(domain string) bool

	// Deliver takes a stanza. remote is the domain of its from address, and verified; the domain of its to address
	// is local. Neither address has been parsed. The stanza is to be read as one of a client's stream, in the namespace
	// jabber:client. Stanzas of one stream come one after the other; head and raw are valid until Deliver returns.
	Deliver func(remote string, head scan.Head, raw []byte)

	// Undeliverable is told of each stanza given to Send that could not be sent, with the reason:
	// remote-server-not-found, remote-server-timeout, resource-constraint (too much waits for that domain) or
	// not-allowed. It owns the stanza. One goroutine calls it at a time.
	Undeliverable func(from, to string, raw []byte, reason stanza.Condition)

	// TLS has the certificates. GetCertificate is asked for the certificate of a local domain with that as server
	// name, also for streams that begin here.
	TLS     *tls.Config
	RootCAs *x509.CertPool // of other servers' certificates; nil means those of the system

	// RequireValidCertificates refuses servers whose certificate does not prove their domain. By default such a server may
	// prove itself by dialback, over an encrypted stream, as many servers on the Internet do: that is as good as DNS is.
	RequireValidCertificates bool

	Secret []byte // makes dialback keys (XEP-0185); the same on all nodes that serve the domains; random if empty

	Resolver Resolver                                                             // default net.DefaultResolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // default a net.Dialer's

	MaxStanza      int // bytes of a stanza from a verified server; default 256 kB; 64 kB before
	MaxQueue       int // bytes that wait for one domain; default 2 MB; of this and the next three one sender gets a part (see share)
	MaxQueued      int // bytes that wait for all domains together; default 64 MB
	MaxRoutes      int // pairs of domains that are sent to at a time; default 10000
	MaxConnecting  int // streams that are being opened at a time, and also keys being verified; default 512
	MaxConnections int // accepted, in all; default 10000
	MaxHalfOpen    int // accepted of one address that are not verified; default 32
	MaxPairs       int // pairs of domains that one stream may be verified for; default 64
	MaxRate        int // stanzas a second that one server may send, on all its streams, beyond which it is slowed; 0: no limit
	MaxBytes       int // bytes a second, likewise; 0: no limit

	ConnectTimeout   time.Duration // until a stream is open or its stanzas come back; default 60 s
	DialTimeout      time.Duration // for one address; default 10 s
	NegotiateTimeout time.Duration // from a connection to the verified stream, for one server; default 40 s
	StanzaTimeout    time.Duration // from the first to the last byte of a stanza; default 60 s
	WriteTimeout     time.Duration // for one buffer to a server that is slow to read; default 30 s
	KeepAlive        time.Duration // between spaces on a stream that is silent (RFC 6120 §4.6.1); default 2 min
	IdleTimeout      time.Duration // after the last stanza, until the stream is closed; default 20 min
	BackOff          time.Duration // after a failure, before a domain is tried again; doubles each time; default 5 s
	MaxBackOff       time.Duration // default 5 min

	Log *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Allowed == nil {
		c.Allowed = func(string) bool { return true }
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MaxStanza = cmp.Or(c.MaxStanza, 256<<10)
	c.MaxQueue = cmp.Or(c.MaxQueue, 2<<20)
	c.MaxQueued = cmp.Or(c.MaxQueued, 64<<20)
	c.MaxRoutes = cmp.Or(c.MaxRoutes, 10000)
	c.MaxConnecting = cmp.Or(c.MaxConnecting, 512)
	c.MaxConnections = cmp.Or(c.MaxConnections, 10000)
	c.MaxHalfOpen = cmp.Or(c.MaxHalfOpen, 32)
	c.MaxPairs = cmp.Or(c.MaxPairs, 64)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, time.Minute)
	c.DialTimeout = cmp.Or(c.DialTimeout, 10*time.Second)
	c.NegotiateTimeout = cmp.Or(c.NegotiateTimeout, 40*time.Second)
	c.StanzaTimeout = cmp.Or(c.StanzaTimeout, time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.KeepAlive = cmp.Or(c.KeepAlive, 2*time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 20*time.Minute)
	c.BackOff = cmp.Or(c.BackOff, 5*time.Second)
	c.MaxBackOff = cmp.Or(c.MaxBackOff, 5*time.Minute)
}
