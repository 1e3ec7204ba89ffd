package negotiate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"

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

// gate is where everything passes that a client sends before it has a session, in units: a stream header or
// a top-level element each, once the unit is whole and has been checked. So broken XML and limits are dealt with
// in one place, and what comes behind a unit stays here until it is asked for.
type gate struct {
	net.Conn // plain or TLS
	n        *negotiation
	scanner  *scan.Scanner
	buf      []byte // received, not yet passed
	empty    []byte // the array for buf while that is empty
	left     int    // how many bytes the client may still send
	claimed  string // address that the client gave on this stream, "" if none or not ours
	open     bool   // our stream header has been sent
	broken   bool   // not even a stream error would be understood
}

func newGate(n *negotiation, conn net.Conn) *gate {
	return &gate{Conn: conn, n: n, scanner: newScanner(), left: budget}
}

func newScanner() *scan.Scanner {
	s := scan.NewStream(limits)
	s.KeepNodes()
	return s
}

// restart awaits a new stream header after authentication (RFC 6120 §6.4.6).
func (g *gate) restart() {
	g.scanner, g.open = newScanner(), false
}

// over returns the gate of the connection that secures this one's; nothing received so far counts there.
func (g *gate) over(conn net.Conn) *gate {
	next := newGate(g.n, conn)
	next.left = g.left
	return next
}

// rest returns what was received behind the last unit; nil, which keeps no buffer, if that is nothing.
func (g *gate) rest() []byte {
	if len(g.buf) == 0 {
		return nil
	}
	return g.buf
}

// header takes the client's stream header. The scanner lets nothing else begin a stream.
func (g *gate) header() error {
	return g.receive()
}

// element returns the next top-level element.
func (g *gate) element() (*scan.Node, error) {
	if err := g.receive(); err != nil {
		return nil, err
	}
	return g.scanner.Node(), nil
}

// receive waits for the next unit.
func (g *gate) receive() error {
	for {
		head, _, n, err := g.scanner.Next(g.buf)
		g.buf = g.buf[n:]
		var broken *scan.Error
		switch {
		case err == nil:
			return g.check(&head)
		case errors.As(err, &broken):
			return fault(string(broken.Condition), broken.Text)
		}
		if err := g.fill(); err != nil {
			return err
		}
	}
}

// fill reads more into buf.
func (g *gate) fill() error {
	if g.left <= 0 {
		return fault("policy-violation", "too much before login")
	}
	have := len(g.buf)
	if have == 0 {
		g.empty = slices.Grow(g.empty, 1024)
		g.buf = g.empty
	}
	g.buf = slices.Grow(g.buf, 1024)
	n, err := g.Read(g.buf[have:cap(g.buf)])
	g.buf = g.buf[:have+n]
	g.left -= n
	if n > 0 {
		return nil
	}
	return err
}

// check decides whether a unit may pass at this point of the negotiation.
func (g *gate) check(h *scan.Head) error {
	switch h.Kind {
	case scan.StreamStart:
		return g.checkHeader(h)
	case scan.StreamEnd, scan.StreamError:
		return io.EOF
	case scan.Message, scan.Presence:
		return fault("not-authorized", "log in first") // RFC 6120 §4.9.3.12
	case scan.IQ:
		if g.n.mechanism == "" || string(h.ChildNS) != nsBind {
			return fault("not-authorized", "log in and bind a resource first") // RFC 6120 §7.1
		}
	}
	return nil
}

// checkHeader checks the client's stream header.
func (g *gate) checkHeader(h *scan.Head) error {
	major, err := strconv.Atoi(string(bytes.SplitN(h.Version, []byte("."), 2)[0]))
	if err != nil || major < 1 {
		return fault("unsupported-version", "XMPP 1.0 is spoken here") // RFC 6120 §4.9.3.25
	}
	if len(h.To) == 0 {
		return fault("improper-addressing", "the stream is for nobody") // RFC 6120 §4.9.3.7
	}
	to, err := jid.Parse(string(h.To))
	if err != nil || to.String() != g.n.cfg.Domain {
		return fault("host-unknown", "this is "+g.n.cfg.Domain) // RFC 6120 §4.9.3.6
	}
	g.claimed = g.ours(h.From)
	g.n.claim = nil
	return nil
}

// ours returns the address that a client claims as its own, if it may be; otherwise "".
func (g *gate) ours(from []byte) string {
	if len(from) == 0 {
		return ""
	}
	j, err := jid.Parse(string(from))
	if err != nil || j.Domainpart() != g.n.cfg.Domain {
		return ""
	}
	return j.String()
}
