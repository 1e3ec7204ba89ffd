package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections within the test.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowBodies sends a body drop by drop to nobody who reads it, and reads no answer: the connections are cut.
func TestSlowBodies(t *testing.T) {
	for name, attack := range map[string]func(net.Conn){
		"body that nobody reads": func(c net.Conn) {
			go io.Copy(io.Discard, c) //nolint:errcheck // it ends with the connection
			_, err := io.WriteString(c, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
			for range 100 {
				if err == nil {
					time.Sleep(5 * time.Second)
					_, err = io.WriteString(c, "x")
				}
			}
		},
		"answer that is not read": func(c net.Conn) {
			_, _ = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			time.Sleep(500 * time.Second)
		},
		"great header": func(c net.Conn) {
			go io.Copy(io.Discard, c) //nolint:errcheck // it ends with the connection
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n")
			for range 100 {
				if err == nil {
					_, err = io.WriteString(c, "X: "+strings.Repeat("x", 5000)+"\r\n")
				}
			}
			if err == nil {
				t.Error("a header of 500 kB is read")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				mux.HandleFunc("GET /big", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) })
				server := newHTTPServer(patient(mux), slog.New(slog.DiscardHandler))
				ended := make(chan struct{})
				server.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						close(ended)
					}
				}
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				go server.Serve(l) //nolint:errcheck // closed below
				here, there := net.Pipe()
				l.conns <- there
				began := time.Now()
				go attack(here)
				select {
				case <-ended:
				case <-time.After(400 * time.Second):
					t.Error("the connection is still open")
				}
				if took := time.Since(began); took > 3*time.Minute {
					t.Errorf("it took %v", took)
				}
				here.Close()
				server.Close()
				time.Sleep(time.Hour)
			})
		})
	}
}

// TestProxies: from which addresses everybody's HTTP connections may come.
func TestProxies(t *testing.T) {
	for addr, want := range map[string][2]bool{ // with TLS of its own, and without
		"127.0.0.1": {true, true}, "::1": {true, true}, "10.1.2.3": {false, true}, "fd00::1": {false, true}, "192.0.2.1": {false, false},
	} {
		for i, plain := range []bool{false, true} {
			if got := (HTTPConfig{Plain: plain}).fromProxy(netip.MustParseAddr(addr)); got != want[i] {
				t.Errorf("%s, plain %v: %v", addr, plain, got)
			}
		}
	}
}

// TestWebGate: the connections of the HTTP listener pass a gate.
func TestWebGate(t *testing.T) {
	a := runApp(t, loopback(t))
	conn, err := net.Dial("tcp", a.web.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if all, _ := a.webGate.Count(); all == 1 {
			return
		}
	}
	t.Error("the connection passed no gate")
}
