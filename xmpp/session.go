package xmpp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// session is one bound resource of a user.
type session struct {
	server   *Server
	account  *account
	number   uint64
	jid      string // full, canonical
	jidBytes []byte // the same
	resource string
	linkMu   sync.Mutex // held to change the connection, and to read it by who neither reads nor writes it
	conn     net.Conn   // stanzas are read from it
	tls      *tls.Conn  // conn, if it is encrypted
	wire     *wire
	since    time.Time
	log      sessionLog

	queue   queue
	trace   trace
	rest    []byte // what came behind the bind request
	handled uint32 // stanzas since the client wanted them counted (XEP-0198 §4); the reader's
	filed   uint64 // up to where the line of the archive holds what the client has sent; the reader's
	roomed  uint64 // the same for the line of the rooms
	kept    uint64 // and for that of messages to users who are away
	rate    rate   // how fast the client may send; the reader's

	reader  atomic.Int32 // its state
	hungUp  atomic.Bool  // the client has closed the connection, or it broke
	watched bool         // the connection has its reports; the reader's

	attached atomic.Bool // wire, conn, tls and rest are set

	interested atomic.Bool  // has asked for the roster, gets its pushes (RFC 6121 §2.1.6)
	available  atomic.Bool  // has sent presence
	versioned  atomic.Bool  // keeps its roster from one time to the next (RFC 6121 §2.6)
	blocking   atomic.Bool  // has asked for the block list, gets its pushes (XEP-0191 §3.3)
	priority   atomic.Int32 // of that presence

	presence clientPresence // under account.presenceMu
	composed shown          // what the others were last told; under account.presenceMu
	wish     dndWish        // of its user not to be disturbed; under account.presenceMu
	directed map[string]struct{}

	carbons atomic.Bool // gets copies of what the user's other clients send and receive (XEP-0280)

	held   atomic.Pointer[heldBack] // nil while the client is active (XEP-0352)
	behind atomic.Pointer[behind]   // nil while the client keeps up

	resumption atomic.Pointer[resumption] // nil unless the session may outlive its connection
	moved      atomic.Bool                // the client comes back on another connection
	caps       caps                       // what the client says it can do; the reader's
	notify     atomic.Pointer[[]string]   // nodes whose events the client wants

	ending atomic.Pointer[error] // why the session ends, once it does
	gone   chan struct{}         // closed when it has left the router
}

// The reasons to end a session that are told to the client.
var (
	errShutdown  = stream.SystemShutdown
	errReplaced  = stream.Conflict
	errQueueFull = fmt.Errorf("the client does not read: %w", stream.ResourceConstraint)
	errTooSlow   = fmt.Errorf("a stanza took too long: %w", stream.ConnectionTimeout)
	errDeleted   = fmt.Errorf("the account is gone: %w", stream.NotAuthorized)
	errPassword  = fmt.Errorf("the password was changed: %w", stream.Reset)
	errKicked    = fmt.Errorf("an administrator ended the session: %w", stream.PolicyViolation)
	errClosed    = errors.New("the client closed the stream")
)

// newSession makes a session that is still being negotiated. It has no connection yet, and its queue is
// held, until attach.
func (s *Server) newSession(a *account, resource string) *session {
	c := &session{
		server: s, account: a, number: s.numbers.Add(1),
		jid: a.bare + "/" + resource, resource: resource, since: time.Now(),
		gone: make(chan struct{}), rate: newRate(s.cfg.MaxRate),
	}
	c.jidBytes = []byte(c.jid)
	c.log = sessionLog{c}
	c.trace.bodies = s.cfg.TraceBodies
	c.queue.hold()
	return c
}

func (c *session) newScanner() *scan.Scanner {
	return scan.New(scan.Limits{Stanza: c.server.cfg.MaxStanza, Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs})
}

// attach takes the connection over from the negotiation and lets the queue flow.
func (c *session) attach(b *negotiate.Bound, w *wire) {
	c.use(link{b, w})
	c.server.pushes.present(c)
	c.server.lastSeen.note(uc.LastSeen{User: c.account.user, Login: c.since})
	c.letFlow()
}

// letFlow ends the hold on the queue.
func (c *session) letFlow() {
	if c.queue.release() {
		c.server.flushers.of(c).addOne(c)
	}
}

