package s2s

import (
	"bytes"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsMUC     = "http://jabber.org/protocol/muc"
	nsMUCUser = nsMUC + "#user"
)

// A server that is slow, or cannot be reached at the moment, is told of each sender's presence to each recipient the last word only:
// a presence takes the place of the one that waits still, so that a storm of presence does not fill the queue.
// It does not overtake what was sent between the two by the same sender to the same address.

// place finds out what an item is to later ones, and returns the one that waits whose place it takes; nil if there is none.
func (r *route) place(it *item) *item {
	presence := bytes.HasPrefix(it.raw, []byte("<presence"))
	if r.size == 0 || !presence && len(r.latest) == 0 {
		return nil // nothing waits that it could have to do with
	}
	head, _, _, err := scan.New(scan.Limits{Stanza: len(it.raw), Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}).Next(it.raw)
	if err != nil {
		return nil // it was checked before it came here
	}
	key := string(head.From) + "\n" + string(head.To)
	if presence && isState(&head, it.raw) {
		it.key = key
		return r.latest[key]
	}
	delete(r.latest, key)
	return nil
}

// note keeps an item that a later one may take the place of.
func (r *route) note(it *item) {
	if it.key == "" {
		return
	}
	if r.latest == nil {
		r.latest = make(map[string]*item)
	}
	r.latest[it.key] = it
}

// settle says that the item is being written: it is what it is from now on.
func (it *item) settle() {
	if it.key != "" && it.route.latest[it.key] == it {
		delete(it.route.latest, it.key)
	}
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
