package component

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/identity"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsTLS  = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:xmpp:component:0"
)

// maxTries is how many proofs may be wrong before the stream ends (RFC 6120 §6.4.5).
const maxTries = 3

// proof is by what a component has proved who it is: its certificate, or else a secret.
type proof struct {
	tls    *tls.ConnectionState
	secret string
}

// login takes a component from the header of its stream to the first domain that it binds, like a client: TLS, SASL,
// and a bind of its own kind (XEP-0225 §3, §4).
func (n *negotiation) login(head scan.Head) (*link, error) {
	if err := n.answer(head, "<starttls xmlns='"+nsTLS+"'><required/></starttls>"); err != nil {
		return nil, err
	}
	if err := n.secure(); err != nil {
		return nil, err
	}
	head, err := n.header()
	if err != nil {
		return nil, err
	}
	name := normal(head.From)
	mechanisms := "<mechanism>PLAIN</mechanism>"
	if (&proof{tls: n.tls}).of(n.service, name) {
		mechanisms = "<mechanism>EXTERNAL</mechanism>" + mechanisms
	}
	if err := n.answer(head, "<mechanisms xmlns='"+nsSASL+"'>"+mechanisms+"</mechanisms>"); err != nil {
		return nil, err
	}
	l, err := n.authenticate(name)
	if err != nil {
		return nil, err
	}
	if head, err = n.header(); err != nil {
		return nil, err
	}
	if err := n.answer(head, "<bind xmlns='"+nsBind+"'><required/></bind>"); err != nil {
		return nil, err
	}
	n.open(scan.NSClient)
	return l, n.bindFirst(l)
}

// header begins a stream anew.
func (n *negotiation) header() (scan.Head, error) {
	n.begin(scan.NSClient)
	head, _, err := n.in.next()
	return head, told(err)
}

// answer is the server's header, with the features.
func (n *negotiation) answer(head scan.Head, features string) error {
	to := ""
	if name := normal(head.From); name != "" {
		to = attribute("to", name)
	}
	text := "<?xml version='1.0'?><stream:stream xmlns='" + scan.NSClient + "' xmlns:stream='" + scan.NSStreams + "' version='1.0'" +
		attribute("from", n.service.cfg.Domain) + attribute("id", rand.Text()) + to + ">"
	if normal(head.To) != n.service.cfg.Domain {
		_, _ = n.conn.Write([]byte(text))
		return errHostUnknown
	}
	_, err := n.conn.Write([]byte(text + "<stream:features>" + features + "</stream:features>"))
	return err
}

// secure makes a TLS connection of the plain one (RFC 6120 §5), and asks for the component's certificate.
func (n *negotiation) secure() error {
	head, _, err := n.in.next()
	switch {
	case err != nil:
		return told(err)
	case string(head.Name) != "starttls" || string(head.NS) != nsTLS:
		return errPolicy
	case n.in.from < len(n.in.buf): // it must not count as if it had come through TLS
		return errPolicy
	}
	if _, err := n.conn.Write([]byte("<proceed xmlns='" + nsTLS + "'/>")); err != nil {
		return err
	}
	cfg := n.service.cfg.TLS.Clone()
	cfg.NextProtos, cfg.ClientAuth, cfg.ClientCAs, cfg.SessionTicketsDisabled = nil, tls.RequestClientCert, nil, true
	conn := tls.Server(n.conn, cfg)
	if err := conn.HandshakeContext(context.Background()); err != nil { // the connection has a deadline
		return err
	}
	state := conn.ConnectionState()
	n.conn, n.tls = conn, &state
	return nil
}

// of reports whether a proof is one for a domain, too.
func (p *proof) of(s *Service, domain string) bool {
	secret, known := s.cfg.Secrets[domain]
	if !known {
		return false
	}
	if p.tls == nil {
		return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(p.secret)) == 1
	}
	return identity.Verify(p.tls.PeerCertificates, domain, s.cfg.Roots) == nil
}

