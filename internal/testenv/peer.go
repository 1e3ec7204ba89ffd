package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Peer is another XMPP server.
type Peer struct {
	Address string // of streams from servers, by STARTTLS
	Direct  string // the same by direct TLS
	dir     string
}

// PeerConfig says what a peer serves.
type PeerConfig struct {
	Domain           string
	Certificate, Key []byte   // PEM
	Roots            []byte   // PEM, of other servers' certificates
	Nameserver       string   // address of the DNS server that it asks
	Modules          []string // of Prosody, besides tls, dialback, saslauth, disco and ping
}

// NewPeer chooses the addresses of a peer, so that they can be published before it starts.
func NewPeer(t testing.TB) *Peer {
	t.Helper()
	return &Peer{Address: freeAddress(t), Direct: freeAddress(t), dir: t.TempDir()}
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

// StartProsody starts a Prosody and stops it after the test. If the test fails its log is shown.
func (p *Peer) StartProsody(t testing.TB, c PeerConfig) {
	t.Helper()
	modules := ""
	for _, m := range c.Modules {
		modules += fmt.Sprintf("%q, ", m)
	}
	conf := p.write(t, c, "prosody.cfg.lua", prosodyConfig, "NAMESERVER", strings.ReplaceAll(c.Nameserver, ":", "@"), "MODULES", modules)
	serve(t, p.Direct, exec.CommandContext(context.Background(), program(t, "prosody"), "--config", conf, "-F"))
}

const ejabberdConfig = `hosts: ["DOMAIN"]
loglevel: debug
certfiles: ["DIR/cert.pem", "DIR/key.pem"]
s2s_cafile: "DIR/roots.pem"
s2s_use_starttls: required
outgoing_s2s_families: [ipv4]
listen:
  - {port: PORT, ip: "127.0.0.1", module: ejabberd_s2s_in}
  - {port: DIRECT, ip: "127.0.0.1", module: ejabberd_s2s_in, tls: true}
modules: {mod_disco: {}, mod_ping: {}, mod_s2s_dialback: {}}
`

// StartEjabberd starts an ejabberd and stops it after the test. If the test fails its log is shown.
func (p *Peer) StartEjabberd(t testing.TB, c PeerConfig) {
	t.Helper()
	libraries, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	if err != nil || len(libraries) == 0 {
		t.Fatal("ejabberd is not installed: run make deps")
	}
	conf := p.write(t, c, "ejabberd.yml", ejabberdConfig)
	inetrc := filepath.Join(p.dir, "inetrc")
	writeFile(t, inetrc, fmt.Sprintf("{resolv_conf, \"\"}.\n{lookup, [dns]}.\n{nameserver, {127,0,0,1}, %s}.\n", port(c.Nameserver)))
	cmd := exec.CommandContext(context.Background(), program(t, "erl"), "-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(p.dir, "db")), "-s", "ejabberd")
	cmd.Dir = p.dir // of its logs
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "ERL_LIBS="+filepath.Dir(libraries[0]), "ERL_INETRC="+inetrc, "EJABBERD_CONFIG_PATH="+conf)
	serve(t, p.Direct, cmd)
}

// write writes the certificates and the configuration, in which names stand for what is known here and for more
// that is given as pairs, and returns the path of the latter.
func (p *Peer) write(t testing.TB, c PeerConfig, name, text string, more ...string) string {
	t.Helper()
	for name, text := range map[string][]byte{"cert.pem": c.Certificate, "key.pem": c.Key, "roots.pem": c.Roots} {
		writeFile(t, filepath.Join(p.dir, name), string(text))
	}
	conf := filepath.Join(p.dir, name)
	names := append([]string{"DIRECT", port(p.Direct), "DIR", p.dir, "PORT", port(p.Address), "DOMAIN", c.Domain}, more...)
	writeFile(t, conf, strings.NewReplacer(names...).Replace(text))
	return conf
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
