package testenv

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Prosody is another XMPP server.
type Prosody struct {
	Address string // of streams from servers, by STARTTLS
	Direct  string // the same by direct TLS
	dir     string
}

// ProsodyConfig says what a Prosody serves.
type ProsodyConfig struct {
	Domain           string
	Certificate, Key []byte   // PEM
	Roots            []byte   // PEM, of other servers' certificates
	Nameserver       string   // address of the DNS server that it asks
	Modules          []string // besides tls, dialback, saslauth, disco and ping
}

// NewProsody chooses the addresses of a Prosody, so that they can be published before it starts.
func NewProsody(t testing.TB) *Prosody {
	t.Helper()
	return &Prosody{Address: freeAddress(t), Direct: freeAddress(t), dir: t.TempDir()}
}

const prosodyConfig = `run_as_root = true
daemonize = false
pidfile = "DIR/prosody.pid"
data_path = "DIR"
interfaces = { "127.0.0.1" }
c2s_ports = {}; c2s_direct_tls_ports = {}; http_ports = {}; https_ports = {}
s2s_ports = { PORT }
s2s_direct_tls_ports = { DIRECT }
s2s_require_encryption = true
unbound = { resolvconf = false; hoststxt = false; forward = "NAMESERVER"; options = { ["do-not-query-localhost:"] = "no" } }
ssl = { certificate = "DIR/cert.pem"; key = "DIR/key.pem"; cafile = "DIR/roots.pem" }
use_ipv6 = false
modules_enabled = { "tls", "dialback", "saslauth", "disco", "ping", MODULES }
limits = {}
log = { { levels = { min = "debug" }, to = "console" } }
VirtualHost "DOMAIN"
`

// Start starts the server and stops it after the test. If the test fails its log is shown.
func (p *Prosody) Start(t testing.TB, c ProsodyConfig) {
	t.Helper()
	program, err := exec.LookPath("prosody")
	if err != nil {
		t.Fatal("Prosody is not installed: run make deps")
	}
	for name, text := range map[string][]byte{"cert.pem": c.Certificate, "key.pem": c.Key, "roots.pem": c.Roots} {
		writeFile(t, filepath.Join(p.dir, name), string(text))
	}
	modules := ""
	for _, m := range c.Modules {
		modules += fmt.Sprintf("%q, ", m)
	}
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	conf := filepath.Join(p.dir, "prosody.cfg.lua")
	writeFile(t, conf, strings.NewReplacer("DIRECT", port(p.Direct), "DIR", p.dir, "PORT", port(p.Address),
		"NAMESERVER", strings.ReplaceAll(c.Nameserver, ":", "@"), "MODULES", modules, "DOMAIN", c.Domain).Replace(prosodyConfig))
	p.serve(t, exec.CommandContext(context.Background(), program, "--config", conf, "-F"))
}

func (p *Prosody) serve(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer // read after ended
	cmd.Stdout, cmd.Stderr = &log, &log
	ended := launch(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(startLimit):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("prosody:\n%s", log.String())
		}
	})
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("prosody ended: %s", log.String())
		default:
		}
		if conn, err := net.Dial("tcp", p.Direct); err == nil { //nolint:noctx // loopback
			conn.Close()
			return
		}
	}
	t.Fatal("prosody does not start")
}
