package s2s

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// wire is a server that says just what its script tells it to. A message is a stream header, a whole element, or
// the end of the stream. Where it says key(ID), the dialback key of a.example for b.example and the stream of that id is sent;
// key(ID to DOMAIN) is the one for another domain.
type wire struct {
	conn net.Conn
	buf  []byte
	keys keyring
}

var keyOf = regexp.MustCompile(`key\((\w+)(?: to ([\w.]+))?\)`)

func (w *wire) Close() error { return w.conn.Close() }

func (w *wire) Send(_ context.Context, message string) error {
	message = keyOf.ReplaceAllStringFunc(message, func(s string) string {
		of := keyOf.FindStringSubmatch(s)
		return w.keys.key(cmp.Or(of[2], b), a, of[1])
	})
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

// stranger is a domain that has no certificate and whose server has never heard of a key.
const stranger = "c.example"

// TestConversations plays servers against b.example and rooms.b.example. a.example has a server of its own, which knows
// its keys; dead.example cannot be reached; blocked.example is not wanted. What b.example is sent it answers with a
// message of the same content, if it has a way back.
func TestConversations(t *testing.T) {
	script.Run(t, "testdata/*.script", func(t *testing.T) *script.Runner {
		w := newWorld(t)
		sa := w.server(nil, a, "rooms."+a).online(false)
		w.server(nil, stranger).online(false)
		w.publish("dead.example", "xmpp-server", 1)
		var sb *server
		sb = w.server(func(cfg *Config) {
			cfg.Allowed = func(d string) bool { return d != "blocked.example" }
			cfg.MaxStanza = 100 << 10
			cfg.Deliver = func(remote string, head scan.Head, raw []byte) {
				if string(head.Type) == "panic" {
					panic("a fault in the server")
				}
				if string(head.Type) == "chat" {
					sb.Send(string(domainOf(head.To)), remote, []byte("<message from='"+string(head.To)+"' to='"+string(head.From)+"'>"+string(head.Inner(raw))+"</message>"))
				}
			}
			cfg.Undeliverable = func(string, string, []byte, stanza.Condition) {}
		}, b, "rooms."+b).online(false)
		wires := map[string]*wire{}
		return &script.Runner{
			Dialect: script.XMPP(),
			Vars:    script.Vars{"big": strings.Repeat("x", 64<<10), "bigger": strings.Repeat("x", 100<<10), "A": "YS5leGFtcGxl", "C": "Yy5leGFtcGxl"},
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", sb.addr)
				wires[c.Name] = &wire{conn: conn, keys: sa.keys}
				return wires[c.Name], err
			},
			// Do has one phrase: NAME starts TLS [as DOMAIN].
			Do: func(ctx context.Context, words string) error {
				var name, domain string
				if n, _ := fmt.Sscanf(words, "%s starts TLS as %s", &name, &domain); n == 0 {
					return errors.New("who starts TLS?")
				}
				cfg := &tls.Config{ServerName: b, RootCAs: w.ca.pool}
				if domain != "" {
					cfg.Certificates = []tls.Certificate{w.ca.issue(t, validUntil, domain)}
				}
				conn := tls.Client(wires[name].conn, cfg)
				wires[name].conn = conn
				return conn.HandshakeContext(ctx)
			},
			Timeout: patience,
		}
	})
}
