package graph

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/graph/standin"
)

// session is a poller at work over real TLS.
type session struct {
	*testing.T
	*recorder
	cloud     *standin.Server
	directory *directory
	poller    *Poller
}

// overTLS starts a stand-in with n users and a poller as fast as it goes.
func overTLS(t *testing.T, opts standin.Options, n int, change func(*Config)) *session {
	t.Helper()
	opts.Dir = t.TempDir()
	cloud, err := standin.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	at := cloud.Settings()
	cfg := Config{TenantID: at.TenantID, ClientID: at.ClientID, ClientSecret: at.ClientSecret,
		AuthorityHost: at.AuthorityHost, GraphURL: at.GraphURL, CAFile: at.CAFile, Interval: time.Second}
	if change != nil {
		change(&cfg)
	}
	s := &session{T: t, recorder: newRecorder(), cloud: cloud, directory: newDirectory(people(cloud, n)...)}
	if s.poller, err = New(cfg, s.directory, s, s, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.poller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// until waits for something that the poller tells.
func (s *session) until(what string, holds func() bool) {
	s.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-s.told:
		case <-deadline:
			s.Fatalf("in vain: %s; status %+v", what, s.poller.Status())
		}
	}
}

func TestOverTLS(t *testing.T) {
	s := overTLS(t, standin.Options{}, 1400, nil)
	s.until("a whole poll", func() bool { return s.poller.Status().State == uc.SyncOK })
	for u := range uc.UserID(1400) {
		if s.times(u+1) == 0 {
			t.Fatalf("user %d was not told of", u+1)
		}
	}
	var pages []int
	for _, r := range s.cloud.Requests() {
		if r.Endpoint == standin.Presence {
			pages = append(pages, r.IDs)
		}
	}
	if len(pages) < 3 || !slices.Equal(pages[:3], []int{650, 650, 100}) {
		t.Errorf("requests of %v ids", pages)
	}
	if n := s.cloud.Count(standin.Token); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}

	if err := s.cloud.SetPresence("user700@example.com", "DoNotDisturb", "Presenting"); err != nil {
		t.Fatal(err)
	}
	s.until("user 700 is presenting", func() bool { return s.activity(700) == "Presenting" })

	s.cloud.RevokeTokens()
	s.until("a fresh token", func() bool { return s.cloud.Count(standin.Token) == 2 })

	s.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, HangUp: true})
	s.until("failing", func() bool { return s.poller.Status().State == uc.SyncFailing })
	s.until("no more", func() bool { return s.poller.Status().State == uc.SyncOK })

	s.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 429, RetryAfter: "1"})
	s.until("throttled", func() bool { return s.poller.Status().State == uc.SyncThrottled })
	s.until("no more", func() bool { return s.poller.Status().State == uc.SyncOK })

	s.cloud.SetSecret("another")
	s.cloud.RevokeTokens()
	s.until("needs admin", func() bool { return s.poller.Status().State == uc.SyncNeedsAdmin })
}

func TestOverTLSWithACertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Rolecall"}, NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pem")
	both := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	if err := os.WriteFile(file, both, 0o600); err != nil {
		t.Fatal(err)
	}
	s := overTLS(t, standin.Options{ClientCertificate: cert}, 1, func(c *Config) { c.ClientSecret, c.ClientCertificateFile = "", file })
	s.until("Anna is told of", func() bool { return s.times(anna) > 0 })
}

