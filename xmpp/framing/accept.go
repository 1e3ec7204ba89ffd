// Package framing carries XMPP over WebSocket (RFC 7395) and over BOSH (XEP-0124, XEP-0206). A [Conn] or
// [BOSHConn] looks like a TCP connection on which a stream is spoken: it makes a stream header of <open/>, an end of
// stream of <close/> and a message of every top-level element, or bodies of HTTP requests and answers, in both
// directions. So browsers take the same way through the server as everybody else.
//
// The package starts no goroutine of its own: [Conn.Pump] reads in its caller's, BOSH works in those of its
// requests. While a ping waits for its pong there is one for a moment.
package framing

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// subprotocol names XMPP in the WebSocket handshake (RFC 7395 §3.1).
const subprotocol = "xmpp"

// Options say what a connection may take. Sizes and times must be set.
type Options struct {
	MaxMessage     int           // bytes of a message; see also Conn.SetLimit
	MessageTimeout time.Duration // from the first to the last frame of a message
	PingInterval   time.Duration // between pings, and how long a pong may take
	Secured        bool          // TLS lies beneath
	Remote         net.Addr      // the client's address if a proxy stands before it; nil is the connection's
}

// Accept upgrades an HTTP request. On error the client has had its answer.
//
// Pages of any origin may connect: a client signs in within the stream, there is nothing that a browser would
// add by itself. Compression is off: with it the size of what a client is sent would tell of its content.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	if !slices.Contains(offered(r), subprotocol) {
		http.Error(w, "this is the WebSocket subprotocol "+subprotocol, http.StatusBadRequest)
		return nil, errors.New("framing: the subprotocol xmpp is not offered")
	}
	cw := &corkingWriter{ResponseWriter: w}
	ws, err := websocket.Accept(cw, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // read bounds it, and says why
	return newConn(ws, cw.conn, o), nil
}

// offered lists the subprotocols that the client speaks.
func offered(r *http.Request) []string {
	list := strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",")
	for i := range list {
		list[i] = strings.ToLower(strings.TrimSpace(list[i]))
	}
	return list
}

// corkingWriter puts a cork under the WebSocket that is made of the response.
type corkingWriter struct {
	http.ResponseWriter
	conn *cork
}

// Hijack implements http.Hijacker.
func (w *corkingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.conn = &cork{Conn: conn}
	rw.Writer.Reset(w.conn)
	return w.conn, rw, nil
}

// cork is a connection that can hold back what is written, so that many messages become one write.
type cork struct {
	net.Conn

	mu   sync.Mutex
	in   bool
	held []byte
}

// Write implements net.Conn.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// hold begins to hold back.
func (c *cork) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = true
}

// release writes what was held back. What comes meanwhile waits behind it.
func (c *cork) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	held := c.held
	c.held = nil // an idle connection keeps no buffer
	if len(held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(held)
	return err
}
