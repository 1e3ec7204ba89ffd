package sip

import (
	"cmp"
	"slices"
	"sync"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// inviteID recognises an INVITE outside a dialog, whatever way it came (RFC 3261 §8.2.2.2).
type inviteID struct {
	callID, fromTag string
	seq             uint32
}

// calls finds calls and knows who is in one. It is safe for concurrent use; a call writes only its own
// entries.
type calls struct {
	bus *bus.Bus

	mu       sync.RWMutex
	byID     map[string]*call
	byDialog map[dialogID]*leg
	byInvite map[inviteID]*leg
	states   map[string]uc.Call // what was told last, of calls that have not ended
	devices  map[uc.DeviceID]int
	users    map[uc.UserID]int
	closed   bool          // no more calls
	empty    chan struct{} // closed while there is no call
}

func newCalls(b *bus.Bus) *calls {
	t := &calls{
		bus: b, byID: make(map[string]*call), byDialog: make(map[dialogID]*leg), byInvite: make(map[inviteID]*leg),
		states: make(map[string]uc.Call), devices: make(map[uc.DeviceID]int), users: make(map[uc.UserID]int),
		empty: make(chan struct{}),
	}
	close(t.empty)
	return t
}

func idOf(r *request) inviteID {
	return inviteID{r.CallID().Value(), tagOf(r.From().Params), r.CSeq().SeqNo}
}

// shut refuses new calls from now on.
func (t *calls) shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// add enters a new call; false if there are enough already, or if the engine is closing.
func (t *calls) add(c *call, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.byID) >= most {
		return false
	}
	if len(t.byID) == 0 {
		t.empty = make(chan struct{})
	}
	t.byID[c.state.ID] = c
	if c.caller != nil {
		t.byInvite[idOf(c.caller.invite)] = c.caller
		t.byDialog[c.caller.id] = c.caller
	}
	return true
}

func (t *calls) addLeg(l *leg) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byDialog[l.id] = l
}

// remove forgets a call and its legs.
func (t *calls) remove(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, c.state.ID)
	for _, l := range c.known() {
		if t.byDialog[l.id] == l { // else another call has adopted it
			delete(t.byDialog, l.id)
		}
		if l.invite != nil {
			delete(t.byInvite, idOf(l.invite))
		}
	}
	t.count(t.states[c.state.ID], -1)
	delete(t.states, c.state.ID)
	if len(t.byID) == 0 {
		close(t.empty)
	}
}

// rename files a call under its present identifier instead of the one before.
func (t *calls) rename(c *call, before string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, before)
	t.byID[c.state.ID] = c
}

// tell keeps the state of a call for questions and publishes it.
func (t *calls) tell(now uc.Call) {
	t.mu.Lock()
	t.count(t.states[now.ID], -1)
	if now.State == uc.CallEnded {
		delete(t.states, now.ID)
	} else {
		t.states[now.ID] = now
		t.count(now, 1)
	}
	t.mu.Unlock()
	t.bus.Publish(uc.CallChanged{Call: now})
}

// count adds by to what a call contributes: once for each device with a leg that has not ended, once
// for each user with a leg that was answered. mu is held.
func (t *calls) count(c uc.Call, by int) {
	var devices []uc.DeviceID
	var users []uc.UserID
	for _, l := range c.Legs {
		if l.State == uc.LegEnded {
			continue
		}
		if !slices.Contains(devices, l.Device) {
			devices = append(devices, l.Device)
			add(t.devices, l.Device, by)
		}
		talks := l.State == uc.LegAnswered || l.State == uc.LegHeld
		if talks && l.User != 0 && !slices.Contains(users, l.User) {
			users = append(users, l.User)
			add(t.users, l.User, by)
		}
	}
}

func add[K comparable](m map[K]int, key K, by int) {
	if m[key] += by; m[key] == 0 {
		delete(m, key)
	}
}

// leg finds the leg of a dialog, or nil.
func (t *calls) leg(id dialogID) *leg {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byDialog[id]
}

// invited finds the leg of an INVITE outside a dialog, or nil.
func (t *calls) invited(id inviteID) *leg {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byInvite[id]
}

// list returns the calls that have not ended, the oldest first.
func (t *calls) list() []uc.Call {
	t.mu.RLock()
	list := make([]uc.Call, 0, len(t.states))
	for _, c := range t.states {
		list = append(list, c)
	}
	t.mu.RUnlock()
	slices.SortFunc(list, func(a, b uc.Call) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return list
}

// actors returns the calls themselves, also those that are only winding up.
func (t *calls) actors() []*call {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*call, 0, len(t.byID))
	for _, c := range t.byID {
		list = append(list, c)
	}
	return list
}

// none returns a channel that is closed once there is no call.
func (t *calls) none() <-chan struct{} {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.empty
}

func (t *calls) deviceCalls(d uc.DeviceID) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.devices[d]
}

func (t *calls) userCalls(u uc.UserID) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.users[u]
}
