package s2s

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// wire is a server that says just what its script tells it to. Where it says key(ID), the dialback key of a.example for
// b.example and the stream of that id is sent; key(ID to DOMAIN) is the one for another domain.
type wire struct {
	script.Stream
	keys keyring
}

var keyOf = regexp.MustCompile(`key\((\w+)(?: to ([\w.]+))?\)`)

func (w *wire) Send(ctx context.Context, message string) error {
	return w.Stream.Send(ctx, keyOf.ReplaceAllStringFunc(message, func(s string) string {
		of := keyOf.FindStringSubmatch(s)
		return w.keys.key(cmp.Or(of[2], b), a, of[1])
	}))
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
				wires[c.Name] = &wire{script.Stream{Conn: conn}, sa.keys}
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
				conn := tls.Client(wires[name].Conn, cfg)
				wires[name].Conn = conn
				return conn.HandshakeContext(ctx)
			},
			Timeout: patience,
		}
	})
}