func TestUntrustedServer(t *testing.T) {
	s := overTLS(t, standin.Options{}, 1, func(c *Config) { c.CAFile = "" })
	s.until("failing", func() bool { return s.poller.Status().State == uc.SyncFailing })
	if text := s.poller.Status().Error; !strings.Contains(text, "certificate signed by unknown authority") {
		t.Errorf("error %q", text)
	}
	if n := s.cloud.Count(standin.Token); n != 0 {
		t.Errorf("the secret was sent %d times to a server that is not trusted", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{TenantID: tenant, ClientID: app, ClientSecret: secret}
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"":                        func(*Config) {},
		"tenantID":                func(c *Config) { c.TenantID = "" },
		"tenantID ":               func(c *Config) { c.TenantID = "what is this" },
		"clientID":                func(c *Config) { c.ClientID = "" },
		"clientSecret":            func(c *Config) { c.ClientSecret = "" },
		"clientCertificateFile":   func(c *Config) { c.ClientCertificateFile = "also.pem" },
		"clientCertificateFile ":  func(c *Config) { c.ClientSecret, c.ClientCertificateFile = "", empty },
		"clientCertificateFile  ": func(c *Config) { c.ClientSecret, c.ClientCertificateFile = "", filepath.Join(dir, "none") },
		"cloud":                   func(c *Config) { c.Cloud = "moon" },
		"interval":                func(c *Config) { c.Interval = time.Millisecond },
		"interval ":               func(c *Config) { c.Interval = time.Hour },
		"authorityHost":           func(c *Config) { c.AuthorityHost = "http://127.0.0.1" },
		"graphURL":                func(c *Config) { c.GraphURL = "graph.microsoft.com" },
		"graphURL ":               func(c *Config) { c.GraphURL = "https://user:pass@graph.microsoft.com" },
		"caFile":                  func(c *Config) { c.CAFile = filepath.Join(dir, "none") },
		"caFile ":                 func(c *Config) { c.CAFile = empty },
	} {
		cfg := good
		change(&cfg)
		_, err := New(cfg, newDirectory(), newRecorder(), newRecorder(), slog.New(slog.DiscardHandler))
		if field == "" {
			if err != nil {
				t.Errorf("a good configuration: %v", err)
			}
			continue
		}
		var wrong *uc.Error
		if !errors.As(err, &wrong) || wrong.Field != strings.TrimSpace(field) || !errors.Is(err, uc.ErrInvalid) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestCloudsSetScopeAndHost(t *testing.T) {
	for name, c := range map[string]struct {
		cfg         Config
		base, scope string
	}{
		"global":      {Config{}, "https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/.default"},
		"usgov":       {Config{Cloud: "usgov"}, "https://graph.microsoft.us/v1.0", "https://graph.microsoft.us/.default"},
		"dod":         {Config{Cloud: "dod"}, "https://dod-graph.microsoft.us/v1.0", "https://dod-graph.microsoft.us/.default"},
		"china":       {Config{Cloud: "china"}, "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://microsoftgraph.chinacloudapi.cn/.default"},
		"by hand":     {Config{GraphURL: "https://127.0.0.1:8443/"}, "https://127.0.0.1:8443/v1.0", "https://127.0.0.1:8443/.default"},
		"own version": {Config{GraphURL: "https://127.0.0.1:8443/v1.0/"}, "https://127.0.0.1:8443/v1.0", "https://127.0.0.1:8443/.default"},
	} {
		c.cfg.TenantID, c.cfg.ClientID, c.cfg.ClientSecret = tenant, app, secret
		at, err := c.cfg.check()
		if err != nil {
			t.Fatal(err)
		}
		if at.graph.String() != c.base || at.scope() != c.scope {
			t.Errorf("%s: %s and %s", name, at.graph, at.scope())
		}
	}
}

// The SDK's own provider would let such a request go out without a token.
func TestNoRequestWithoutAToken(t *testing.T) {
	cfg := Config{TenantID: tenant, ClientID: app, ClientSecret: secret}
	c, err := newClient(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	at, err := cfg.check()
	if err != nil {
		t.Fatal(err)
	}
	auth, err := newBearer(c.credential, at)
	if err != nil {
		t.Fatal(err)
	}
	info := abstractions.NewRequestInformation()
	info.SetUri(url.URL{Scheme: "https", Host: "graph.example.com", Path: "/v1.0/users"})
	if err := auth.AuthenticateRequest(t.Context(), info, nil); err == nil || classify(err).kind != needsAdmin {
		t.Errorf("a request to a foreign host: %v", err)
	}
}
