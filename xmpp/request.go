package xmpp

import (
	"cmp"
	"errors"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// request is one stanza of a client while it is handled. It and its slices are valid until the handler returns.
type request struct {
	server *Server
	batch  *batch
	from   *session
	head   scan.Head
	raw    []byte
	to     destination // of an IQ
	filed  filed       // where a message is in the archives
}

// handler handles a stanza. An error is told to the sender as a stanza error.
type handler func(*request) error

// payload decodes the first child of the stanza.
func (r *request) payload() (*scan.Node, error) {
	n, err := scan.Parse(r.raw)
	if err != nil || len(n.Nodes) == 0 {
		return nil, stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}
	}
	return n.Nodes[0], nil
}

// reply sends the result of an IQ; payload may be nil, or come in parts.
func (r *request) reply(payload ...[]byte) error {
	e := newElement("iq").attr("type", "result").attr("id", string(r.head.ID)).attr("to", r.from.jid).attrIf("from", string(r.head.To))
	if len(payload) == 0 || len(payload) == 1 && len(payload[0]) == 0 {
		r.batch.push(r.from, e.close("iq").bytes())
		return nil
	}
	parts := append(append([][]byte{e.open().bytes()}, payload...), []byte("</iq>"))
	r.batch.push(r.from, parts...)
	return nil
}

// fail answers a stanza with an error (RFC 6120 §8.3.1). Errors and results are never answered.
func (r *request) fail(err error) {
	if typ := string(r.head.Type); typ == "error" || typ == "result" {
		return
	}
	told := r.server.stanzaError(err, r.from)
	e := newElement(string(r.head.Name)).attr("type", "error").attrIf("id", string(r.head.ID)).
		attr("to", r.from.jid).attrIf("from", string(r.head.To))
	e.raw(errorXML(told)).close(string(r.head.Name))
	r.batch.push(r.from, e.bytes())
}

// commandError is a stanza error with an additional condition, of XEP-0050 §4.4 unless it has a namespace.
type commandError struct {
	told     stanza.Error
	specific string
	ns       string
	feature  string // an attribute of it
	xml      string // the condition as it stands, if it has content
}

func (e commandError) Error() string { return e.specific + ": " + e.told.Error() }

// stanzaError maps what a handler returns to what the client is told: the one place where kinds of error
// become conditions. What is unknown is logged in full and told in general.
func (s *Server) stanzaError(err error, from *session) commandError {
	var specific commandError
	if errors.As(err, &specific) {
		return specific
	}
	var refused *pubsub.Error
	if errors.As(err, &refused) {
		return commandError{told: refused.Told, specific: refused.Specific, ns: nsPubsubErrors, feature: refused.Feature}
	}
	var told stanza.Error
	if errors.As(err, &told) {
		return commandError{told: told}
	}
	var known *uc.Error
	if !errors.As(err, &known) {
		from.log.Error("xmpp: handler failed", "cause", err)
		return commandError{told: stanza.Error{Type: stanza.Cancel, Condition: stanza.InternalServerError}}
	}
	told = stanza.Error{Type: stanza.Cancel, Text: map[string]string{"en": known.Text}}
	switch {
	case errors.Is(err, uc.ErrNotFound):
		told.Condition = stanza.ItemNotFound
	case errors.Is(err, uc.ErrForbidden):
		told.Type, told.Condition = stanza.Auth, stanza.Forbidden
	case errors.Is(err, uc.ErrConflict):
		told.Condition = stanza.Conflict
	case errors.Is(err, uc.ErrInvalid):
		told.Type, told.Condition = stanza.Modify, stanza.NotAcceptable
	default:
		told.Type, told.Condition = stanza.Wait, stanza.ServiceUnavailable
	}
	return commandError{told: told}
}

const nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

// errorXML is the element of a stanza error (RFC 6120 §8.3.2).
func errorXML(err commandError) []byte {
	e := newElement("error").attr("type", string(err.told.Type)).start(string(err.told.Condition)).attr("xmlns", nsStanzas).close(string(err.told.Condition))
	if text := err.told.Text["en"]; text != "" {
		e.start("text").attr("xmlns", nsStanzas).attr("xml:lang", "en").chars(text).close("text")
	}
	if err.specific != "" {
		e.start(err.specific).attr("xmlns", cmp.Or(err.ns, nsCommands)).attrIf("feature", err.feature).close("")
	}
	e.raw([]byte(err.xml))
	return e.close("error").bytes()
}

// The errors that handlers return as they are.
var (
	errBadRequest         = stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}
	errServiceUnavailable = stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
	errItemNotFound       = stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}
	errForbidden          = stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
	errNotAcceptable      = stanza.Error{Type: stanza.Modify, Condition: stanza.NotAcceptable}
	errInternal           = stanza.Error{Type: stanza.Cancel, Condition: stanza.InternalServerError}
	errNotAllowed         = stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAllowed}
)
