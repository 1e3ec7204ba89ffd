package xmpp

import "time"

// input is what was read from a client and not yet handled. Between stanzas it holds no buffer: it waits
// for the socket to become readable, or under TLS for one byte, and takes a buffer only then.
type input struct {
	session *session
	buf     []byte // from a pool while it is not bigger than readSize; nil between stanzas
	from    int    // before it everything is handled
	one     [1]byte
	parked  parkedRead
	timed   bool // a read deadline runs, because a stanza has begun
	whole   bool // a stanza was completed since the deadline was set
	got     int  // bytes that TLS has yielded since the session last parked
	turn    turn // since the reader last waited
}

func newInput(c *session) *input {
	in := &input{session: c}
	if len(c.rest) > 0 {
		in.buf, c.rest = c.rest, nil
	}
	return in
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
	in.makeRoom()
	n, err := c.conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf, in.got = in.buf[:len(in.buf)+n], in.got+n
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

// recordMax is more than TLS adds to the content of a record (RFC 8446 §5.2: 22 bytes with AEAD).
const recordMax = 64

// poll adds what TLS has received besides, without waiting, and reports whether that was anything. TLS is
// read a record at a time; answering each by itself would make every burst fall apart into single
// stanzas, here and, by its answers, at the other end.
func (in *input) poll() bool {
	c := in.session
	if c.tls == nil || c.wire.raw == nil || in.buf == nil || c.wire.got-in.got <= recordMax {
		return false
	}
	if in.from == len(in.buf) {
		in.buf, in.from = in.buf[:0], 0
	}
	in.makeRoom()
	c.wire.polling = true
	n, _ := c.conn.Read(in.buf[len(in.buf):cap(in.buf)]) // an error comes again when it is waited for
	c.wire.polling = false
	in.buf, in.got = in.buf[:len(in.buf)+n], in.got+n
	return n > 0
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

// park waits for the first bytes of the next stanza without holding a buffer. It returns errQuiet if they
// take so long that the reader is to leave.
func (in *input) park() error {
	c := in.session
	c.waits.Add(1)
	c.reader.Store(readerWaiting)
	err := in.wait()
	if c.reader.Swap(readerBusy) == readerLeaving {
		return in.waited(err)
	}
	return err
}

func (in *input) wait() error {
	c := in.session
	if c.tls == nil && c.wire.raw != nil {
		buf, err := in.parked.read(c.wire.raw)
		if in.buf = buf; in.parked.waited {
			in.turn = turn{}
		}
		return err
	}
	in.turn = turn{} // all that was there has been polled
	for {
		c.wire.got, in.got = 0, 1
		if n, err := c.conn.Read(in.one[:]); n == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if !isSpace(in.one[0]) {
			break
		}
		// A keep-alive (RFC 6120 §4.6.1) may be all there is in its TLS record.
	}
	in.buf = append(takeReadBuffer(), in.one[0])
	return nil
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// free gives the buffer back.
func (in *input) free() {
	giveReadBuffer(in.buf)
	in.buf, in.from = nil, 0
}
