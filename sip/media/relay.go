package media

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxDatagram is the largest packet that is forwarded; a longer one would be cut and is dropped.
	maxDatagram = 4096
	// maxReadErrors is how many reads may fail in a row before a port is given up.
	maxReadErrors = 100
)

// port is one UDP port of ours with the remote that it talks to. What arrives at it from that remote
// leaves through peer, the port towards the other side of the call.
type port struct {
	pool   *Pool
	number uint16
	conn   *net.UDPConn
	peer   *port
	remote atomic.Pointer[remote] // nil: nothing agreed, nothing is taken or sent

	packets atomic.Uint64 // taken
	dropped atomic.Uint64 // not forwarded: from a stranger, too long, or nowhere to go yet
	last    atomic.Int64  // when the last packet was taken, Unix nanoseconds
}

func newPort(pool *Pool, conn *net.UDPConn, number uint16) *port {
	return &port{pool: pool, number: number, conn: conn}
}

// remote is the far end of one port as far as it is known. It is never changed, only replaced.
type remote struct {
	said    netip.AddrPort // what the SDP says; address 0 or port 0 if it says nothing usable
	source  netip.Addr     // where the signalling comes from; zero if anybody may send
	send    netip.AddrPort // where packets go: as said, until the true source is learned
	learned bool
}

// newRemote is the remote after an SDP said where it is.
func newRemote(said netip.AddrPort, source netip.Addr) *remote {
	r := &remote{said: said, source: source}
	if said.IsValid() && !said.Addr().IsUnspecified() && said.Port() != 0 {
		r.send = said
	}
	return r
}

// same reports whether an SDP says nothing new.
func (r *remote) same(o *remote) bool {
	return r != nil && o != nil && r.said == o.said && r.source == o.source
}

// trusts reports whether media may come from an address: the one in the SDP, or the one that the
// signalling comes from (a phone behind address translation names an address that is not seen here).
// Taking packets from anywhere would let a stranger who sprays the port range listen in.
func (r *remote) trusts(from netip.Addr) bool {
	return !r.source.IsValid() || from == r.source || from == r.said.Addr()
}

// take reports whether a packet from that source is the remote's, and learns the source (symmetric RTP,
// RFC 4961): the first trusted source stays until the signalling changes it, except that the address in
// the SDP replaces any other. One of our own ports is never a source: whoever names them in SDP could
// send a packet round in circles for ever.
func (p *port) take(from netip.AddrPort) bool {
	for {
		r := p.remote.Load()
		switch {
		case r == nil:
			return false
		case r.learned && r.send == from:
			return true
		case from != r.said && (r.learned || !r.trusts(from.Addr())), p.pool.owns(from):
			return false
		}
		learned := *r
		learned.send, learned.learned = from, true
		if p.remote.CompareAndSwap(r, &learned) {
			return true
		}
	}
}

// set says where the remote is now. A learned source survives an SDP that says nothing new.
func (p *port) set(r *remote) {
	if !p.remote.Load().same(r) {
		p.remote.Store(r)
	}
}

// relay reads the port and forwards until it is closed.
func (p *port) relay(done *sync.WaitGroup) {
	defer done.Done()
	buf := make([]byte, maxDatagram)
	for failed := 0; failed < maxReadErrors; {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			failed++
		default:
			failed = 0
			p.forward(buf[:n], from)
		}
	}
}

func (p *port) forward(packet []byte, from netip.AddrPort) {
	if len(packet) == maxDatagram || !p.take(from) {
		p.dropped.Add(1)
		return
	}
	p.packets.Add(1)
	p.last.Store(time.Now().UnixNano())
	to := p.peer.remote.Load()
	if to == nil || !to.send.IsValid() {
		p.dropped.Add(1)
		return
	}
	if _, err := p.peer.conn.WriteToUDPAddrPort(packet, to.send); err != nil {
		p.dropped.Add(1)
	}
}
