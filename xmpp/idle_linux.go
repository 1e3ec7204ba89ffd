package xmpp

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// idleWatch waits for the sockets of the sessions that have no reader, all of them in one goroutine. It
// starts when the first is to be watched; its zero value is ready.
type idleWatch struct {
	once  sync.Once
	err   error    // why nothing can be watched
	poll  *os.File // epoll(7), itself waited for by the runtime's poller
	fd    int      // of poll
	mu    sync.Mutex
	quiet map[uint64]*session // by their numbers: a descriptor may be another client's by the time it is reported
}

// watch has the session's reader started when the socket is readable or the client is gone.
func (w *idleWatch) watch(s *Server, c *session) error {
	w.once.Do(func() { w.err = w.start(s) })
	if w.err != nil {
		return w.err
	}
	w.mu.Lock()
	w.quiet[c.number] = c
	w.mu.Unlock()
	var err error
	armed := c.wire.raw.Control(func(fd uintptr) { err = w.arm(int(fd), c.number) })
	return errors.Join(armed, err)
}

// arm asks for one report of a socket. It comes at once if there is something to read already.
func (w *idleWatch) arm(fd int, number uint64) error {
	e := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(uint32(number)), Pad: int32(uint32(number >> 32)), //nolint:gosec // the 64 bits that epoll gives back
	}
	err := syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, fd, &e)
	if errors.Is(err, syscall.EEXIST) { // it was watched before
		err = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_MOD, fd, &e)
	}
	return err
}

func (w *idleWatch) forget(c *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.quiet, c.number)
}

func (w *idleWatch) start(s *Server) error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	w.fd, w.poll, w.quiet = fd, os.NewFile(uintptr(fd), "idle sessions"), make(map[uint64]*session)
	raw, err := w.poll.SyscallConn()
	if err != nil {
		return err
	}
	s.workers.Go(func() {
		<-s.ctx.Done()
		_ = w.poll.Close() // ends the goroutine below
	})
	s.workers.Go(func() { w.run(raw) })
	return nil
}

// run starts readers until the watch is closed.
func (w *idleWatch) run(raw syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var err error
			if n, err = syscall.EpollWait(int(fd), events, 0); errors.Is(err, syscall.EINTR) {
				n, err = syscall.EpollWait(int(fd), events, 0)
			}
			return n > 0 || err != nil
		})
		if err != nil || n < 0 {
			return
		}
		for _, e := range events[:n] {
			w.mu.Lock()
			c := w.quiet[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32] //nolint:gosec // as arm has put it
			w.mu.Unlock()
			if c != nil {
				c.wakeIdle()
			}
		}
	}
}
