package xmpp

import (
	"sync/atomic"
	"time"
)

// unacked keeps the stanzas that a client has not acknowledged (XEP-0198 §4), as they went out and in one
// piece, so that sending them again is one write. What is acknowledged is dropped from the front; the room
// is used again.
type unacked struct {
	bytes   []byte
	base    uint64 // how many bytes were kept in all before bytes[0]
	start   uint64 // where the first kept stanza begins, counted like its end
	stanzas []sentStanza
	first   int    // index of the first kept stanza
	acked   uint32 // stanzas acknowledged in all, modulo 2^32 (XEP-0198 §4)
}

// sentStanza is what is remembered of a stanza that was not acknowledged.
type sentStanza struct {
	end  uint64 // counted in bytes kept in all
	at   uint64 // where it begins, counted in bytes pushed into the queue
	when int64  // Unix time in nanoseconds
	of   *delivery
}

func (s *sentStanza) time() time.Time { return time.Unix(0, s.when) }

func (u *unacked) size() int  { return len(u.bytes) - int(u.start-u.base) }
func (u *unacked) count() int { return len(u.stanzas) - u.first }

// end is how many bytes were kept in all.
func (u *unacked) end() uint64 { return u.base + uint64(len(u.bytes)) }

// sent is how many stanzas there have been, modulo 2^32.
func (u *unacked) sent() uint32 { return u.acked + uint32(u.count()) }

// add keeps one more stanza.
func (u *unacked) add(s sentStanza, parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	u.makeRoom(size)
	for _, p := range parts {
		u.bytes = append(u.bytes, p...)
	}
	s.end = u.end()
	u.stanzas = append(u.stanzas, s)
}

// makeRoom moves what is kept to the front when that saves making the buffers longer.
func (u *unacked) makeRoom(size int) {
	if u.bytes == nil {
		u.bytes = takeBuffer()
	}
	if gone := int(u.start - u.base); len(u.bytes)+size > cap(u.bytes) && gone >= len(u.bytes)/2 {
		u.bytes = u.bytes[:copy(u.bytes, u.bytes[gone:])]
		u.base = u.start
	}
	if len(u.stanzas) == cap(u.stanzas) && u.first > 0 && u.first >= len(u.stanzas)/2 {
		kept := copy(u.stanzas, u.stanzas[u.first:])
		clear(u.stanzas[kept:])
		u.stanzas, u.first = u.stanzas[:kept], 0
	}
}

// ack drops what the client says it has handled and reports whether the number can be: it cannot be higher
// than what was sent. One that is behind an earlier one changes nothing.
func (u *unacked) ack(h uint32) bool {
	n := int64(h - u.acked)
	if n > int64(u.count()) {
		return int32(h-u.acked) < 0 //nolint:gosec // modulo 2^32
	}
	for range n {
		s := &u.stanzas[u.first]
		if s.of != nil {
			s.of.taken()
		}
		u.start = s.end
		*s = sentStanza{}
		u.first++
	}
	u.acked = h
	if u.count() == 0 {
		u.clear()
	}
	return true
}

// clear drops everything. The buffer goes back to its pool: a client that keeps up holds none.
func (u *unacked) clear() {
	giveBuffer(u.bytes)
	u.base += uint64(len(u.bytes))
	u.bytes, u.start = nil, u.base
	clear(u.stanzas)
	if u.stanzas, u.first = u.stanzas[:0], 0; cap(u.stanzas) > 256 {
		u.stanzas = nil
	}
}

// all returns the kept stanzas in one piece, valid until the next change.
func (u *unacked) all() []byte { return u.bytes[u.start-u.base:] }

// each calls f for every kept stanza, the oldest first.
func (u *unacked) each(f func(s *sentStanza, raw []byte)) {
	start := u.start
	for i := u.first; i < len(u.stanzas); i++ {
		s := &u.stanzas[i]
		f(s, u.bytes[start-u.base:s.end-u.base])
		start = s.end
	}
}

// delivery is one message that was sent to several clients of a user, who need not all take it. It is
// counted by each of them that acknowledges, and once by who sends it.
type delivery struct {
	raw  []byte
	left atomic.Int32 // who may still take it
	done atomic.Bool  // somebody took it
}

func newDelivery(raw []byte) *delivery {
	d := &delivery{raw: raw}
	d.left.Store(1)
	return d
}

// taken says that a client took it.
func (d *delivery) taken() {
	d.done.Store(true)
	d.left.Add(-1)
}

// missed says that a client did not take it, and reports whether nobody did or may.
func (d *delivery) missed() bool { return d.left.Add(-1) == 0 && !d.done.Load() }
