package xmpp

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsClientState = "urn:xmpp:csi:0"

// What is held back for an inactive client at most, before it is sent all the same.
const (
	maxHeld     = 500       // stanzas
	maxHeldSize = 128 << 10 // bytes
)

// heldBack is what an inactive client is not sent until something important comes or it is active again
// (XEP-0352 §3.2): of each client's presence and chat state the last. Its lock may be taken under those of
// accounts; under it only locks of queues and connections are.
type heldBack struct {
	mu      sync.Mutex
	over    bool // the client is active again
	stanzas [][]byte
	at      map[string]int // where in stanzas a newer one takes the place of an older one
	size    int
}

// inactive notes that nobody looks at the client (XEP-0352 §4.2).
func (r *request) inactive() error {
	r.from.becomeInactive()
	return nil
}

func (c *session) becomeInactive() {
	if c.held.Load() == nil {
		c.held.Store(&heldBack{at: make(map[string]int)})
	}
}

// active sends the client what was held back.
func (r *request) active() error {
	r.from.activate(r.batch)
	return nil
}

func (c *session) activate(b *batch) {
	h := c.held.Swap(nil)
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.release(b, c)
}

// push holds the stanza back, or sends it behind what was held back.
func (h *heldBack) push(b *batch, to *session, of *delivery, parts [][]byte) bool {
	raw := bytes.Join(parts, nil)
	key := cmp.Or(coalesced(raw), coalescedInRoom(raw))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || key == "" {
		h.release(b, to)
		return b.line(to, of, raw)
	}
	if of != nil {
		of.done.Store(true) // what can be held back is not worth keeping
	}
	h.hold(key, raw)
	if len(h.stanzas) > maxHeld || h.size > maxHeldSize {
		h.release(b, to)
	}
	return true
}

func (h *heldBack) hold(key string, raw []byte) {
	h.size += len(raw)
	if i, known := h.at[key]; known {
		h.size -= len(h.stanzas[i])
		h.stanzas[i] = raw
		return
	}
	h.at[key] = len(h.stanzas)
	h.stanzas = append(h.stanzas, raw)
}

// release sends what was held back.
func (h *heldBack) release(b *batch, to *session) {
	for _, raw := range h.stanzas {
		b.line(to, nil, raw)
	}
	clear(h.at)
	h.stanzas, h.size = nil, 0
}

// coalesced returns what makes a newer stanza take the place of an older one. It is empty for a stanza that
// is not held back.
func coalesced(raw []byte) string {
	head, _, _, err := scan.New(unlimited).Next(raw)
	switch {
	case err != nil, head.Kind == scan.IQ:
		return ""
	case head.Kind == scan.Presence:
		typ := string(head.Type)
		if typ != "" && typ != "unavailable" || bytes.Contains(raw, []byte(nsMUCUser)) {
			return "" // requests, errors, and what tells of more than presence
		}
		return "presence " + string(head.From)
	case bytes.Contains(raw, []byte("<body")), !bytes.Contains(raw, []byte(nsChatStates)):
		return "" // most messages
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return ""
	}
	return coalescedState(n)
}

// coalescedInRoom does it for the presence of somebody in a room that tells nothing but how they are now: not why they
// go, who has done it, what their next nick is, or what becomes of the room or the client itself. It is for those only
// who are sent all that was held before anything else: the order counts.
func coalescedInRoom(raw []byte) string {
	if !isPresence(raw) || !bytes.Contains(raw, []byte(nsMUCUser)) {
		return ""
	}
	n, err := scan.Parse(raw)
	if err != nil || n.Attr("type") != "" && n.Attr("type") != "unavailable" {
		return ""
	}
	x := n.Child(nsMUCUser, "x")
	if x == nil || len(x.Nodes) != 1 || x.Nodes[0].Name != "item" || len(x.Nodes[0].Nodes) > 0 || x.Nodes[0].Attr("nick") != "" {
		return ""
	}
	return "presence " + n.Attr("from")
}

// coalescedState does it for messages, and for copies of messages.
func coalescedState(n *scan.Node) string {
	for _, kind := range []string{"received", "sent"} {
		if c := n.Child(nsCarbons, kind); c != nil {
			inner := c.Child(nsForwarding, "forwarded").Child(scan.NSClient, "message")
			if inner == nil || !isState(inner) {
				return ""
			}
			return kind + " " + inner.Attr("from") + " " + inner.Attr("to")
		}
	}
	if !isState(n) {
		return ""
	}
	return "state " + n.Attr("from")
}

// besidesState are elements that say nothing of their own beside a chat state.
var besidesState = []string{"thread", "no-store", "no-copy", "no-permanent-store", "stanza-id", "origin-id", "occupant-id"}

// isState reports whether a message says nothing but what somebody does at the keyboard (XEP-0085).
func isState(n *scan.Node) bool {
	state := false
	for _, c := range n.Nodes {
		switch {
		case c.NS == nsChatStates:
			state = true
		case !slices.Contains(besidesState, c.Name):
			return false
		}
	}
	return state && n.Attr("type") != "error"
}
