package xmpp

import (
	"errors"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// input is what was read from a client and not yet handled. Between stanzas it holds no buffer. It is a reader's, and
// one session's at a time.
type input struct {
	session *session
	reader  *reader // nil in tests that have none
	scanner *scan.Scanner
	buf     []byte // from a pool while it is not bigger than readSize; nil between stanzas
	from    int    // before it everything is handled
	timed   bool   // a read deadline runs, because a stanza has begun
	whole   bool   // a stanza was completed since the deadline was set
	turn    turn   // since the reader last waited
}

func newInput(c *session) *input {
	in := &input{scanner: c.newScanner()}
	in.begin(c)
	return in
}

// begin makes the input one of a session. What it was before has come to the end of a stanza.
func (in *input) begin(c *session) {
	*in = input{session: c, reader: in.reader, scanner: in.scanner}
	if len(c.rest) > 0 {
		in.buf, c.rest = c.rest, nil
	}
}

func (in *input) bytes() []byte { return in.buf[in.from:] }

// used says that n more bytes are done with, and whether they end a stanza.
func (in *input) used(n int, whole bool) {
	in.from += n
	in.turn.done += n
	in.whole = in.whole || whole
}

// more waits until there is something new to look at.
func (in *input) more() error {
	c := in.session
	if in.from == len(in.buf) {
		in.free()
		if err := in.deadline(false); err != nil {
			return err
		}
		return in.park()
	}
	if err := in.deadline(true); err != nil {
		return err
	}
	if in.makeRoom(); c.watched {
		if n, err := in.try(); n > 0 || !errors.Is(err, wouldWait{}) {
			return err
		}
	}
	in.reader.mayWait()
	n, err := c.conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// deadline starts the clock when a stanza has begun and stops it when it is whole, so that nobody holds
// a buffer by sending a byte now and then.
func (in *input) deadline(on bool) error {
	if in.timed == on && (!on || !in.whole) {
		return nil
	}
	in.timed, in.whole = on, false
	var at time.Time
	if on {
		at = time.Now().Add(in.session.server.cfg.StanzaTimeout)
	}
	if err := in.session.wire.SetReadDeadline(at); err != nil {
		return err
	}
	return in.session.interrupted() // end may have set a deadline that this one replaced
}

// pollMax bounds the records that are handled in one burst.
const pollMax = 64

// poll adds what has been received besides, without waiting, and reports whether that was anything. TLS is
// read a record at a time; answering each by itself would make every burst fall apart into single
// stanzas, here and, by its answers, at the other end.
func (in *input) poll() bool {
	c := in.session
	if c.tls == nil || !c.watched || in.buf == nil || c.wire.quiet(true) {
		return false
	}
	if in.from == len(in.buf) {
		in.buf, in.from = in.buf[:0], 0
	}
	in.makeRoom()
	n, _ := in.try() // an error comes again when it is waited for
	return n > 0
}

// try reads once without waiting. It returns wouldWait if there is nothing to read.
func (in *input) try() (n int, err error) {
	c := in.session
	room := in.buf[len(in.buf):cap(in.buf)]
	c.wire.polling = true
	n, err = c.conn.Read(room)
	c.wire.polling = false
	in.buf = in.buf[:len(in.buf)+n]
	if n > 0 {
		if n < len(room) {
			c.wire.records.used()
		}
		return n, nil
	}
	if errors.Is(err, wouldWait{}) {
		c.wire.records.usedAll()
	}
	return 0, err
}

// makeRoom moves the unfinished stanza to the front of the buffer and makes the buffer longer if it is full.
func (in *input) makeRoom() {
	rest := in.buf[in.from:]
	if in.from > 0 {
		in.buf = in.buf[:copy(in.buf, rest)]
		in.from = 0
	}
	if cap(in.buf)-len(in.buf) >= readSize/4 {
		return
	}
	longer := make([]byte, len(in.buf), 2*cap(in.buf)+readSize)
	copy(longer, in.buf)
	giveReadBuffer(in.buf)
	in.buf = longer
}

// park reads the first bytes of the next stanza. If there are none it returns errQuiet, or waits for them if the
// socket cannot be watched.
func (in *input) park() error {
	c := in.session
	if !c.beWatched() {
		return in.wait()
	}
	if c.wire.quiet(c.tls != nil) && !c.hungUp.Load() {
		return errQuiet
	}
	in.buf = takeReadBuffer()
	for {
		n, err := in.try()
		if n > 0 {
			return nil
		}
		if err != nil {
			in.free()
			if errors.Is(err, wouldWait{}) {
				return errQuiet
			}
			return err
		}
	}
}

// wait waits for the first byte of the next stanza without holding a buffer.
func (in *input) wait() error {
	in.reader.mayWait()
	in.turn = turn{}
	var one [1]byte
	for {
		if n, err := in.session.conn.Read(one[:]); n == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if !isSpace(one[0]) {
			break
		}
		// A keep-alive (RFC 6120 §4.6.1) may be all there is.
	}
	in.buf = append(takeReadBuffer(), one[0])
	return nil
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// free gives the buffer back.
func (in *input) free() {
	giveReadBuffer(in.buf)
	in.buf, in.from = nil, 0
}
