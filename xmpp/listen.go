package xmpp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// Serve accepts clients that begin in the clear and upgrade by STARTTLS (RFC 6120 §5). It returns when
// ctx ends, with nil, or when the listener fails.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, s.negotiation(false))
}

// ServeTLS accepts clients that begin with TLS (XEP-0368). It returns like Serve.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, s.negotiation(true))
}

// ServeComponents accepts external components (XEP-0114), in the clear. It returns like Serve.
func (s *Server) ServeComponents(ctx context.Context, l net.Listener) error {
	return s.components.Serve(ctx, l)
}

func (s *Server) accept(ctx context.Context, l net.Listener, cfg *negotiate.Config) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil || s.stopped.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// Out of descriptors, or the client was gone before it was accepted: others may come.
			s.log.Warn("xmpp: cannot accept", "cause", err)
			if !pause(ctx, 50*time.Millisecond) {
				return nil
			}
			continue
		}
		from := addressOf(conn)
		//nolint:contextcheck // a session outlives the listener, and what it saves at its end outlives the server's context
		if !s.gate.enter(from, func() { s.serving.Go(func() { s.negotiate(conn, from, cfg) }) }) {
			conn.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// negotiate logs a client in and starts its reader on a fresh stack: that of the negotiation has grown.
func (s *Server) negotiate(conn net.Conn, from netip.Addr, cfg *negotiate.Config) {
	w := newWire(conn)
	var resumed *session
	own := *cfg
	own.Resume = s.resumeFor(&resumed)
	bound, err := negotiate.Accept(s.negotiating, w, &own)
	if err != nil {
		s.log.Debug("xmpp: not logged in", "address", from, "cause", err)
		conn.Close()
		s.gate.leave(from, true)
		return
	}
	s.gate.loggedIn(from)
	if web, ok := conn.(webConn); ok {
		web.SetLimit(s.cfg.MaxStanza)
	}
	w.released = func() { s.gate.leave(from, false) }
	if resumed != nil {
		resumed.deliverTo(link{bound, w})
		return
	}
	c := s.router.session([]byte(bound.JID.String())) // put there by bindResource
	c.attach(bound, w)
	c.log.Info("xmpp: session began", "address", from, "mechanism", bound.Mechanism)
	s.serving.Go(c.serve)
}

func addressOf(conn net.Conn) netip.Addr {
	if ap, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		return ap.Addr().Unmap()
	}
	return netip.Addr{}
}

// gate bounds the connections: in all, and of one address those that are not logged in yet. Addresses of one
// IPv6 network of 64 bits count as one: whoever has one of them has all.
type gate struct {
	mu       sync.Mutex
	max      int
	perAddr  int
	all      int
	halfOpen map[netip.Prefix]int
	closed   bool
}

func newGate(limit, perAddr int) *gate {
	return &gate{max: limit, perAddr: perAddr, halfOpen: make(map[netip.Prefix]int)}
}

// spareDescriptors are left to the database, the telephones and the files.
const spareDescriptors = 256

// withinDescriptors bounds connections by what the process may open, so that a flood of them does not keep
// the rest of the process from its files.
func withinDescriptors(connections int, all uint64) int {
	if all <= 2*spareDescriptors {
		return min(connections, int(all/2)) //nolint:gosec // small
	}
	return int(min(uint64(connections), all-spareDescriptors)) //nolint:gosec // no more than connections
}

func networkOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // an address that is not valid has the zero Prefix
	return network
}

// enter calls start, which must not block, unless there are too many connections or the gate is closed.
func (g *gate) enter(from netip.Addr, start func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	network := networkOf(from)
	if g.closed || g.all >= g.max || g.halfOpen[network] >= g.perAddr {
		return false
	}
	g.all++
	g.halfOpen[network]++
	start()
	return true
}

func (g *gate) loggedIn(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closeHalf(from)
}

func (g *gate) leave(from netip.Addr, half bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if half {
		g.closeHalf(from)
	}
}

func (g *gate) closeHalf(from netip.Addr) {
	network := networkOf(from)
	if g.halfOpen[network]--; g.halfOpen[network] <= 0 {
		delete(g.halfOpen, network)
	}
}

// close refuses new connections.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
