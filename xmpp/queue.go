package xmpp

import (
	"math"
	"slices"
	"sync"
	"time"
)

// queueState says who is to write the queue next.
type queueState uint8

const (
	queueIdle    queueState = iota // empty, nobody has to
	queueDirty                     // not empty, in somebody's batch or at a flusher
	queueWriting                   // somebody is writing
)

// pushed is what became of a push.
type pushed uint8

const (
	pushedQueued pushed = iota // in line; somebody is already going to write
	pushedDirty                // in line; the caller has to see to it that the session is flushed
	pushedClosed               // not taken: the session has ended
	pushedFull                 // not taken: the client does not read
	pushedKept                 // kept for a client that has lost its connection
)

// queue holds the stanzas that wait to be written to one client, as wire-ready bytes. Pushing never
// blocks and allocates only buffers from the pool; an empty queue holds none. Its lock is a leaf:
// nothing is called while it is held.
type queue struct {
	mu      sync.Mutex
	state   queueState
	closed  bool
	broken  bool   // a write failed: nothing more can be sent
	waiting []byte // whole stanzas, in line
	writing []byte // whole stanzas, handed to the writer
	written int    // bytes of writing that the socket took; under TLS those of whole records
	total   uint64 // bytes pushed in all
	base    uint64 // bytes written and released in all
	marks   []mark
	below   chan struct{} // closed when the queue is shorter than limit, or has closed; nil if nobody waits
	limit   int
	freed   chan struct{} // closed when the writer lets go of a closed queue; nil if nobody waits
	acks    *acks         // nil unless the client acknowledges (XEP-0198)
}

// openEnd is where an open mark ends.
const openEnd = math.MaxUint64

// mark remembers a range of pushed bytes that somebody wants to know about.
type mark struct {
	from, to uint64
	written  func() // called in a goroutine of its own when the bytes have been taken; nil while it is open
}

// length is how many bytes the client has not taken.
func (q *queue) length() int {
	n := len(q.waiting) + len(q.writing) - q.written
	if q.acks != nil {
		return max(n, q.acks.kept.size())
	}
	return n
}

// add appends the parts of one or more whole stanzas. hard is the most that may wait; one push into an
// empty queue may exceed it.
// If the stanza is one of the copies of a delivery, of is that.
func (q *queue) add(hard int, of *delivery, parts [][]byte) (result pushed, length int) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	length = q.length()
	if q.closed {
		return pushedClosed, length
	}
	if q.acks != nil {
		hard = q.acks.bound(hard)
	}
	if length > 0 && length+size > hard {
		return pushedFull, length
	}
	switch {
	case q.acks != nil:
		q.keep(of, parts)
	case of != nil:
		of.done.Store(true)
	}
	return q.line(parts), length + size
}

// line puts bytes in line.
func (q *queue) line(parts [][]byte) pushed {
	if q.detached() {
		return pushedKept
	}
	if q.waiting == nil {
		q.waiting = takeBuffer()
	}
	for _, p := range parts {
		q.waiting = append(q.waiting, p...)
		q.total += uint64(len(p))
	}
	if q.acks != nil {
		q.ask()
	}
	if q.state != queueIdle {
		return pushedQueued
	}
	q.state = queueDirty
	return pushedDirty
}

// openMark begins a mark; only one is open at a time.
func (q *queue) openMark() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.marks = append(q.marks, mark{q.total, openEnd, nil})
}

// closeMark ends the open mark: written is called when everything pushed since it began has been taken. If
// written is nil the mark is forgotten.
func (q *queue) closeMark(written func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, m := range q.marks {
		if m.to == openEnd {
			q.marks[i].to, q.marks[i].written = q.total, written
		}
	}
	q.marks = slices.DeleteFunc(q.marks, func(m mark) bool { return m.to != openEnd && m.written == nil })
	q.reachMarks()
}

// reachMarks calls what waits for bytes that the client has taken by now.
func (q *queue) reachMarks() {
	for len(q.marks) > 0 && q.marks[0].to <= q.taken(q.marks[0].to) {
		go q.marks[0].written()
		q.marks = q.marks[1:]
	}
}

// longer reports whether more than limit bytes are in line.
func (q *queue) longer(limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length() > limit
}

