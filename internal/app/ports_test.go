package app

import (
	"strings"
	"testing"
)

func TestListenersMustNotShareAPort(t *testing.T) {
	usual := func() Config {
		return Config{
			XMPP: XMPPConfig{Listen: ":5222", ListenTLS: ":5223"}, HTTP: HTTPConfig{Listen: ":8443"},
			SIP: SIPConfig{UDP: "5060", TCP: "5060", TLS: "5061", RTPMin: 20000, RTPMax: 29999},
		}
	}
	for _, c := range []struct {
		story  string
		change func(*Config)
		says   string // "" if all is well
	}{
		{"as shipped", func(*Config) {}, ""},
		{"the same", func(c *Config) { c.XMPP.ListenTLS = ":5222" }, "xmpp.listen and xmpp.listen-tls are given the same port 5222"},
		{"all addresses and one", func(c *Config) { c.HTTP.Listen = "127.0.0.1:5223" }, "xmpp.listen-tls and http.listen"},
		{"all addresses, both ways of writing", func(c *Config) { c.XMPP.Listen, c.HTTP.Listen = "[::]:443", "0.0.0.0:443" }, "xmpp.listen and http.listen"},
		{"different addresses", func(c *Config) { c.XMPP.Listen, c.HTTP.Listen = "192.0.2.1:443", "192.0.2.2:443" }, ""},
		{"one address, twice", func(c *Config) { c.XMPP.Listen, c.HTTP.Listen = "192.0.2.1:443", "192.0.2.1:443" }, "xmpp.listen and http.listen"},
		{"any free port", func(c *Config) { c.XMPP.Listen, c.XMPP.ListenTLS = "127.0.0.1:0", "127.0.0.1:0" }, ""},
		{"other servers at the port of clients", func(c *Config) { c.S2S.Listen = ":5222" }, "xmpp.listen and xmpp.listen-s2s"},
		{"chat at the port of SIP", func(c *Config) { c.XMPP.Listen = ":5060" }, "xmpp.listen and sip.tcp"},
		{"SIP over TCP and TLS", func(c *Config) { c.SIP.TLS = "5060" }, "sip.tcp and sip.tls"},
		{"SIP at another address", func(c *Config) { c.SIP.IP, c.XMPP.Listen = "192.0.2.1", "127.0.0.1:5060" }, ""},
		{"switched off", func(c *Config) { c.XMPP.ListenTLS, c.SIP.TLS, c.SIP.TCP, c.HTTP.Listen = "", "", "", "" }, ""},
		{"SIP among the ports for audio", func(c *Config) { c.SIP.UDP = "20002" }, "sip.udp is one of the ports for audio"},
	} {
		cfg := usual()
		c.change(&cfg)
		err := cfg.validListeners()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.story, err, c.says)
		}
	}
}
