package xmpp

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

func hasPhones(c *call) bool { return c.server.deps.Phones != nil }

// dialFor has somebody's own telephones ring and then calls whom they want.
func dialFor(c *call) (*page, error) {
	title, name := "Dial", cmp.Or(c.whom.Name, c.whom.Login)
	if c.whom.ID != c.user.ID {
		title += " for " + name
	}
	return &page{last: true, next: applyDial, form: &form{title: title,
		instructions: "The telephones of " + name + " ring; whom you name here is called when one of them is answered.",
		fields:       []field{{typ: "text-single", name: "to", label: "Whom to call (extension)", required: true}}}}, nil
}

func applyDial(c *call, in values) (*page, error) {
	to := strings.TrimSpace(in.one("to"))
	begun, err := c.server.deps.Phones.Dial(c.ctx, c.whom.ID, to, c.by())
	if err != nil {
		return nil, err
	}
	c.server.dialled.put(begun.ID, c.user.ID)
	if !slices.ContainsFunc(c.server.deps.Phones.Calls(), func(of uc.Call) bool { return of.ID == begun.ID }) && c.server.dialled.take(begun.ID) != 0 {
		return nil, uc.Errorf(uc.ErrConflict, "the call came to nothing")
	}
	return &page{note: "The telephones of " + cmp.Or(c.whom.Name, c.whom.Login) + " ring. When one is answered, " +
		cmp.Or(begun.Called.Name, to) + " is called."}, nil
}

// dialled remembers who asked for the calls that nobody has answered yet, to tell them if nobody does.
type dialled struct {
	mu sync.Mutex
	by map[string]uc.UserID // by call
}

func newDialled() *dialled { return &dialled{by: make(map[string]uc.UserID)} }

func (d *dialled) put(call string, by uc.UserID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.by[call] = by
}

// take forgets a call and returns who asked for it, or 0.
func (d *dialled) take(call string) uc.UserID {
	d.mu.Lock()
	defer d.mu.Unlock()
	by := d.by[call]
	delete(d.by, call)
	return by
}

// keep forgets all calls but those.
func (d *dialled) keep(calls []uc.Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.by {
		if !slices.ContainsFunc(calls, func(c uc.Call) bool { return c.ID == id }) {
			delete(d.by, id)
		}
	}
}

// tellDialled tells the clients of who asked for a call that it came to nothing.
func (s *Server) tellDialled(b *batch, of uc.Call) {
	if of.State != uc.CallEnded && of.State != uc.CallAnswered {
		return
	}
	by := s.dialled.take(of.ID)
	if by == 0 || !of.Answered.IsZero() {
		return
	}
	a := s.accountByID(by)
	if a == nil {
		return
	}
	for _, to := range *a.sessions.Load() {
		if to.available.Load() && to.priority.Load() >= 0 {
			b.push(to, s.notice(to, "Call", "The call "+callInWords(of)+" did not come about: "+of.Cause+"."))
		}
	}
}

// ownPart is the user's leg in an answered call, or nil.
func ownPart(c *call, of *uc.Call) *uc.Leg {
	if of.State != uc.CallAnswered {
		return nil
	}
	i := slices.IndexFunc(of.Legs, func(l uc.Leg) bool {
		return l.User == c.user.ID && (l.State == uc.LegAnswered || l.State == uc.LegHeld)
	})
	if i < 0 {
		return nil
	}
	return &of.Legs[i]
}

// ownCalls lists the answered calls that the user is in.
func ownCalls(c *call) []uc.Call {
	return slices.DeleteFunc(c.server.deps.Phones.Calls(), func(of uc.Call) bool { return ownPart(c, &of) == nil })
}

// transferOwn sends whom the user talks to on to somebody else.
func transferOwn(c *call) (*page, error) {
	p := chooseCall(c, "Transfer my call", ownCalls(c), transferTo)
	if p.form == nil {
		return p, nil
	}
	p.next = func(c *call, in values) (*page, error) {
		of, err := chosenCall(ownCalls(c), in)
		if err != nil {
			return nil, err
		}
		return transfer(c, of, strings.TrimSpace(in.one("to")), !ownPart(c, &of).Caller)
	}
	return p, nil
}

var transferTo = field{typ: "text-single", name: "to", label: "To (extension)", required: true}

// transferOther sends one party of a call on to somebody else.
func transferOther(c *call) (*page, error) {
	party := field{typ: "list-single", name: "party", label: "Who goes there", required: true, values: []string{"caller"},
		options: []option{{"caller", "the caller"}, {"called", "the person called"}}}
	answered := slices.DeleteFunc(visibleCalls(c), func(of uc.Call) bool { return of.State != uc.CallAnswered })
	p := chooseCall(c, "Transfer a call", answered, party, transferTo)
	if p.form == nil {
		return p, nil
	}
	p.next = func(c *call, in values) (*page, error) {
		of, err := chosenCall(visibleCalls(c), in)
		if err != nil {
			return nil, err
		}
		who := in.one("party")
		if who != "caller" && who != "called" {
			return nil, badCommand("bad-payload")
		}
		return transfer(c, of, strings.TrimSpace(in.one("to")), who == "caller")
	}
	return p, nil
}

func transfer(c *call, of uc.Call, to string, caller bool) (*page, error) {
	if err := c.server.deps.Phones.Transfer(c.ctx, of.ID, to, caller, c.by()); err != nil {
		return nil, err
	}
	return &page{note: to + " rings for the call " + callInWords(of) + ". It stays as it is if nobody answers there."}, nil
}
