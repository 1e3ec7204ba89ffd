package uc

import "time"

// Room is a chat room that survives restarts (XEP-0045, "persistent room").
type Room struct {
	Name     string // localpart of its address
	Created  time.Time
	Settings RoomSettings
	Subject  RoomSubject
	Members  []RoomMember // everybody with an affiliation other than none, by address
	Hats     RoomHats
	Card     []byte // vCard (XEP-0054); nil: none
}

// RoomSettings is what the owners of a room decide.
type RoomSettings struct {
	Title           string `json:"title,omitempty"`
	Description     string `json:"description,omitempty"`
	Lang            string `json:"lang,omitempty"`     // RFC 5646
	Password        string `json:"password,omitempty"` // empty: none is needed
	Public          bool   `json:"public,omitempty"`
	Persistent      bool   `json:"persistent,omitempty"`
	MembersOnly     bool   `json:"members_only,omitempty"`
	Moderated       bool   `json:"moderated,omitempty"`
	NonAnonymous    bool   `json:"non_anonymous,omitempty"`  // everybody sees real addresses, not moderators only
	OpenSubject     bool   `json:"open_subject,omitempty"`   // participants may change the subject
	OpenInvites     bool   `json:"open_invites,omitempty"`   // everybody may invite, also into a members-only room
	VoiceRequests   bool   `json:"voice_requests,omitempty"` // visitors may ask to speak
	Logged          bool   `json:"logged,omitempty"`         // what is said is kept in the room's archive, and occupants are told so
	PrivateMessages string `json:"private_messages"`         // anyone, participants, moderators or none
	MaxOccupants    int    `json:"max_occupants"`            // admins and owners may come in even so
	History         int    `json:"history"`                  // messages that a new occupant may be sent
	Pubsub          string `json:"pubsub,omitempty"`         // address of a node that belongs to the room

	Unseen []string `json:"unseen,omitempty"` // roles of which the presence is not told to others
}

// RoomChange is one change of what is kept of a room: one of the fields, of which Delete and Forget go together.
type RoomChange struct {
	Put     *Room            // written
	Members bool             // with Put: the members, too, in place of those that are stored
	Changed []RoomMember     // with Put: those of the members that have changed; without an affiliation they are none any more
	Card    bool             // with Put: the vCard, too
	Hats    bool             // with Put: the hats, too
	Delete  string           // name of a room that is not kept any more
	Forget  string           // name of a room whose archive is removed
	Add     *ArchivedMessage // put into the room's archive
	Replace *ArchivedMessage // its stanza takes the place of the one with the same ID
}

// RoomSubject is what a room is about at present.
type RoomSubject struct {
	Text string    `json:"text,omitempty"`
	Nick string    `json:"nick,omitempty"` // who set it; empty: nobody has
	At   time.Time `json:"at,omitzero"`

	// Occupant is the occupant-id (XEP-0421) of who set it, as it was told then; empty: there are none, or it was set
	// before they were kept.
	Occupant string `json:"occupant,omitempty"`
}

// RoomMember is a lasting relation of a person to a room (XEP-0045 §5.2).
type RoomMember struct {
	JID         string // bare
	Affiliation string // owner, admin, member or outcast
	Nick        string // reserved for this person; may be empty
	Reason      string
}

// RoomHat is something that people can be in a room beside their affiliations (XEP-0317).
type RoomHat struct {
	URI   string `json:"uri"` // tells hats apart
	Title string `json:"title"`
	Hue   string `json:"hue,omitempty"` // angle of the color in degrees; empty: none
}

// RoomHats are the hats of a room, as they were made, and who wears them.
type RoomHats struct {
	List []RoomHat           `json:"list,omitempty"`
	Worn map[string][]string `json:"worn,omitempty"` // by bare address: URIs of hats
}
