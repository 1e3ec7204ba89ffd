package uc

import "time"

// FastToken lets one installation of a client log in without the password (XEP-0484). The token itself is
// not kept, only the key that it makes.
type FastToken struct {
	User      UserID
	Client    string // identifier of the installation
	Fresh     bool   // not used yet; the one before it is good until then
	Mechanism string // the only one that it is good for
	Key       []byte // SHA-256 of the token
	Password  []byte // tells the password that the user had then; with another one the token is worthless
	Issued    time.Time
	Expires   time.Time
	Count     int64 // of the last login that was counted; 0 if none was
}
