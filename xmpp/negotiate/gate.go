package negotiate

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsTLS   = "urn:ietf:params:xml:ns:xmpp-tls"
	nsBind  = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2 = "urn:xmpp:bind:0"
	nsFast  = "urn:xmpp:fast:0"
)

// budget is how much a client may send before it is bound.
const budget = 64 << 10

var limits = scan.Limits{Stanza: 16 << 10, Depth: 8, Attrs: 16}

// gate is the connection as mellium sees it. What the client sends passes in units, a stream header or
// a top-level element each, once the unit is whole and has been checked: so mellium meets neither broken
// XML nor limits, and what comes behind a unit stays here until it is asked for.
//
// It has ReadByte because encoding/xml then reads no further than it must.
type gate struct {
	net.Conn // plain or TLS
	n        *negotiation
	scanner  *scan.Scanner
	buf      []byte // received, not yet passed
	unit     []byte // the last unit passed
	unread   []byte // what mellium has not read of it
	left     int    // how many bytes the client may still send
	from     string // address that the client gave first, "" if none or not ours
	claimed  string // address that the client gave on this stream, "" likewise
	open     bool   // our stream header has been sent
	broken   bool   // not even a stream error would be understood
	err      error  // why nothing passes any more
}

func newGate(n *negotiation, conn net.Conn) *gate {
	return &gate{Conn: conn, n: n, scanner: scan.NewStream(limits), left: budget}
}

// restart awaits a new stream header after authentication (RFC 6120 §6.4.6).
func (g *gate) restart() {
	g.scanner, g.unit, g.unread, g.open = scan.NewStream(limits), nil, nil, false
}

// over returns the gate of the connection that secures this one's; nothing received so far counts there.
func (g *gate) over(conn net.Conn) *gate {
	next := newGate(g.n, conn)
	next.left, next.from = g.left, g.from
	return next
}

// rest returns what was received behind the last unit; nil, which keeps no buffer, if that is nothing.
func (g *gate) rest() []byte {
	if len(g.buf) == 0 {
		return nil
	}
	return g.buf
}

// Read implements io.Reader for mellium.
func (g *gate) Read(p []byte) (int, error) {
	if len(g.unread) == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}

// ReadByte implements io.ByteReader for mellium.
func (g *gate) ReadByte() (byte, error) {
	var p [1]byte
	_, err := g.Read(p[:])
	return p[0], err
}

// Write implements io.Writer. The first that mellium writes on a stream is the header.
func (g *gate) Write(p []byte) (int, error) {
	g.open = true
	return g.Conn.Write(p)
}

// element returns the unit that mellium has begun to read, or else the next one. What is left of it is
// not for mellium any more.
func (g *gate) element() (*scan.Node, error) {
	if len(g.unit) == 0 {
		if err := g.next(); err != nil {
			return nil, err
		}
	}
	unit := g.unit
	g.unit, g.unread = nil, nil
	return scan.Parse(unit)
}

// stop lets nothing pass any more, for a reason that it returns. mellium goes on after the failure of a
// feature that is not required.
func (g *gate) stop(err error) error {
	if g.err == nil {
		g.err = err
	}
	return err
}

// next waits for the next unit and passes it.
func (g *gate) next() error {
	if g.err == nil {
		g.unit, g.err = g.receive()
		g.unread = g.unit
	}
	return g.err
}

func (g *gate) receive() ([]byte, error) {
	for {
		head, unit, n, err := g.scanner.Next(g.buf)
		g.buf = g.buf[n:]
		var broken *scan.Error
		switch {
		case err == nil:
			return g.check(&head, unit)
		case errors.As(err, &broken):
			return nil, fault(string(broken.Condition), broken.Text)
		}
		if err := g.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more into buf.
func (g *gate) fill() error {
	if g.left <= 0 {
		return fault("policy-violation", "too much before login")
	}
	g.buf = slices.Grow(g.buf, 1024)
	have := len(g.buf)
	n, err := g.Conn.Read(g.buf[have:cap(g.buf)])
	g.buf = g.buf[:have+n]
	g.left -= n
	if n > 0 {
		return nil
	}
	return err
}

// check decides whether a unit may pass at this point of the negotiation.
func (g *gate) check(h *scan.Head, unit []byte) ([]byte, error) {
	switch h.Kind {
	case scan.StreamStart:
		return g.checkHeader(h)
	case scan.StreamEnd, scan.StreamError:
		return nil, io.EOF
	case scan.Message, scan.Presence:
		return nil, fault("not-authorized", "log in first") // RFC 6120 §4.9.3.12
	case scan.IQ:
		if g.n.mechanism == "" || string(h.ChildNS) != nsBind {
			return nil, fault("not-authorized", "log in and bind a resource first") // RFC 6120 §7.1
		}
	}
	return unit, nil
}

// checkHeader takes the client's stream header and passes one that mellium takes: it compares versions
// and addresses more strictly than RFC 6120 §4.7 does, and sends ours back without escaping.
func (g *gate) checkHeader(h *scan.Head) ([]byte, error) {
	major, err := strconv.Atoi(string(bytes.SplitN(h.Version, []byte("."), 2)[0]))
	if err != nil || major < 1 {
		return nil, fault("unsupported-version", "XMPP 1.0 is spoken here") // RFC 6120 §4.9.3.25
	}
	if len(h.To) == 0 {
		return nil, fault("improper-addressing", "the stream is for nobody") // RFC 6120 §4.9.3.7
	}
	to, err := jid.Parse(string(h.To))
	if err != nil || to.String() != g.n.cfg.Domain {
		return nil, fault("host-unknown", "this is "+g.n.cfg.Domain) // RFC 6120 §4.9.3.6
	}
	g.claimed = g.ours(h.From)
	g.n.claim = nil
	g.from = cmp.Or(g.from, g.claimed)
	b := []byte("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='")
	b = append(scan.AppendEscaped(b, g.n.cfg.Domain), '\'')
	if g.from != "" {
		b = append(scan.AppendEscaped(append(b, " from='"...), g.from), '\'')
	}
	return append(b, '>'), nil
}

// ours returns the address that a client claims as its own, if we may say it back; otherwise "".
func (g *gate) ours(from []byte) string {
	j, err := jid.Parse(string(from))
	if err != nil || j.Domainpart() != g.n.cfg.Domain || strings.ContainsAny(j.String(), `<>&'"`) {
		return ""
	}
	return j.String()
}
