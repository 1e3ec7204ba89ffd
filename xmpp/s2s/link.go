package s2s

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// link is one stream in both directions and its connection. What is not atomic and not said to be guarded belongs to
// the reader goroutine.
type link struct {
	fed      *Federation
	number   uint64
	outgoing bool // begun here
	address  netip.Addr
	since    time.Time
	log      *slog.Logger

	local, remote string // of the stream's header; "" until it is known
	id            string // of the stream, given by who accepted the connection
	raw           net.Conn
	conn          net.Conn // raw, or TLS over it
	secure        bool
	tlsState      tls.ConnectionState
	opened        bool // our header has been sent
	broken        bool // nothing that is said would be understood

	scanner *scan.Scanner
	buf     []byte    // received
	from    int       // before it everything is handled
	began   time.Time // when the element began that is not whole yet
	until   time.Time // until when it has to be verified
	relaxed bool      // the limits are those of a verified server
	pace    *pace     // what the other side may still send
	joined  bool      // pace is that of its server, not of this stream alone

	method    string                        // by which the other side was verified, or we; of the first pair
	verified  atomic.Pointer[map[pair]bool] // from which domains the other side may send to which
	verifying atomic.Int32                  // keys that are being asked about
	failures  int                           // to authenticate
	notes     atomic.Int64                  // see note
	authentic atomic.Bool                   // somebody is verified: there is no hurry any more
	bidi      atomic.Bool                   // stanzas go both ways (XEP-0288)
	release   func()                        // called once when somebody is verified; nil if nobody wants to know

	used   atomic.Int64 // when the last stanza went in either direction, in Unix seconds
	ending atomic.Pointer[error]

	// Under Federation.mu:
	out    outbox
	routes []*route // that use or may use this stream
	holds  []*route // of these, what waits for it to end
	writer
}

func (f *Federation) newLink(conn net.Conn, outgoing bool) *link {
	s := &link{
		fed: f, number: f.numbers.Add(1), outgoing: outgoing, since: time.Now(), address: admission.AddressOf(conn), raw: conn, conn: conn,
		scanner: scan.NewServerStream(strangers), until: time.Now().Add(f.cfg.NegotiateTimeout),
		pace: f.paces.fresh(), writer: newWriter(),
	}
	s.verified.Store(&map[pair]bool{})
	s.used.Store(time.Now().Unix())
	s.log = f.cfg.Log.With("stream", s.number, "address", s.address)
	return s
}

// strangers may not make us hold much (before they are verified).
var strangers = scan.Limits{Stanza: 64 << 10, Depth: 16, Attrs: 32}

// The reasons to end a stream that are no stream errors.
var (
	errPeerClosed = errors.New("the other server closed the stream")
	errIdle       = errors.New("nothing to send")
	errTooSlow    = fmt.Errorf("the other server is too slow: %w", stream.ConnectionTimeout)
)

// end makes the stream end. The first reason counts. It returns at once; the reader does the rest.
func (s *link) end(reason error) {
	if s.ending.CompareAndSwap(nil, &reason) {
		_ = s.raw.SetReadDeadline(time.Unix(1, 0)) // if it fails the connection is closed, which wakes the reader too
	}
}

func (s *link) ended() error {
	if p := s.ending.Load(); p != nil {
		return *p
	}
	return nil
}

// next waits for the next top-level element. What it returns is valid until it is called again.
func (s *link) next() (scan.Head, []byte, error) {
	if s.authentic.Load() && !s.relaxed {
		s.relaxed = true
		s.scanner.SetLimits(s.fed.stanzaLimits())
	}
	for {
		if err := s.breathe(); err != nil {
			return scan.Head{}, nil, err
		}
		head, raw, n, err := s.scanner.Next(s.buf[s.from:])
		s.from += n
		if err == nil {
			s.pace.charge(1, n)
			s.began = time.Time{}
			return head, raw, nil
		}
		s.pace.charge(0, n) // spaces between elements
		if !errors.Is(err, scan.ErrIncomplete) {
			return scan.Head{}, nil, err
		}
		if err := s.fill(); err != nil {
			return scan.Head{}, nil, err
		}
	}
}

