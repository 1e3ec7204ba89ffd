package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// defaultTimeout is the ring timeout of an assignment that nobody has changed.
var defaultTimeout = uc.DefaultRing.Timeout

// endpoints adds a branch for each device that rings for the user, offset seconds later than its own
// delay, and tells for the others why they do not. rang reports whether there was any, busy that some
// device would have rung but for another call. t is the team of a queue call, or nil.
func (m *maker) endpoints(u *uc.User, t *uc.Team, offset int) (rang, busy bool) {
	list := m.dir.Endpoints(u.ID)
	if m.plan.Branches == nil {
		m.plan.Branches = make([]uc.Branch, 0, len(list))
	}
	for i, a := range list {
		d := m.dir.Devices.Get(a.Device)
		if d == nil || seen(list[:i], a.Device) {
			continue
		}
		e := endpoint{m: m, user: u, at: a, device: d, ring: a.Ring(m.plan.Class)}
		b, because, inCall := e.branch(t)
		if because != "" {
			m.line(stepEndpoint, e.name()+" does not ring", because)
			busy = busy || inCall
			continue
		}
		b.Delay += offset
		m.plan.Branches = append(m.plan.Branches, b)
		m.line(stepRing, e.name()+" rings"+after(b.Delay)+" for "+strconv.Itoa(b.Timeout)+" s", b.Reason)
		rang = true
	}
	return rang, busy
}

// seen reports whether a device came up before: it may be assigned to a user and to their location, and
// then the user's own assignment counts.
func seen(before []*uc.Assignment, d uc.DeviceID) bool {
	return slices.ContainsFunc(before, func(a *uc.Assignment) bool { return a.Device == d })
}

func after(delay int) string {
	if delay == 0 {
		return " at once"
	}
	return " after " + strconv.Itoa(delay) + " s"
}

// endpoint is one device of a user in one call.
type endpoint struct {
	m      *maker
	user   *uc.User
	at     *uc.Assignment
	device *uc.Device
	ring   uc.Ring
}

// name is "Desk phone of Anna", or "Desk phone at Reception"; a name that has the person in it stays as it is.
func (e *endpoint) name() string {
	if loc := e.m.dir.Locations.Get(e.at.Location); loc != nil {
		return e.device.Name + " at " + loc.Name
	}
	if strings.Contains(e.device.Name, e.user.Name) {
		return e.device.Name
	}
	return e.device.Name + " of " + e.user.Name
}

// branch works out how the device rings, or because of what it does not; inCall if for another call.
func (e *endpoint) branch(t *uc.Team) (b uc.Branch, because string, inCall bool) {
	m, d := e.m, e.device
	b = uc.Branch{User: e.user.ID, Device: d.ID, Delay: max(e.ring.Delay, 0), Timeout: e.timeout(t)}
	setting := setBy("FollowMe "+string(m.plan.Class), e.ring.SetBy)
	switch {
	case d.ID == m.req.Caller.Device:
		return b, "it is the calling device", false
	case !e.ring.Enabled:
		return b, setBy("FollowMe "+string(m.plan.Class)+" is off", e.ring.SetBy), false
	case b.Timeout <= 0:
		return b, setting + ": it rings for 0 s", false
	case slices.ContainsFunc(m.plan.Branches, func(o uc.Branch) bool { return o.Device == d.ID }):
		return b, "it rings already", false
	}
	b.Reason = setting
	if because = e.reach(&b); because != "" {
		return b, because, false
	}
	if !e.user.CallWaiting && m.live.DeviceCalls(d.ID) > 0 {
		return b, "in a call, and call waiting is off", true
	}
	return b, "", false
}

// reach decides between the SIP device and its number over a trunk, or says why neither is possible.
func (e *endpoint) reach(b *uc.Branch) (because string) {
	d, state := e.device, e.m.dir.State(e.user.ID)
	switch {
	case d.Kind == uc.DeviceMobile && e.at.User != 0 && state.GSM:
		if b.Number = d.Number; b.Number == "" {
			b.Number = e.user.MobileNumber
		}
		gsm := setBy("GSM mode is on", state.SetBy)
		if b.Number == "" {
			return gsm + ", but no number is known"
		}
		b.Reason += "; " + gsm + ": " + b.Number + " is called"
	case d.Kind == uc.DeviceExternal:
		if b.Number = d.Number; b.Number == "" {
			return "it has no number"
		}
		b.Reason += "; " + b.Number + " is called"
	case !d.Kind.SIP():
		return "it is no telephone"
	case !e.m.live.Registered(d.ID):
		return "not registered"
	}
	return ""
}

// timeout is for how many seconds the device rings. For queue calls the team's member timeout counts
// unless the device has one of its own.
func (e *endpoint) timeout(t *uc.Team) int {
	if t != nil && t.MemberTimeout > 0 && e.ring.Timeout == defaultTimeout {
		return t.MemberTimeout
	}
	return e.ring.Timeout
}
