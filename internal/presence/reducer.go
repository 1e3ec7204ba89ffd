// Package presence computes what colleagues see of each user: one state made of XMPP clients, calls,
// client profile, workplace and SIP registrations. Nothing of it is remembered; whatever ends, the
// state that then follows from the rest returns by itself.
//
// [Reduce] is the pure function. [Reducer] follows the bus, keeps the last result of every user for
// questions and publishes uc.PresenceChanged. It owns one goroutine, the caller of [Reducer.Run].
package presence

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

const queueLimit = 1 << 15

// Sources answer what the reducer must read anew at its start and after it fell behind.
type Sources struct {
	Directory     func() *uc.Directory
	Profile       func(uc.UserID) uc.ProfileState
	Calls         func() []uc.Call
	Registrations func() []uc.Registration
	Resources     func() map[uc.UserID][]uc.Resource
}

// Reducer keeps every user's presence.
type Reducer struct {
	bus    *bus.Bus
	events *bus.Reader

	mu  sync.RWMutex
	now map[uc.UserID]uc.Presence

	// What follows belongs to Run's goroutine.
	src        Sources
	resources  map[uc.UserID][]uc.Resource
	registered map[uc.DeviceID]bool
	calls      map[string]uc.Call
	callsOf    map[uc.UserID]map[string]bool
	profiles   map[uc.UserID]uc.ProfileState
}

// New makes a reducer and subscribes it, so that nothing published from now on is missed. It answers
// with offline presences until Run has started.
func New(b *bus.Bus) *Reducer {
	return &Reducer{
		bus: b,
		now: make(map[uc.UserID]uc.Presence),
		events: b.Subscribe(queueLimit, uc.DirectoryChanged{}, uc.ProfileSwitched{}, uc.ResourcesChanged{},
			uc.RegistrationChanged{}, uc.CallChanged{}),
	}
}

// Get returns a user's presence.
func (r *Reducer) Get(user uc.UserID) uc.Presence {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p, ok := r.now[user]; ok {
		return p
	}
	return uc.Presence{User: user, Phone: uc.PhoneUnreachable, Floor: uc.Floor{Show: uc.ShowAvailable}}
}

// All returns the presence of every user, in the order of their identifiers.
func (r *Reducer) All() []uc.Presence {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := slices.Collect(maps.Values(r.now))
	slices.SortFunc(list, func(a, b uc.Presence) int { return int(a.User - b.User) })
	return list
}

// Run follows the bus until ctx ends.
func (r *Reducer) Run(ctx context.Context, src Sources) error {
	defer r.events.Close()
	r.src = src
	r.resync()
	for {
		e, err := r.events.Next(ctx)
		switch {
		case errors.Is(err, bus.ErrOverflow):
			r.resync()
		case err != nil:
			return err
		default:
			r.apply(e)
		}
	}
}

// resync reads all sources anew and recomputes everybody.
func (r *Reducer) resync() {
	r.resources = r.src.Resources()
	r.registered = make(map[uc.DeviceID]bool)
	for _, reg := range r.src.Registrations() {
		r.registered[reg.Device] = reg.Contacts > 0
	}
	r.calls, r.callsOf = make(map[string]uc.Call), make(map[uc.UserID]map[string]bool)
	for _, c := range r.src.Calls() {
		r.keepCall(c)
	}
	r.profiles = make(map[uc.UserID]uc.ProfileState)
	for id := range r.src.Directory().Users.All() {
		r.profiles[id] = r.src.Profile(id)
	}
	r.updateAll()
}

func (r *Reducer) apply(e uc.Event) {
	switch e := e.(type) {
	case uc.ResourcesChanged:
		r.resources[e.User] = e.Resources
		r.update(e.User)
	case uc.RegistrationChanged:
		r.registered[e.Device] = e.Contacts > 0
		r.updateDevice(e.Device)
	case uc.CallChanged:
		for user := range r.keepCall(e.Call) {
			r.update(user)
		}
	case uc.ProfileSwitched:
		r.profiles[e.State.User] = e.State
		r.update(e.State.User)
	case uc.DirectoryChanged:
		r.directoryChanged(e)
	}
}

