package muc

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// The namespaces that the service speaks. NS marks the presence of a client that wants to enter a room.
const (
	NS         = "http://jabber.org/protocol/muc"
	nsUser     = NS + "#user"
	nsAdmin    = NS + "#admin"
	nsOwner    = NS + "#owner"
	nsUnique   = NS + "#unique"
	formConfig = NS + "#roomconfig"
	formVoice  = NS + "#request"
	formInfo   = NS + "#roominfo"
	formEnroll = NS + "#register"

	selfPingFeature = NS + "#self-ping-optimization"
	reservedNick    = "x-roomuser-item" // XEP-0045 §7.12

	nsDirectInvite = "jabber:x:conference"
	nsDisco        = "http://jabber.org/protocol/disco#"
	nsDiscoInfo    = nsDisco + "info"
	nsDiscoItems   = nsDisco + "items"
	nsForms        = "jabber:x:data"
	nsRegister     = "jabber:iq:register"
	nsPing         = "urn:xmpp:ping"
	nsDelay        = "urn:xmpp:delay"
	nsOldDelay     = "jabber:x:delay"
	nsStanzaID     = "urn:xmpp:sid:0"
	nsHints        = "urn:xmpp:hints"
	nsVCard        = "vcard-temp"
	nsRetract      = "urn:xmpp:message-retract:1"
	nsModerate     = "urn:xmpp:message-moderate:1"
	nsArchive      = "urn:xmpp:mam:2"
	nsPaging       = "http://jabber.org/protocol/rsm"
	nsHats         = "urn:xmpp:hats:0"
	nsCommands     = "http://jabber.org/protocol/commands"
	nsVCardUpdate  = "vcard-temp:x:update"
	nsOccupantID   = "urn:xmpp:occupant-id:0"
	nsStanzas      = "urn:ietf:params:xml:ns:xmpp-stanzas"
)

// Delivery is one stanza for one or more addresses. Those with a resource are clients, the others users.
type Delivery struct {
	To     []string
	Stanza []byte // without a to attribute

	// Occupant is the address of the occupant whose presence the stanza is; else it is empty.
	Occupant string
	// State says that the presence tells nothing but how the occupant is now, so that a later one of the same occupant
	// makes it superfluous. One with a status code, a new nick, who did it or why is not of this kind.
	State bool
	// Left says that those who are told leave the room by it: what they have not been told of others does not matter.
	Left bool
}

// forUser reports whether it is for users who are not in the room.
func (d *Delivery) forUser() bool { return !strings.Contains(d.To[0], "/") }

// Cut returns the stanza's bytes before and behind the place where a to attribute belongs.
func (d *Delivery) Cut() (before, behind []byte) {
	at := bytes.IndexByte(d.Stanza, ' ') // each has a from attribute behind its name
	return d.Stanza[:at], d.Stanza[at:]
}

// In is a stanza of a user, addressed to a room or to an occupant.
type In struct {
	Head scan.Head
	Raw  []byte
	From string // full, canonical
	Bare string // the same without its resource
	Nick string // canonical resourcepart of the address; empty: the room itself

	// Abroad says that the sender is at another domain: an error of it is often the only sign that it is gone, so it
	// takes it out of all rooms.
	Abroad bool

	// Ticket is when what the stanza has changed is stored (see [Service.After]); 0: it has changed nothing.
	Ticket uint64

	node   *scan.Node
	gone   bool                // it is an error that says that its sender is not there any more
	target *uc.ArchivedMessage // what it retracts, if that is in the archive
}

// retracts returns the ID of the message that a stanza wants to have retracted (XEP-0424, XEP-0425), or "".
func (in *In) retracts() string {
	switch typ := string(in.Head.Type); {
	case in.Head.Kind == scan.Message && typ == "groupchat":
		if r := in.node.Child(nsRetract, "retract"); r != nil {
			return r.Attr("id")
		}
	case in.Head.Kind == scan.IQ && typ == "set" && string(in.Head.ChildNS) == nsModerate:
		return in.payload().Attr("id")
	}
	return ""
}

// failure answers a request of which the outcome could not be stored.
func (in *In) failure() Delivery {
	if in.Head.Kind != scan.IQ {
		return Delivery{}
	}
	e := with(elem(scan.NSClient, "error", "type", "wait"), elem(nsStanzas, "internal-server-error"))
	return Delivery{To: []string{in.From}, Stanza: build("iq", string(in.Head.To), "error", string(in.Head.ID), e)}
}

