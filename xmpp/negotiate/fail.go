package negotiate

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// streamError is a violation of which the client is told before the connection ends (RFC 6120 §4.9).
type streamError struct {
	condition string
	text      string
}

func fault(condition, text string) error { return &streamError{condition, text} }

// Error returns the condition and the text.
func (e *streamError) Error() string { return "stream error " + e.condition + ": " + e.text }

// fail tells the client what went wrong and closes the connection.
func (n *negotiation) fail(err error) {
	defer n.conn.Close()
	n.log().Debug("xmpp: not signed in", "address", n.addr, "login", n.login, "cause", err)
	if n.gate.broken {
		return
	}
	// The deadline may have been what failed.
	_ = n.conn.SetDeadline(time.Now().Add(2 * time.Second))
	var b []byte
	if !n.gate.open {
		b = n.appendHeader(b)
	}
	var tooHigh TooHigh
	if errors.As(err, &tooHigh) {
		b = tooHigh.Append(b)
	} else if e := toldOf(err); e != nil {
		b = append(b, "<stream:error><"+e.condition+" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"...)
		b = append(b, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"...)
		b = append(scan.AppendEscaped(b, e.text), "</text></stream:error>"...)
	} else if !errors.Is(err, io.EOF) {
		return
	}
	if n.write(append(b, "</stream:stream>"...)) == nil {
		n.linger()
	}
}

// toldOf finds the stream error to tell; nil if the connection is at its end.
func toldOf(err error) *streamError {
	var own *streamError
	var broken *scan.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &broken): // found by the connection itself, as in WebSocket's framing
		return &streamError{string(broken.Condition), broken.Text}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &streamError{"connection-timeout", "too slow"} // RFC 6120 §4.9.3.4
	}
	return nil
}

// appendHeader appends our stream header (RFC 6120 §4.7).
func (n *negotiation) appendHeader(b []byte) []byte {
	b = append(b, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"...)
	b = append(b, " version='1.0' id='"+rand.Text()+"' from='"...)
	b = scan.AppendEscaped(b, n.cfg.Domain)
	if n.gate.claimed != "" {
		b = scan.AppendEscaped(append(b, "' to='"...), n.gate.claimed)
	}
	return append(b, "' xml:lang='en'>"...)
}

// linger lets the client read what we wrote last: closing with unread bytes would reset the connection.
func (n *negotiation) linger() {
	type halfCloser interface{ CloseWrite() error }
	c, ok := n.gate.Conn.(halfCloser)
	if !ok || c.CloseWrite() != nil {
		return
	}
	_ = n.conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, n.gate.Conn, budget) // whatever it is, it comes too late
}

// panicked makes an error of a panic.
func (n *negotiation) panicked(p any) error {
	n.log().Error("xmpp: negotiation panicked", "address", n.addr, "panic", p, "stack", string(debug.Stack()))
	return fmt.Errorf("%w (panic: %v)", fault("internal-server-error", "something went wrong here"), p)
}

func (n *negotiation) log() *slog.Logger {
	if n.cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return n.cfg.Log
}