// keepCall files a call under its users and returns all whom it touches, also those who have just left it.
func (r *Reducer) keepCall(c uc.Call) map[uc.UserID]bool {
	touched := make(map[uc.UserID]bool)
	old := r.calls[c.ID]
	for _, leg := range slices.Concat(old.Legs, c.Legs) {
		if leg.User != 0 {
			touched[leg.User] = true
		}
	}
	if c.State == uc.CallEnded {
		delete(r.calls, c.ID)
	} else {
		r.calls[c.ID] = c
	}
	for user := range touched {
		if r.callsOf[user] == nil {
			r.callsOf[user] = make(map[string]bool)
		}
		if r.callsOf[user][c.ID] = true; c.State == uc.CallEnded {
			delete(r.callsOf[user], c.ID)
		}
		if len(r.callsOf[user]) == 0 {
			delete(r.callsOf, user)
		}
	}
	return touched
}

// directoryChanged recomputes those whom the change touches; a changed profile, device or location may
// touch anybody.
func (r *Reducer) directoryChanged(e uc.DirectoryChanged) {
	touched := make(map[uc.UserID]bool)
	for _, ref := range e.Changes {
		switch ref.Kind {
		case uc.KindUser, uc.KindUserState:
			touched[uc.UserID(ref.ID)] = true
		case uc.KindAssignment:
			for _, d := range []*uc.Directory{e.Before, e.After} {
				if a := d.Assignments.Get(uc.AssignmentID(ref.ID)); a != nil {
					touched[a.User] = true
					touched[d.LocationUser(a.Location)] = true
				}
			}
		case uc.KindProfile, uc.KindDevice, uc.KindLocation:
			r.updateAll()
			return
		}
	}
	delete(touched, 0)
	for user := range touched {
		r.update(user)
	}
}

func (r *Reducer) updateDevice(dev uc.DeviceID) {
	d := r.src.Directory()
	for _, a := range d.DeviceAssignments(dev) {
		if a.User != 0 {
			r.update(a.User)
		} else if u := d.LocationUser(a.Location); u != 0 {
			r.update(u)
		}
	}
}

func (r *Reducer) updateAll() {
	for id := range r.src.Directory().Users.All() {
		r.update(id)
	}
	r.mu.RLock()
	known := slices.Collect(maps.Keys(r.now))
	r.mu.RUnlock()
	for _, id := range known {
		r.update(id)
	}
}

// update recomputes one user and tells the result if it is new.
func (r *Reducer) update(user uc.UserID) {
	d := r.src.Directory()
	if d.Users.Get(user) == nil {
		r.forget(user)
		return
	}
	p := Reduce(r.facts(d, user))
	r.mu.Lock()
	old, known := r.now[user]
	p.Version = old.Version
	if known && reflect.DeepEqual(old, p) {
		r.mu.Unlock()
		return
	}
	p.Version++
	r.now[user] = p
	r.mu.Unlock()
	r.bus.Publish(uc.PresenceChanged{Presence: p})
}

func (r *Reducer) forget(user uc.UserID) {
	delete(r.resources, user)
	delete(r.profiles, user)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, user)
}

func (r *Reducer) facts(d *uc.Directory, user uc.UserID) Facts {
	state, known := r.profiles[user]
	if !known {
		state = r.src.Profile(user)
	}
	f := Facts{
		User:      user,
		Resources: r.resources[user],
		Profile:   d.Profiles.Get(state.Effective),
		State:     state,
		Live:      d.State(user),
	}
	for id := range r.callsOf[user] {
		f.Calls = append(f.Calls, r.calls[id])
	}
	slices.SortFunc(f.Calls, func(a, b uc.Call) int { return a.Began.Compare(b.Began) })
	for _, a := range d.Endpoints(user) {
		f.Registered = f.Registered || r.registered[a.Device]
	}
	return f
}
