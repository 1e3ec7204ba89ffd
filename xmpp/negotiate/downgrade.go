package negotiate

import (
	"crypto/tls"
	"slices"
	"strings"
)

// advertised is what XEP-0474 §5.1 hashes: the mechanisms and the types of channel binding that the client
// must have been told of. A client that knows the XEP ends the login if it was told anything else.
func (n *negotiation) advertised() string {
	var names, types []string
	for _, m := range n.mechanisms() {
		names = append(names, m.name)
	}
	for _, cb := range n.bindings {
		types = append(types, cb.name)
	}
	slices.Sort(names)
	slices.Sort(types)
	list := strings.Join(names, "\x1e")
	if len(types) > 0 {
		list += "\x1f" + strings.Join(types, "\x1e")
	}
	return list
}

// bindingFor returns the data of the channel binding that the client chose; nil for none. It refuses
// clients that were made to believe that there is no channel binding (RFC 5802 §6).
func (n *negotiation) bindingFor(first *clientFirst, plus bool) ([]byte, error) {
	wanted, bound := strings.CutPrefix(first.flag, "p=")
	switch {
	case bound != plus:
		return nil, refuse("malformed-request", "the mechanism and its channel binding do not go together")
	case first.flag == "y" && len(n.bindings) > 0 && (!n.misled || !first.decimalNonce()):
		return nil, refuse("not-authorized", "somebody has hidden from you that there is channel binding")
	case !bound:
		return nil, nil
	}
	for _, cb := range n.bindings {
		if cb.name == wanted {
			return cb.data(), nil
		}
	}
	n.misled = n.misled || wanted == "tls-unique" && n.tls.ConnectionState().Version == tls.VersionTLS13
	return nil, refuse("malformed-request", "this type of channel binding is not supported")
}

// decimalNonce tells slixmpp up to 1.8, whose nonces are the digits of a random number. It tries
// tls-unique also with TLS 1.3, then says that the server has no channel binding, and if that is refused
// sends the password itself. The nonce is part of what the client signs: nobody in between can give it to
// another client, so the protection of RFC 5802 §6 stays as it is for all others (docs/adr/0001-xmpp-negotiation.md).
func (c *clientFirst) decimalNonce() bool {
	return len(c.nonce) <= 20 && strings.Trim(c.nonce, "0123456789") == ""
}
