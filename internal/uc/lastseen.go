package uc

import "time"

// LastSeen says when a user came and went. Times that are not known are zero.
type LastSeen struct {
	User   UserID
	Login  time.Time // of a client, the last time
	Logout time.Time // of the last client that was available
	Status string    // what the user said then
	Told   time.Time // when the message of the day was set that the user has been told
}
