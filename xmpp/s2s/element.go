package s2s

import (
	"cmp"
	"errors"
	"fmt"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsTLS             = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL            = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsStanzas         = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsStreamErrors    = "urn:ietf:params:xml:ns:xmpp-streams"
	nsDialbackFeature = "urn:xmpp:features:dialback"
	nsBidi            = "urn:xmpp:bidi"
	nsBidiFeature     = "urn:xmpp:features:bidi"
	nsLimits          = "urn:xmpp:stream-limits:0"
)

// is reports whether an element is the one of that name.
func is(h *scan.Head, ns, name string) bool { return string(h.NS) == ns && string(h.Name) == name }

// header is a stream header (RFC 6120 §4.7). An empty id is left out, and so is an empty address.
func header(from, to, id string) []byte {
	b := []byte("<?xml version='1.0'?><stream:stream xmlns='" + scan.NSServer + "' xmlns:stream='" + scan.NSStreams +
		"' xmlns:db='" + scan.NSDialback + "' version='1.0' xml:lang='en'")
	b = attribute(b, "from", from)
	b = attribute(b, "to", to)
	b = attribute(b, "id", id)
	return append(b, '>')
}

func attribute(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, ' '), name...), "='"...)
	return append(scan.AppendEscaped(b, value), '\'')
}

// dialbackElement is a db:result or db:verify (XEP-0220 §2). content is XML.
func dialbackElement(name, from, to, id, typ, content string) []byte {
	b := []byte("<db:" + name)
	b = attribute(b, "from", from)
	b = attribute(b, "to", to)
	b = attribute(b, "id", id)
	b = attribute(b, "type", typ)
	if content == "" {
		return append(b, "/>"...)
	}
	return append(b, ">"+content+"</db:"+name+">"...)
}

// dialbackError is the content of an answer that says why a key was not looked at (XEP-0220 §2.4.2).
func dialbackError(reason stanza.Condition) string {
	return "<error type='cancel'><" + string(reason) + " xmlns='" + nsStanzas + "'/></error>"
}

// conditionIn returns what such an answer says.
func conditionIn(n *scan.Node) stanza.Condition {
	for _, e := range n.Nodes {
		if c := e.Condition(nsStanzas); c != "" {
			return stanza.Condition(c)
		}
	}
	return stanza.UndefinedCondition
}

const streamEnd = "</stream:stream>"

// farewell is what is sent last: the stream error that the other side caused or should know, and the end of the
// stream (RFC 6120 §4.4, §4.9.1).
func farewell(reason error) []byte {
	var condition, text string
	var broken *scan.Error
	var told stream.Error
	switch {
	case errors.As(reason, &broken):
		condition, text = string(broken.Condition), broken.Text
	case errors.As(reason, &told):
		condition = told.Err
	default:
		return []byte(streamEnd)
	}
	b := []byte("<stream:error><" + condition + " xmlns='" + nsStreamErrors + "'/>")
	if text != "" {
		b = append(b, "<text xmlns='"+nsStreamErrors+"' xml:lang='en'>"...)
		b = append(scan.AppendEscaped(b, text), "</text>"...)
	}
	return append(b, "</stream:error>"+streamEnd...)
}

// peerError is the stream error that the other side has sent.
type peerError struct{ condition string }

// Error returns the condition.
func (e peerError) Error() string { return "the other server ended the stream: " + e.condition }

// passing reports whether another try may have better luck.
func (e peerError) passing() bool {
	switch e.condition {
	case "system-shutdown", "connection-timeout", "resource-constraint", "reset", "internal-server-error", "remote-connection-failed":
		return true
	}
	return false
}

func peerErrorOf(raw []byte) error {
	n, err := scan.ParseServer(raw)
	if err != nil {
		return err
	}
	return peerError{cmp.Or(n.Condition(nsStreamErrors), "undefined-condition")}
}

// refusal is an error that says what the senders of the waiting stanzas are told.
type refusal struct {
	reason stanza.Condition
	cause  error
}

// Error returns the reason and the cause.
func (r refusal) Error() string { return fmt.Sprintf("%s: %v", r.reason, r.cause) }

// Unwrap returns the cause.
func (r refusal) Unwrap() error { return r.cause }
