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

// Of returns who sends a stanza to whom, as one key, and whether a later stanza with that key may take its place if that is one of
// these, too. What comes between the two with the same key must not be overtaken. A stanza that cannot be read has no key.
func Of(raw []byte) (key string, state bool) {
	head, _, _, err := scan.New(scan.Limits{Stanza: len(raw), Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}).Next(raw)
	if err != nil {
		return "", false
	}
	return string(head.From) + "\n" + string(head.To), head.Kind == scan.Presence && isState(&head, raw)
}

// isState reports whether a presence tells nothing but how its sender is now. What enters or leaves chat rooms does more, and so
// does what a room tells of an occupant with a status code, a new nick, who did it or why (XEP-0045).
func isState(head *scan.Head, raw []byte) bool {
	if typ := string(head.Type); typ != "" && typ != "unavailable" {
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
