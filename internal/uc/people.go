package uc

import (
	"strings"
	"time"
)

// Auth says where a user's password is checked.
type Auth string

// The ways to authenticate a user.
const (
	AuthLocal Auth = "local"
	AuthLDAP  Auth = "ldap"
	AuthNone  Auth = "none" // cannot sign in
)

// VoicemailUse says which calls get an after-action that leads to the user's voicemail box.
type VoicemailUse string

// The uses of voicemail.
const (
	VoicemailOff      VoicemailUse = "off"
	VoicemailExternal VoicemailUse = "external"
	VoicemailInternal VoicemailUse = "internal"
	VoicemailAll      VoicemailUse = "all"
)

// AdminLevel is what a user may do on the admin page and over REST.
type AdminLevel string

// The admin levels, from most to least.
const (
	LevelSystem    AdminLevel = "system"
	LevelAdmin     AdminLevel = "admin"
	LevelPBX       AdminLevel = "pbx"
	LevelPhonebook AdminLevel = "phonebook"
	LevelMetrics   AdminLevel = "metrics"
	LevelNone      AdminLevel = ""
)

// AtLeast reports whether the level includes what least allows. LevelMetrics stands beside the others:
// it includes only itself, and only LevelSystem and LevelAdmin include it.
func (l AdminLevel) AtLeast(least AdminLevel) bool {
	rank := map[AdminLevel]int{LevelPhonebook: 1, LevelPBX: 2, LevelAdmin: 3, LevelSystem: 4}
	switch {
	case least == LevelNone || l == least:
		return true
	case least == LevelMetrics:
		return rank[l] >= rank[LevelAdmin]
	case l == LevelMetrics:
		return false
	}
	return rank[l] >= rank[least] && rank[least] > 0
}

// ScramKeys are the stored keys of one SCRAM mechanism (RFC 5802 §3); the password cannot be read from them.
type ScramKeys struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
}

// PasswordKeys holds one password as SCRAM keys for each hash.
type PasswordKeys struct {
	SHA1   ScramKeys `json:"sha1"`
	SHA256 ScramKeys `json:"sha256"`
	SHA512 ScramKeys `json:"sha512"`
}

// User is a person who can be reached. Secrets are never part of its JSON form.
type User struct {
	ID                 UserID       `json:"id"`
	Login              string       `json:"login"` // also the XMPP localpart
	Name               string       `json:"name"`  // display name
	Ext                string       `json:"ext,omitempty"`
	Auth               Auth         `json:"auth"`
	Password           PasswordKeys `json:"-"`
	PINHash            string       `json:"-"`
	MustChangePassword bool         `json:"mustChangePassword,omitempty"`
	CallWaiting        bool         `json:"callWaiting"`
	FaxExt             string       `json:"faxExt,omitempty"`
	Email              string       `json:"email,omitempty"`
	Language           string       `json:"language,omitempty"` // BCP 47
	Voicemail          VoicemailUse `json:"voicemail"`
	MobileNumber       string       `json:"mobileNumber,omitempty"`
	CallerID           string       `json:"callerID,omitempty"` // alternative caller ID
	TimeZone           string       `json:"timeZone,omitempty"` // IANA name; empty means the server's
	PhonebookHidden    bool         `json:"phonebookHidden"`
	MonitoredBoxes     []UserID     `json:"monitoredBoxes,omitempty"`
	AdminLevel         AdminLevel   `json:"adminLevel,omitempty"`
	TeamsID            string       `json:"teamsID,omitempty"` // Entra object id, for Microsoft Graph
	TeamsUPN           string       `json:"teamsUPN,omitempty"`
	ClientDND          bool         `json:"clientDND"` // a chat client's "do not disturb" switches to DND and back
}

// TeamPrefix begins the localpart of a team's XMPP address; what follows are digits.
const TeamPrefix = "team-"

