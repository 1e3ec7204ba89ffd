package negotiate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
)

// wire is a client that says just what its script tells it to. A message is a stream header, a whole
// element, or the end of the stream.
type wire struct {
	conn net.Conn
	buf  []byte
}

func (w *wire) Close() error { return w.conn.Close() }

func (w *wire) Send(_ context.Context, message string) error {
	_, err := io.WriteString(w.conn, message)
	return err
}

func (w *wire) Receive(ctx context.Context) (string, error) {
	deadline, _ := ctx.Deadline()
	if err := w.conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	for {
		if n := messageEnd(w.buf); n > 0 {
			message := string(w.buf[:n])
			w.buf = w.buf[n:]
			return message, nil
		}
		var chunk [4096]byte
		n, err := w.conn.Read(chunk[:])
		w.buf = append(w.buf, chunk[:n]...)
		if n == 0 && err != nil {
			return "", errors.Join(err, fmt.Errorf("after %q", w.buf))
		}
	}
}

// messageEnd returns where the first message of b ends, or 0.
func messageEnd(b []byte) int {
	const header, end = "<stream:stream", "</stream:stream>"
	if bytes.HasPrefix(b, []byte(end)) {
		return len(end)
	}
	if bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte(header)) {
		at := bytes.Index(b, []byte(header))
		return at + bytes.IndexByte(b[max(at, 0):], '>') + 1
	}
	d := xml.NewDecoder(io.MultiReader(strings.NewReader("<stream:stream>"), bytes.NewReader(b)))
	depth := 0
	for {
		tok, err := d.Token()
		if err != nil {
			return 0
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 1 {
				return int(d.InputOffset()) - len("<stream:stream>")
			}
		}
	}
}

func TestConversations(t *testing.T) {
	plain := func(login, password string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
	}
	script.Run(t, "testdata/*.script", func(t *testing.T) *script.Runner {
		cfg := config()
		s := serve(t, cfg)
		wires := map[string]*wire{}
		return &script.Runner{
			Dialect: script.XMPP(),
			Vars: script.Vars{
				"good": plain("anna", password), "bad": plain("anna", "wrong"), "nobody": plain("nobody", password),
				"other":    base64.StdEncoding.EncodeToString([]byte("ben@example.org\x00anna\x00" + password)),
				"self":     base64.StdEncoding.EncodeToString([]byte("anna@example.org\x00anna\x00" + password)),
				"panic":    plain("panic", password),
				"kilobyte": strings.Repeat("x", 1024),
			},
			Connect: func(_ context.Context, c script.Client) (script.Transport, error) {
				wires[c.Name] = &wire{conn: s.dial(t)}
				return wires[c.Name], nil
			},
			// Do has one phrase: NAME starts TLS.
			Do: func(ctx context.Context, words string) error {
				w := wires[strings.Fields(words)[0]]
				conn := tls.Client(w.conn, clientTLS())
				w.conn = conn
				return conn.HandshakeContext(ctx)
			},
			Timeout: 10 * time.Second,
		}
	})
}
