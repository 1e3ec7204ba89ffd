// Package xmpp is the XMPP server: sessions, routing, rosters with shared groups, presence and its composition,
// offline messages, service discovery and ad-hoc commands (RFC 6120, RFC 6121 and the XEPs of [Protocols]).
//
// After negotiation (package negotiate) stanzas travel as bytes: package scan cuts and checks the stream, [table] says
// who handles what, and what is sent on is appended as it is to the queues of its recipients.
//
// Goroutines: each session has one reader, which handles what its client sends and in the end tears the
// session down. The flushers, one for each processor, write the queues; a client that does not take all
// at once gets a writer of its own until it has. One follower reads the bus, one notifier states which
// clients are online. [Server.Shutdown] ends all of them.
//
// Locks: account.rosterMu serialises changes to one roster, account.presenceMu what is told of one user's
// presence; the first may be taken under the second. No lock is held while another account's is taken. Queue
// locks are leaves.
package xmpp
