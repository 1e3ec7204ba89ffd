package uc

import "time"

// RosterItem is one contact that a user added by hand. Contacts that come from shared groups are
// computed and never stored.
type RosterItem struct {
	User         UserID
	JID          string // bare, normalised
	Name         string
	Groups       []string
	Subscription string // none, to, from, both (RFC 6121 §2.1.2.5); empty: no contact, but has asked (PendingIn)
	Ask          bool   // a subscription request of ours is pending
	Approved     bool   // pre-approved (RFC 6121 §3.4)
	PendingIn    []byte // the contact's subscription request, as received; nil if none
}

// OfflineMessage is a message kept for a user who has no client online.
type OfflineMessage struct {
	ID     int64
	User   UserID
	At     time.Time
	Stanza []byte
}
