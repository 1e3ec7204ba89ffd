package xmpp

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// watch waits for the sockets of all sessions, in one goroutine. It starts when the first is to be watched; its zero
// value is ready.
type watch struct {
	once     sync.Once
	err      error    // why nothing can be watched
	poll     *os.File // epoll(7), itself waited for by the runtime's poller
	fd       int      // of poll
	mu       sync.Mutex
	sessions map[uint64]*session // by their numbers: a descriptor may be another client's by the time it is reported
}

// add has the session put in line whenever its socket has become readable, beginning now. It reports whether it will be.
func (w *watch) add(c *session) bool {
	w.once.Do(func() { w.err = w.start(c.server) })
	if w.err != nil {
		return false
	}
	w.mu.Lock()
	w.sessions[c.number] = c
	w.mu.Unlock()
	var err error
	armed := c.wire.raw.Control(func(fd uintptr) { err = w.arm(int(fd), c.number) })
	return armed == nil && err == nil
}

// arm asks for a report of each change of a socket. The first comes at once if there is something to read already.
func (w *watch) arm(fd int, number uint64) error {
	e := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | -syscall.EPOLLET, // the sign is of the package syscall
		Fd:     int32(uint32(number)), Pad: int32(uint32(number >> 32)), //nolint:gosec // the 64 bits that epoll gives back
	}
	return syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, fd, &e)
}

// forget ends the reports of a session.
func (w *watch) forget(c *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, c.number)
}

func (w *watch) start(s *Server) error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	w.fd, w.poll, w.sessions = fd, os.NewFile(uintptr(fd), "sessions"), make(map[uint64]*session)
	raw, err := w.poll.SyscallConn()
	if err != nil {
		return err
	}
	s.workers.Go(func() {
		<-s.ctx.Done()
		_ = w.poll.Close() // ends the goroutine below
	})
	s.workers.Go(func() { w.run(s, raw) })
	return nil
}

// run puts sessions in line until the watch is closed.
func (w *watch) run(s *Server, raw syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	ready := make([]*session, 0, len(events))
	// The callback never reports that it is done: between two calls of Read a report would be lost.
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			if err != nil && !errors.Is(err, syscall.EINTR) {
				s.log.Error("xmpp: clients are not heard any more", "cause", err)
				return true
			}
			ready = w.ready(events[:max(n, 0)], ready[:0])
			s.readers.add(ready...)
			clear(ready)
			if n < len(events) && err == nil {
				return false
			}
		}
	})
}

// ready appends the sessions of which there are reports to list, if they have no reader.
func (w *watch) ready(events []syscall.EpollEvent, list []*session) []*session {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		c := w.sessions[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32] //nolint:gosec // as arm has put it
		if c == nil {
			continue
		}
		if e.Events&^syscall.EPOLLIN != 0 {
			c.hungUp.Store(true)
		}
		if c.ready() {
			list = append(list, c)
		}
	}
	return list
}
