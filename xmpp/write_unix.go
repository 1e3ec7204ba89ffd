//go:build unix

package xmpp

import (
	"errors"
	"syscall"
)

// writeOp is one non-blocking write. It is kept by whoever writes often, so that writing allocates nothing.
type writeOp struct {
	p  []byte
	n  int
	e  error
	fn func(fd uintptr) bool
}

// write writes as much of p as the socket takes without waiting. An n below len(p) without an error
// means that the socket is full.
func (op *writeOp) write(w *wire, p []byte) (int, error) {
	if w.raw == nil {
		return 0, nil
	}
	if op.fn == nil {
		op.fn = op.try
	}
	op.p, op.n, op.e = p, 0, nil
	err := w.raw.Write(op.fn)
	op.p = nil
	return op.n, errors.Join(err, op.e)
}

// try always returns true: it never lets the runtime wait for the socket.
func (op *writeOp) try(fd uintptr) bool {
	for op.n < len(op.p) {
		n, err := syscall.Write(int(fd), op.p[op.n:])
		switch {
		case err == nil:
			op.n += n
			if op.n < len(op.p) {
				return true // the rest would only find the socket full
			}
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		default:
			op.e = err
			return true
		}
	}
	return true
}
