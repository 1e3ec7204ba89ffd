// Package portable reads and writes what a server keeps of its users in the portable format of XEP-0227, as Prosody and
// ejabberd do, so that people can move from one server to another: passwords as SCRAM keys, contacts, vCards, private
// data, nodes, block lists, messages that wait, and archives, one message at a time. Rooms are no part of the format.
//
// It knows the format only: internal/app reads and writes the database. It starts no goroutine.
package portable

import (
	"iter"

	"github.com/rolecall/rolecall/internal/uc"
)

// The namespaces of the format and of what stands in it.
const (
	nsPIE         = "urn:xmpp:pie:0"
	nsSCRAM       = "urn:xmpp:pie:0#scram"
	nsMAM         = "urn:xmpp:pie:0#mam"
	nsRoster      = "jabber:iq:roster"
	nsVCard       = "vcard-temp"
	nsPrivate     = "jabber:iq:private"
	nsPubsub      = "http://jabber.org/protocol/pubsub"
	nsPubsubOwner = nsPubsub + "#owner"
	nsForms       = "jabber:x:data"
	nsBlocking    = "urn:xmpp:blocking"
	nsDelay       = "urn:xmpp:delay"
	nsXInclude    = "http://www.w3.org/2001/XInclude"
	nsForward     = "urn:xmpp:forward:0"
	nsArchive     = "urn:xmpp:mam:2"
	nsStanzaID    = "urn:xmpp:sid:0"
)

// User is what belongs to one user. The user's number is 0 in all of it.
type User struct {
	Login    string
	Password string          // in the clear; empty if only keys are known
	Keys     uc.PasswordKeys // of the password; zero where they are not known
	Roster   []uc.RosterItem
	VCard    []byte // nil if none
	Private  []uc.PrivateXML
	Nodes    []uc.PubsubNode
	Items    []uc.PubsubItem // of the nodes, oldest first
	Blocked  []string
	Offline  []uc.OfflineMessage // oldest first
	Ignored  []string            // what the file has besides and was not understood

	Preferences *uc.ArchivePreferences               // what is kept in the archive; nil: nothing was decided
	Archive     iter.Seq2[uc.ArchivedMessage, error] // to be written, oldest first; nil: none
	Archived    int                                  // messages of the archive that was read
}

// HasKeys reports whether some keys of the password are known.
func (u *User) HasKeys() bool {
	return u.Keys.SHA1.Iterations > 0 || u.Keys.SHA256.Iterations > 0 || u.Keys.SHA512.Iterations > 0
}
