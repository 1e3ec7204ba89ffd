//go:build unix

package xmpp

import (
	"errors"
	"io"
	"syscall"
)

// polledRead reads what a socket has, without waiting.
type polledRead struct {
	p  []byte
	n  int
	e  error
	fn func(fd uintptr) bool
}

// read returns wouldWait if there is nothing to read.
func (r *polledRead) read(raw syscall.RawConn, p []byte) (int, error) {
	if r.fn == nil {
		r.fn = r.try
	}
	r.p = p
	err := raw.Read(r.fn)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(r.e, syscall.EAGAIN):
		return 0, wouldWait{}
	case r.e != nil:
		return 0, r.e
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// try always returns true: it never lets the runtime wait for the socket.
func (r *polledRead) try(fd uintptr) bool {
	for {
		r.n, r.e = syscall.Read(int(fd), r.p)
		if !errors.Is(r.e, syscall.EINTR) {
			r.n = max(r.n, 0)
			return true
		}
	}
}
