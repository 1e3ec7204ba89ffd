package xmpp

import (
	"errors"
	"runtime"
	"sync"
)

// A client that says nothing costs no goroutine. The sockets of all sessions are watched, and readers, as many as
// there are processors, take what comes: each reads what a client has sent, handles it and takes the next session.
// What may take its time, as the database does, is done likewise, but another reader takes the place before. See
// docs/adr/0008-idle-sessions.md.

// The states of a session.
const (
	readerBusy  int32 = iota // a reader handles what has come, or there is one in line to do it
	readerAgain              // likewise, and more has come meanwhile
	readerGone               // no reader; the socket is watched
)

// errQuiet ends the reading of a session that goes on without a reader.
var errQuiet = errors.New("the client is quiet")

// reader is a goroutine that reads and handles what clients send, one after the other.
type reader struct {
	server *Server
	input  *input
	pooled bool // the next session is its own too
}

// mayWait is called by a reader before it does something that may wait: for the client, for the database, for others.
// The sessions that are ready meanwhile are left to another reader.
func (r *reader) mayWait() {
	if r != nil && r.pooled {
		r.pooled = false
		r.server.crew.Go(r.server.readAll)
	}
}

// readers take the sessions that are ready, in the order in which they became it.
type readers struct {
	mu   sync.Mutex
	line []*session
	next int           // the first of line
	wake chan struct{} // holds tokens, one for each reader at most, while line may not be empty
}

// startReaders starts one reader for each processor. They end with the server.
func (s *Server) startReaders() {
	n := runtime.GOMAXPROCS(0)
	s.readers.wake = make(chan struct{}, n)
	for range n {
		s.crew.Go(s.readAll)
	}
}

// add puts sessions in line that are busy from now on.
func (l *readers) add(sessions ...*session) {
	l.mu.Lock()
	if l.next > len(l.line)/2 { // what is taken would never go while there is always somebody in line
		rest := copy(l.line, l.line[l.next:])
		clear(l.line[rest:])
		l.line, l.next = l.line[:rest], 0
	}
	l.line = append(l.line, sessions...)
	l.mu.Unlock()
	for range min(len(sessions), cap(l.wake)) {
		select {
		case l.wake <- struct{}{}:
		default:
			return
		}
	}
}

// take returns the next session in line, nil if there is none.
func (l *readers) take() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == len(l.line) {
		return nil
	}
	c := l.line[l.next]
	l.line[l.next] = nil
	if l.next++; l.next == len(l.line) {
		l.line, l.next = l.line[:0], 0
	}
	return c
}

// readAll is a reader's life.
func (s *Server) readAll() {
	r := &reader{server: s, pooled: true}
	for r.pooled {
		if c := s.readers.take(); c != nil {
			s.serveSession(c, r)
			continue
		}
		select {
		case <-s.readers.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// inputOf makes the reader's input one of the session.
func (r *reader) inputOf(c *session) *input {
	if r.input == nil {
		r.input = newInput(c)
	} else {
		r.input.begin(c)
	}
	r.input.reader = r
	return r.input
}

// begin puts a session in line for the first time. The server is not done before it has ended.
func (s *Server) begin(c *session) {
	s.serving.Add(1)
	s.readers.add(c)
}

// beWatched has the socket watched and reports whether it is. The first report may come at once.
func (c *session) beWatched() bool {
	if !c.watched && c.wire.raw != nil {
		c.watched = c.server.watch.add(c)
	}
	return c.watched
}

// ready is called when there is something for a reader to look at. It reports whether the session is to be put in line.
func (c *session) ready() bool {
	for {
		switch state := c.reader.Load(); state {
		case readerGone:
			if c.reader.CompareAndSwap(state, readerBusy) {
				return true
			}
		case readerBusy:
			if c.reader.CompareAndSwap(state, readerAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// wakeIdle has a reader look at the session, which is put in line if it has none.
func (c *session) wakeIdle() {
	if c.ready() {
		c.server.readers.add(c)
	}
}

// retire leaves the session to the watch and reports whether its reader is done with it. It is not if something has
// happened since the reader last looked.
func (c *session) retire() bool {
	if !c.reader.CompareAndSwap(readerBusy, readerGone) {
		c.reader.Store(readerBusy)
		c.wire.drained = false
		return false
	}
	return c.interrupted() == nil || !c.reader.CompareAndSwap(readerGone, readerBusy)
}
