// Package negotiate takes a client's connection from its first byte to an authenticated session with a
// bound resource: stream headers, STARTTLS or direct TLS, SASL, resource binding (RFC 6120 §4-7, XEP-0368),
// or authentication, binding and all that goes with them in one round trip (XEP-0388, XEP-0386, XEP-0484).
// Meanwhile clients may make keys that their account lacks (XEP-0480).
//
// Each stream is a header, the features that fit, and the client's choice: see docs/adr/0001-xmpp-negotiation.md.
// [Accept] works in the caller's goroutine and leaves none behind.
package negotiate

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/xml"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Accounts finds what a login is checked against.
type Accounts interface {
	// Keys returns the SCRAM keys of a login name, none if no password is kept of it, and whose they are; ok is false if
	// there is no such account.
	Keys(login string) (keys uc.PasswordKeys, user uc.UserID, ok bool)
	// Hashes counts the accounts by the hashes that they have keys for.
	Hashes() uc.HashCensus
	// AddKeys stores keys for hashes that the account has none for. had is what the login was checked against: if the
	// password has been changed since, or the account is gone, the error is uc.ErrConflict or uc.ErrNotFound.
	AddKeys(ctx context.Context, user uc.UserID, had, add uc.PasswordKeys) error
	// CheckPassword reports whether a password is the login's, and whose that is. It takes as long for a login that there
	// is not. The keys that the account lacks of a password that is right are made by it.
	CheckPassword(ctx context.Context, login, password string) (user uc.UserID, right bool)
}

// Limiter slows down guessing. Its methods are called from many goroutines. [Throttle] is one.
type Limiter interface {
	// Allow returns how long the attempt must wait. A wait of more than 5 s is not waited for: the
	// client is told temporary-auth-failure.
	Allow(addr netip.Addr, login string) (wait time.Duration)
	Failed(addr netip.Addr, login string)
	Succeeded(addr netip.Addr, login string)
}

// BindFunc chooses the resource of a new session and may make room for it by ending another. requested is
// what the client asked for, normalised, or "". An error of kind uc.ErrConflict, uc.ErrUnavailable,
// uc.ErrForbidden or uc.ErrInvalid is told to the client, which may ask again (RFC 6120 §7.6.2, §7.7.2).
type BindFunc func(user uc.UserID, login, requested string) (resource string, err error)

// Config says how connections are negotiated. It may be shared by all of a server's connections; see [Config.Prepare].
type Config struct {
	Domain    string      // the one domain served, normalised
	TLS       *tls.Config // certificate of the domain
	DirectTLS bool        // TLS from the first byte (XEP-0368) instead of STARTTLS

	// Insecure lets clients log in without TLS, by SCRAM only. It is meant for load tests on a loopback address.
	Insecure bool

	// Secured says that TLS lies beneath the connection and is not ours, as with WebSocket over HTTPS: there
	// is no STARTTLS and no channel binding, and PLAIN is allowed. TLS and DirectTLS must not be set with it.
	Secured bool

	// NoChannelBinding hides the -PLUS mechanisms from clients that choose a channel binding which
	// TLS 1.3 does not have and then give up (slixmpp 1.8.3 falls back to PLAIN).
	NoChannelBinding bool

	Accounts Accounts
	External External // nil: all passwords are kept here
	Limiter  Limiter  // nil means no limit
	Bind     BindFunc
	Resume   ResumeFunc           // nil means that sessions cannot be resumed
	Inline   []Inline             // what clients may switch on while they bind
	AtBind   func(jid.JID) []byte // what else a client is told that binds so; nil means nothing
	Tokens   Tokens               // nil means that clients cannot log in by tokens
	Features []xml.StartElement   // told to the client beside bind once it is logged in

	MaxStanza  int           // bytes of a stanza after the login, told to the client; 0: it is told no limits
	Secret     []byte        // makes the challenges of unknown logins; must survive restarts and be that of the Accounts; random if empty
	Iterations int           // iteration count of new keys, and of unknown logins, as the Accounts have it; default 10000
	Timeout    time.Duration // for everything until the bind; default 30 s
	Log        *slog.Logger

	shared *shared // nil until Prepare
}

