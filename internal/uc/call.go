package uc

import "time"

// CallState is how far a call has come.
type CallState string

// The states of a call.
const (
	CallRouting  CallState = "routing" // nothing rings yet
	CallRinging  CallState = "ringing"
	CallAnswered CallState = "answered"
	CallEnded    CallState = "ended"
)

// LegState is how far one leg of a call has come.
type LegState string

// The states of a leg.
const (
	LegTrying   LegState = "trying"
	LegRinging  LegState = "ringing"
	LegAnswered LegState = "answered"
	LegHeld     LegState = "held"
	LegEnded    LegState = "ended"
)

// Party is one end of a call.
type Party struct {
	User   UserID   `json:"user,omitempty"` // 0 for somebody outside
	Team   TeamID   `json:"team,omitempty"`
	Device DeviceID `json:"device,omitempty"`
	Number string   `json:"number"`
	Name   string   `json:"name,omitempty"`
}

// Leg is one device's part in a call.
type Leg struct {
	User   UserID   `json:"user,omitempty"`
	Device DeviceID `json:"device,omitempty"`
	Caller bool     `json:"caller"` // the leg that began the call
	State  LegState `json:"state"`
	Cause  string   `json:"cause,omitempty"` // why it ended: "answered elsewhere", "486 Busy Here"
}

// Call is the state of one call. The legs that have ended stay listed until the call itself ends.
type Call struct {
	ID       string    `json:"id"`
	State    CallState `json:"state"`
	Class    Class     `json:"class"`
	Caller   Party     `json:"caller"`
	Called   Party     `json:"called"` // as dialled
	Legs     []Leg     `json:"legs"`
	Began    time.Time `json:"began"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Cause    string    `json:"cause,omitempty"`
	Path     []string  `json:"path,omitempty"` // extensions visited by forwarding, in order
	Version  uint64    `json:"version"`
}

// Registration is the state of one device's SIP registrations.
type Registration struct {
	Device   DeviceID `json:"device"`
	Contacts int      `json:"contacts"` // 0 means not registered
	Agent    string   `json:"agent,omitempty"`
	Source   string   `json:"source,omitempty"` // address it registered from
}

// Live answers what the plan of a call must know beyond the directory.
type Live interface {
	// Registered reports whether the device has a SIP registration now.
	Registered(DeviceID) bool
	// DeviceCalls returns in how many calls, ringing or answered, the device is now.
	DeviceCalls(DeviceID) int
	// UserCalls returns in how many answered calls the user is now.
	UserCalls(UserID) int
	// AgentRecord returns what a user did as a member of a team.
	AgentRecord(TeamID, UserID) AgentRecord
}

// AgentRecord is what a member did for a team. The zero value is nothing yet.
type AgentRecord struct {
	Answered   int       // calls of the team that the member took today
	LastAnswer time.Time // when the member took the last one
	LastEnd    time.Time // when that was over; equal to LastAnswer while it goes on
}

// Binding is one SIP registration of a device, kept across restarts (RFC 3261 §10.3).
type Binding struct {
	Device    DeviceID
	Contact   string // the Contact header value as received
	Transport string // udp, tcp, tls
	Source    string // address that it came from
	Agent     string
	CallID    string
	CSeq      uint32
	Path      []string
	Instance  string // +sip.instance (RFC 5626), empty if none
	Expires   time.Time
}
