package uc

import (
	"fmt"
	"time"
)

// Show is how available somebody is. The order is from least to most restrictive.
type Show uint8

// The values of Show. ShowChat is XMPP's "free for chat" and counts as available elsewhere.
const (
	ShowOffline Show = iota
	ShowChat
	ShowAvailable
	ShowAway
	ShowXA
	ShowDND
)

var showNames = [...]string{"offline", "chat", "available", "away", "xa", "dnd"}

// String returns the name as it stands in REST and on the page; XMPP spells available as no <show/> at all.
func (s Show) String() string {
	if int(s) < len(showNames) {
		return showNames[s]
	}
	return fmt.Sprintf("Show(%d)", uint8(s))
}

// ParseShow reads what String writes; the empty text is ShowAvailable, as in RFC 6121 §4.7.2.1.
func ParseShow(text string) (Show, error) {
	if text == "" {
		return ShowAvailable, nil
	}
	for i, n := range showNames {
		if n == text {
			return Show(i), nil
		}
	}
	return 0, Errorf(ErrInvalid, "%q is not one of available, chat, away, xa, dnd, offline", text)
}

// MarshalText implements encoding.TextMarshaler.
func (s Show) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Show) UnmarshalText(b []byte) (err error) {
	*s, err = ParseShow(string(b))
	return err
}

// PhoneState is the state of all telephones of a user taken together.
type PhoneState string

// The states of a user's telephones.
const (
	PhoneUnreachable PhoneState = "unreachable" // no device is registered
	PhoneFree        PhoneState = "available"
	PhoneRinging     PhoneState = "ringing"
	PhoneBusy        PhoneState = "on the phone"
)

// Resource is one connected XMPP client as it described itself.
type Resource struct {
	Name     string    `json:"name"`
	Show     Show      `json:"show"`
	Status   string    `json:"status,omitempty"`
	Priority int8      `json:"priority"`
	Since    time.Time `json:"since"`
}

// CallView is what presence tells of a call. Peer is for viewers with presence.details only.
type CallView struct {
	ID    string    `json:"id"`
	Peer  string    `json:"peer,omitempty"` // name or number
	Since time.Time `json:"since"`
}

// ProfileView is what presence tells of a profile.
type ProfileView struct {
	ID    ProfileID `json:"id"`
	Name  string    `json:"name"`
	Color string    `json:"color,omitempty"`
	Icon  string    `json:"icon,omitempty"` // empty if the icon is not visible
	Since time.Time `json:"since,omitzero"` // zero: nothing was chosen yet
}

// Floor is the part of a user's presence that comes from the server (calls and profile). It is laid
// over what each XMPP client says of itself, see [Floor.Compose].
type Floor struct {
	Show       Show   // ShowAvailable leaves the client's own show as it is
	CallText   string // "On the phone", while in a call
	StatusText string // the profile's, or what a profile action set
}

// Compose lays the floor over what a client says of itself: the more restrictive show wins; the text is
// the call's, else the profile's, else the client's own.
func (f Floor) Compose(show Show, status string) (Show, string) {
	if f.Show > show && f.Show > ShowAvailable {
		show = f.Show
	}
	switch {
	case f.CallText != "":
		status = f.CallText
	case f.StatusText != "":
		status = f.StatusText
	}
	return show, status
}

// Presence is the one computed state of a user that XMPP, busy lamps, the page and REST show.
type Presence struct {
	User      UserID       `json:"user"`
	Show      Show         `json:"show"`
	Text      string       `json:"text,omitempty"`
	Phone     PhoneState   `json:"phone"`
	Call      *CallView    `json:"call,omitempty"`
	Profile   *ProfileView `json:"profile,omitempty"`
	Reason    string       `json:"reason,omitempty"` // of the profile; for viewers with presence.details only
	Workplace LocationID   `json:"workplace,omitempty"`
	Resources []Resource   `json:"resources,omitempty"`
	Floor     Floor        `json:"-"`

	// Confidential says that the profile is in effect because of a Teams meeting, which is for viewers
	// with presence.details to know.
	Confidential bool `json:"-"`

	Version uint64 `json:"version"` // rises with every change of this user's presence
}

// Busy is what the others are told of a profile that is confidential.
const Busy = "Busy"

// Plain returns the presence as it is told to viewers without presence.details: that somebody is busy, not
// why or with whom.
func (p Presence) Plain() Presence {
	p.Reason = ""
	if p.Call != nil {
		c := *p.Call
		c.Peer = ""
		p.Call = &c
	}
	if !p.Confidential {
		return p
	}
	if p.Profile != nil {
		p.Profile = &ProfileView{Name: Busy, Since: p.Profile.Since}
	}
	if p.Floor.StatusText != "" {
		p.Floor.StatusText = Busy
		if p.Show != ShowOffline && p.Floor.CallText == "" {
			p.Text = Busy
		}
	}
	return p
}
