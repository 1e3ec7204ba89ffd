package xmpp

import (
	"bytes"
	"encoding/binary"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The sizes of what is remembered of the stanzas of one session, in bytes. A stanza takes about 120.
const (
	traceSmall   = 1 << 10  // of a session that does little, as most do most of the time
	traceLarge   = 4 << 10  // once it has had traceBusy stanzas
	traceWatched = 64 << 10 // while somebody follows it
	traceBodies  = 64 << 10 // if whole stanzas are kept

	traceBusy    = 200
	traceHead    = 400     // of one stanza's head
	traceBodyMax = 8 << 10 // of one stanza, if whole stanzas are kept
)

// trace remembers the heads of the last stanzas of a session: their start tag and that of the first child,
// never what is in them. It keeps the bytes as they are, because that costs the sender next to nothing; who
// wants to see them has them decoded. A session that has had no stanza has no memory for them.
type trace struct {
	mu      sync.Mutex
	ring    []byte // records one behind the other, wrapping around
	from    uint64 // where the oldest record begins, counted without wrapping
	to      uint64 // where the newest ends
	count   uint64 // stanzas in all
	kept    uint64 // records in the ring
	lastIn  int64  // when the client last sent something, in nanoseconds since 1970
	watched int    // by how many
	bodies  bool
}

// A record is its length (2 bytes), the direction (1), the time in nanoseconds since 1970 (8), the size of
// the stanza (4) and the bytes kept of it.
const recordHead = 15

const (
	traceIn  = 1
	traceOut = 2
)

// note remembers a stanza, which may come in parts.
func (t *trace) note(direction byte, at int64, parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	keep := headLength(parts, size)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bodies {
		keep = min(size, traceBodyMax)
	}
	t.count++
	if direction == traceIn {
		t.lastIn = at
	}
	if t.ring == nil || t.count == traceBusy {
		t.resize()
	}
	var head [recordHead]byte
	length := recordHead + keep
	for uint64(len(t.ring)) < t.to-t.from+uint64(length) {
		t.dropOldest()
	}
	binary.BigEndian.PutUint16(head[0:], uint16(length))
	head[2] = direction
	binary.BigEndian.PutUint64(head[3:], uint64(at))
	binary.BigEndian.PutUint32(head[11:], uint32(size))
	t.write(head[:])
	for _, p := range parts {
		p = p[:min(len(p), keep)]
		t.write(p)
		keep -= len(p)
	}
	t.kept++
}

// headLength returns where the start tag of the first child ends, or that of the stanza if text or nothing
// follows it. A > within an attribute only makes the head shorter.
func headLength(parts [][]byte, size int) int {
	at, tags := 0, 0
	behind := false // at is just behind the first tag
	for _, p := range parts {
		for i := 0; i < len(p); {
			if behind && p[i] != '<' {
				return min(at+i, traceHead) // text
			}
			behind = false
			end := bytes.IndexByte(p[i:], '>')
			if end < 0 {
				break
			}
			i += end + 1
			if tags++; tags == 2 {
				return min(at+i, traceHead)
			}
			behind = true
		}
		at += len(p)
	}
	return min(size, traceHead)
}

func (t *trace) write(p []byte) {
	i := int(t.to % uint64(len(t.ring)))
	n := copy(t.ring[i:], p)
	copy(t.ring, p[n:])
	t.to += uint64(len(p))
}

// read copies bytes from a position of the ring.
func (t *trace) read(at uint64, p []byte) {
	i := int(at % uint64(len(t.ring)))
	n := copy(p, t.ring[i:])
	copy(p[n:], t.ring)
}

func (t *trace) dropOldest() {
	var length [2]byte
	t.read(t.from, length[:])
	t.from += uint64(binary.BigEndian.Uint16(length[:]))
	t.kept--
}

// resize gives the ring the size that fits the session, with as many records as go into it.
func (t *trace) resize() {
	size := traceSmall
	switch {
	case t.bodies:
		size = traceBodies
	case t.watched > 0:
		size = traceWatched
	case t.count >= traceBusy:
		size = traceLarge
	}
	if size == len(t.ring) {
		return
	}
	for t.to-t.from > uint64(size) {
		t.dropOldest()
	}
	records := make([]byte, t.to-t.from)
	if len(t.ring) > 0 {
		t.read(t.from, records)
	}
	t.ring, t.from, t.to = make([]byte, size), 0, 0
	t.write(records)
}

// watch makes the ring as big as who follows it needs, until unwatch.
func (t *trace) watch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched++
	t.resize()
}

func (t *trace) unwatch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched--
	t.resize()
}

// quiet is since when the client has sent nothing; zero if it has never sent anything.
func (t *trace) quiet() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lastIn == 0 {
		return time.Time{}
	}
	return time.Unix(0, t.lastIn)
}

// record is one stanza of a ring.
type record struct {
	number    uint64
	direction byte
	at        int64
	size      int
	head      []byte
}

// after copies the records behind number.
func (t *trace) after(number uint64) []record {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []record
	first := t.count - t.kept + 1
	for at, n := t.from, first; at < t.to; n++ {
		var head [recordHead]byte
		t.read(at, head[:])
		length := uint64(binary.BigEndian.Uint16(head[0:]))
		if n > number {
			r := record{number: n, direction: head[2], at: int64(binary.BigEndian.Uint64(head[3:])), size: int(binary.BigEndian.Uint32(head[11:]))}
			r.head = make([]byte, length-recordHead)
			t.read(at+recordHead, r.head)
			list = append(list, r)
		}
		at += length
	}
	return list
}

// decode makes of a record what people read.
func (r *record) decode(c *session, bodies bool) uc.TracedStanza {
	s := uc.TracedStanza{
		Session: c.number, JID: c.jid, Number: r.number, Time: time.Unix(0, r.at), Direction: uc.StanzaFromClient, Size: r.size,
	}
	if r.direction == traceOut {
		s.Direction = uc.StanzaToClient
	}
	decodeHead(&s, r.head)
	if bodies {
		s.XML = string(r.head)
	}
	return s
}
