package xmpp

import (
	"net"
	"net/http"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/framing"
)

// BOSH returns the handler of clients that come by plain HTTP requests (XEP-0124, XEP-0206). As with
// [Server.WebSocket] they must come over TLS or through a proxy.
func (s *Server) BOSH(proxied bool) http.Handler {
	negotiation := s.webNegotiation(proxied)
	options := framing.BOSHOptions{MaxBody: beforeLogin, BodyTimeout: s.cfg.StanzaTimeout}
	return framing.NewBOSH(options, func(r *http.Request, conn *framing.BOSHConn) error {
		from, cfg := clientAddress(r, proxied), negotiation(r)
		conn.SetRemote(net.TCPAddrFromAddrPort(from))
		if cfg.Secured {
			conn.Secure()
		}
		if !s.gate.Enter(from.Addr(), func(place *admission.Place) {
			s.goServing(func() { s.negotiate(conn, place, cfg) })
		}) {
			return uc.Errorf(uc.ErrUnavailable, "too many connections")
		}
		return nil
	})
}
