package uc

// Event is a fact in the past tense. It carries the full new state of its subject and is published
// after the change is committed, never under a lock.
type Event interface {
	// Subject identifies what the event tells of. Of two queued events with an equal, non-nil subject
	// a slow reader may be given only the newer one.
	Subject() any
}

// DirectoryChanged says that the directory was changed. It is never coalesced, so that Changes of one
// event after the other lead from one snapshot to the next.
type DirectoryChanged struct {
	Before, After *Directory
	Changes       []Ref // what was put or deleted
	By            Actor
}

// ProfileSwitched says that a user's profile state changed. Entry is nil if the profile in effect stayed
// the same and only what lies beneath it changed.
type ProfileSwitched struct {
	State ProfileState
	Entry *JournalEntry
}

// ResourcesChanged says which XMPP clients of a user are available now.
type ResourcesChanged struct {
	User      UserID
	Resources []Resource
}

// RegistrationChanged says whether a device is registered.
type RegistrationChanged struct{ Registration }

// CallChanged says that a call began, changed or ended.
type CallChanged struct{ Call Call }

// PresenceChanged says that a user's computed presence changed.
type PresenceChanged struct{ Presence Presence }

// TeamsSyncChanged tells how reading presence from Microsoft Graph is going.
type TeamsSyncChanged struct{ Status TeamsSync }

type subject struct {
	kind string
	id   any
}

// Subject implements Event; directory changes are never coalesced.
func (DirectoryChanged) Subject() any { return nil }

// Subject implements Event; every switch is told.
func (ProfileSwitched) Subject() any { return nil }

// Subject implements Event.
func (e ResourcesChanged) Subject() any { return subject{"resources", e.User} }

// Subject implements Event.
func (e RegistrationChanged) Subject() any { return subject{"registration", e.Device} }

// Subject implements Event; a call that ended is told by its last state.
func (e CallChanged) Subject() any { return subject{"call", e.Call.ID} }

// Subject implements Event.
func (e PresenceChanged) Subject() any { return subject{"presence", e.Presence.User} }

// Subject implements Event.
func (TeamsSyncChanged) Subject() any { return subject{"teamssync", nil} }