// element is next for when the stream must go on.
func (s *link) element() (scan.Head, []byte, error) {
	head, raw, err := s.next()
	if err != nil {
		return head, nil, err
	}
	switch head.Kind {
	case scan.StreamEnd:
		return head, nil, errPeerClosed
	case scan.StreamError:
		return head, nil, peerErrorOf(raw)
	}
	return head, raw, nil
}

const (
	readSize = 4 << 10
	keepSize = 64 << 10 // a bigger buffer is not kept between stanzas
)

// fill waits for more bytes.
func (s *link) fill() error {
	s.makeRoom()
	for {
		if err := s.raw.SetReadDeadline(s.patience()); err != nil {
			return err
		}
		if err := s.ended(); err != nil { // end may have set a deadline that this one replaced
			return err
		}
		n, err := s.conn.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		switch {
		case n > 0:
			return nil
		case s.ended() != nil:
			return s.ended()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		if limit := s.patience(); !limit.IsZero() && !time.Now().Before(limit) { // else it was verified meanwhile
			return errTooSlow
		}
	}
}

// makeRoom moves the unfinished element to the front of the buffer.
func (s *link) makeRoom() {
	rest := s.buf[s.from:]
	switch {
	case len(rest) == 0 && cap(s.buf) > keepSize:
		s.buf = nil
	default:
		s.buf = s.buf[:copy(s.buf, rest)]
	}
	s.from = 0
	if cap(s.buf)-len(s.buf) < readSize/2 {
		longer := make([]byte, len(s.buf), 2*cap(s.buf)+readSize)
		copy(longer, s.buf)
		s.buf = longer
	}
}

// patience is until when the next bytes have to come; zero means that there is time. Neither a stranger nor an
// element that has begun may take for ever.
func (s *link) patience() time.Time {
	var limit time.Time
	if !s.authentic.Load() {
		limit = s.until
	}
	if len(s.buf) > 0 {
		if s.began.IsZero() {
			s.began = time.Now()
		}
		if t := s.began.Add(s.fed.cfg.StanzaTimeout); limit.IsZero() || t.Before(limit) {
			limit = t
		}
	}
	return limit
}

// restart awaits a new stream header (RFC 6120 §5.4.3.3, §6.4.6).
func (s *link) restart() {
	limits := strangers
	if s.authentic.Load() {
		limits, s.relaxed = s.fed.stanzaLimits(), true
	}
	s.scanner, s.opened, s.began = scan.NewServerStream(limits), false, time.Time{}
}

// pending reports whether bytes were received that are not handled.
func (s *link) pending() bool { return len(s.buf) > s.from }

// say sends what is not a stanza: at once while there is no writer, else in line.
func (s *link) say(b []byte) error {
	if s.writing() {
		return s.fed.queueControl(s, b)
	}
	at := time.Now().Add(s.fed.cfg.WriteTimeout)
	if s.until.Before(at) && !s.authentic.Load() {
		at = s.until
	}
	if err := s.raw.SetWriteDeadline(at); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// note writes down what the other side did that it should not have. It may do so as often as it likes: of what comes after the
// first only the number is told, at the stream's end.
func (s *link) note(text string, args ...any) {
	level := slog.LevelInfo
	if s.notes.Add(1) > 1 {
		level = slog.LevelDebug
	}
	s.log.Log(s.fed.ctx, level, text, args...)
}

// trust notes that the other side may send from a domain to one of ours (XEP-0220 §2.1.2).
func (s *link) trust(p pair, method string) {
	if s.isVerified(p) {
		return
	}
	f := s.fed
	f.mu.Lock()
	more := maps.Clone(*s.verified.Load())
	more[p] = true
	s.verified.Store(&more)
	first := !s.authentic.Swap(true)
	if first {
		s.method = method
	}
	delete(f.failures, p.remote) // it is alive
	f.mu.Unlock()
	s.used.Store(time.Now().Unix())
	if first && s.release != nil {
		s.release()
	}
	s.log.Info("s2s: server verified", "of", p.remote, "for", p.local, "method", method, "outgoing", s.outgoing)
}

func (s *link) isVerified(p pair) bool { return (*s.verified.Load())[p] }

// stanza hands a stanza of the other side on if it may send it: the pair of its domains must have been verified
// (RFC 6120 §8.1, XEP-0220 §2.1.2).
func (s *link) stanza(head *scan.Head, raw []byte) error {
	if len(*s.verified.Load()) == 0 {
		return stream.NotAuthorized // RFC 6120 §4.9.3.12
	}
	from, to := domainOf(head.From), domainOf(head.To)
	if len(from) == 0 || len(to) == 0 {
		return stream.ImproperAddressing // RFC 6120 §8.1.1.2, §8.1.2.2
	}
	p := pair{local: string(to), remote: string(from)}
	if !s.isVerified(p) {
		var err error
		if p.remote, err = normalise(p.remote); err != nil {
			return stream.InvalidFrom // RFC 6120 §4.9.3.10
		}
		if p.local, err = normalise(p.local); err != nil || !s.fed.cfg.Local(p.local) {
			return stream.HostUnknown
		}
		if !s.isVerified(p) {
			return stream.InvalidFrom
		}
	}
	s.used.Store(time.Now().Unix())
	local, raw, err := scan.Client(*head, raw, scan.NSServer)
	if err != nil {
		return err
	}
	s.fed.cfg.Deliver(p.remote, local, raw)
	return nil
}

// guarded runs a part of a stream's work and keeps a fault in it from taking the other streams with it.
func (s *link) guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("s2s: handler panicked", "panic", p, "stack", string(debug.Stack()))
			err = stream.InternalServerError
		}
	}()
	return work()
}

