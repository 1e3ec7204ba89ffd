package sip

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// Config says where and as what the engine serves.
type Config struct {
	// Domain is the SIP domain and the digest realm.
	Domain string
	// UDP, TCP and TLSAddr are the addresses to listen on, "ip:port"; port 0 takes a free one (see
	// [Server.Addrs]), an empty address leaves the transport out. An unspecified IP needs Advertise.
	UDP, TCP, TLSAddr string
	// TLS holds the certificate for TLSAddr.
	TLS *tls.Config
	// Advertise is our address as phones see it, for Via, Contact and SDP. The zero value means the
	// address that is listened on.
	Advertise netip.Addr
	// Media says where RTP comes in. Its zero IP means that of the first listener; its zero range means
	// 20000-29999.
	Media media.Config
	// Digests are the digest algorithms that phones are offered, the preferred first: "MD5", "SHA-256".
	// Empty means MD5 alone. sipp and many phones look at the first challenge only, and those built on
	// libre before 2.0 (baresip 1.0) give up when one with another algorithm stands beside it. The secrets
	// are generated and too long to be guessed from an overheard digest of either kind.
	Digests []string
	// NonceSecret keys the digest nonces. Empty means a new one with each start: phones that are in the
	// middle of something are then challenged again.
	NonceSecret []byte
	// ShutdownGrace is how long calls may go on after Run's context has ended.
	ShutdownGrace time.Duration
	// MaxCalls bounds the calls at a time; the zero value means 5,000.
	MaxCalls int
}

// Directory answers who is who.
type Directory interface {
	Snapshot() *uc.Directory
}

// Store keeps bindings and call records.
type Store interface {
	// Bindings returns all bindings.
	Bindings(context.Context) ([]uc.Binding, error)
	// SaveBindings inserts or replaces put and deletes drop, both keyed by Device and Contact.
	SaveBindings(ctx context.Context, put, drop []uc.Binding) error
	// AddCallRecords keeps calls that have ended, all or none.
	AddCallRecords(context.Context, []uc.Call) error
	// AddAudit notes what somebody did with a call.
	AddAudit(context.Context, uc.AuditEntry) error
}

// Deps are what the engine works with.
type Deps struct {
	Directory Directory
	Store     Store
	Bus       *bus.Bus
	Log       *slog.Logger
	Now       func() time.Time // nil means time.Now
}

// ListenError says which transport cannot be listened on.
type ListenError struct {
	Transport string // udp, tcp or tls
	Err       error
}

// Error implements error.
func (e *ListenError) Error() string { return e.Transport + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// Addrs are the addresses that the engine really listens on; those that it does not are zero.
type Addrs struct{ UDP, TCP, TLS netip.AddrPort }

func (c *Config) complete() error {
	switch {
	case c.Domain == "":
		return uc.FieldError(uc.ErrInvalid, "domain", "the SIP domain is missing")
	case c.UDP == "" && c.TCP == "" && c.TLSAddr == "":
		return uc.FieldError(uc.ErrInvalid, "udp", "no SIP address to listen on")
	case c.TLSAddr != "" && c.TLS == nil:
		return uc.FieldError(uc.ErrInvalid, "tls", "SIP over TLS needs a certificate")
	}
	if len(c.Digests) == 0 {
		c.Digests = []string{"MD5"}
	}
	for _, d := range c.Digests {
		if d != "MD5" && d != "SHA-256" {
			return uc.FieldError(uc.ErrInvalid, "digests", "%q is not one of MD5, SHA-256", d)
		}
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = 5000
	}
	return nil
}

// completeMedia fills in what the listeners decide.
func (c *Config) completeMedia(first netip.Addr) {
	if !c.Media.IP.IsValid() {
		c.Media.IP = first
	}
	if !c.Media.Advertise.IsValid() {
		c.Media.Advertise = c.Advertise
	}
	if c.Media.Min == 0 && c.Media.Max == 0 {
		c.Media.Min, c.Media.Max = 20000, 29999
	}
}
