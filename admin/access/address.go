package access

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Address returns the address that a request comes from. Behind a reverse proxy that is believed it is
// the last address in X-Forwarded-For that is not such a proxy's own.
func (g *Gate) Address(r *http.Request) netip.Addr {
	peer := peerOf(r)
	if !g.believed(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		if peer = addr.Unmap(); !g.believed(peer) {
			break
		}
	}
	return peer
}

// Secure reports whether the browser's own connection is encrypted.
func (g *Gate) Secure(r *http.Request) bool {
	return r.TLS != nil || g.believed(peerOf(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

func (g *Gate) believed(a netip.Addr) bool {
	return slices.ContainsFunc(g.cfg.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}
