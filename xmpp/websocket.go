package xmpp

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/framing"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// beforeLogin is the largest message of a client that is not logged in.
const beforeLogin = 64 << 10

// pingInterval keeps proxies, which commonly cut what is idle for a minute, from doing so.
const pingInterval = 50 * time.Second

// WebSocket returns the handler of clients that come by WebSocket (RFC 7395). They must come over TLS, or, if
// proxied, through a proxy on this machine or network that adds it and tells the client's address in X-Forwarded-For.
func (s *Server) WebSocket(proxied bool) http.Handler {
	negotiation := s.webNegotiation(proxied)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serveWebSocket(w, r, clientAddress(r, proxied), negotiation(r))
	})
}

// webNegotiation says how the client of a request is negotiated with.
func (s *Server) webNegotiation(proxied bool) func(*http.Request) *negotiate.Config {
	plain := s.negotiation(false)
	plain.TLS = nil // STARTTLS is not for HTTP (RFC 7395 §3.9, XEP-0206 §4)
	plain.Prepare()
	secured := s.negotiation(false)
	secured.TLS, secured.Insecure, secured.Secured = nil, false, true
	secured.Prepare()
	return func(r *http.Request) *negotiate.Config {
		if r.TLS != nil || proxied {
			return secured
		}
		return plain
	}
}

// serveWebSocket takes the connection of a request through the same door as others, then reads it for its session.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, from netip.AddrPort, cfg *negotiate.Config) {
	ready := make(chan *framing.Conn, 1)
	if !s.gate.Enter(from.Addr(), func(place *admission.Place) {
		place.Within(r.Context())
		s.goServing(func() {
			if conn := <-ready; conn != nil {
				s.negotiate(conn, place, cfg)
			} else {
				place.Leave()
			}
		})
	}) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	conn, err := framing.Accept(w, r, framing.Options{
		MaxMessage: beforeLogin, MessageTimeout: s.cfg.StanzaTimeout, PingInterval: pingInterval,
		Remote: net.TCPAddrFromAddrPort(from), Secured: cfg.Secured,
	})
	if err != nil {
		s.log.Debug("xmpp: no WebSocket", "address", from.Addr(), "cause", err)
		ready <- nil
		return
	}
	ready <- conn
	conn.Pump()
}

// webConn is a connection that comes by the HTTP server.
type webConn interface {
	net.Conn
	SetLimit(stanza int)
	Secured() bool // TLS lies beneath
}

// encrypted reports whether there is TLS, its own or below HTTP.
func (c *session) encrypted() bool {
	web, ok := c.wire.Conn.(webConn)
	return c.tls != nil || ok && web.Secured()
}

// clientAddress returns where a client is. Only who is near can be the proxy.
func clientAddress(r *http.Request, proxied bool) netip.AddrPort {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !proxied || !peer.Addr().IsLoopback() && !peer.Addr().Unmap().IsPrivate() {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	told, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])) // the last is what the proxy itself saw
	if err != nil {
		return peer
	}
	return netip.AddrPortFrom(told.Unmap(), 0)
}
