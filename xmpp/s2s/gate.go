package s2s

import (
	"net/netip"
	"sync"
)

// gate bounds the accepted connections: in all, and of one address those that are not verified yet.
type gate struct {
	mu       sync.Mutex
	max      int
	perAddr  int
	all      int
	halfOpen map[netip.Addr]int
}

func newGate(limit, perAddr int) *gate {
	return &gate{max: limit, perAddr: perAddr, halfOpen: make(map[netip.Addr]int)}
}

// enter reports whether a connection of that address may be served.
func (g *gate) enter(from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.max || g.halfOpen[from] >= g.perAddr {
		return false
	}
	g.all++
	g.halfOpen[from]++
	return true
}

func (g *gate) verified(from netip.Addr) {
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
	if g.halfOpen[from]--; g.halfOpen[from] <= 0 {
		delete(g.halfOpen, from)
	}
}
