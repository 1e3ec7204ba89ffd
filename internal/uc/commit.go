package uc

import "time"

// Sequences holds the last identifier given out for each kind. It only rises, so that no identifier is
// used twice, not even after what it named is deleted.
type Sequences map[Kind]int64

// AuditEntry says who changed what in the directory, or did what, and when. No secret is ever part of it.
type AuditEntry struct {
	ID   int64     `json:"id"`
	Time time.Time `json:"time"`
	By   Actor     `json:"by"`
	Text string    `json:"text"` // in words
	Refs []Ref     `json:"refs,omitempty"`
}

// Commit is what one command changes in the directory, in the form in which it is written to the store.
type Commit struct {
	Version   uint64 // of the snapshot that the commit leads to
	Change    ChangeSet
	Sequences Sequences // those that rose
	Audit     AuditEntry
}