// dismiss tears a stream down for which nobody must wait.
func (f *Federation) dismiss(s *link, reason error) {
	if !f.spawn(func() { s.teardown(reason) }) {
		s.teardown(reason)
	}
}

// lingering is how long the other side gets to read the end and to send what was on its way.
const lingering = 5 * time.Second

// teardown says goodbye and closes the connection. Stanzas that wait on the stream go back to their routes.
func (s *link) teardown(reason error) {
	f := s.fed
	defer s.leavePace()
	rest := f.detach(s, errors.Is(reason, stream.SystemShutdown))
	last := farewell(reason)
	if !s.opened {
		last = append(header(s.local, s.remote, s.fed.newID()), last...) // RFC 6120 §4.9.1.2
	}
	if s.outgoing && !s.opened || s.broken {
		last = nil
	}
	if s.writing() {
		rest = append(s.stopWriting(last), rest...)
	} else if last != nil {
		_ = s.raw.SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, _ = s.conn.Write(last) // it may not be there any more
	}
	f.giveBack(s, rest)
	if last != nil && !errors.Is(reason, errPeerClosed) {
		s.linger(reason)
	}
	s.conn.Close()
	if n := s.notes.Load(); n > 1 {
		s.log.Info("s2s: a stream that was complained of ended", "complaints", n, "cause", reason)
	}
	if s.remote != "" && s.secure {
		s.log.Debug("s2s: stream ended", "outgoing", s.outgoing, "cause", reason)
	}
}

// linger lets the other side read what was written last: closing with unread bytes would reset the connection.
func (s *link) linger(reason error) {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = s.raw.SetWriteDeadline(time.Now().Add(time.Second))
		if c.CloseWrite() != nil {
			return
		}
	}
	if reason != nil && !errors.Is(reason, errIdle) {
		_ = s.raw.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.CopyN(io.Discard, s.conn, 64<<10) // whatever it is, it comes too late
		return
	}
	// Both sides may close at the same time; what the other one sent before counts (RFC 6120 §4.4).
	s.ending.Store(nil)
	s.authentic.Store(false)
	s.until = time.Now().Add(lingering)
	_ = s.guarded(func() error {
		for {
			head, raw, err := s.element()
			if err != nil {
				return err
			}
			if head.Kind != scan.Other && s.receives() {
				if err := s.stanza(&head, raw); err != nil {
					return err
				}
			}
		}
	})
}

// receives reports whether the other side may send stanzas here.
func (s *link) receives() bool { return !s.outgoing || s.bidi.Load() }
