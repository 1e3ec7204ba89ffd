package plan

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// identify works out who calls: the class, and what the person called is shown.
func (m *maker) identify() {
	m.caller = m.dir.Users.Get(m.req.Caller.User)
	m.choice = m.roleWith(m.caller, uc.TypeRedirectChoice)
	ours := m.caller != nil || m.req.Caller.Device != 0
	switch {
	case m.req.Class == uc.Internal || m.req.Class == uc.External:
		m.origin = m.req.Class
	case ours:
		m.origin = uc.Internal
	default:
		m.origin = uc.External
	}
	m.plan.Class = m.origin
	m.plan.CallerName, m.plan.CallerNumber = m.req.Caller.Name, m.req.Caller.Number
	if m.caller == nil {
		m.stranger(ours)
		return
	}
	m.plan.CallerName = m.caller.Name
	m.line(stepCaller, m.className()+" call from "+m.caller.Name, "the call comes from a phone of "+m.caller.Name)
	if m.caller.CallerID != "" {
		m.plan.CallerNumber = m.caller.CallerID
		m.line(stepCaller, "The number shown is "+m.caller.CallerID, "alternative caller ID of "+m.caller.Name)
	}
}

// stranger names a caller who is none of our users.
func (m *maker) stranger(ours bool) {
	number := m.req.Caller.Number
	if number == "" {
		number = "an unknown number"
	}
	if ours {
		m.line(stepCaller, m.className()+" call from "+number, "the call comes from a phone of ours at which nobody is logged in")
		return
	}
	m.lookUp()
	if entry := m.entry(0); entry != nil {
		m.plan.CallerName = entry.Name
		m.line(stepCaller, m.className()+" call from "+entry.Name, "the company's phone book has "+number)
		return
	}
	m.line(stepCaller, m.className()+" call from "+number, "the caller is none of our users, and no phone book entry has the number")
}

// className is the origin of the call at the beginning of a sentence.
func (m *maker) className() string {
	if m.origin == uc.Internal {
		return "Internal"
	}
	return "External"
}

// lookUp finds the caller's number in all phone books at once.
func (m *maker) lookUp() {
	if number := m.req.Caller.Number; number != "" {
		m.entries = m.dir.PhonebookByNumber(number)
	}
}

// entry is the caller's entry in the phone book of a user, or of the company (owner 0). Of several the
// oldest counts.
func (m *maker) entry(owner uc.UserID) *uc.PhonebookEntry {
	var found *uc.PhonebookEntry
	for _, e := range m.entries {
		if e.Owner == owner && (found == nil || e.ID < found.ID) {
			found = e
		}
	}
	return found
}

// nameFor shows a user the name that they gave the caller in their own phone book.
func (m *maker) nameFor(u *uc.User) {
	if entry := m.entry(u.ID); entry != nil {
		m.plan.CallerName = entry.Name
		m.line(stepCaller, "The caller is shown as "+entry.Name, "private phone book of "+u.Name)
	}
}

// prefixed shows the team before the caller's name.
func (m *maker) prefixed(t *uc.Team) {
	if t.Prefix == "" {
		return
	}
	name := m.plan.CallerName
	if name == "" {
		name = m.plan.CallerNumber
	}
	m.plan.CallerName = t.Prefix + " " + name
	m.line(stepCaller, "The caller is shown as "+m.plan.CallerName, "display prefix of team "+t.Name)
}

// roleWith finds the first role of a user that has a type, or nil.
func (m *maker) roleWith(u *uc.User, t uc.RoleType) *uc.Role {
	if u == nil {
		return nil
	}
	for _, r := range m.dir.UserRoles(u.ID) {
		if slices.Contains(r.Types, t) {
			return r
		}
	}
	return nil
}