// payload returns the first child of an IQ.
func (in *In) payload() *scan.Node {
	if len(in.node.Nodes) == 0 {
		return nil
	}
	return in.node.Nodes[0]
}

// stampedFrom returns the stanza as the sender wrote it, but from another address and without a to attribute.
func (in *In) stampedFrom(address string) []byte {
	const emptyTo = " to=''"
	out := make([]byte, 0, len(in.Raw)+len(address)+256)
	out = scan.AppendStamped(out, in.Raw, &in.Head, []byte(address), []byte{})
	at := bytes.Index(out, []byte(emptyTo)) // it cannot stand inside the from attribute before it, for its quotes
	return append(out[:at], out[at+len(emptyTo):]...)
}

// without takes children out of a stanza.
func (in *In) without(drop func(*scan.Node) bool) {
	if !slices.ContainsFunc(in.node.Nodes, drop) {
		return
	}
	in.node.Nodes = slices.DeleteFunc(in.node.Nodes, drop)
	raw := in.node.AppendXML(nil, scan.NSClient)
	if head, whole, _, err := scan.New(scan.Limits{Stanza: 1 << 30, Depth: 1 << 10, Attrs: 1 << 10}).Next(raw); err == nil {
		in.Head, in.Raw = head, whole
	}
}

// inside returns a stanza that has content, with more children at its end; nil is for none.
func inside(raw []byte, children ...*scan.Node) []byte {
	end := bytes.LastIndex(raw, []byte("</")) // of the end tag: it cannot stand in an attribute, and CDATA comes before it
	out := append(make([]byte, 0, len(raw)+256), raw[:end]...)
	for _, c := range children {
		if c != nil {
			out = c.AppendXML(out, scan.NSClient)
		}
	}
	return append(out, raw[end:]...)
}

// elem makes an element; attrs are names and values in turn, and those with an empty value are left out.
func elem(ns, name string, attrs ...string) *scan.Node {
	n := &scan.Node{NS: ns, Name: name}
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			n.Attrs = append(n.Attrs, scan.Attr{Name: attrs[i], Value: attrs[i+1]})
		}
	}
	return n
}

// text makes an element that holds text only.
func text(ns, name, content string) *scan.Node { return &scan.Node{NS: ns, Name: name, Text: content} }

// with adds children, except those that are nil.
func with(n *scan.Node, children ...*scan.Node) *scan.Node {
	for _, c := range children {
		if c != nil {
			n.Nodes = append(n.Nodes, c)
		}
	}
	return n
}

// build makes a stanza.
func build(kind, from, typ, id string, children ...*scan.Node) []byte {
	return with(elem(scan.NSClient, kind, "from", from, "type", typ, "id", id), children...).AppendXML(nil, scan.NSClient)
}

func statusNode(code int) *scan.Node { return elem(nsUser, "status", "code", strconv.Itoa(code)) }

const stampLayout = "2006-01-02T15:04:05.000Z"

// delayNode says when something was said (XEP-0203).
func delayNode(from string, at time.Time) *scan.Node {
	return elem(nsDelay, "delay", "from", from, "stamp", at.UTC().Format(stampLayout))
}

// shorten cuts a reason or other remark to at most maxReason bytes, at a character.
func shorten(s string) string {
	if len(s) <= maxReason {
		return s
	}
	end := maxReason
	for end > 0 && s[end]&0xc0 == 0x80 {
		end--
	}
	return s[:end]
}

// The errors that a sender is told (XEP-0045 §§7-10).
var (
	errBadRequest     = stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}
	errBadAddress     = stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
	errNotInRoom      = stanza.Error{Type: stanza.Modify, Condition: stanza.NotAcceptable}
	errBadValue       = stanza.Error{Type: stanza.Modify, Condition: stanza.NotAcceptable}
	errForbidden      = stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
	errNotFound       = stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}
	errNotAllowed     = stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAllowed}
	errConflict       = stanza.Error{Type: stanza.Cancel, Condition: stanza.Conflict}
	errMembersOnly    = stanza.Error{Type: stanza.Auth, Condition: stanza.RegistrationRequired}
	errPassword       = stanza.Error{Type: stanza.Auth, Condition: stanza.NotAuthorized}
	errFull           = stanza.Error{Type: stanza.Wait, Condition: stanza.ServiceUnavailable}
	errTooMuch        = stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
	errTooFast        = stanza.Error{Type: stanza.Wait, Condition: stanza.PolicyViolation}
	errNotSupported   = stanza.Error{Type: stanza.Cancel, Condition: stanza.FeatureNotImplemented}
	errNotImplemented = stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
)
