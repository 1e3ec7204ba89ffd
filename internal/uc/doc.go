// Package uc is the vocabulary of the server: people, devices, roles, profiles, calls, presence, the
// events that tell of them and the kinds of error. It knows no protocol, no database and no clock,
// imports only the standard library and starts no goroutine. Every other package may import it.
//
// Values that travel between packages (a [Directory] snapshot, an event, a [Presence]) are immutable:
// whoever receives one may keep it and read it from any goroutine, and must never write to it.
package uc
