package plan

import "github.com/rolecall/rolecall/internal/uc"

// team lets the call come to a team: the team's call-flow lines count, not its members'.
func (m *maker) team(t *uc.Team, ext string, status uc.CallStatus) string {
	m.plan.Called = uc.Party{Team: t.ID, Number: ext, Name: t.Name}
	m.plan.Class = uc.Queue
	if status == uc.StatusNone {
		m.prefixed(t)
		lines := m.dir.TeamFlow(t.ID, m.list(uc.InternalBefore, uc.ExternalBefore))
		if to, moved := m.flow(stepBefore, "team "+t.Name, lines, ""); moved {
			return to
		}
		if status = m.ringTeam(t); status == uc.StatusNone {
			m.result()
			return ""
		}
	}
	return m.afterTeam(t, status)
}

// afterTeam is what happens when no member took the call.
func (m *maker) afterTeam(t *uc.Team, status uc.CallStatus) string {
	lines := m.dir.TeamFlow(t.ID, m.list(uc.InternalAfter, uc.ExternalAfter))
	if to, moved := m.flow(stepAfter, "team "+t.Name, lines, teamStatus(status)); moved {
		return to
	}
	if t.Overflow != "" {
		if to, moved := m.follow(stepAfter, "Overflow of team "+t.Name+" to "+t.Overflow, t.Overflow, "overflow target of the team"); moved {
			return to
		}
	}
	m.rejectAs(status)
	return ""
}

// teamStatus is the status in a team's after-lines. Nobody waits in a queue yet, so a team whose members
// are all busy is full.
func teamStatus(status uc.CallStatus) string {
	switch status {
	case uc.StatusBusy:
		return "full"
	case uc.StatusUnreachable:
		return "joinempty"
	}
	return "timeout"
}

// ringTeam collects what rings for a team. It returns StatusNone if something rings, else why not.
func (m *maker) ringTeam(t *uc.Team) uc.CallStatus {
	anyBusy, offset := false, 0
	together := t.Strategy == uc.RingAll || t.Strategy == ""
	for _, a := range m.agents(t) {
		place := a.place
		u := m.dir.Users.Get(place.User)
		if u == nil {
			continue
		}
		before := len(m.plan.Branches)
		busy := m.ringMember(t, place, u, offset)
		anyBusy = anyBusy || busy
		if together {
			continue
		}
		for _, b := range m.plan.Branches[before:] {
			offset = max(offset, b.Delay+b.Timeout)
		}
	}
	switch {
	case len(m.plan.Branches) > 0:
		return uc.StatusNone
	case anyBusy:
		m.line(stepBusy, "Team "+t.Name+" is busy", "every member who could take the call is in one")
		return uc.StatusBusy
	}
	m.line(stepEndpoint, "Team "+t.Name+" is unreachable", "no member can take the call")
	return uc.StatusUnreachable
}

// ringMember adds the branches of one member; busy reports that only another call stood against it.
func (m *maker) ringMember(t *uc.Team, place *uc.Member, u *uc.User, offset int) (busy bool) {
	if because := m.absent(t, place, u); because != "" {
		m.line(stepEndpoint, u.Name+" does not ring", because)
		return false
	}
	if !u.CallWaiting && m.live.UserCalls(u.ID) > 0 {
		m.line(stepBusy, u.Name+" does not ring", "in a call, and call waiting is off")
		return true
	}
	_, busy = m.endpoints(u, t, offset)
	return busy
}

// absent says why calls of the team do not ring at a member now, or "".
func (m *maker) absent(t *uc.Team, place *uc.Member, u *uc.User) string {
	switch {
	case place == nil:
		return "no member of team " + t.Name
	case m.caller != nil && u.ID == m.caller.ID:
		return "the caller"
	case !place.Static && !place.LoggedIn:
		return setBy("not logged in to team "+t.Name, place.SetBy)
	case place.Paused && place.Reason != "":
		return setBy("paused in team "+t.Name+" ("+place.Reason+")", place.SetBy)
	case place.Paused:
		return setBy("paused in team "+t.Name, place.SetBy)
	}
	return ""
}

// membership finds a user's place in a team, or nil.
func (m *maker) membership(t *uc.Team, u *uc.User) *uc.Member {
	for _, place := range m.dir.TeamMembers(t.ID) {
		if place.User == u.ID {
			return place
		}
	}
	return nil
}
