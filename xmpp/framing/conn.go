package framing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// closeTimeout is how long a client may take to answer that the connection is closed.
const closeTimeout = time.Second

// Conn is a WebSocket as a stream. Unlike with a TCP connection a read deadline that has passed leaves it
// as it is, so that the client can be told why its stream ends.
type Conn struct {
	ws   *websocket.Conn
	raw  *cork // under ws
	opts Options

	limit    atomic.Int64
	received chan *bytes.Buffer // whole elements, from Pump to Read
	failed   chan struct{}      // closed when no more will come
	failure  error              // why; set before failed is closed
	failOnce sync.Once

	reading  *bytes.Buffer // what Read has not returned yet
	deadline deadline      // of Read

	unsent []byte // what was written of an element that is not whole; empty once the session runs
	frame  []byte // scratch of Write

	busy      atomic.Int32 // how many messages are on their way between this Conn and its user
	pings     *time.Timer
	closed    chan struct{}
	closeOnce sync.Once
}

func newConn(ws *websocket.Conn, raw *cork, o Options) *Conn {
	c := &Conn{
		ws: ws, raw: raw, opts: o, received: make(chan *bytes.Buffer), failed: make(chan struct{}), closed: make(chan struct{}),
	}
	c.limit.Store(int64(o.MaxMessage))
	c.deadline.init()
	c.pings = time.AfterFunc(o.PingInterval, c.ping)
	return c
}

// SetLimit changes how many bytes a message may have.
func (c *Conn) SetLimit(n int) { c.limit.Store(int64(n)) }

// Secured reports whether TLS lies beneath.
func (c *Conn) Secured() bool { return c.opts.Secured }

// buffers hold messages on their way to Read.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keepSize is up to which a buffer is used again.
const keepSize = 64 << 10

func giveBuffer(b *bytes.Buffer) {
	if b.Cap() <= keepSize {
		b.Reset()
		buffers.Put(b)
	}
}

// Pump reads messages and hands them to Read until the connection ends. It must be called once.
func (c *Conn) Pump() {
	for {
		element, err := c.receive()
		if err != nil {
			c.fail(err)
			return
		}
		c.busy.Add(1)
		select {
		case c.received <- element:
			c.busy.Add(-1)
		case <-c.closed:
			return
		case <-c.failed:
			return
		}
	}
}

// fail ends what Read returns. The first reason counts.
func (c *Conn) fail(err error) {
	c.failOnce.Do(func() {
		c.failure = err
		close(c.failed)
	})
}

// receive reads one message and returns what it is in a stream.
func (c *Conn) receive() (*bytes.Buffer, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, ended(err)
	}
	if kind != websocket.MessageText { // RFC 7395 §3.2
		return nil, &scan.Error{Condition: scan.BadFormat, Text: "XMPP is text"}
	}
	// Who sends a message in fragments, or slowly, must not hold a buffer for ever.
	late := time.AfterFunc(c.opts.MessageTimeout, func() { c.fail(os.ErrDeadlineExceeded) })
	defer late.Stop()
	message := buffers.Get().(*bytes.Buffer) //nolint:errcheck // the pool holds nothing else
	defer giveBuffer(message)
	limit := c.limit.Load()
	if n, err := message.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, ended(err)
	} else if n > limit {
		return nil, &scan.Error{Condition: scan.PolicyViolation, Text: "message too big"}
	}
	element := buffers.Get().(*bytes.Buffer) //nolint:errcheck // the pool holds nothing else
	limits := scan.Limits{Stanza: int(limit), Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}
	b, err := appendReceived(element.AvailableBuffer(), limits, message.Bytes())
	if err != nil {
		giveBuffer(element)
		return nil, err
	}
	element.Write(b)
	return element, nil
}

// ended makes the end of the stream of a client's farewell.
func ended(err error) error {
	if websocket.CloseStatus(err) != -1 || errors.Is(err, net.ErrClosed) {
		return io.EOF
	}
	return err
}

// Read implements net.Conn. One goroutine at a time may call it.
func (c *Conn) Read(p []byte) (int, error) {
	for c.reading == nil || c.reading.Len() == 0 {
		if c.reading != nil {
			giveBuffer(c.reading)
			c.reading = nil
		}
		passed := c.deadline.passed()
		select {
		case <-passed: // first, so that a stream of messages does not hide it
			return 0, os.ErrDeadlineExceeded
		default:
		}
		select {
		case c.reading = <-c.received:
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		case <-c.failed:
			return 0, c.failure
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	return c.reading.Read(p)
}

// Write implements net.Conn. One goroutine at a time may call it. After an error n is 0: which of the messages
// the client has is not known.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	kept := len(c.unsent)
	if kept > 0 {
		p = append(c.unsent, p...)
	}
	c.raw.hold()
	sent, err := c.send(p)
	if err == nil {
		err = c.raw.release()
	}
	if err != nil {
		return 0, err
	}
	if c.unsent = c.unsent[:0]; sent < len(p) {
		c.unsent = append(c.unsent, p[sent:]...)
	}
	return len(p) - kept, nil
}

// send writes the whole parts of p and returns how long they are.
func (c *Conn) send(p []byte) (sent int, err error) {
	defer func() { c.frame = nil }()
	for {
		n := next(p[sent:])
		if n == 0 {
			return sent, nil
		}
		c.frame = appendSent(c.frame[:0], p[sent:sent+n])
		sent += n
		if len(c.frame) == 0 {
			continue
		}
		if err := c.ws.Write(context.Background(), websocket.MessageText, c.frame); err != nil {
			return sent, err
		}
	}
}

// ping sees whether the client is there, and keeps proxies from closing a connection that is idle.
func (c *Conn) ping() {
	// A pong is not seen while a message waits to be read, nor is a ping written beside one that the client
	// is slow to take; both have deadlines of their own.
	if c.busy.Load() == 0 && !c.answers() && c.busy.Load() == 0 {
		c.fail(io.ErrUnexpectedEOF)
		_ = c.raw.Close()
		return
	}
	select {
	case <-c.closed:
	default:
		c.pings.Reset(c.opts.PingInterval)
	}
}

// answers reports whether the client sends a pong in time.
func (c *Conn) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.PingInterval)
	defer cancel()
	return c.ws.Ping(ctx) == nil
}

// Close implements net.Conn. It does not take longer than a client may take to answer.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		close(c.closed)
		c.pings.Stop()
		late := time.AfterFunc(closeTimeout, func() { _ = c.raw.Close() })
		defer late.Stop()
		_ = c.raw.SetDeadline(time.Now().Add(closeTimeout))
		_ = c.ws.Close(websocket.StatusNormalClosure, "")
	})
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr {
	if c.opts.Remote != nil {
		return c.opts.Remote
	}
	return c.raw.RemoteAddr()
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.deadline.set(t)
	return c.raw.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// deadline tells when a time has come that may be changed meanwhile.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // nil if there is none to wait for
	over  chan struct{} // closed when the time has come
}

func (d *deadline) init() { d.over = make(chan struct{}) }

// set changes the time; the zero time never comes.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.over:
		d.over = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	if wait := time.Until(t); wait > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() { d.expire(&timer) })
		d.timer = timer
	} else {
		close(d.over)
	}
}

// expire closes over, unless the time was changed while the timer ran off. The timer is read under the
// lock, under which it was made.
func (d *deadline) expire(timer **time.Timer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer == *timer {
		d.timer = nil
		close(d.over)
	}
}

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}
