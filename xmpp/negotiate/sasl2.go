package negotiate

import (
	"context"
	"encoding/base64"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// appendSASL2 tells of the Extensible SASL Profile (XEP-0388), which is offered under TLS only.
func (n *negotiation) appendSASL2(b []byte) []byte {
	b = append(b, "<authentication xmlns='"+nsSASL2+"'>"...)
	b = append(appendMechanisms(b, n.mechanisms()), "<inline>"...)
	b = n.appendFast(n.appendResume(n.appendBind2(b)))
	return append(appendUpgrades(append(b, "</inline>"...)), "</authentication>"...)
}

// succeed tells the client that it is authenticated, together with what it asked for in the same request,
// and goes on to a bound resource (XEP-0388 §2.6.1).
func (n *negotiation) succeed(ctx context.Context, final []byte) error {
	b := []byte("<success xmlns='" + nsSASL2 + "'>")
	if len(final) > 0 {
		b = append(b, "<additional-data>"+base64.StdEncoding.EncodeToString(final)+"</additional-data>"...)
	}
	inline, err := n.resumeInline()
	if err != nil {
		return err
	}
	resumed := n.bound != nil
	if !resumed {
		inline = append(inline, n.bindInline()...)
	}
	b = append(b, "<authorization-identifier>"...)
	b = append(scan.AppendEscaped(b, n.identity()), "</authorization-identifier>"...)
	b = n.appendToken(ctx, append(b, inline...))
	if resumed {
		n.before, n.after = b, []byte("</success>") // and no features (XEP-0198 §6.2)
		return nil
	}
	b = append(b, "</success>"...)
	if err := n.write(n.appendFeatures(b)); err != nil || n.bound != nil {
		return err
	}
	return n.bind()
}

// identity is the client's full address if it is bound, else its bare one.
func (n *negotiation) identity() string {
	if n.bound != nil {
		return n.bound.String()
	}
	return n.login + "@" + n.cfg.Domain
}

// agent returns the identifier of the client's installation, or "" if it gave none that is a UUID (XEP-0388 §2.3).
func (n *negotiation) agent() string {
	agent := n.request.Child(nsSASL2, "user-agent")
	if agent == nil {
		return ""
	}
	id := strings.ToLower(agent.Attr("id"))
	if len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "" {
		return ""
	}
	return id
}

// claims reports whether the address is the one that the stream began with, if that had one (XEP-0388 §2.3).
func (n *negotiation) claims(address jid.JID) bool {
	from, err := jid.Parse(n.gate.claimed)
	return err != nil || from.Bare().Equal(address.Bare())
}
