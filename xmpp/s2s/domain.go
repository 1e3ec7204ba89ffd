package s2s

import (
	"bytes"
	"net/netip"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

// normalise returns a domain in the form in which domains are compared (RFC 7622 §3.2).
func normalise(domain string) (string, error) {
	if plain(domain) {
		return domain, nil
	}
	j, err := jid.New("", domain, "")
	if err != nil || j.Domainpart() == "" {
		return "", stream.ImproperAddressing
	}
	return strings.TrimSuffix(j.Domainpart(), "."), nil
}

// plain reports whether a domain surely is normal already.
func plain(domain string) bool {
	for i := range len(domain) {
		c := domain[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return domain != "" && len(domain) < 256 && domain[0] != '.' && domain[len(domain)-1] != '.' &&
		!strings.Contains(domain, "xn--") && !strings.Contains(domain, "..")
}

// domainOf returns the domain of an address (RFC 7622 §3.1).
func domainOf(address []byte) []byte {
	if slash := bytes.IndexByte(address, '/'); slash >= 0 {
		address = address[:slash]
	}
	return address[bytes.IndexByte(address, '@')+1:]
}

// literal returns the IP address that stands in place of a domain name.
func literal(domain string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(domain, "["), "]"))
	return addr, err == nil
}
