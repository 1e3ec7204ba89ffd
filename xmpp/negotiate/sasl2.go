package negotiate

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"strings"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// sasl2Feature authenticates the client by the Extensible SASL Profile (XEP-0388), which is offered under TLS only.
func (n *negotiation) sasl2Feature() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsSASL2, Local: "authentication"},
		Necessary:  xmpp.Secure,
		Prohibited: xmpp.Authn,
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (bool, error) {
			inline := xmlstream.Wrap(xmlstream.MultiReader(n.listBind2(), n.listResume(), n.listFast()), xml.StartElement{Name: xml.Name{Local: "inline"}})
			_, err := xmlstream.Copy(w, xmlstream.Wrap(xmlstream.MultiReader(namesOf(n.mechanisms()), inline, listUpgrades()), start))
			return true, err
		},
		Negotiate: n.negotiateSASL,
	}
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

// appendFeatures appends the features of a stream that is authenticated.
func (n *negotiation) appendFeatures(b []byte) []byte {
	b = append(b, "<stream:features>"...)
	if n.bound == nil {
		b = append(b, "<bind xmlns='"+nsBind+"'/>"...)
	}
	if n.cfg.Resume != nil {
		b = append(b, "<sm xmlns='"+nsManagement+"'/>"...)
	}
	for _, f := range n.cfg.Features {
		b = append(b, "<"+f.Name.Local+" xmlns='"+f.Name.Space...)
		for _, a := range f.Attr {
			b = scan.AppendEscaped(append(b, "' "+a.Name.Local+"='"...), a.Value)
		}
		b = append(b, "'/>"...)
	}
	return append(n.appendLimits(b), "</stream:features>"...)
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
