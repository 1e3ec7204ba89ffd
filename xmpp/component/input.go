package component

import (
	"errors"
	"net"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// input cuts what is read from a connection into stanzas.
type input struct {
	conn    net.Conn
	timeout time.Duration // for a stanza that has begun
	scanner *scan.Scanner
	patient bool // nothing needs to come; else the connection has a deadline already

	buf   []byte
	from  int  // before it everything is handled
	timed bool // a deadline runs, because a stanza has begun
	whole bool // a stanza was completed since the deadline was set
}

func newInput(conn net.Conn, timeout time.Duration, scanner *scan.Scanner) *input {
	return &input{conn: conn, timeout: timeout, scanner: scanner}
}

// readSize is the size of a buffer to begin with.
const readSize = 8 << 10

// next returns the next stanza, valid until next is called again.
func (in *input) next() (scan.Head, []byte, error) {
	for {
		head, raw, n, err := in.scanner.Next(in.buf[in.from:])
		in.from += n
		in.whole = in.whole || err == nil
		if err == nil || !errors.Is(err, scan.ErrIncomplete) {
			return head, raw, err
		}
		if err := in.more(); err != nil {
			return scan.Head{}, nil, err
		}
	}
}

// more reads what comes next.
func (in *input) more() error {
	if in.from > 0 {
		in.buf = in.buf[:copy(in.buf, in.buf[in.from:])]
		in.from = 0
	}
	if len(in.buf) == 0 && cap(in.buf) > 8*readSize {
		in.buf = nil
	}
	if cap(in.buf)-len(in.buf) < readSize/4 {
		in.buf = append(make([]byte, 0, 2*cap(in.buf)+readSize), in.buf...)
	}
	if err := in.deadline(len(in.buf) > 0); err != nil {
		return err
	}
	n, err := in.conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	if n > 0 {
		return nil
	}
	return told(err)
}

// deadline starts the clock when a stanza has begun and stops it when nothing is left of it, so that nobody
// holds a buffer by sending a byte now and then.
func (in *input) deadline(begun bool) error {
	if !in.patient || in.timed == begun && (!begun || !in.whole) {
		return nil
	}
	in.timed, in.whole = begun, false
	var at time.Time
	if begun {
		at = time.Now().Add(in.timeout)
	}
	return in.conn.SetReadDeadline(at)
}
