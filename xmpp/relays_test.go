package xmpp

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

func TestParseRelay(t *testing.T) {
	for address, want := range map[string]Relay{
		"stun:stun.example.org":                    {"stun", "stun.example.org", "3478", "udp"},
		"turn:turn.example.org:99":                 {"turn", "turn.example.org", "99", "udp"},
		"turn:turn.example.org?transport=tcp":      {"turn", "turn.example.org", "3478", "tcp"},
		"turns:turn.example.org:443?transport=tcp": {"turns", "turn.example.org", "443", "tcp"},
		"stuns:[2001:db8::1]:77":                   {"stuns", "2001:db8::1", "77", "tcp"},
		"turn:192.0.2.1":                           {"turn", "192.0.2.1", "3478", "udp"},
		"":                                         {},
		"turn.example.org":                         {},
		"http:turn.example.org":                    {},
		"turn://turn.example.org":                  {},
		"turn:":                                    {},
		"turn:turn.example.org:0":                  {},
		"turn:turn.example.org:70000":              {},
		"turn:turn.example.org?transport=sctp":     {},
		"turn:user@turn.example.org":               {},
	} {
		if got, err := ParseRelay(address); got != want || (err == nil) == (want == Relay{}) {
			t.Errorf("%s: %+v, %v, want %+v", address, got, err, want)
		}
	}
}

// withRelays makes a server with a STUN and a TURN server, the second over UDP and TLS.
func withRelays(c *Config) {
	c.Relays = []Relay{{"stun", "stun.example.org", "3478", "udp"}, {"turn", "turn.example.org", "3478", "udp"}, {"turns", "turn.example.org", "443", "tcp"}}
	c.RelaySecret, c.RelayLife = "s3cret", time.Hour
}

func TestRelayConversations(t *testing.T) {
	script.Run(t, "testdata/relays/*.script", func(t *testing.T) *script.Runner {
		w := start(t, withRelays)
		return &script.Runner{
			Dialect: script.XMPP(),
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				return w.login(ctx, c.Props["login"], c.Props["resource"])
			},
		}
	})
}

// TestRelayCredentials checks credentials as a TURN server does.
func TestRelayCredentials(t *testing.T) {
	w := start(t, withRelays)
	a := w.must("anna", "a")
	a.send(t, "<iq type='get' id='s' to='example.org'><services xmlns='urn:xmpp:extdisco:2' type='turns'/></iq>")
	n, err := scan.Parse([]byte(a.expect(t, "id='s'", "type='result'")))
	if err != nil {
		t.Fatal(err)
	}
	services := n.Child(nsExternal, "services")
	if len(services.Nodes) != 1 || services.Attr("type") != "turns" {
		t.Fatalf("%d services", len(services.Nodes))
	}
	service := services.Nodes[0]
	mac := hmac.New(sha1.New, []byte("s3cret"))
	mac.Write([]byte(service.Attr("username")))
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); service.Attr("password") != want {
		t.Errorf("password %q, want %q", service.Attr("password"), want)
	}
	ends, err := time.Parse(time.RFC3339, service.Attr("expires"))
	if left := time.Until(ends); err != nil || left < 50*time.Minute || left > time.Hour || !strings.HasSuffix(service.Attr("username"), ":anna") {
		t.Errorf("%s until %s, %v", service.Attr("username"), ends, err)
	}
	b := w.must("ben", "b")
	b.send(t, "<iq type='get' id='s' to='example.org'><services xmlns='urn:xmpp:extdisco:2'/></iq>")
	if got := b.expect(t, ":ben"); strings.Contains(got, service.Attr("password")) {
		t.Error("another user has the same password")
	}
	cfg := Config{Domain: testDomain, TLS: w.server.cfg.TLS, Relays: w.server.cfg.Relays}
	var fault *uc.Error
	if _, err := New(cfg, Deps{}); !errors.As(err, &fault) || fault.Field != "relays" {
		t.Errorf("without the secret: %v", err)
	}
}
