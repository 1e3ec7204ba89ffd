package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestSlowRequests begins requests, a WebSocket among them, and does not end them: they are cut, and others
// are served meanwhile.
func TestSlowRequests(t *testing.T) {
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }), slog.New(slog.DiscardHandler))
	if server.ReadHeaderTimeout <= 0 || server.ReadHeaderTimeout > time.Minute || server.IdleTimeout <= 0 {
		t.Fatalf("a request may take %v, an idle connection %v", server.ReadHeaderTimeout, server.IdleTimeout)
	}
	server.ReadHeaderTimeout = 300 * time.Millisecond // the same, sooner
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	var slow []net.Conn
	for _, begun := range []string{"", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "GET /xmpp-websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, begun); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	answer, err := http.Get("http://" + l.Addr().String()) //nolint:noctx // a test on loopback
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	for i, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("the slow connection %d: %v", i, err)
		}
	}
}
