package sip

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// flow is one way to one peer (RFC 5626 §3.1): a UDP address through one of our sockets, or a stream
// connection. Transactions write to it; dialogs and registrations remember it. WriteMsg never blocks
// for longer than the kernel takes a datagram, and never on a slow peer. Flows are comparable.
type flow interface {
	sip.Connection
	// transport is UDP, TCP or TLS as spelled in Via.
	transport() string
	// remote is the peer's address.
	remote() netip.AddrPort
	// local is our address that the peer can reach, for Via and Contact.
	local() netip.AddrPort
	// alive reports whether writing may still succeed.
	alive() bool
	// trust says that the peer has authenticated itself; its connection may now stay idle.
	trust()
}

// contactURI is our Contact on a flow.
func contactURI(f flow, user string) sip.Uri {
	at := f.local()
	uri := sip.Uri{Scheme: "sip", User: user, Host: hostOf(at), Port: int(at.Port())}
	if t := f.transport(); t != "UDP" {
		uri.UriParams = sip.NewParams()
		uri.UriParams.Add("transport", sip.NetworkToLower(t))
	}
	return uri
}

// hostOf writes an IP address as it stands in a URI; the library adds the brackets of IPv6.
func hostOf(at netip.AddrPort) string { return at.Addr().Unmap().String() }