// take makes the caller the writer of what waits; nil means that there is nothing to do.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.detached() || q.state != queueDirty {
		return nil
	}
	q.state = queueWriting
	q.writing, q.written, q.waiting = q.waiting, 0, nil
	return q.writing
}

// progress notes that the socket took n more bytes.
func (q *queue) progress(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written += n
	q.tell()
}

// hold keeps a new queue from being written until it is released.
func (q *queue) hold() { q.state = queueWriting }

// release gives the written buffer back. more says that stanzas came meanwhile and wait to be taken.
func (q *queue) release() (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.base += uint64(len(q.writing))
	giveBuffer(q.writing)
	q.writing, q.written = nil, 0
	q.reachMarks()
	q.tell()
	q.state = queueIdle
	q.letGo()
	if len(q.waiting) > 0 {
		q.state = queueDirty
		return !q.closed
	}
	return false
}

// abandon closes the queue after an error of the writer; what was not written stays for unsent. If the
// client may come back the queue is only cut off.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state = queueIdle
	if q.acks != nil && q.acks.resumable {
		q.acks.cutOff()
	} else {
		q.closed, q.broken = true, true
	}
	q.tell()
	q.letGo()
}

func (q *queue) letGo() {
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}

// tell wakes who waits for the queue to become shorter.
func (q *queue) tell() {
	if q.below != nil && (q.closed || q.detached() || q.length() <= q.limit) {
		close(q.below)
		q.below = nil
	}
}

// waitBelow waits until no more than limit bytes are in line, the queue has closed, or the time is up.
// Of several waiters at a time each waits for the smallest limit.
func (q *queue) waitBelow(limit int, patience time.Duration) bool {
	q.mu.Lock()
	if q.closed || q.detached() || q.length() <= limit {
		q.mu.Unlock()
		return true
	}
	if q.below == nil {
		q.below, q.limit = make(chan struct{}), limit
	}
	q.limit = min(q.limit, limit)
	below := q.below
	q.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-below:
		return true
	case <-timer.C:
		return false
	}
}

// close stops the queue from taking more and waits until nobody writes it. The caller owns it
// afterwards. usable is false if a write has failed.
func (q *queue) close() (usable bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.tell()
	q.awaitWriter()
	return !q.broken && !q.detached()
}

// awaitWriter waits until nobody writes. The lock is held before and after, not meanwhile.
func (q *queue) awaitWriter() {
	for q.state == queueWriting {
		if q.freed == nil {
			q.freed = make(chan struct{})
		}
		freed := q.freed
		q.mu.Unlock()
		<-freed
		q.mu.Lock()
	}
}

// rest returns what a closed queue still holds: the buffer that was being written, how much of it went
// out, and what waited behind it.
func (q *queue) rest() (writing []byte, written int, waiting []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writing, q.written, q.waiting
}

// drained says that all of a closed queue is written.
func (q *queue) drained() {
	q.mu.Lock()
	defer q.mu.Unlock()
	giveBuffer(q.writing)
	giveBuffer(q.waiting)
	q.writing, q.waiting, q.written, q.base = nil, nil, 0, q.total
	q.reachMarks()
}

// unsent calls f for every stanza of a closed or detached queue that the socket did not take whole, but
// not for those within a mark or kept until they are acknowledged.
func (q *queue) unsent(next func(raw []byte) int, f func(stanza []byte)) {
	q.mu.Lock()
	writing, waiting, written, marks := q.writing, q.waiting, q.written, slices.Clone(q.marks)
	base, end := q.base, q.total
	if q.acks != nil {
		end = q.acks.from
	}
	q.mu.Unlock()
	emit := func(buf []byte, written int, base uint64) {
		for at := 0; at < len(buf); {
			n := next(buf[at:])
			if n <= 0 {
				return
			}
			start := base + uint64(at)
			if at+n > written && start < end && !marked(marks, start) {
				f(buf[at : at+n])
			}
			at += n
		}
	}
	emit(writing, written, base)
	emit(waiting, 0, base+uint64(len(writing)))
}

func marked(marks []mark, at uint64) bool {
	for _, m := range marks {
		if m.from <= at && at < m.to {
			return true
		}
	}
	return false
}