// IsTeamLogin reports whether a login name could be the localpart of a team's address, which is why no user gets it.
func IsTeamLogin(login string) bool {
	digits, ok := strings.CutPrefix(login, TeamPrefix)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// UserState holds a user's live switches that are no rows of their own. Its id is the user's.
type UserState struct {
	User       UserID     `json:"user"`
	GSM        bool       `json:"gsm"`
	Workplace  LocationID `json:"workplace,omitempty"`  // the location logged in at, 0 for none
	StatusText string     `json:"statusText,omitempty"` // set by a profile action; empty means the profile's
	SetBy      string     `json:"setBy,omitempty"`      // who or what set it last, in words
}

// DeviceKind is the kind of an endpoint.
type DeviceKind string

// The kinds of endpoint.
const (
	DeviceDesk      DeviceKind = "desk" // IP phone
	DeviceSoftphone DeviceKind = "softphone"
	DeviceMobile    DeviceKind = "mobile" // app over SIP, or its number over a trunk (GSM)
	DeviceFax       DeviceKind = "fax"    // virtual
	DeviceExternal  DeviceKind = "external"
)

// SIP reports whether devices of this kind register by SIP.
func (k DeviceKind) SIP() bool {
	return k == DeviceDesk || k == DeviceSoftphone || k == DeviceMobile
}

// Device is an endpoint. SIPUser and SIPSecret are generated and are never a user's password.
type Device struct {
	ID        DeviceID   `json:"id"`
	Name      string     `json:"name"`
	Kind      DeviceKind `json:"kind"`
	Number    string     `json:"number,omitempty"` // of mobiles, external numbers and faxes
	SIPUser   string     `json:"sipUser,omitempty"`
	SIPSecret string     `json:"-"`
}

// Class is the class of a call as the person called sees it.
type Class string

// The classes of call.
const (
	Internal Class = "internal"
	External Class = "external"
	Queue    Class = "queue"
)

// Classes lists all classes in the order in which they are shown.
var Classes = []Class{Internal, External, Queue}

// Ring says whether, from when and for how long a device rings for one class of call.
type Ring struct {
	Enabled bool   `json:"enabled"`
	Delay   int    `json:"delay"`           // seconds after the call began
	Timeout int    `json:"timeout"`         // seconds that it rings
	SetBy   string `json:"setBy,omitempty"` // who or what set it last, in words; empty means the default
}

// DefaultRing is what a new assignment starts with.
var DefaultRing = Ring{Enabled: true, Delay: 0, Timeout: 999}

// Assignment gives a device to a user or to a location (exactly one of the two) with its FollowMe.
type Assignment struct {
	ID               AssignmentID `json:"id"`
	Device           DeviceID     `json:"device"`
	User             UserID       `json:"user,omitempty"`
	Location         LocationID   `json:"location,omitempty"`
	UserConfigurable bool         `json:"userConfigurable"`
	Internal         Ring         `json:"internal"`
	External         Ring         `json:"external"`
	Queue            Ring         `json:"queue"`
}

// Ring returns the setting of a class.
func (a *Assignment) Ring(c Class) Ring {
	switch c {
	case External:
		return a.External
	case Queue:
		return a.Queue
	}
	return a.Internal
}

// SetRing changes the setting of a class.
func (a *Assignment) SetRing(c Class, r Ring) {
	switch c {
	case External:
		a.External = r
	case Queue:
		a.Queue = r
	default:
		a.Internal = r
	}
}

// Location is a workplace.
type Location struct {
	ID    LocationID `json:"id"`
	Name  string     `json:"name"`
	Users []UserID   `json:"users,omitempty"` // who may use it; empty means everybody that the roles allow
}

// Strategy is how a team's members ring.
type Strategy string

// The strategies of a team.
const (
	RingAll      Strategy = "ring-all"
	Linear       Strategy = "linear"
	LongestIdle  Strategy = "longest-idle"
	FewestCalls  Strategy = "fewest-calls"
	RandomMember Strategy = "random"
	RoundRobin   Strategy = "round-robin"
	Weighted     Strategy = "weighted"
)

// Team is a queue.
type Team struct {
	ID            TeamID   `json:"id"`
	Name          string   `json:"name"`
	Ext           string   `json:"ext,omitempty"`
	Prefix        string   `json:"prefix,omitempty"` // shown before the caller's name
	Strategy      Strategy `json:"strategy"`
	MemberTimeout int      `json:"memberTimeout"` // seconds
	WrapUp        int      `json:"wrapUp"`        // seconds
	MaxWaiting    int      `json:"maxWaiting"`    // 0 means no limit
	Overflow      string   `json:"overflow,omitempty"`
}

// Member is a user's place in a team. A static member is always logged in.
type Member struct {
	ID       MemberID `json:"id"`
	Team     TeamID   `json:"team"`
	User     UserID   `json:"user"`
	Static   bool     `json:"static"`
	LoggedIn bool     `json:"loggedIn"`
	Paused   bool     `json:"paused"`
	Reason   string   `json:"reason,omitempty"` // pause reason
	Weight   int      `json:"weight,omitempty"`
	SetBy    string   `json:"setBy,omitempty"`
}

// Active reports whether calls of the team may ring at the member.
func (m *Member) Active() bool { return (m.Static || m.LoggedIn) && !m.Paused }

// RoleType is a right or an effect that a role gives to its members.
type RoleType string

// The role types.
const (
	TypeXMPPGroup       RoleType = "xmpp.group"
	TypeSupervisor      RoleType = "xmpp.supervisor"
	TypePickupGroup     RoleType = "pickup.group"
	TypeLocationGroup   RoleType = "location.group"
	TypeRedirectChoice  RoleType = "redirect.choice"
	TypeRedirectGroup   RoleType = "redirect.group"
	TypeBillingGroup    RoleType = "billing.group"
	TypePersonal        RoleType = "profile.personal"
	TypePresenceDetails RoleType = "presence.details"
)

// RoleTypes lists all role types in the order in which they are shown.
var RoleTypes = []RoleType{
	TypeXMPPGroup, TypeSupervisor, TypePickupGroup, TypeLocationGroup, TypeRedirectChoice,
	TypeRedirectGroup, TypeBillingGroup, TypePersonal, TypePresenceDetails,
}

// Role groups things and gives them rights.
type Role struct {
	ID            RoleID       `json:"id"`
	Title         string       `json:"title"`
	Description   string       `json:"description,omitempty"`
	Types         []RoleType   `json:"types,omitempty"`
	Users         []UserID     `json:"users,omitempty"`
	Devices       []DeviceID   `json:"devices,omitempty"`
	Locations     []LocationID `json:"locations,omitempty"`
	Teams         []TeamID     `json:"teams,omitempty"`
	AutoUsers     bool         `json:"autoUsers"`
	AutoDevices   bool         `json:"autoDevices"`
	AutoLocations bool         `json:"autoLocations"`
	AutoTeams     bool         `json:"autoTeams"`
	Supervises    []RoleID     `json:"supervises,omitempty"` // xmpp.supervisor only: the roles it is narrowed to; empty means everybody
}

// ForwardKind is when a forwarding applies.
type ForwardKind string

// The kinds of forwarding.
const (
	ForwardAlways      ForwardKind = "always"
	ForwardBusy        ForwardKind = "busy"
	ForwardNoAnswer    ForwardKind = "noanswer"
	ForwardUnreachable ForwardKind = "unreachable"
)

// ForwardClass is for which calls a forwarding applies.
type ForwardClass string

// The classes of forwarding.
const (
	ForwardInternal ForwardClass = "internal"
	ForwardExternal ForwardClass = "external"
	ForwardBoth     ForwardClass = "both"
)

// Covers reports whether the forwarding class includes calls of class c. Queue calls are never forwarded.
func (f ForwardClass) Covers(c Class) bool {
	return c != Queue && (f == ForwardBoth || string(f) == string(c))
}

// Forwarding is a server-side call forwarding. Switching it off keeps the target.
type Forwarding struct {
	ID     ForwardingID `json:"id"`
	User   UserID       `json:"user"`
	Kind   ForwardKind  `json:"kind"`
	Class  ForwardClass `json:"class"`
	Target string       `json:"target"` // extension or number
	Active bool         `json:"active"`
	SetBy  string       `json:"setBy,omitempty"`
}

// PhonebookEntry is a person or company that callers are named from. Users have no row here: their
// entry is computed.
type PhonebookEntry struct {
	ID           PhonebookID `json:"id"`
	Owner        UserID      `json:"owner,omitempty"` // 0 means the company's
	Name         string      `json:"name"`
	Organisation string      `json:"organisation,omitempty"`
	Numbers      []string    `json:"numbers,omitempty"`
	Email        string      `json:"email,omitempty"`
	Notes        string      `json:"notes,omitempty"`
}

// FlowList is one of the four lists of call-flow actions.
type FlowList string

// The four lists.
const (
	InternalBefore FlowList = "internal-before"
	InternalAfter  FlowList = "internal-after"
	ExternalBefore FlowList = "external-before"
	ExternalAfter  FlowList = "external-after"
)

// FlowLine is one line of a call-flow list of a user or a team.
type FlowLine struct {
	ID       FlowLineID `json:"id"`
	User     UserID     `json:"user,omitempty"`
	Team     TeamID     `json:"team,omitempty"`
	List     FlowList   `json:"list"`
	Position int        `json:"position"`
	Status   string     `json:"status,omitempty"` // any, noanswer, busy, unreachable; teams: full, joinempty, leaveempty, timeout
	Action   string     `json:"action"`           // goto, voicemail, hangup, prompt
	Target   string     `json:"target,omitempty"` // extension, box, SIP status or prompt
}

// Actor is who or what asks for a change.
type Actor struct {
	User UserID `json:"user,omitempty"` // 0 for the server itself
	Name string `json:"name"`           // login name, or "profile Lunch", "system", "import"
	Via  string `json:"via,omitempty"`  // xmpp, page, rest, sip, cli, profile
}

// String returns the actor in words, for SetBy and journals: "profile Lunch" or "anna over xmpp".
func (a Actor) String() string {
	if a.Via == "" || a.Via == "profile" {
		return a.Name
	}
	via := a.Via
	if via == "rest" {
		via = "REST"
	}
	return a.Name + " over " + via
}

// System is the server acting by itself.
var System = Actor{Name: "system"}

// Stamp returns the actor with the time of day, as shown beside a live switch.
func (a Actor) Stamp(now time.Time) string { return a.String() + ", " + now.Format("2006-01-02 15:04") }

// NewUser is the quick-add form of a user.
type NewUser struct {
	User
	Password  string `json:"password,omitempty"`
	PIN       string `json:"pin,omitempty"`
	Softphone bool   `json:"softphone"` // creates a softphone device
	Mobile    bool   `json:"mobile"`    // creates a mobile device with MobileNumber
}

// RingPatch changes some fields of a Ring; nil leaves a field as it is.
type RingPatch struct {
	Enabled *bool `json:"enabled,omitempty"`
	Delay   *int  `json:"delay,omitempty"`   // seconds
	Timeout *int  `json:"timeout,omitempty"` // seconds
}
