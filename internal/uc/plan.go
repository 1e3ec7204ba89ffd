package uc

import "time"

// CallStatus is how far a call to a user or team came, for the steps that follow.
type CallStatus string

// The statuses of a call.
const (
	StatusNone        CallStatus = "" // the call begins
	StatusNoAnswer    CallStatus = "noanswer"
	StatusBusy        CallStatus = "busy"
	StatusUnreachable CallStatus = "unreachable"
)

// PlanRequest asks what a call does, or would do.
type PlanRequest struct {
	Caller Party      // Number always; User and Device if it is one of ours
	To     string     // the extension dialled, or the one the call has come to
	Class  Class      // empty: worked out from the caller
	Team   TeamID     // the team through which the call comes to a user (class queue); 0 for none
	Path   []string   // extensions that the call visited before To, in order
	After  CallStatus // what became of ringing To; StatusNone at the beginning
	Now    time.Time
}

// PlanOutcome is what the plan of a call comes to.
type PlanOutcome string

// The outcomes of a plan.
const (
	OutcomeRing   PlanOutcome = "ring"   // Branches ring
	OutcomeReject PlanOutcome = "reject" // the call ends with Status
)

// Branch is one device that rings.
type Branch struct {
	User    UserID   `json:"user"`
	Device  DeviceID `json:"device"`
	Number  string   `json:"number,omitempty"` // GSM: the number to call over a trunk instead of the SIP device
	Delay   int      `json:"delay"`            // seconds after the plan began
	Timeout int      `json:"timeout"`          // seconds
	Reason  string   `json:"reason"`
}

// PlanLine is one step of a plan with what caused it.
type PlanLine struct {
	Step    string `json:"step"`    // caller, forwarding, busy, endpoint, ring, after, result
	Text    string `json:"text"`    // "Desk phone of Anna does not ring"
	Because string `json:"because"` // "FollowMe internal is off, set by profile DND, 2026-03-02 10:02"
}

// Plan is what a call does next.
type Plan struct {
	Class        Class       `json:"class"`
	Called       Party       `json:"called"`       // where the call has come to, after forwarding
	CallerName   string      `json:"callerName"`   // shown to the person called
	CallerNumber string      `json:"callerNumber"` // shown to the person called: the alternative caller ID if the caller has one
	Path         []string    `json:"path"`         // extensions visited so far, Called last
	Outcome      PlanOutcome `json:"outcome"`
	Branches     []Branch    `json:"branches,omitempty"`
	Ring         int         `json:"ring,omitempty"`   // seconds until nobody has answered: the largest delay + timeout
	Status       int         `json:"status,omitempty"` // SIP status of a rejected call
	Cause        string      `json:"cause,omitempty"`  // reason phrase of a rejected call
	Lines        []PlanLine  `json:"lines"`
}

// Emergency reports whether a number must always reach the emergency services: it is never an extension
// and no rule may block it.
func Emergency(number string) bool {
	switch number {
	case "110", "112", "911", "999":
		return true
	}
	return false
}
