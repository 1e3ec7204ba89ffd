package xmpp

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"time"
)

// A batch collects the sessions that became dirty while one burst of input was handled, and flushes
// them at its end. It belongs to one goroutine at a time.
type batch struct {
	server  *Server
	reader  *reader // whose it is; nil if it is not a reader's
	dirty   []*session
	slow    *session // a session whose queue has grown beyond the soft cap, if any
	ahead   int      // bytes put in line beyond soft caps since the batch last breathed
	op      writeOp
	at      int64   // the time, in nanoseconds since 1970; 0 if it was not asked for yet
	scratch []byte  // for the stanza that is being sent on
	turn    turn    // of who goes through a lot of stanzas
	kept    uint64  // up to where messages that were kept are in line; 0 if none was
	request request // the stanza that is being handled
}

// inlineMax is the number of sessions that the collecting goroutine writes to by itself; more go to the
// flushers, which find them with more stanzas queued and so make fewer, bigger writes.
const inlineMax = 4

var batches = sync.Pool{New: func() any { return new(batch) }}

func (s *Server) newBatch() *batch {
	b := batches.Get().(*batch) //nolint:errcheck // the pool holds nothing else
	b.server = s
	return b
}

// done flushes the batch and gives it back.
func (b *batch) done() {
	b.flush()
	b.server, b.reader, b.slow, b.ahead, b.request, b.kept = nil, nil, nil, 0, request{}, 0
	b.turn = turn{}
	if cap(b.scratch) > keepSize {
		b.scratch = nil
	}
	batches.Put(b)
}

// mayWait is called before the batch's goroutine does something that may wait.
func (b *batch) mayWait() { b.reader.mayWait() }

// turnBy is called by who goes through a lot of stanzas for each, with its length, and rests when that was enough. What
// was kept is written before the next ones follow, so that messages of others do not stand in a long line behind them.
func (b *batch) turnBy(n int) {
	if b.turn.done == 0 {
		b.turn.began = time.Now().UnixNano()
	}
	if b.turn.done += n; b.turn.over() {
		b.flush()
		b.mayWait()
		rest(b.turn.took())
		b.server.keeping.await(b.kept)
		b.turn = turn{}
	}
}

// now is the time at which the batch was begun or last flushed, or some time later: good enough for who
// looks at what happened, and cheaper than a clock for each stanza.
func (b *batch) now() int64 {
	if b.at == 0 {
		b.at = time.Now().UnixNano()
	}
	return b.at
}

// requestOf returns the batch's request for the stanzas of a session.
func (b *batch) requestOf(c *session) *request {
	b.request = request{server: b.server, batch: b, from: c}
	return &b.request
}

// push queues the parts of one stanza for a session and reports whether they were taken.
func (b *batch) push(to *session, parts ...[]byte) bool {
	return b.pushCopy(to, nil, parts...)
}

// pushCopy is push for one of the copies of a delivery, if of is not nil.
func (b *batch) pushCopy(to *session, of *delivery, parts ...[]byte) bool {
	if h := to.held.Load(); h != nil {
		return h.push(b, to, of, parts)
	}
	return b.line(to, of, parts...)
}

// line puts the parts of one stanza in line.
func (b *batch) line(to *session, of *delivery, parts ...[]byte) bool {
	if w := to.behind.Load(); w != nil && isPresence(parts[0]) && b.holdPresence(w, to, parts) {
		return true
	}
	result, length := to.queue.add(b.server.cfg.QueueHard, of, parts)
	switch result {
	case pushedClosed:
		return to.account.foreign() && b.carry(to, parts)
	case pushedFull:
		to.end(errQueueFull)
		return false
	case pushedDirty:
		b.dirty = append(b.dirty, to)
	case pushedKept:
		if to.account.pushed.Load() {
			b.server.pushes.waiting(to, bytes.Join(parts, nil))
		}
	}
	to.trace.note(traceOut, b.now(), parts...)
	if length > b.server.cfg.QueueSoft {
		to.fallBehind()
		if result != pushedKept {
			b.slow = to
			for _, p := range parts {
				b.ahead += len(p)
			}
		}
	}
	return true
}

// flush writes to a few sessions at once and hands many to the flushers. It never waits for a client.
func (b *batch) flush() {
	b.at = 0
	if len(b.dirty) <= inlineMax {
		for i, to := range b.dirty {
			b.dirty[i] = nil
			to.flush(&b.op)
		}
	} else {
		b.server.flushers.add(b.dirty)
		clear(b.dirty)
	}
	b.dirty = b.dirty[:0]
}

// Who sends to clients that do not keep up waits slowPause for each slowBytes, but no more than slowMost at a time. So a
// single sender does not fill the queue of a client that reads nothing before the WriteTimeout ends its session.
const (
	slowBytes = 4 << 10
	slowPause = 50 * time.Millisecond
	slowMost  = time.Second
)

// breathe flushes and, if some client does not keep up with what this goroutine sends, waits for it for as long as what
// was sent is worth.
func (b *batch) breathe() {
	b.flush()
	if slow := b.slow; slow != nil {
		patience := min(slowPause*time.Duration(b.ahead)/slowBytes, slowMost)
		b.slow, b.ahead = nil, 0
		b.mayWait()
		slow.queue.waitBelow(b.server.cfg.QueueSoft, patience)
	}
}

