// Package admission bounds the connections that a listener serves: in all, and of one network those that have not
// proved yet who they are. So a flood from one place does not keep others out, and a flood from everywhere does not
// take the whole process.
//
// A [Gate] has no goroutines of its own.
package admission

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Gate counts connections. Addresses of one IPv6 network of 64 bits count as one: whoever has one of them has all.
// Connections without an IP address count as of one network, too.
type Gate struct {
	max        int
	perNetwork int

	mu       sync.Mutex
	all      int
	unproved map[netip.Prefix]int
	closed   bool

	listeners map[net.Listener]struct{} // of Serve
}

// New makes an open gate for so many connections in all, and so many unproved ones of one network.
func New(limit, perNetwork int) *Gate {
	return &Gate{max: limit, perNetwork: perNetwork, unproved: map[netip.Prefix]int{}, listeners: map[net.Listener]struct{}{}}
}

// Enter calls start with the connection's place, unless there are too many connections or the gate is closed; it
// reports whether it did. start must not wait and must not use the gate. Whoever gets the place leaves it in the end.
func (g *Gate) Enter(from netip.Addr, start func(*Place)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	network := networkOf(from)
	if g.closed || g.all >= g.max || g.unproved[network] >= g.perNetwork {
		return false
	}
	g.all++
	g.unproved[network]++
	start(&Place{From: from, gate: g})
	return true
}

// Close refuses new connections and closes the listeners of Serve. When it has returned no start runs and none will.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	listeners := slices.Collect(maps.Keys(g.listeners))
	g.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
}

// Count returns how many connections there are, and how many of them are unproved.
func (g *Gate) Count() (all, unproved int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.unproved {
		unproved += n
	}
	return g.all, unproved
}

// Place is what a connection takes up of a gate. Its methods may be called from any goroutine, and again without effect.
type Place struct {
	From netip.Addr // where the connection comes from

	gate   *Gate
	outer  *Place // see Within
	proved bool
	left   bool
}

// Prove says that the other side has proved who it is: it does not count against its network any more.
func (p *Place) Prove() {
	if p.outer != nil {
		p.outer.Prove()
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.prove()
}

// Leave says that the connection is closed.
func (p *Place) Leave() {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.left {
		return
	}
	p.left = true
	p.gate.all--
	p.prove()
}

// prove is Prove for who holds the lock.
func (p *Place) prove() {
	if p.proved {
		return
	}
	p.proved = true
	network := networkOf(p.From)
	if p.gate.unproved[network]--; p.gate.unproved[network] == 0 {
		delete(p.gate.unproved, network)
	}
}

// AddressOf returns the IP address at the other end of a connection; without one it is not valid.
func AddressOf(conn net.Conn) netip.Addr {
	if remote := conn.RemoteAddr(); remote != nil {
		if ap, err := netip.ParseAddrPort(remote.String()); err == nil {
			return ap.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

func networkOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // an address that is not valid has the zero Prefix
	return network
}
