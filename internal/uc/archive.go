package uc

import "time"

// Archive names the archive of a user or of a chat room.
type Archive struct {
	User UserID
	Room string // localpart; empty: it is the user's
}

// ArchivedMessage is a message in an archive.
type ArchivedMessage struct {
	Archive
	ID       int64  // the time in nanoseconds since 1970 UTC, made unique
	Peer     string // bare JID of the other side; in a room's archive, of who sent it
	Resource string // the other side's resource, if any; in a room's archive, the nick of who sent it
	Open     bool   // in a room's archive: all occupants could see who sent it
	Stanza   []byte
}

// At returns when the message was sent or received.
func (m ArchivedMessage) At() time.Time { return time.Unix(0, m.ID).UTC() }

// ArchiveQuery selects one page of an archive. The zero value of each other field selects everything.
type ArchiveQuery struct {
	Archive
	Peer     string
	Resource string
	From, To int64   // IDs, From ≤ ID < To
	After    int64   // the page begins behind this ID
	Before   int64   // the page ends before this ID
	IDs      []int64 // only these
	Known    []int64 // must be in the archive
	Skip     int     // messages before the page
	Max      int     // messages of the page
	Bytes    int     // about how big the page may be; it has at least one message
	Last     bool    // the page is the end of the selection, not its beginning
}

// ArchivePage is the answer to a query, oldest first.
type ArchivePage struct {
	Messages []ArchivedMessage
	Complete bool // nothing follows in the direction of paging
	Index    int  // how many messages of the selection, without After and Before, are older than the page; 0 for a Last one
	Count    int  // of the selection without After and Before
}

// ArchivePreferences say which messages of a user are kept (XEP-0441).
type ArchivePreferences struct {
	User     UserID
	Standard string   // always, never or roster
	Always   []string // JIDs
	Never    []string // JIDs
}