// pace keeps a long series of stanzas for one client from filling its queue: it waits until the client
// has read enough. It is called without locks by somebody who works for this client only.
func (b *batch) pace(c *session) {
	if c.queue.longer(b.server.cfg.QueueSoft) {
		b.flush()
		b.mayWait()
		if !c.queue.waitBelow(b.server.cfg.QueueSoft/2, b.server.cfg.WriteTimeout) {
			c.end(errQueueFull)
		}
	}
}

// flushers write dirty sessions, one goroutine for each processor. A session always goes to the same one.
type flushers []*flusher

type flusher struct {
	mu    sync.Mutex
	dirty []*session
	wake  chan struct{} // holds one token while dirty may not be empty
}

func startFlushers(ctx context.Context, wg *sync.WaitGroup) flushers {
	list := make(flushers, runtime.GOMAXPROCS(0))
	for i := range list {
		list[i] = &flusher{wake: make(chan struct{}, 1)}
		wg.Go(func() { list[i].run(ctx) })
	}
	return list
}

func (l flushers) of(s *session) *flusher { return l[s.number%uint64(len(l))] }

func (l flushers) add(sessions []*session) {
	for i, f := range l {
		f.mu.Lock()
		had := len(f.dirty)
		for _, to := range sessions {
			if int(to.number%uint64(len(l))) == i {
				f.dirty = append(f.dirty, to)
			}
		}
		added := len(f.dirty) > had
		f.mu.Unlock()
		if added {
			f.signal()
		}
	}
}

func (f *flusher) addOne(s *session) {
	f.mu.Lock()
	f.dirty = append(f.dirty, s)
	f.mu.Unlock()
	f.signal()
}

func (f *flusher) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flusher) run(ctx context.Context) {
	var op writeOp
	var list []*session
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		// All readers that are ready run first and fill the queues: in a storm this makes one write of
		// hundreds of stanzas where there would be hundreds of writes.
		runtime.Gosched()
		f.mu.Lock()
		list, f.dirty = f.dirty, list[:0]
		f.mu.Unlock()
		for i, s := range list {
			list[i] = nil
			s.flush(&op)
		}
	}
}

// flush writes what is queued without waiting. What the socket does not take is left to a goroutine
// that waits for this client alone.
func (s *session) flush(op *writeOp) {
	p := s.queue.take()
	if p == nil {
		return
	}
	w := s.wire
	done, err := s.send(op, p)
	switch {
	case err != nil:
		s.queue.abandon()
		s.lost(w, err)
	case !done:
		s.server.writers.Go(s.writeSlowly)
	case s.queue.release(), s.catchUp():
		s.server.flushers.of(s).addOne(s)
	}
}

// send writes without waiting; done means that the socket took everything.
func (s *session) send(op *writeOp, p []byte) (done bool, err error) {
	if s.tls != nil {
		return s.sendSealed(op, p)
	}
	n, err := op.write(s.wire, p)
	if n < len(p) {
		s.queue.progress(n)
		return false, err
	}
	return true, nil
}

func (s *session) sendSealed(op *writeOp, p []byte) (done bool, err error) {
	for {
		n, err := s.seal(p)
		if err != nil {
			return false, err
		}
		if done, err := s.wire.sendRecords(op); !done || err != nil {
			return false, err
		}
		s.wire.sealed = 0
		if p = p[n:]; len(p) == 0 {
			return true, nil
		}
		s.queue.progress(n)
	}
}

// sealSize is how many bytes are encrypted at a time. What waits behind them waits once, as it is.
const sealSize = 32 << 10

// seal makes records of the beginning of p and returns its length.
func (s *session) seal(p []byte) (int, error) {
	n := min(len(p), sealSize)
	s.wire.sealed = n
	return s.tls.Write(p[:n])
}

// writeSlowly writes the rest of a buffer that the socket did not take, then whatever was queued
// meanwhile, until the queue is empty or the client has taken nothing for too long.
func (s *session) writeSlowly() {
	w := s.wire
	for {
		err := s.writeRest(time.Now().Add(s.server.cfg.WriteTimeout))
		if err != nil {
			s.queue.abandon()
			s.lost(w, err)
			return
		}
		if !s.queue.release() && !s.catchUp() {
			return
		}
		if s.queue.take() == nil {
			return
		}
	}
}

// writeRest writes what is left of the buffer being written.
func (s *session) writeRest(deadline time.Time) error {
	if s.tls != nil {
		return s.writeRestSealed(deadline)
	}
	p, written, _ := s.queue.rest()
	n, err := s.wire.writeSlowly(p[written:], deadline)
	s.queue.progress(n)
	return err
}

func (s *session) writeRestSealed(deadline time.Time) error {
	for {
		if err := s.wire.sendRecordsSlowly(deadline); err != nil {
			return err
		}
		s.queue.progress(s.wire.sealed)
		s.wire.sealed = 0
		p, written, _ := s.queue.rest()
		if written == len(p) {
			return nil
		}
		if _, err := s.seal(p[written:]); err != nil {
			return err
		}
	}
}
