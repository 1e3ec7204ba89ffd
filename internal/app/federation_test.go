package app

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// company is a server for a domain that can be stopped and started again.
type company struct {
	domain string
	cfg    Config
	app    *App
	stop   func()
}

// names resolves the domains of companies to where they listen now.
type names struct {
	mu    sync.Mutex
	ports map[string]uint16
}

// LookupSRV implements s2s.Resolver.
func (n *names) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	domain := strings.TrimPrefix(strings.TrimSuffix(name, "."), "rooms.")
	port, known := n.ports[domain]
	if !known || service != "xmpp-server" {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return name, []*net.SRV{{Target: "xmpp." + name, Port: port}}, nil
}

// LookupHost implements s2s.Resolver.
func (n *names) LookupHost(_ context.Context, host string) ([]string, error) {
	if strings.HasPrefix(host, "xmpp.") {
		return []string{"127.0.0.1"}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (n *names) set(domain, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	n.ports[domain] = uint16(number)
}

// authority issues the certificates of the test.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem"), key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := writePEM(a.file, "CERTIFICATE", der, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate for a domain and its rooms.
func (a *authority) issue(t *testing.T, domain string) TLSConfig {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{domain, "rooms." + domain}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := TLSConfig{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	if err := writePEM(files.Cert, "CERTIFICATE", der, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePEM(files.Key, "PRIVATE KEY", raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return files
}

// start runs the company's server; it stays in the resolver while it is down.
func (c *company) start(t *testing.T, dns *names) {
	t.Helper()
	var err error
	if c.app, err = New(t.Context(), c.cfg, Options{Log: slog.New(slog.DiscardHandler), Resolver: dns}); err != nil {
		t.Fatal(err)
	}
	dns.set(c.domain, c.app.Info().S2S)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- c.app.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", c.domain, err)
		}
	})
	t.Cleanup(c.stop)
}

func (c *company) hire(t *testing.T, login, name, ext string) {
	t.Helper()
	if _, err := c.app.directory.AddUser(t.Context(), uc.System, uc.NewUser{
		User: uc.User{Login: login, Name: name, Ext: ext, Auth: uc.AuthLocal, Voicemail: uc.VoicemailOff}, Password: "Secret12", Softphone: true,
	}); err != nil {
		t.Fatal(err)
	}
}

// switchTo switches somebody's profile.
func (c *company) switchTo(t *testing.T, login, profile string) {
	t.Helper()
	dir := c.app.directory.Snapshot()
	for _, p := range dir.Profiles.All() {
		if p.Name == profile {
			if _, err := c.app.profiles.Switch(t.Context(), uc.SwitchRequest{User: dir.UserByLogin(login).ID, Profile: p.ID, By: uc.System}); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Errorf("there is no profile %s", profile)
}

// TestFederation joins two servers as their operators would, and has a real client at each.
func TestFederation(t *testing.T) {
	t.Run("certificates", func(t *testing.T) {
		ca := newAuthority(t)
		federate(t, "EXTERNAL", func(c *Config) {
			c.TLS = ca.issue(t, c.Domain)
			c.S2S.CAFile, c.S2S.Certificates = ca.file, true
		})
	})
	t.Run("dialback", func(t *testing.T) { federate(t, "dialback", func(*Config) {}) }) // what a first start has
}

// federate plays it all between two servers that prove themselves to each other by the method.
func federate(t *testing.T, method string, change func(*Config)) {
	dns := &names{ports: map[string]uint16{}}
	var trusted []byte
	found := func(domain string) *company {
		cfg := loopback(t)
		cfg.Domain, cfg.XMPP.Archive = domain, time.Hour
		cfg.S2S.Listen = "127.0.0.1:0"
		change(&cfg)
		c := &company{domain: domain, cfg: cfg}
		c.start(t, dns)
		cert, err := os.ReadFile(cmp.Or(cfg.S2S.CAFile, c.app.Info().Certificate))
		if err != nil {
			t.Fatal(err)
		}
		trusted = append(trusted, cert...)
		return c
	}
	one, two := found("one.example"), found("two.example")
	bundle := filepath.Join(t.TempDir(), "trusted.pem")
	if err := os.WriteFile(bundle, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	one.hire(t, "anna", "Anna Arendt", "12")
	two.hire(t, "zoe", "Zoe Zander", "12")

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{filepath.Join("testdata", "federation.py"), bundle}
	for _, c := range []*company{one, two} {
		host, port, _ := net.SplitHostPort(c.app.Info().XMPP)
		args = append(args, host, port)
	}
	python := exec.CommandContext(ctx, "/usr/bin/python3", args...)
	var complaints strings.Builder
	python.Stderr = &complaints
	stdin, err := python.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := python.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := python.Start(); err != nil {
		t.Fatalf("make deps installs python3-slixmpp: %v", err)
	}
	said := bufio.NewScanner(stdout)
	done := false
	for said.Scan() {
		answer := ""
		switch said.Text() {
		case "switch anna to DND":
			checkStreams(t, one, method)
			one.switchTo(t, "anna", "DND")
		case "switch anna to Available":
			one.switchTo(t, "anna", "Available")
		case "stop two":
			two.stop()
		case "start two":
			two.start(t, dns)
			host, port, _ := net.SplitHostPort(two.app.Info().XMPP)
			answer = host + " " + port
		case "done":
			done = true
		default:
			t.Errorf("it said %q", said.Text())
		}
		_, _ = io.WriteString(stdin, answer+"\n") // fails when it has ended
	}
	if err := python.Wait(); err != nil || !done {
		t.Errorf("%v\n%s", err, complaints.String())
	}
}

// checkStreams looks at how the streams were proved.
func checkStreams(t *testing.T, c *company, method string) {
	t.Helper()
	list := c.app.serverStreams()
	if len(list) == 0 {
		t.Error("there are no streams")
	}
	for _, s := range list {
		meant := func(domain string) bool { return domain == "two.example" || domain == "rooms.two.example" }
		if len(s.Domains) == 0 || !meant(s.Domains[0]) || string(s.Proof) != strings.ToLower(method) || s.Address != "127.0.0.1" || s.Since.IsZero() {
			t.Error("a stream that was not meant: ", fmt.Sprint(s))
		}
	}
}
