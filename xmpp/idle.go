package xmpp

import (
	"context"
	"errors"
	"os"
	"time"
)

// A client that says nothing costs no goroutine: its reader leaves, with its stack and all that it needs
// to read, and a new one is started when the socket has something to read. See docs/adr/0008-idle-sessions.md.

// idleSweep is how often the server looks for readers that may leave. Who has waited from one look to the
// next does.
const idleSweep = 5 * time.Second

// The states of a session's reader.
const (
	readerBusy    int32 = iota // handles what it has read, or waits for the rest of a stanza
	readerWaiting              // waits for the next stanza
	readerLeaving              // likewise, and has been told to leave
	readerGone                 // there is none; the socket is watched
)

// errQuiet ends a reader whose session goes on without it.
var errQuiet = errors.New("the client is quiet")

// sweep tells the readers of quiet clients to leave, now and again.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(idleSweep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, c := range s.router.allSessions() {
			c.sweep()
		}
	}
}

// sweep tells the reader to leave if it has waited since the last sweep.
func (c *session) sweep() {
	waits := c.waits.Load()
	if waits == c.swept && c.reader.Load() == readerWaiting {
		c.dismiss()
	}
	c.swept = waits
}

func (c *session) dismiss() {
	c.linkMu.Lock()
	defer c.linkMu.Unlock()
	if c.reader.Load() != readerWaiting || c.wire.raw == nil {
		return // a session that is still being negotiated has no connection
	}
	if c.reader.CompareAndSwap(readerWaiting, readerLeaving) {
		_ = c.wire.SetReadDeadline(time.Now()) // if it fails the connection is closed, which wakes too
	}
}

// waited is called by a reader that was told to leave, when its wait has ended with err. It returns
// errQuiet if the reader is to leave and nil if there is something to handle.
func (in *input) waited(err error) error {
	c := in.session
	c.linkMu.Lock() // the deadline by which the reader was told is set under it, and goes away after it
	w := c.wire
	c.linkMu.Unlock()
	if err := w.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	switch reason := c.interrupted(); { // end may have set a deadline that this one replaced
	case reason != nil:
		return reason
	case in.buf != nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errQuiet
	}
	return err
}

// retire leaves the session to the watch and reports whether its reader is to end. The session still
// counts as being served.
func (c *session) retire() bool {
	c.scanner = nil
	c.server.serving.Add(1)
	c.reader.Store(readerGone)
	err := c.server.idle.watch(c.server, c)
	if err == nil && c.interrupted() == nil {
		return true
	}
	return !c.revive()
}

// revive ends the time without a reader. Only one caller succeeds; it reads.
func (c *session) revive() bool {
	if !c.reader.CompareAndSwap(readerGone, readerBusy) {
		return false
	}
	c.server.idle.forget(c)
	c.server.serving.Done()
	c.scanner = c.newScanner()
	return true
}

// wakeIdle starts a reader if there is none.
func (c *session) wakeIdle() {
	if c.reader.Load() != readerGone {
		return
	}
	c.server.serving.Add(1) // before revive counts the session out
	if !c.revive() {
		c.server.serving.Done()
		return
	}
	go func() {
		defer c.server.serving.Done()
		c.server.serveAgain(c)
	}()
}
