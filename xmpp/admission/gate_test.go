package admission

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// enter returns a place at the gate, or nil.
func enter(g *Gate, from string) (place *Place) {
	var addr netip.Addr
	if from != "" {
		addr = netip.MustParseAddr(from)
	}
	g.Enter(addr, func(p *Place) { place = p })
	return place
}

func TestUnprovedOfOneNetwork(t *testing.T) {
	for _, tt := range []struct {
		name, first, second string
		oneNetwork          bool
	}{
		{"one address", "192.0.2.1", "192.0.2.1", true},
		{"two addresses", "192.0.2.1", "192.0.2.2", false},
		{"one IPv6 network", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"two IPv6 networks", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"no addresses", "", "", true},
		{"one without an address", "192.0.2.1", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := New(10, 1)
			first := enter(g, tt.first)
			if first == nil {
				t.Fatal("the first one was refused")
			}
			if refused := enter(g, tt.second) == nil; refused != tt.oneNetwork {
				t.Errorf("the second one was refused: %v", refused)
			}
			first.Prove()
			if again := enter(g, tt.first); again == nil {
				t.Error("one more was refused when the first one was proved")
			}
		})
	}
}

func TestLimitInAll(t *testing.T) {
	g := New(2, 2)
	first, second := enter(g, "192.0.2.1"), enter(g, "192.0.2.2")
	first.Prove()
	if enter(g, "192.0.2.3") != nil {
		t.Error("a third one came in")
	}
	second.Leave()
	if enter(g, "192.0.2.3") == nil {
		t.Error("there is room, but it was refused")
	}
	if all, unproved := g.Count(); all != 2 || unproved != 1 {
		t.Errorf("%d connections, %d unproved; want 2 and 1", all, unproved)
	}
}

// TestOnce does everything twice, in every order: each place counts once.
func TestOnce(t *testing.T) {
	for name, do := range map[string]func(*Place){
		"left":               func(p *Place) { p.Leave(); p.Leave() },
		"proved, then left":  func(p *Place) { p.Prove(); p.Prove(); p.Leave() },
		"proved after it":    func(p *Place) { p.Leave(); p.Prove() },
		"in many goroutines": func(p *Place) { race(p.Prove, p.Leave, p.Prove, p.Leave) },
	} {
		t.Run(name, func(t *testing.T) {
			g := New(10, 10)
			other := enter(g, "192.0.2.1")
			do(enter(g, "192.0.2.1"))
			if all, unproved := g.Count(); all != 1 || unproved != 1 {
				t.Errorf("%d connections, %d unproved; want 1 and 1", all, unproved)
			}
			other.Leave()
			if len(g.unproved) != 0 {
				t.Errorf("networks are remembered: %v", g.unproved)
			}
		})
	}
}

func race(calls ...func()) {
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(call)
	}
	all.Wait()
}

func TestClosed(t *testing.T) {
	g := New(10, 10)
	p := enter(g, "192.0.2.1")
	g.Close()
	if enter(g, "192.0.2.1") != nil {
		t.Error("one came in through the closed gate")
	}
	p.Leave()
	if all, unproved := g.Count(); all != 0 || unproved != 0 {
		t.Errorf("%d connections, %d unproved are left", all, unproved)
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5222": "192.0.2.1", "[::ffff:192.0.2.1]:5222": "192.0.2.1", "[2001:db8::1]:5222": "2001:db8::1", "pipe": "invalid IP",
	} {
		if got := AddressOf(end{remote: remote}).String(); got != want {
			t.Errorf("the address of %s is %s, want %s", remote, got, want)
		}
	}
}

// end is a connection that has nothing but an address.
type end struct {
	net.Conn
	remote string
}

func (e end) RemoteAddr() net.Addr { return e }
func (e end) Network() string      { return "tcp" }
func (e end) String() string       { return e.remote }
