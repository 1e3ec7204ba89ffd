package negotiate

import (
	"errors"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxBinds is how often a client may ask for a resource in vain.
const maxBinds = 5

// bind answers requests for a resource until one succeeds (RFC 6120 §7), or a session is resumed in its place.
func (n *negotiation) bind() error {
	for range maxBinds {
		iq, err := n.gate.element()
		if err != nil {
			return err
		}
		if iq.NS == nsManagement || iq.Name == "resume" { // QXmpp 1.4 leaves the namespace out, and would ask for ever
			if err := n.tryResume(iq); err != nil || n.bound != nil {
				return err
			}
			continue
		}
		if iq.Name != "iq" {
			return fault("policy-violation", "bind a resource first") // also XEP-0388 §5.6: no second login
		}
		full, refused := n.chooseResource(iq)
		if refused == nil {
			n.bound = &full
			return n.write(bindResult(iq.Attr("id"), full.String()))
		}
		if err := n.write(bindError(iq.Attr("id"), refused)); err != nil {
			return err
		}
	}
	return fault("policy-violation", "too many attempts to bind a resource")
}

// chooseResource lets Config.Bind choose the resource that the request is for.
func (n *negotiation) chooseResource(iq *scan.Node) (jid.JID, *stanza.Error) {
	none := jid.JID{}
	if iq.Attr("type") != "set" || iq.Attr("id") == "" {
		return none, &stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}
	}
	full, err := n.take(iq.Child(nsBind, "bind").ChildText(nsBind, "resource"))
	if err != nil {
		return none, n.refusal(err)
	}
	return full, nil
}

// take lets Config.Bind choose a resource; name is what the client would like, if anything.
func (n *negotiation) take(name string) (jid.JID, error) {
	bare, err := jid.New(n.login, n.cfg.Domain, "")
	if err != nil {
		return jid.JID{}, err
	}
	if name != "" {
		wanted, err := bare.WithResource(name)
		if err != nil {
			return jid.JID{}, uc.Errorf(uc.ErrInvalid, "malformed resource") // RFC 6120 §7.7.2.1
		}
		name = wanted.Resourcepart()
	}
	resource, err := n.cfg.Bind(n.user, n.login, name)
	if err != nil {
		return jid.JID{}, err
	}
	return bare.WithResource(resource)
}

// refusal makes the stanza error that tells why there is no resource.
func (n *negotiation) refusal(err error) *stanza.Error {
	switch {
	case errors.Is(err, uc.ErrInvalid):
		return &stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}
	case errors.Is(err, uc.ErrConflict):
		return &stanza.Error{Type: stanza.Modify, Condition: stanza.Conflict} // RFC 6120 §7.7.2.2
	case errors.Is(err, uc.ErrUnavailable):
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint} // RFC 6120 §7.6.2.1
	case errors.Is(err, uc.ErrForbidden):
		return &stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAllowed} // RFC 6120 §7.6.2.2
	}
	n.log().Error("xmpp: cannot bind a resource", "login", n.login, "cause", err)
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError}
}

func bindResult(id, full string) []byte {
	b := scan.AppendEscaped([]byte("<iq type='result' id='"), id)
	b = append(b, "'><bind xmlns='"+nsBind+"'><jid>"...)
	return append(scan.AppendEscaped(b, full), "</jid></bind></iq>"...)
}

func bindError(id string, e *stanza.Error) []byte {
	b := scan.AppendEscaped([]byte("<iq type='error' id='"), id)
	b = append(b, "'><error type='"+string(e.Type)+"'><"+string(e.Condition)...)
	return append(b, " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"...)
}