// serve reads and handles what the client sends, until the client is quiet or the session has ended. Only one reader
// does at a time.
func (c *session) serve(r *reader) {
	c.wire.drained = false
	for {
		err := c.guardedRead(r)
		if errors.Is(err, errQuiet) {
			if c.retire() {
				return
			}
			continue
		}
		r.mayWait()
		if !c.hibernate(err) {
			c.end(err)
			break
		}
		r.input = nil // it may be in the middle of a stanza
	}
	c.teardown()
	c.server.serving.Done()
}

// guardedRead keeps a fault in a handler from taking the other sessions with it.
func (c *session) guardedRead(r *reader) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("xmpp: handler panicked", "panic", p, "stack", stackOf())
			err = stream.InternalServerError
		}
	}()
	return c.read(r.inputOf(c))
}

// end makes the session end. The first reason counts. It returns at once; the reader does the rest.
func (c *session) end(reason error) {
	if !c.ending.CompareAndSwap(nil, &reason) {
		return
	}
	if c.attached.Load() {
		c.wakeReader()
	}
	if r := c.resumption.Load(); r != nil {
		r.wake <- struct{}{} // there is room for the one
	}
}

func (c *session) wakeReader() {
	if w := c.currentWire(); w != nil {
		_ = w.SetReadDeadline(time.Now()) // if it fails the connection is closed, which wakes too
	}
	c.wakeIdle()
}

// interrupted returns why the reader is to stop reading, or nil.
func (c *session) interrupted() error {
	if c.moved.Load() {
		return errMoved
	}
	return c.ended()
}

// ended returns why the session ends, or nil.
func (c *session) ended() error {
	if p := c.ending.Load(); p != nil {
		return *p
	}
	return nil
}

// teardown takes the session out of everything, says goodbye to the client and saves what it did not take. To one who
// closed the connection in the middle of the stream nothing is said: the socket would take it, and it would be lost.
func (c *session) teardown() {
	reason := c.ended()
	if errors.Is(reason, errClosed) {
		c.awaitStored() // the end of the stream says that all was handled
	}
	left := time.Now()
	c.server.leave(c)
	close(c.gone)
	hungUp := (errors.Is(reason, io.EOF) || errors.Is(reason, io.ErrUnexpectedEOF)) && c.wire.hungUp()
	if !hungUp {
		c.say(reason)
	}
	patience := c.goodbyeTime(reason)
	_ = c.wire.SetWriteDeadline(time.Now().Add(patience)) // for who is writing now
	if usable := c.queue.close(); !usable || hungUp || c.drain(patience) != nil {
		c.server.saveUnsent(c, left)
	}
	c.server.saveUnacked(c)
	c.linger(reason)
	c.server.watch.forget(c)
	_ = c.wire.Close()
	c.log.Info("xmpp: session ended", "cause", reason)
}

// lingerMax is how much of what an offender still sends is read before the connection is closed.
const lingerMax = 1 << 20

// linger lets a client that was ended for what it sent read why: to close while more of it comes in would
// reset the connection, and the error could be lost.
func (c *session) linger(reason error) {
	var fault *scan.Error
	half, ok := c.wire.Conn.(interface{ CloseWrite() error })
	if !errors.As(reason, &fault) || !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.wire.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, c.wire.Conn, lingerMax) // whatever it is, it comes too late
}

// goodbyeTime is how long the client may take to read what is left.
func (c *session) goodbyeTime(reason error) time.Duration {
	var closing stream.Error
	var tooHigh negotiate.TooHigh
	if errors.Is(reason, errClosed) || errors.As(reason, &closing) || errors.As(reason, &tooHigh) {
		return 2 * time.Second
	}
	return 100 * time.Millisecond
}

// say queues the stream error, if there is one to tell, and the end of the stream (RFC 6120 §4.4, §4.9.1).
func (c *session) say(reason error) {
	var told stream.Error
	var text []byte
	var fault *scan.Error
	var tooHigh negotiate.TooHigh
	switch {
	case errors.As(reason, &fault):
		text = appendStreamError(text, string(fault.Condition), fault.Text)
	case errors.As(reason, &tooHigh):
		text = tooHigh.Append(text)
	case errors.As(reason, &told):
		text = appendStreamError(text, told.Err, "")
	}
	text = append(text, "</stream:stream>"...)
	c.queue.pushBare(c.server.cfg.QueueHard, text) // not taken if the client does not read
}

