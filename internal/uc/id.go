package uc

import "strconv"

// Identifiers are positive and never used twice; zero means "none".
type (
	UserID       int64
	DeviceID     int64
	LocationID   int64
	TeamID       int64
	RoleID       int64
	ProfileID    int64
	AssignmentID int64
	MemberID     int64
	ForwardingID int64
	FlowLineID   int64
	PhonebookID  int64
)

// The identifiers of what ships with the server and cannot be deleted.
const (
	RoleAll          RoleID    = 1
	ProfileAvailable ProfileID = 1
	ProfileDND       ProfileID = 2
)

// Kind names a kind of thing in the directory.
type Kind string

// The kinds of thing in the directory. The values are stable: they stand in the database and in REST paths.
const (
	KindUser       Kind = "user"
	KindDevice     Kind = "device"
	KindLocation   Kind = "location"
	KindTeam       Kind = "team"
	KindRole       Kind = "role"
	KindProfile    Kind = "profile"
	KindAssignment Kind = "assignment"
	KindMember     Kind = "member"
	KindForwarding Kind = "forwarding"
	KindFlowLine   Kind = "flowline"
	KindPhonebook  Kind = "phonebook"
	KindUserState  Kind = "userstate"
)

// Ref points at one thing of the directory.
type Ref struct {
	Kind Kind  `json:"kind"`
	ID   int64 `json:"id"`
}

// String returns "kind:id", as used in logs and in device selectors.
func (r Ref) String() string { return string(r.Kind) + ":" + strconv.FormatInt(r.ID, 10) }
