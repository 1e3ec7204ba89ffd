package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// listener is an address that the settings say is listened on.
type listener struct {
	setting string
	host    netip.Addr // invalid: that of the default route, or a name
	all     bool       // all addresses of the machine
	port    int
}

// listenersTCP lists the addresses of TCP. What is wrong with an address is told elsewhere.
func (c *Config) listenersTCP() []listener {
	var list []listener
	add := func(setting, address string) {
		host, port, err := net.SplitHostPort(address)
		n, portErr := strconv.Atoi(port)
		if err != nil || portErr != nil || n == 0 {
			return // none, or any port that is free
		}
		l := listener{setting: setting, port: n, all: host == ""}
		if ip, err := netip.ParseAddr(host); err == nil {
			l.host, l.all = ip.Unmap(), ip.IsUnspecified()
		} else if host == "localhost" {
			l.host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		list = append(list, l)
	}
	add("xmpp.listen", c.XMPP.Listen)
	add("xmpp.listen-tls", c.XMPP.ListenTLS)
	add("xmpp.listen-components", c.XMPP.ListenComponents)
	add("xmpp.listen-s2s", c.S2S.Listen)
	add("xmpp.listen-s2s-tls", c.S2S.ListenTLS)
	add("http.listen", c.HTTP.Listen)
	ip := c.SIP.IP
	if ip == "" {
		ip = "the default route's"
	}
	add("sip.tcp", net.JoinHostPort(ip, c.SIP.TCP))
	add("sip.tls", net.JoinHostPort(ip, c.SIP.TLS))
	return list
}

// overlaps reports whether only one of two listeners can be opened.
func (l listener) overlaps(m listener) bool {
	return l.port == m.port && (l.all || m.all || l.host == m.host)
}

// validListeners tells of listeners that are given the same port.
func (c *Config) validListeners() error {
	var problems []error
	list := c.listenersTCP()
	for i, l := range list {
		for _, m := range list[:i] {
			if l.overlaps(m) {
				problems = append(problems, fmt.Errorf("%s and %s are given the same port %d", m.setting, l.setting, l.port))
			}
		}
	}
	if n, err := strconv.Atoi(c.SIP.UDP); err == nil && n != 0 && c.SIP.RTPMin <= n && n <= c.SIP.RTPMax {
		problems = append(problems, fmt.Errorf("sip.udp is one of the ports for audio, sip.rtp-min to sip.rtp-max: %d", n))
	}
	return errors.Join(problems...)
}
