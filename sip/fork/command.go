package fork

import (
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Command is something to be done for a ringing call: [Invite], [Cancel], [HangUp], [Connect],
// [Ringing], [GiveUp] or [Wake].
type Command interface{ command() }

// Invite sends the INVITE of a branch. If it cannot be sent, [Fail] must follow.
type Invite struct{ Branch int }

// Cancel sends CANCEL to a branch; a provisional response has come, so it may be sent now.
type Cancel struct {
	Branch int
	Reason Reason
}

// HangUp acknowledges the late answer of a branch that lost and sends BYE at once.
type HangUp struct {
	Branch int
	Reason Reason
}

// Connect joins the caller with the branch that won.
type Connect struct{ Branch int }

// Ringing passes the first 180 or 183 of any branch on to the caller.
type Ringing struct {
	Branch int
	Status int
}

// GiveUp says that nobody will answer. As is what the plan of the next step needs (see uc.PlanRequest);
// Status is the best of the final responses after RFC 3261 §16.7 step 6.
type GiveUp struct {
	As     uc.CallStatus
	Status int
}

// Wake asks for a [Tick] at the given time and replaces the time asked for before. Successive times
// never go back.
type Wake struct{ At time.Time }

func (Invite) command()  {}
func (Cancel) command()  {}
func (HangUp) command()  {}
func (Connect) command() {}
func (Ringing) command() {}
func (GiveUp) command()  {}
func (Wake) command()    {}

// Reason is why a branch is cancelled or hung up.
type Reason uint8

// The reasons.
const (
	ReasonElsewhere Reason = iota + 1 // somebody else answered
	ReasonTimeout                     // its ring timeout has passed
	ReasonCaller                      // the caller hung up
	ReasonDeclined                    // the person declined the call on another device
)

var reasons = [...]struct {
	cause int
	text  string
	words string
}{
	ReasonElsewhere: {200, "Call completed elsewhere", "answered elsewhere"},
	ReasonTimeout:   {408, "Ring timeout", "not answered in time"},
	ReasonCaller:    {487, "Caller hung up", "the caller hung up"},
	ReasonDeclined:  {603, "Declined on another device", "declined on another device"},
}

// Header returns the value of the Reason header field (RFC 3326 §2). Phones list a call cancelled with
// cause 200 as answered elsewhere instead of missed.
func (r Reason) Header() string {
	if r == 0 || int(r) >= len(reasons) {
		return ""
	}
	return "SIP;cause=" + strconv.Itoa(reasons[r].cause) + `;text="` + reasons[r].text + `"`
}

// String returns the reason in words, for call records and logs.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasons) {
		return "Reason(" + strconv.Itoa(int(r)) + ")"
	}
	return reasons[r].words
}
