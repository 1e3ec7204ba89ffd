package admission

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// listening opens a gated listener and takes its connections.
func listening(t *testing.T, g *Gate, trusted func(netip.Addr) bool) (addr string, taken chan net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := g.Listen(inner, trusted)
	t.Cleanup(func() { l.Close() })
	taken = make(chan net.Conn, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			taken <- conn
		}
	}()
	return inner.Addr().String(), taken
}

// comes dials from an address and reports whether the connection is let in.
func comes(t *testing.T, from, to string, taken chan net.Conn) (net.Conn, bool) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	refused := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		refused <- err
	}()
	select {
	case in := <-taken:
		return in, true
	case err := <-refused:
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("neither let in nor refused: %v", err)
		}
		return nil, false
	case <-time.After(time.Minute):
		t.Fatal("neither let in nor refused")
		return nil, false
	}
}

// TestListen: one address gets no more than its part, all no more than there is, and who has closed leaves room.
func TestListen(t *testing.T) {
	addr, taken := listening(t, New(4, 2), nil)
	var first net.Conn
	for i, step := range []struct {
		from string
		in   bool
	}{{"127.0.0.1", true}, {"127.0.0.1", true}, {"127.0.0.1", false}, {"127.0.0.2", true}, {"127.0.0.3", true}, {"127.0.0.4", false}} {
		conn, in := comes(t, step.from, addr, taken)
		if in != step.in {
			t.Errorf("connection %d from %s: let in is %v", i, step.from, in)
		}
		if i == 0 {
			first = conn
		}
	}
	first.Close()
	first.Close()
	if _, in := comes(t, "127.0.0.1", addr, taken); !in {
		t.Error("there is no room where somebody left")
	}
	if _, in := comes(t, "127.0.0.4", addr, taken); in {
		t.Error("one place was left twice")
	}
}

// TestListenTrusted: the part of one address does not hold for a proxy, the limit for all does.
func TestListenTrusted(t *testing.T) {
	addr, taken := listening(t, New(4, 2), netip.Addr.IsLoopback)
	for i := range 5 {
		if _, in := comes(t, "127.0.0.1", addr, taken); in != (i < 4) {
			t.Errorf("connection %d: let in is %v", i, in)
		}
	}
}

// TestProveWithin: who proves who it is on a connection that has a place already does so at both gates, also with TLS between.
func TestProveWithin(t *testing.T) {
	outer, inner := New(10, 10), New(10, 10)
	addr, taken := listening(t, outer, nil)
	for i, over := range []func(net.Conn) net.Conn{
		func(c net.Conn) net.Conn { return c },
		func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{}) }, //nolint:gosec // it is not used
	} {
		conn, _ := comes(t, "127.0.0.1", addr, taken)
		var place *Place
		inner.Enter(AddressOf(conn), func(p *Place) { place = p })
		place.Within(Context(context.Background(), over(conn)))
		if _, n := outer.Count(); n != 1 {
			t.Errorf("%d: %d unproved before", i, n)
		}
		place.Prove()
		if all, n := outer.Count(); n != 0 || all != i+1 {
			t.Errorf("%d: %d unproved after, of %d", i, n, all)
		}
	}
	var place *Place
	inner.Enter(netip.Addr{}, func(p *Place) { place = p })
	place.Within(Context(context.Background(), nil))
	place.Prove()
	if _, n := inner.Count(); n != 0 {
		t.Errorf("%d unproved without an outer place", n)
	}
}

// TestListenKeepsTCP: what net/http does with TCP connections only, it can do still.
func TestListenKeepsTCP(t *testing.T) {
	addr, taken := listening(t, New(10, 10), nil)
	conn, _ := comes(t, "127.0.0.1", addr, taken)
	if _, ok := conn.(io.ReaderFrom); !ok {
		t.Error("files are not sent by the system")
	}
}
