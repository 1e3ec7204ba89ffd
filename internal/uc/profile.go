package uc

import (
	"encoding/json"
	"time"
)

// Assigned says who a profile belongs to.
type Assigned string

// The owners of a profile.
const (
	AssignedSystem   Assigned = "system"
	AssignedAdmin    Assigned = "admin"
	AssignedPersonal Assigned = "personal"
)

// TriggerKind is what a trigger listens to.
type TriggerKind string

// The kinds of trigger.
const (
	TriggerTimed TriggerKind = "timed"
	TriggerTeams TriggerKind = "teams"
)

// Trigger switches to its profile by itself.
//
// A timed trigger has At, and either Weekdays (empty means every day) or one Date. Without End it is a
// switch; with End it is a window (an End at or before At is on the next day). Times are local to the user.
type Trigger struct {
	Kind       TriggerKind    `json:"kind"`
	At         string         `json:"at,omitempty"`         // "15:04"
	End        string         `json:"end,omitempty"`        // "15:04"
	Weekdays   []time.Weekday `json:"weekdays,omitempty"`   // 0 = Sunday
	Date       string         `json:"date,omitempty"`       // "2006-01-02"
	Activities []string       `json:"activities,omitempty"` // Teams; empty means DefaultActivities
}

// Window reports whether the trigger is a timed window.
func (t Trigger) Window() bool { return t.Kind == TriggerTimed && t.End != "" }

// DefaultActivities are the Microsoft Graph activities that count as a meeting, matched without regard to case.
var DefaultActivities = []string{"InACall", "InAConferenceCall", "Presenting"}

// ActionKind is what an action of a profile does.
type ActionKind string

// The kinds of action.
const (
	ActionFollowMe       ActionKind = "followme"
	ActionGSM            ActionKind = "gsm"
	ActionTeamLogin      ActionKind = "team-login"
	ActionTeamLogout     ActionKind = "team-logout"
	ActionTeamPause      ActionKind = "team-pause"
	ActionTeamUnpause    ActionKind = "team-unpause"
	ActionSetWorkplace   ActionKind = "set-workplace"
	ActionUnsetWorkplace ActionKind = "unset-workplace"
	ActionSetRedirect    ActionKind = "set-redirect"
	ActionUnsetRedirect  ActionKind = "unset-redirect"
	ActionText           ActionKind = "text"
	ActionWebhook        ActionKind = "webhook"
	ActionMessage        ActionKind = "message"
)

// Action is one line of an enter or leave list. Which fields count depends on Kind.
type Action struct {
	Kind     ActionKind   `json:"kind"`
	Devices  DeviceSelect `json:"devices,omitempty"`  // followme: "all", "kind:mobile" or "device:12"
	Classes  []Class      `json:"classes,omitempty"`  // followme: empty means all
	Enabled  *bool        `json:"enabled,omitempty"`  // followme, gsm
	Delay    *int         `json:"delay,omitempty"`    // followme, seconds
	Timeout  *int         `json:"timeout,omitempty"`  // followme, seconds
	Team     TeamID       `json:"team,omitempty"`     // team actions: 0 means all of the user's teams
	Reason   string       `json:"reason,omitempty"`   // team-pause
	Location LocationID   `json:"location,omitempty"` // set-workplace
	Forward  ForwardKind  `json:"forward,omitempty"`  // redirects: empty means always
	Class    ForwardClass `json:"class,omitempty"`    // redirects: empty means both
	Target   string       `json:"target,omitempty"`   // set-redirect: extension or number; message: JID
	Text     string       `json:"text,omitempty"`     // text, message
	URL      string       `json:"url,omitempty"`      // webhook
}

// DeviceSelect names devices of a user: "all" (also empty), "kind:<DeviceKind>" or "device:<id>".
type DeviceSelect string

// Profile is a client profile.
type Profile struct {
	ID          ProfileID `json:"id"`
	Name        string    `json:"name"`
	Color       string    `json:"color,omitempty"` // "#rrggbb"
	Icon        string    `json:"icon,omitempty"`
	IconVisible bool      `json:"iconVisible"`
	Sticky      bool      `json:"sticky"`
	Roles       []RoleID  `json:"roles,omitempty"` // offered to; empty means RoleAll
	Show        Show      `json:"show"`
	Text        string    `json:"text,omitempty"`
	Triggers    []Trigger `json:"triggers,omitempty"`
	Enter       []Action  `json:"enter,omitempty"`
	Leave       []Action  `json:"leave,omitempty"`
	UndoOnLeave bool      `json:"undoOnLeave"`
	Assigned    Assigned  `json:"assigned"`
	Owner       UserID    `json:"owner,omitempty"` // of a personal profile
}

// CauseKind is why a profile was switched.
type CauseKind string

