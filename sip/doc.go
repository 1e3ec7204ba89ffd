// Package sip is the telephony engine: a registrar, a back-to-back user agent with anchored media, and
// the busy lamps of telephones. It implements RFC 3261 with the updates that telephones meet in
// practice: RFC 3264 and 3311 (offer/answer, UPDATE passed through), 3326 (Reason), 3327 (Path), 3515,
// 3891 and 3892 (REFER, Replaces in Refer-To, Referred-By), 3581 (rport), 3725 (third party call
// control), 4235 (dialog-info), 5626 (connection reuse, +sip.instance, keep-alives), 6026 (2xx and
// transactions), 6665 (events), 7616 and 8760 (digest with MD5 and SHA-256).
//
// The layers, from the wire inwards, one file each:
//
//	udp, stream    sockets; parse, hand messages on in the order in which they came
//	edge           checks messages, matches transactions, answers what is malformed; dispatch table
//	transaction    the table of transactions; the state machines are the library's
//	auth           digest challenges and who a request comes from
//	registrar      which contacts a device has registered
//	call           one actor per call, the only owner of its legs, fork and media
//	dial, transfer calls that begin at nobody's wish but ours, or go on with somebody else
//	join           brings two legs together that have not called each other
//	refer          a telephone that transfers its call
//	replaces       and brings the other parties of two calls together
//	lamp           subscriptions to the dialog state of an extension
//
// What a call does is decided by sip/plan (pure), how its branches ring by sip/fork (pure); sip/media
// relays RTP.
//
// Goroutines: one reader per UDP socket and one acceptor per listener, a reader and a writer per stream
// connection, one actor per call, one for each request of ours until its final response has come, one each for
// expiring bindings, saving bindings, writing call records, the directory's changes and the lamps. All
// end with [Server.Run]. Handlers run in the reader's goroutine and never block: whatever has to wait
// is posted to the mailbox of a call.
//
// The transport and the matching of transactions are ours, over the parser and the transaction state
// machines of github.com/emiago/sipgo/sip: its layers hand each message to a goroutine of its own,
// which loses the order of messages on one connection, remember every UDP source for ever, pick
// connections by address alone, and drop what they cannot parse without an answer.
package sip
