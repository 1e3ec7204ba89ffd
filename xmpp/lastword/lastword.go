// Package lastword tells which presence waits in vain for a server or component that is slow to read, because a later one says
// all there is to say: of each sender's presence to each recipient only the last word counts.
//
// It has no state: the queues are their owners'.
package lastword

import (
	"bytes"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsMUC     = "http://jabber.org/protocol/muc"
	nsMUCUser = nsMUC + "#user"
)

// Key says who sends a stanza to whom. What comes between two stanzas with the same key must not be overtaken.
func Key(head *scan.Head) string { return string(head.From) + "\n" + string(head.To) }

// IsState reports whether a stanza is presence that tells nothing but how its sender is now, so that a later one with the same key may
// take its place. What enters or leaves chat rooms does more, and so does what a room tells of an occupant with a status code, a new
// nick, who did it or why (XEP-0045).
func IsState(head *scan.Head, raw []byte) bool {
	if typ := string(head.Type); head.Kind != scan.Presence || typ != "" && typ != "unavailable" {
		return false
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return false
	}
	ofRoom := false
	for _, c := range n.Nodes {
		switch {
		case !strings.HasPrefix(c.NS, nsMUC):
		case c.NS != nsMUCUser || !isStateOfOccupant(c):
			return false
		default:
			ofRoom = true
		}
	}
	return ofRoom || !bytes.Contains(head.To, []byte("/")) // what is directed at somebody may be meant for a room
}

func isStateOfOccupant(x *scan.Node) bool {
	for _, c := range x.Nodes {
		if c.Name != "item" || len(c.Nodes) > 0 || c.Attr("nick") != "" {
			return false
		}
	}
	return true
}
