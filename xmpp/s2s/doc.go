// Package s2s is federation: streams to and from other servers (RFC 6120, RFC 7590). It finds a domain's
// server by DNS (RFC 6120 §3.2, XEP-0368), proves who it is by certificate and SASL EXTERNAL (XEP-0178) or by
// dialback (XEP-0220), carries stanzas in both directions on one stream where both servers agree (XEP-0288), and
// queues what is to be sent meanwhile. Every stream is encrypted.
//
// It knows nothing of accounts and sessions: [Federation.Send] takes a stanza as bytes, Config.Deliver gets one.
//
// Goroutines: each stream has a reader, which negotiates, handles what comes in and in the end tears the stream
// down, and a writer once it is encrypted. An opening stream and a key that is being verified have one each.
// [Federation.Shutdown] ends all of them.
//
// Locks: Federation.mu guards who sends on which stream, and all that waits to be sent. Nothing is called and nothing
// waits while it is held.
package s2s