// shared is what the connections of a Config have in common.
type shared struct {
	tls    *tls.Config // nil without TLS
	nobody scram.Nobody
}

// Prepare makes what the connections of the Config, and of copies made of it later, have in common, such as the keys
// with which clients resume TLS. It returns the Config, which must not be changed in Domain, TLS,
// DirectTLS or Secret any more. Without Prepare each connection stands alone.
func (c *Config) Prepare() *Config {
	c.shared = c.share()
	return c
}

func (c *Config) share() *shared {
	if c.shared != nil {
		return c.shared
	}
	s := &shared{nobody: scram.NewNobody(c.Secret, c.Iterations)}
	if c.TLS != nil {
		s.tls = c.serverTLS()
	}
	return s
}

// Bound is a negotiated connection.
type Bound struct {
	Conn      net.Conn // a *tls.Conn, or the accepted connection if Config.Insecure
	Rest      []byte   // what the client sent behind its bind request; comes before what Conn yields
	User      uc.UserID
	Login     string
	Keys      *uc.PasswordKeys // of the user when the client signed in; empty if the password is kept elsewhere
	JID       jid.JID          // full
	Resource  string
	Mechanism string               // SASL mechanism
	TLS       *tls.ConnectionState // nil without TLS

	// Before and After go around what a client is told that resumes a session: with XEP-0388 that is inside of <success/>.
	Before, After []byte
}

// Accept negotiates. On error the client has been told, if it could be, and conn is closed. When it
// returns a Bound the connection has no deadline. Once Config.Bind has given a resource Accept does not
// fail any more: if the client is gone by then, Conn will say so.
func Accept(ctx context.Context, conn net.Conn, cfg *Config) (*Bound, error) {
	n := &negotiation{cfg: cfg, shared: cfg.share(), conn: conn, addr: admission.AddressOf(conn), profile: classic}
	n.gate = newGate(n, conn)
	_ = conn.SetDeadline(time.Now().Add(cmp.Or(cfg.Timeout, 30*time.Second))) // a dead connection fails when it is read
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := n.run(ctx)
	stopped := stop()
	if err == nil || n.bound != nil {
		if stopped {
			_ = conn.SetDeadline(time.Time{})
		}
		return n.result(), nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	n.fail(err)
	return nil, err
}

// negotiation is one connection on its way to a session.
type negotiation struct {
	cfg    *Config
	shared *shared
	conn   net.Conn // as accepted
	addr   netip.Addr
	tls    *tls.Conn        // nil while there is no TLS
	cert   *tls.Certificate // that the client has seen; nil if that is not known, as after resumption where there are several
	gate   *gate

	bindings  []channelBinding // that the connection has
	claim     *account         // that the client began the stream as; see claimed
	profile   *profile         // of the attempt to log in
	request   *scan.Node       // that began the attempt
	refusals  refusals         // that the log is told
	misled    bool             // the client has tried a channel binding that TLS 1.3 does not have
	token     *uc.FastToken    // that the client has logged in with
	mechanism string           // empty until the client is authenticated
	login     string
	user      uc.UserID
	keys      *uc.PasswordKeys
	before    []byte // see Bound
	after     []byte
	bound     *jid.JID // nil until Config.Bind has given a resource
	managed   bool     // stream management was switched on with the bind
}

// run takes the client from its first byte to a bound resource.
func (n *negotiation) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = n.panicked(p)
		}
	}()
	if n.cfg.DirectTLS {
		if err := n.secure(ctx); err != nil {
			return err
		}
	}
	for n.mechanism == "" {
		if err := n.openStream(); err != nil {
			return err
		}
		if err := n.choose(ctx); err != nil {
			return err
		}
	}
	if n.profile == extensible {
		return nil // bound by succeed
	}
	n.gate.restart()
	if err := n.openStream(); err != nil {
		return err
	}
	return n.bind()
}