// authenticate takes a proof (RFC 6120 §6.4). name is the domain of the header.
func (n *negotiation) authenticate(name string) (*link, error) {
	for range maxTries {
		head, raw, err := n.in.next()
		switch {
		case err != nil:
			return nil, told(err)
		case string(head.NS) != nsSASL || string(head.Name) != "auth":
			return nil, errPolicy
		}
		auth, err := scan.Parse(raw)
		if err != nil {
			return nil, err
		}
		who, p, failure := n.prove(auth, name)
		if failure == "" {
			if _, err := n.conn.Write([]byte("<success xmlns='" + nsSASL + "'/>")); err != nil {
				return nil, err
			}
			return newLink(n.service, n.raw, n.conn, who, p), nil
		}
		if _, err := n.conn.Write([]byte("<failure xmlns='" + nsSASL + "'><" + failure + "/></failure>")); err != nil {
			return nil, err
		}
	}
	return nil, errPolicy
}

// prove checks one proof. failure is the condition of RFC 6120 §6.5 if it is none.
func (n *negotiation) prove(auth *scan.Node, name string) (who string, p *proof, failure string) {
	text, err := base64.StdEncoding.DecodeString(auth.Text)
	if auth.Text == "=" { // §6.4.2: nothing
		text, err = nil, nil
	}
	if err != nil {
		return "", nil, "incorrect-encoding"
	}
	switch auth.Attr("mechanism") {
	case "EXTERNAL": // XEP-0178
		who, p = name, &proof{tls: n.tls}
		if len(text) > 0 {
			who = normal(text)
		}
	case "PLAIN": // RFC 4616
		parts := bytes.Split(text, []byte{0})
		if len(parts) != 3 {
			return "", nil, "malformed-request"
		}
		who, p = normal(parts[1]), &proof{secret: string(parts[2])}
		if len(parts[0]) > 0 && normal(parts[0]) != who {
			return "", nil, "invalid-authzid"
		}
	default:
		return "", nil, "invalid-mechanism"
	}
	if !p.of(n.service, who) {
		return "", nil, "not-authorized"
	}
	return who, p, ""
}

// bindFirst waits until the component has a domain. Nothing else may come before.
func (n *negotiation) bindFirst(l *link) error {
	for !n.service.bound(l) {
		head, raw, err := n.in.next()
		if err != nil {
			return told(err)
		}
		answer, _, err := l.binding(head, raw)
		switch {
		case err != nil:
			return err
		case answer == nil:
			return errNotAuthorized // RFC 6120 §7.1
		}
		if _, err := n.conn.Write(answer); err != nil {
			return err
		}
	}
	return nil
}

// bind answers a request to bind a domain or to give one up; others are not its.
func (l *link) bind(head scan.Head, raw []byte) (mine bool, err error) {
	answer, mine, err := l.binding(head, raw)
	if mine && err == nil && !l.push(outgoing{raw: answer}, nil) {
		err = errPolicy // it does not read the answers
	}
	return mine, err
}

// binding makes the answer to such a request (XEP-0225 §4).
func (l *link) binding(head scan.Head, raw []byte) (answer []byte, mine bool, err error) {
	verb := string(head.Child)
	if l.proof == nil || head.Kind != scan.IQ || string(head.ChildNS) != nsBind || len(head.To) > 0 && normal(head.To) != l.service.cfg.Domain || verb != "bind" && verb != "unbind" {
		return nil, false, nil
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return nil, true, err
	}
	text := n.Nodes[0].ChildText(nsBind, "hostname")
	domain := normal([]byte(text))
	cond := stanza.Condition("")
	switch {
	case string(head.Type) != "set" || text == "":
		cond = stanza.BadRequest
	case domain == "" || !l.proof.of(l.service, domain):
		cond = stanza.NotAllowed
	case verb == "bind" && !l.service.enter(l, domain):
		cond = stanza.Conflict
	case verb == "unbind" && !l.service.leave(l, domain):
		cond = stanza.ItemNotFound
	}
	id := attribute("id", string(head.ID))
	if cond != "" {
		return []byte("<iq type='error'" + id + "><error type='cancel'><" + string(cond) + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"), true, nil
	}
	result := ""
	if verb == "bind" {
		result = "<bind xmlns='" + nsBind + "'><hostname>" + domain + "</hostname></bind>"
	}
	return []byte("<iq type='result'" + id + ">" + result + "</iq>"), true, nil
}
