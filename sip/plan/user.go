package plan

import (
	"github.com/rolecall/rolecall/internal/uc"
)

// user lets the call come to a user.
func (m *maker) user(u *uc.User, ext string, status uc.CallStatus) string {
	m.plan.Called = uc.Party{User: u.ID, Number: ext, Name: u.Name}
	if m.queued() {
		return m.member(u, status)
	}
	m.plan.Class = m.origin
	if status == uc.StatusNone {
		m.nameFor(u)
		if to, moved := m.flow(stepBefore, u.Name, m.dir.UserFlow(u.ID, m.list(uc.InternalBefore, uc.ExternalBefore)), ""); moved {
			return to
		}
		if to, moved := m.forward(u, uc.ForwardAlways); moved {
			return to
		}
		if status = m.ringUser(u); status == uc.StatusNone {
			m.result()
			return ""
		}
	}
	return m.afterUser(u, status)
}

// queued reports whether the call comes to the user through a team. The team of the request holds for
// the extension that was asked for, not for where the call goes from there.
func (m *maker) queued() bool {
	return (m.req.Team != 0 || m.req.Class == uc.Queue) && len(m.plan.Path) == len(m.req.Path)+1
}

// list chooses the call-flow list of the call's class.
func (m *maker) list(internal, external uc.FlowList) uc.FlowList {
	if m.origin == uc.Internal {
		return internal
	}
	return external
}

// ringUser collects what rings for a user who is called in person. It returns StatusNone if something
// rings, else why not.
func (m *maker) ringUser(u *uc.User) uc.CallStatus {
	if !u.CallWaiting && m.live.UserCalls(u.ID) > 0 {
		m.line(stepBusy, u.Name+" is busy", "in a call, and call waiting is off")
		return uc.StatusBusy
	}
	rang, busy := m.endpoints(u, nil, 0)
	switch {
	case rang:
		return uc.StatusNone
	case busy:
		m.line(stepBusy, u.Name+" is busy", "every device that could ring is in a call")
		return uc.StatusBusy
	}
	m.line(stepEndpoint, u.Name+" is unreachable", "no device rings for calls of this class")
	return uc.StatusUnreachable
}

// afterUser is what happens when nobody at a user's devices took the call.
func (m *maker) afterUser(u *uc.User, status uc.CallStatus) string {
	if to, moved := m.forward(u, forwardOf(status)); moved {
		return to
	}
	lines := m.dir.UserFlow(u.ID, m.list(uc.InternalAfter, uc.ExternalAfter))
	if to, moved := m.flow(stepAfter, u.Name, lines, string(status)); moved {
		return to
	}
	m.rejectAs(status)
	return ""
}

func forwardOf(status uc.CallStatus) uc.ForwardKind {
	switch status {
	case uc.StatusBusy:
		return uc.ForwardBusy
	case uc.StatusNoAnswer:
		return uc.ForwardNoAnswer
	}
	return uc.ForwardUnreachable
}

// member lets a call come to a user through a team: neither call-flow lines nor forwardings of the user
// count, and only an active member rings.
func (m *maker) member(u *uc.User, status uc.CallStatus) string {
	m.plan.Class = uc.Queue
	t := m.dir.Teams.Get(m.req.Team)
	if status != uc.StatusNone {
		m.rejectAs(status)
		return ""
	}
	if t != nil {
		m.line(stepCaller, "The call comes through team "+t.Name, "queue call")
		m.prefixed(t)
		if because := m.absent(t, m.membership(t, u), u); because != "" {
			m.line(stepEndpoint, u.Name+" does not ring", because)
			m.rejectAs(uc.StatusUnreachable)
			return ""
		}
	}
	m.noForward(u)
	if !u.CallWaiting && m.live.UserCalls(u.ID) > 0 {
		m.line(stepBusy, u.Name+" is busy", "in a call, and call waiting is off")
		m.rejectAs(uc.StatusBusy)
		return ""
	}
	switch rang, busy := m.endpoints(u, t, 0); {
	case rang:
		m.result()
	case busy:
		m.rejectAs(uc.StatusBusy)
	default:
		m.rejectAs(uc.StatusUnreachable)
	}
	return ""
}

// noForward says why an active forwarding of a user does not count for a queue call.
func (m *maker) noForward(u *uc.User) {
	for _, f := range m.dir.UserForwardings(u.ID) {
		if f.Active && f.Kind == uc.ForwardAlways {
			m.line(stepForward, "Forwarding of "+u.Name+" to "+f.Target+" does not count", "queue calls are never forwarded")
			return
		}
	}
}
