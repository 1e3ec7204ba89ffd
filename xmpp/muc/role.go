package muc

// affiliation is a lasting relation to a room, in rising order of privilege (XEP-0045 §5.2).
type affiliation uint8

const (
	outcast affiliation = iota
	unaffiliated
	member
	admin
	owner
)

var affiliationNames = [...]string{"outcast", "none", "member", "admin", "owner"}

func (a affiliation) String() string { return affiliationNames[a] }

func affiliationOf(name string) (affiliation, bool) {
	for i, n := range affiliationNames {
		if n == name {
			return affiliation(i), true
		}
	}
	return 0, false
}

// role is what an occupant may do in a room while there, in rising order of privilege (XEP-0045 §5.1).
type role uint8

const (
	noRole role = iota
	visitor
	participant
	moderator
)

var roleNames = [...]string{"none", "visitor", "participant", "moderator"}

func (r role) String() string { return roleNames[r] }

func roleOf(name string) (role, bool) {
	for i, n := range roleNames {
		if n == name {
			return role(i), true
		}
	}
	return 0, false
}

// startRole is the role of somebody who enters (XEP-0045 §5.1.2).
func (r *Room) startRole(a affiliation) role {
	switch {
	case a >= admin:
		return moderator
	case a == unaffiliated && r.settings.Moderated:
		return visitor
	}
	return participant
}