// openStream answers the client's stream header with ours and what may be negotiated now (RFC 6120 §4.2, §4.3).
func (n *negotiation) openStream() error {
	if err := n.gate.header(); err != nil {
		return err
	}
	b := outputs.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	defer outputs.Put(b)
	*b = n.appendFeatures(n.appendHeader((*b)[:0]))
	n.gate.open = true
	return n.write(*b)
}

// outputs holds buffers for the headers and features of streams.
var outputs = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// choose carries out the feature that the client chooses before it is authenticated.
func (n *negotiation) choose(ctx context.Context) error {
	el, err := n.gate.element()
	if err != nil {
		return err
	}
	switch {
	case el.NS == nsTLS && el.Name == "starttls" && n.offersTLS():
		return n.startTLS(ctx)
	case el.NS == nsSASL && !n.encrypted() && !n.cfg.Insecure:
		return n.refusePlainText()
	case el.NS == nsSASL, el.NS == nsSASL2 && n.encrypted():
		return n.authenticate(ctx, el)
	}
	return fault("policy-violation", "not offered now")
}

// encrypted reports whether there is TLS, ours or beneath.
func (n *negotiation) encrypted() bool { return n.tls != nil || n.cfg.Secured }

// appendFeatures appends what may be negotiated at this point.
func (n *negotiation) appendFeatures(b []byte) []byte {
	b = append(b, "<stream:features>"...)
	if n.mechanism == "" {
		b = n.appendLoginFeatures(b)
	} else {
		b = n.appendSessionFeatures(b)
	}
	return append(n.appendLimits(b), "</stream:features>"...)
}

// appendLoginFeatures appends what a client may choose that is not authenticated.
func (n *negotiation) appendLoginFeatures(b []byte) []byte {
	if n.offersTLS() {
		b = n.appendStartTLS(b)
	}
	if n.encrypted() || n.cfg.Insecure {
		b = append(b, "<mechanisms xmlns='"+nsSASL+"'>"...)
		b = append(appendMechanisms(b, n.mechanisms()), "</mechanisms>"...)
	}
	if n.encrypted() {
		b = n.appendChannelBindings(n.appendSASL2(b))
	}
	return b
}

// appendSessionFeatures appends what an authenticated client may do, or will find in its session.
func (n *negotiation) appendSessionFeatures(b []byte) []byte {
	if n.bound == nil {
		b = append(b, "<bind xmlns='"+nsBind+"'/>"...)
	}
	if n.cfg.Resume != nil && !n.managed { // xmpp.js 0.14 begins anew, or resumes at once, whenever it is offered
		b = append(b, "<sm xmlns='"+nsManagement+"'/>"...)
	}
	for _, f := range n.cfg.Features {
		b = append(b, "<"+f.Name.Local+" xmlns='"+f.Name.Space...)
		for _, a := range f.Attr {
			b = scan.AppendEscaped(append(b, "' "+a.Name.Local+"='"...), a.Value)
		}
		b = append(b, "'/>"...)
	}
	return b
}

func (n *negotiation) result() *Bound {
	b := &Bound{
		Conn: n.gate.Conn, Rest: n.gate.rest(), User: n.user, Login: n.login, Keys: n.keys,
		JID: *n.bound, Resource: n.bound.Resourcepart(), Mechanism: n.mechanism,
		Before: n.before, After: n.after,
	}
	if n.tls != nil {
		state := n.tls.ConnectionState()
		b.TLS = &state
	}
	return b
}

// write sends one element to the client.
func (n *negotiation) write(element []byte) error {
	_, err := n.gate.Write(element)
	return err
}
