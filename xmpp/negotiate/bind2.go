package negotiate

import (
	"crypto/rand"
	"encoding/base32"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxTag is how long the name of a client may be in its resource.
const maxTag = 64

// Inline is a protocol that a client may switch on while it binds a resource, instead of by a stanza
// afterwards (XEP-0386 §4.1).
type Inline struct {
	NS string // under which the client is told of it; the namespace of its elements

	// Enable carries out a request for a session that Config.Bind has made. What it returns is told to
	// the client beside its new address; nil if there is nothing to tell.
	Enable func(session jid.JID, request *scan.Node) []byte
}

// appendBind2 tells of Bind 2 and what may be switched on with it (XEP-0386 §4.1).
func (n *negotiation) appendBind2(b []byte) []byte {
	b = append(b, "<bind xmlns='"+nsBind2+"'><inline>"...)
	for _, f := range n.cfg.Inline {
		b = append(scan.AppendEscaped(append(b, "<feature var='"...), f.NS), "'/>"...)
	}
	return append(b, "</inline></bind>"...)
}

// bindInline binds a resource if the client asked for it with its request to log in (XEP-0386 §4.2), and
// returns what it is told. If there is no resource to be had the client is told nothing, keeps its bare
// address, and may bind as in RFC 6120 §7.
func (n *negotiation) bindInline() []byte {
	request := n.request.Child(nsBind2, "bind")
	if request == nil {
		return nil
	}
	full, err := n.take(n.resourceFor(request.ChildText(nsBind2, "tag")))
	if err != nil {
		n.log().Debug("xmpp: cannot bind a resource", "login", n.login, "cause", err)
		return nil
	}
	n.bound = &full
	b := []byte("<bound xmlns='" + nsBind2 + "'>")
	if n.cfg.AtBind != nil {
		b = append(b, n.cfg.AtBind(full)...)
	}
	for _, child := range request.Nodes {
		for _, f := range n.cfg.Inline {
			if f.NS == child.NS {
				told := f.Enable(full, child)
				n.managed = n.managed || f.NS == nsManagement && len(told) > 0
				b = append(b, told...)
			}
		}
	}
	return append(b, "</bound>"...)
}

// resourceFor makes a resource: the client's name for itself, and what tells it from others of that
// name. It is the same each time for the same installation, from which others cannot learn the
// installation's identifier (XEP-0386 §4.2.1).
func (n *negotiation) resourceFor(tag string) string {
	if _, err := jid.New("", "example", tag); err != nil || len(tag) > maxTag {
		tag = ""
	}
	unique := rand.Text()[:12]
	if agent := n.agent(); agent != "" {
		mac := scram.SHA256.MAC(n.shared.nobody.Secret, []byte("resource\x00"+n.login+"\x00"+agent+"\x00"+tag))
		unique = base32.StdEncoding.EncodeToString(mac)[:12]
	}
	unique = strings.ToLower(unique)
	if tag == "" {
		return unique
	}
	return tag + "/" + unique
}
