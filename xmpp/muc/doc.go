// Package muc is multi-user chat (XEP-0045): rooms and the service that has them.
//
// [Room] is a state machine without sockets, clock or goroutines: a stanza and the time go in, deliveries
// come out. [Service] finds or makes the room of a stanza, keeps persistent rooms in the store and hands
// deliveries on. It starts no goroutine; its owner runs [Service.Run], which stores what changes, and the
// other methods of Service may be called from any.
//
// Locks: each room has one; it is held while deliveries are handed on, so that all occupants see all events
// in the same order, but not while something is stored or read. The other locks are leaves.
//
// What is to last is stored before anybody hears of it: the deliveries of a stanza that changes what is stored,
// a message of a logged room among them, and those of the room's next stanzas, wait in one line for the commit.
package muc
