package s2s

import (
	"github.com/rolecall/rolecall/xmpp/lastword"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// A server that is slow, or cannot be reached at the moment, is told of each sender's presence to each recipient the last word only:
// a presence takes the place of the one that waits still, so that a storm of presence does not fill the queue.
// It does not overtake what was sent between the two by the same sender to the same address.

// newItem reads what place has to know of a presence. That takes time, and is done before the lock is taken.
func newItem(sender string, head *scan.Head, raw []byte) *item {
	it := &item{sender: sender, raw: raw, state: lastword.IsState(head, raw)}
	if it.state {
		it.key = lastword.Key(head)
	}
	return it
}

// place returns the item that waits whose place another one takes; nil if there is none.
func (r *route) place(it *item, head *scan.Head) *item {
	if it.state {
		return r.latest[it.key]
	}
	if len(r.latest) > 0 {
		delete(r.latest, lastword.Key(head))
	}
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
