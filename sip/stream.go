package sip

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The limits of stream connections.
const (
	maxStreams        = 20_000           // connections at a time
	maxStreamsPerHost = 1_000            // of them from one address: an office behind one NAT
	streamGreeting    = 30 * time.Second // until a peer has shown its credentials
	streamIdle        = 2 * time.Hour    // after it has; dead peers are found by TCP keep-alives
	streamWrite       = 10 * time.Second // for the kernel to take one message
	streamQueue       = 256              // messages that wait for a slow peer
)

var errSlowPeer = errors.New("sip: peer does not read")

// streamListener accepts TCP or TLS connections.
type streamListener struct {
	net.Listener
	name string // TCP or TLS
	self netip.AddrPort
	edge *edge

	mu      sync.Mutex
	open    map[*stream]struct{}
	perHost map[netip.Addr]int
	readers sync.WaitGroup
}

// accept serves the listener until it is closed, then closes its connections and waits for them.
func (l *streamListener) accept() {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			// Out of file descriptors, usually; the next connection may fit again.
			l.edge.log.warn("accepting failed", "transport", l.name, "cause", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		l.serve(conn)
	}
	l.mu.Lock()
	for s := range l.open {
		s.Close()
	}
	l.mu.Unlock()
	l.readers.Wait()
}

func (l *streamListener) serve(conn net.Conn) {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		conn.Close()
		return
	}
	s := &stream{
		conn:     conn,
		listener: l,
		from:     netip.AddrPortFrom(from.Addr().Unmap(), from.Port()),
		out:      make(chan []byte, streamQueue),
		done:     make(chan struct{}),
	}
	if !l.enter(s) {
		l.edge.log.warn("too many connections", "transport", l.name, "source", s.from)
		conn.Close()
		return
	}
	l.readers.Add(2)
	go s.write()
	go func() {
		defer l.leave(s)
		s.read()
	}()
}

func (l *streamListener) enter(s *stream) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	host := s.from.Addr()
	if len(l.open) >= maxStreams || l.perHost[host] >= maxStreamsPerHost {
		return false
	}
	l.open[s] = struct{}{}
	l.perHost[host]++
	return true
}

func (l *streamListener) leave(s *stream) {
	s.Close()
	l.mu.Lock()
	delete(l.open, s)
	if l.perHost[s.from.Addr()]--; l.perHost[s.from.Addr()] == 0 {
		delete(l.perHost, s.from.Addr())
	}
	l.mu.Unlock()
	l.edge.closed(s)
	l.readers.Done()
}

// stream is one TCP or TLS connection: a flow with a reader and a writer.
type stream struct {
	conn     net.Conn
	listener *streamListener
	from     netip.AddrPort
	out      chan []byte // nil means: close when all before it is written
	done     chan struct{}
	once     sync.Once
	trusted  atomic.Bool
}

func (s *stream) read() {
	if !s.handshake() {
		return
	}
	parser := s.listener.edge.parser.NewSIPStream()
	defer parser.Close()
	buf := make([]byte, 8<<10)
	between := true // no part of a message has been read
	for {
		wait := streamGreeting
		if s.trusted.Load() {
			wait = streamIdle
		}
		if err := s.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return
		}
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		data := buf[:n]
		if between {
			if data = s.keepAlive(data); len(data) == 0 {
				continue
			}
		}
		var ok bool
		if between, ok = s.feed(parser, data); !ok {
			return
		}
	}
}

// handshake makes a TLS connection of the listener's plain one. It runs in the connection's own
// goroutine, so that a silent client holds up nobody else.
func (s *stream) handshake() bool {
	secure, ok := s.conn.(*tls.Conn)
	if !ok {
		return true
	}
	if err := secure.SetDeadline(time.Now().Add(streamGreeting)); err != nil {
		return false
	}
	if err := secure.Handshake(); err != nil { //nolint:noctx // the deadline ends it
		s.listener.edge.log.warn("TLS handshake failed", "source", s.from, "cause", err)
		return false
	}
	return secure.SetDeadline(time.Time{}) == nil
}

// keepAlive takes the line ends between two messages away and answers each double one by a single one
// (RFC 5626 §3.5.1).
func (s *stream) keepAlive(data []byte) []byte {
	rest := bytes.TrimLeft(data, "\r\n")
	for range (len(data) - len(rest)) / 4 {
		_ = s.send([]byte("\r\n")) // a connection that cannot take it is closed already
	}
	return rest
}

// feed parses what was read. It reports whether the stream stands between two messages, and whether it
// can go on: after a framing error there is no boundary to go on from.
func (s *stream) feed(parser *sip.ParserStream, data []byte) (between, ok bool) {
	if _, err := parser.Write(data); err != nil {
		return false, false
	}
	for parser.Buffer().Len() > 0 {
		msg, _, err := parser.ParseNext()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return false, true
		}
		if err != nil {
			s.listener.edge.unparsed(msg, err, s)
			s.closeAfterWriting()
			return false, false
		}
		s.listener.edge.receive(msg, s)
	}
	return true, true
}

// write sends what is queued; it alone writes to the connection.
func (s *stream) write() {
	defer s.listener.readers.Done()
	defer s.Close()
	for {
		select {
		case data := <-s.out:
			if data == nil {
				return
			}
			if err := s.conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
				return
			}
			if _, err := s.conn.Write(data); err != nil {
				return
			}
		case <-s.done:
			return
		}
	}
}

func (s *stream) send(data []byte) error {
	select {
	case <-s.done:
		return net.ErrClosed
	default:
	}
	select {
	case s.out <- data:
		return nil
	default:
		s.Close()
		return errSlowPeer
	}
}

func (s *stream) closeAfterWriting() {
	if s.send(nil) == nil {
		<-s.done
	}
}

// WriteMsg implements sip.Connection.
func (s *stream) WriteMsg(msg sip.Message) error { return s.send([]byte(msg.String())) }

func (s *stream) transport() string      { return s.listener.name }
func (s *stream) remote() netip.AddrPort { return s.from }
func (s *stream) local() netip.AddrPort  { return s.listener.self }
func (s *stream) trust()                 { s.trusted.Store(true) }

func (s *stream) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// LocalAddr implements sip.Connection.
func (s *stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// Ref implements sip.Connection; a connection stays while its peer wants it.
func (s *stream) Ref(int) int { return 1 }

// TryClose implements sip.Connection; the end of a transaction does not close its connection.
func (s *stream) TryClose() (int, error) { return 1, nil }

// Close ends the connection. It may be called more than once.
func (s *stream) Close() error {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
	})
	return nil
}
