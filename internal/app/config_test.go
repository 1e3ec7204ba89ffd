package app

import (
	"strings"
	"testing"
	"time"
)

func valid() Config {
	return Config{Data: "data", Domain: "example.org", TimeZone: "Europe/Berlin",
		XMPP:   XMPPConfig{Listen: ":5222", MaxStanza: 262144},
		SIP:    SIPConfig{UDP: "5060", RTPMin: 20000, RTPMax: 29999},
		HTTP:   HTTPConfig{Listen: "127.0.0.1:8443", URL: "https://chat.example.org:8443/"},
		Upload: UploadConfig{MaxFile: 1000, Quota: 1000, Keep: time.Hour}, Teams: TeamsConfig{Interval: 5 * time.Second}}
}

func TestValidate(t *testing.T) {
	good := valid()
	if err := good.Validate(); err != nil {
		t.Fatalf("a good configuration is refused: %v", err)
	}
	for want, spoil := range map[string]func(*Config){
		"domain":          func(c *Config) { c.Domain = "Example_org" },
		"database":        func(c *Config) { c.Database = "mysql://root:secret@host/db" },
		"time-zone":       func(c *Config) { c.TimeZone = "Europe/Atlantis" },
		"tls":             func(c *Config) { c.TLS.Cert = "cert.pem" },
		"xmpp.listen":     func(c *Config) { c.XMPP.Listen = "5222" },
		"xmpp.rooms":      func(c *Config) { c.XMPP.Rooms = c.Domain },
		"xmpp.components": func(c *Config) { c.XMPP.Components = []string{"bot.example.org="} },
		"xmpp.turn":       func(c *Config) { c.XMPP.Turn.URLs = []string{"turn:turn.example.org"} },
		"xmpp.listen-s2s": func(c *Config) { c.S2S.Listen = "localhost" },
		"xmpp.s2s":        func(c *Config) { c.S2S.Domains = []string{"*"} },
		"xmpp.max-stanza": func(c *Config) { c.XMPP.MaxStanza = 100 },
		"xmpp.insecure":   func(c *Config) { c.XMPP.Insecure = true },
		"sip.udp":         func(c *Config) { c.SIP.UDP = "70000" },
		"sip.ip":          func(c *Config) { c.SIP.IP = "0.0.0.0" },
		"sip.digests":     func(c *Config) { c.SIP.Digests = []string{"MD5", "SHA-512"} },
		"http.url":        func(c *Config) { c.HTTP.URL = "https://example.org/chat" },
		"upload.quota":    func(c *Config) { c.Upload.Quota = 999 },
		"upload.keep":     func(c *Config) { c.Upload.Keep = time.Minute },
		"sip.rtp-min":     func(c *Config) { c.SIP.RTPMax = 20001 },
		"teams":           func(c *Config) { c.Teams.TenantID = "contoso" },
		"ldap":            func(c *Config) { c.LDAP.URL, c.LDAP.UserDN = "ldap://host", "uid=anna" },
	} {
		c := valid()
		spoil(&c)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("%s: error %v does not begin with the setting", want, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: the error shows a password: %v", want, err)
		}
	}
}

func TestCertificateIsMadeOnceAndKept(t *testing.T) {
	cfg := valid()
	cfg.Data = t.TempDir()
	first, err := certificate(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	second, err := certificate(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if string(first.Certificate[0]) != string(second.Certificate[0]) {
		t.Error("the second start made another certificate")
	}
	if err := first.Leaf.VerifyHostname("example.org"); err != nil {
		t.Error(err)
	}
}