func appendStreamError(dst []byte, condition, text string) []byte {
	dst = append(dst, "<stream:error><"...)
	dst = append(dst, condition...)
	dst = append(dst, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"...)
	if text != "" {
		dst = append(dst, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"...)
		dst = scan.AppendEscaped(dst, text)
		dst = append(dst, "</text>"...)
	}
	return append(dst, "</stream:error>"...)
}

// drain writes all that is left, waiting for the client. The queue has been closed.
func (c *session) drain(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	if err := c.writeRest(deadline); err != nil {
		return err
	}
	_, _, waiting := c.queue.rest()
	if c.tls == nil {
		if _, err := c.wire.writeSlowly(waiting, deadline); err != nil {
			return err
		}
	} else if err := c.drainTLS(waiting, deadline); err != nil {
		return err
	}
	c.queue.drained()
	return nil
}

func (c *session) drainTLS(waiting []byte, deadline time.Time) error {
	for {
		n, err := c.seal(waiting)
		if err != nil {
			return err
		}
		if waiting = waiting[n:]; len(waiting) == 0 {
			break
		}
		if err := c.wire.sendRecordsSlowly(deadline); err != nil {
			return err
		}
	}
	if err := c.tls.CloseWrite(); err != nil {
		return err
	}
	return c.wire.sendRecordsSlowly(deadline)
}

// read handles what the client sends until the stream ends.
func (c *session) read(in *input) error {
	defer in.free()
	for {
		slowed, err := c.handleInput(in)
		if err != nil {
			return err
		}
		if slowed {
			in.reader.mayWait()
			err = c.waitForRate()
		} else {
			err = in.more()
		}
		if err != nil {
			return c.readError(err)
		}
	}
}

func (c *session) readError(err error) error {
	if reason := c.interrupted(); reason != nil {
		return reason
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTooSlow
	}
	return err
}

// handleInput handles all whole stanzas that have been read, or can be without waiting. slowed says that some
// are left because the client sends too many.
func (c *session) handleInput(in *input) (slowed bool, err error) {
	b := c.server.newBatch()
	b.reader = in.reader
	defer b.done()
	if in.turn.done == 0 {
		in.turn.began = b.now()
	}
	for n := 1; ; n++ {
		if slowed, err = c.handleRead(in, b); err != nil {
			return false, err
		}
		if slowed || c.ended() != nil || in.turn.over() || n == pollMax || !in.poll() { // what was polled must be handled
			break
		}
	}
	var worked time.Duration
	if in.turn.over() {
		worked, in.turn = in.turn.took(), turn{}
	}
	b.breathe()
	if worked > 0 {
		b.mayWait()
		rest(worked)
		c.server.keeping.await(c.kept) // so that messages of others do not stand in a long line behind them
	}
	return slowed, c.ended()
}

// handleRead handles all whole stanzas that have been read, as many as the client may send now.
func (c *session) handleRead(in *input, b *batch) (slowed bool, err error) {
	r := b.requestOf(c)
	for c.ended() == nil && len(in.bytes()) > 0 {
		if !c.rate.take() {
			return true, nil
		}
		head, raw, n, err := in.scanner.Next(in.bytes())
		if err != nil {
			in.used(n, false)
			if errors.Is(err, scan.ErrIncomplete) {
				c.rate.giveBack()
				break
			}
			return false, err
		}
		switch head.Kind {
		case scan.StreamEnd:
			return false, errClosed
		case scan.StreamError:
			return false, errClosed // RFC 6120 §4.9.1.1: the other side has closed
		}
		r.head, r.raw, r.filed = head, raw, filed{}
		c.trace.note(traceIn, b.now(), raw)
		if head.Kind == scan.Other {
			err = r.dispatchBare()
		} else {
			r.dispatch()
			c.handled++
			if b.kept != 0 {
				c.kept, b.kept = b.kept, 0
			}
		}
		in.used(n, true)
		if err != nil {
			return false, err
		}
		if b.ahead > slowBytes {
			b.breathe()
		}
	}
	return false, nil
}
