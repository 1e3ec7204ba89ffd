package negotiate_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/xmpp/negotiate"
)

const slixmpp = "/usr/lib/python3/dist-packages/slixmpp"

// TestSlixmpp logs in with another implementation. slixmpp 1.8.3 tries tls-unique, which TLS 1.3 does
// not have, and then says that the server has no channel binding. It must not be made to send its password.
func TestSlixmpp(t *testing.T) {
	if _, err := os.Stat(slixmpp); err != nil {
		t.Fatal("python3-slixmpp is not installed: run make deps")
	}
	for _, c := range []struct {
		name, mode string
		change     func(*negotiate.Config)
		mechanism  string
	}{
		{"STARTTLS", "starttls", func(*negotiate.Config) {}, "SCRAM-SHA-512"},
		{"direct TLS", "direct", func(cfg *negotiate.Config) { cfg.NoChannelBinding = true }, "SCRAM-SHA-512"},
		{"LDAP", "direct", func(cfg *negotiate.Config) { cfg.External = startLDAP(t) }, "PLAIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			cfg.DirectTLS = c.mode == "direct"
			c.change(cfg)
			s := serve(t, cfg)
			host, port, err := net.SplitHostPort(s.addr)
			if err != nil {
				t.Fatal(err)
			}
			var said, complaints bytes.Buffer
			cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/login.py", host, port, c.mode)
			cmd.Stdout, cmd.Stderr = &said, &complaints
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			o := s.outcome(t)
			if o.err != nil {
				t.Error(o.err)
			} else {
				if o.bound.Mechanism != c.mechanism || o.bound.Resource != "slix" {
					t.Errorf("bound %s by %s", o.bound.JID, o.bound.Mechanism)
				}
				o.bound.Conn.Close()
			}
			if err := cmd.Wait(); err != nil || strings.TrimSpace(said.String()) != "anna@example.org/slix" {
				t.Errorf("%v, said %s\n%s", err, said.String(), complaints.String())
			}
		})
	}
}
