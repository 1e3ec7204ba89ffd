package xmpp

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/rolecall/rolecall/xmpp/muc"
)

// behind is what a client that does not keep up is still to be told of others' presence: of each address, also of
// each occupant of a chat room, the last word only. It is made when more than the soft cap waits for the client and
// goes when that has been read, so that a storm of presence neither fills the queue of who reads slowly nor slows
// the senders.
// Its lock may be taken under those of accounts; under it only that of the queue is.
type behind struct {
	mu    sync.Mutex
	over  bool              // the client has caught up
	order []string          // keys, the oldest first
	last  map[string][]byte // the stanzas
	size  int               // bytes of them
}

// isPresence is a quick look at a stanza. One with a prefix is not recognised, and is queued like any other.
func isPresence(raw []byte) bool { return bytes.HasPrefix(raw, []byte("<presence")) }

// fallBehind notes that a client does not keep up.
func (c *session) fallBehind() {
	if c.behind.Load() == nil {
		c.behind.CompareAndSwap(nil, &behind{last: make(map[string][]byte)})
	}
}

// holdPresence keeps a stanza for a client that does not keep up, and reports whether it did. A client for
// which even that is too much is ended.
func (b *batch) holdPresence(w *behind, to *session, parts [][]byte) bool {
	raw := bytes.Join(parts, nil)
	key := coalesced(raw)
	return key != "" && b.hold(w, to, key, raw)
}

// holdInRoom is holdPresence for what comes from a chat room. Only what tells how an occupant is now is held. What must
// not be lost goes its way at once, and what was held of the same occupant, which is older, is dropped; so is what
// was held of a room that the client leaves.
func (b *batch) holdInRoom(w *behind, to *session, d *muc.Delivery, parts ...[]byte) bool {
	switch {
	case d.Occupant == "":
	case d.State:
		return b.hold(w, to, occupantKey(d.Occupant), bytes.Join(parts, nil))
	case d.Left:
		room, _, _ := strings.Cut(d.Occupant, "/")
		w.drop(func(key string) bool { return strings.HasPrefix(key, occupantKey(room)+"/") })
	case w.holds(occupantKey(d.Occupant)):
		w.drop(func(key string) bool { return key == occupantKey(d.Occupant) })
	}
	return false
}

func occupantKey(address string) string { return "occupant " + address }

// hold keeps a stanza that a newer one with the same key may take the place of.
func (b *batch) hold(w *behind, to *session, key string, raw []byte) bool {
	if !w.hold(key, raw) {
		return false
	}
	switch {
	case w.tooMuch(b.server.cfg.QueueHard):
		to.end(errQueueFull)
	case to.catchUp(): // the client may have read all before the stanza was held
		b.dirty = append(b.dirty, to)
	}
	return true
}

// hold takes a stanza unless the client has caught up.
func (w *behind) hold(key string, raw []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	old, known := w.last[key]
	if !known {
		w.order = append(w.order, key)
	}
	w.last[key] = raw
	w.size += len(raw) - len(old)
	return true
}

func (w *behind) holds(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.last[key]
	return known
}

// drop forgets what was held under some keys.
func (w *behind) drop(which func(key string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order = slices.DeleteFunc(w.order, func(key string) bool {
		if !which(key) {
			return false
		}
		w.size -= len(w.last[key])
		delete(w.last, key)
		return true
	})
}

func (w *behind) tooMuch(hard int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size > hard
}

// catchUp puts what was held in line, as far as there is room below the soft cap, and reports whether the
// session must be flushed. It is called when the client has read something.
func (c *session) catchUp() (flush bool) {
	w := c.behind.Load()
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	soft, hard := c.server.cfg.QueueSoft, c.server.cfg.QueueHard
	for len(w.order) > 0 && !c.queue.longer(soft/2) {
		raw := w.last[w.order[0]]
		result, _ := c.queue.add(hard, nil, [][]byte{raw})
		if result == pushedFull || result == pushedClosed {
			return flush // there is nobody to tell, or will be later
		}
		flush = flush || result == pushedDirty
		delete(w.last, w.order[0])
		w.order, w.size = w.order[1:], w.size-len(raw)
	}
	if len(w.order) == 0 && !c.queue.longer(soft/2) {
		w.over = true
		c.behind.CompareAndSwap(w, nil)
	}
	return flush
}
