package xmpp

import (
	"context"
	"net"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// Serve accepts clients that begin in the clear and upgrade by STARTTLS (RFC 6120 §5). It returns nil when
// ctx ends or after Shutdown, and otherwise the error of the listener when it is closed by somebody else.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, s.negotiation(false))
}

// ServeTLS accepts clients that begin with TLS (XEP-0368). It returns like Serve.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, s.negotiation(true))
}

// ServeComponents accepts external components, in the clear (XEP-0114) or with STARTTLS (XEP-0225). It returns like Serve.
func (s *Server) ServeComponents(ctx context.Context, l net.Listener) error {
	return s.components.Serve(ctx, l)
}

func (s *Server) accept(ctx context.Context, l net.Listener, cfg *negotiate.Config) error {
	//nolint:contextcheck // a session outlives the listener, and what it saves at its end outlives the server's context
	return s.gate.Serve(ctx, l, s.log, func(conn net.Conn, place *admission.Place) {
		s.goServing(func() { s.negotiate(conn, place, cfg) })
	})
}

// goServing calls f in a goroutine of the crew. The server is not done before it has returned.
func (s *Server) goServing(f func()) {
	s.serving.Add(1)
	s.crew.Go(func() {
		defer s.serving.Done()
		f()
	})
}

// negotiate logs a client in and leaves the session to the readers.
func (s *Server) negotiate(conn net.Conn, place *admission.Place, cfg *negotiate.Config) {
	w := newWire(conn)
	var resumed *session
	own := *cfg
	own.Resume = s.resumeFor(&resumed)
	bound, err := negotiate.Accept(s.negotiating, w, &own)
	if err != nil {
		conn.Close()
		place.Leave()
		return
	}
	place.Prove()
	if web, ok := conn.(webConn); ok {
		web.SetLimit(s.cfg.MaxStanza)
	}
	w.released = place.Leave
	if resumed != nil {
		resumed.deliverTo(link{bound, w})
		return
	}
	c := s.router.session([]byte(bound.JID.String())) // put there by bindResource
	if s.outdated(bound) {
		c.end(errPassword)
	}
	c.attach(bound, w)
	c.log.Info("xmpp: session began", "address", place.From, "mechanism", bound.Mechanism)
	s.begin(c)
}

// outdated reports whether the password was changed after the client had signed in by it. From when its session is in the
// router, endOldPassword sees to that.
func (s *Server) outdated(b *negotiate.Bound) bool {
	now, _, _ := s.Keys(b.Login)
	return replaced(b.Keys, &now)
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