// The causes of a switch.
const (
	CauseHand    CauseKind = "hand"    // a person, or the API for one
	CauseTimed   CauseKind = "timed"   // a timed switch
	CauseWindow  CauseKind = "window"  // a timed window began or ended
	CauseTeams   CauseKind = "teams"   // a Teams meeting began or ended
	CauseExpiry  CauseKind = "expiry"  // a choice by hand ran out
	CauseUndo    CauseKind = "undo"    // the last switch was undone
	CauseOffer   CauseKind = "offer"   // the profile is no longer offered, or was deleted
	CauseRestart CauseKind = "restart" // what was missed while the server was down
)

// Cause says why a profile was switched.
type Cause struct {
	Kind CauseKind `json:"kind"`
	By   Actor     `json:"by"`
	Text string    `json:"text"` // in words
}

// Base is the profile beneath all overlays.
type Base struct {
	Profile ProfileID `json:"profile"`
	Cause   Cause     `json:"cause"`
	Since   time.Time `json:"since,omitzero"` // zero: nothing was chosen yet
	Until   time.Time `json:"until,omitzero"` // expiry of a choice by hand; zero means none
	Before  *Base     `json:"before,omitempty"`
}

// Overlay is a timed window or a Teams meeting that lies over the base.
type Overlay struct {
	Profile ProfileID `json:"profile"`
	Kind    CauseKind `json:"kind"` // CauseWindow or CauseTeams
	Key     string    `json:"key"`  // identifies the trigger: "window:3:0", "teams:4"
	Since   time.Time `json:"since"`
	Text    string    `json:"text"`
}

// ProfileState is which profile a user is in, and why.
type ProfileState struct {
	User      UserID    `json:"user"`
	Effective ProfileID `json:"effective"`
	Since     time.Time `json:"since,omitzero"`
	Reason    string    `json:"reason"` // "Teams meeting since 10:02, over Office (chosen by hand 08:55)"
	Base      Base      `json:"base"`
	Overlays  []Overlay `json:"overlays,omitempty"` // the one on top last
	Version   uint64    `json:"version"`            // rises with every change of this user's state

	// Memory is what the profile engine must remember besides. Only it reads it; it is stored with the
	// state and never handed out.
	Memory json.RawMessage `json:"memory,omitempty"`
}

// Change is one value that a command changed among the live switches, so that it can be put back.
// Before and After are JSON; Key is made and read only by the directory.
type Change struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
	Text   string `json:"text"` // in words: "Desk phone, internal: on → off"
}

// The results of an action.
const (
	ResultDone    = "done"
	ResultNothing = "nothing to do"
	ResultFailed  = "failed"
)

// ActionResult is what became of one action of a switch.
type ActionResult struct {
	Action  string   `json:"action"` // in words
	Result  string   `json:"result"` // ResultDone, ResultNothing or ResultFailed
	Error   string   `json:"error,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// JournalEntry is one switch of one user's profile.
type JournalEntry struct {
	ID       int64          `json:"id"`
	Time     time.Time      `json:"time"`
	User     UserID         `json:"user"`
	From     ProfileID      `json:"from"`
	FromName string         `json:"fromName"`
	To       ProfileID      `json:"to"`
	ToName   string         `json:"toName"`
	Cause    Cause          `json:"cause"`
	Reason   string         `json:"reason"`
	Actions  []ActionResult `json:"actions,omitempty"`
	Undone   bool           `json:"undone,omitempty"`
}

// TeamsPresence is what Microsoft Graph last said about a user.
type TeamsPresence struct {
	User         UserID
	Availability string
	Activity     string
	SeenAt       time.Time // when the answer arrived
}

// The states of reading presence from Microsoft Graph.
const (
	SyncOff        = "off"
	SyncOK         = "ok"
	SyncThrottled  = "throttled"
	SyncFailing    = "failing"
	SyncNeedsAdmin = "needs admin" // Microsoft refuses: consent, secret or permission
)

// TeamsSync tells how reading presence from Microsoft Graph is going.
type TeamsSync struct {
	State       string    `json:"state"`
	Error       string    `json:"error,omitempty"`
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	Users       int       `json:"users"` // how many are polled
	Unmatched   []string  `json:"unmatched,omitempty"`
}

// SwitchRequest asks to put a user into a profile by hand.
type SwitchRequest struct {
	User    UserID
	Profile ProfileID
	By      Actor
	Until   time.Time // when the base before it returns; zero means never
	Held    bool      // the base before it is kept, for whoever chose to let it return
}

// JournalQuery selects journal entries, newest first.
type JournalQuery struct {
	User   UserID // 0 means everybody
	Before int64  // only entries with a smaller ID; 0 means from the newest
	Limit  int    // at most this many; 0 means 100
}
