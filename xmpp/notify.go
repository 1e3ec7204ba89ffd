package xmpp

import (
	"slices"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// notifier states on the bus which clients of a user are available. Many changes of one user in a short
// time become one event, and the last event always tells the last state.
type notifier struct {
	server *Server
	mu     sync.Mutex
	dirty  map[*account]struct{}
	wake   chan struct{} // holds one token while dirty may not be empty
}

func newNotifier(s *Server) *notifier {
	return &notifier{server: s, dirty: make(map[*account]struct{}), wake: make(chan struct{}, 1)}
}

// changed notes that the resources of a user may have changed.
func (n *notifier) changed(a *account) {
	n.mu.Lock()
	n.dirty[a] = struct{}{}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) run() {
	for {
		select {
		case <-n.wake:
		case <-n.server.ctx.Done():
			return
		}
		n.mu.Lock()
		dirty := n.dirty
		n.dirty = make(map[*account]struct{})
		n.mu.Unlock()
		for a := range dirty {
			n.tell(a)
		}
	}
}

func (n *notifier) tell(a *account) {
	list := a.resources()
	if slices.Equal(list, a.noted) {
		return
	}
	a.noted = list
	n.server.deps.Bus.Publish(uc.ResourcesChanged{User: a.user, Resources: list})
}

// resources lists the available clients of a user as they describe themselves.
func (a *account) resources() []uc.Resource {
	a.presenceMu.Lock()
	defer a.presenceMu.Unlock()
	var list []uc.Resource
	for _, c := range a.bound() {
		if c.available.Load() {
			p := &c.presence
			list = append(list, uc.Resource{Name: c.resource, Show: p.show, Status: p.status, Priority: p.priority, Since: p.since})
		}
	}
	return list
}
