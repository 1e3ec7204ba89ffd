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

// newItem reads what place has to know of a stanza. That takes time, and is done before the lock is taken.
func newItem(sender string, raw []byte) *item {
	it := &item{sender: sender, raw: raw}
	head, _, _, err := scan.New(scan.Limits{Stanza: len(raw), Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}).Next(raw)
	if err != nil {
		return it // it was checked before it came here
	}
	it.key = string(head.From) + "\n" + string(head.To)
	it.state = head.Kind == scan.Presence && isState(&head, raw)
	return it
}

// place returns the item that waits whose place another one takes; nil if there is none.
func (r *route) place(it *item) *item {
	if it.state {
		return r.latest[it.key]
	}
	delete(r.latest, it.key)
	it.key = ""
	return nil
}

// note keeps an item that a later one may take the place of.
func (r *route) note(it *item) {
	if !it.state {
		return
	}
	if r.latest == nil {
		r.latest = make(map[string]*item)
	}
	r.latest[it.key] = it
}

// settle says that the item is being written: it is what it is from now on.
func (it *item) settle() {
	if it.state && it.route.latest[it.key] == it {
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
