package xmpp

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// wire is the connection under a session, below TLS if there is any. While a session is negotiated it
// hands everything through. Once the session is bound, what TLS writes is collected as bytes, so that
// encrypting never waits for the client and one non-blocking write sends many records.
type wire struct {
	net.Conn
	raw syscall.RawConn // nil if the connection has no descriptor, as a pipe in a test

	released func() // called once when the connection is closed; nil if nobody wants to know
	closing  sync.Once

	poll    polledRead
	polling bool // Read does not wait; belongs to the reader, as all of these
	drained bool // the last Read took all that the socket had
	records records

	sealed int // bytes of the queue that are in the records which wait; belongs to who writes the queue

	mu      sync.Mutex
	collect bool
	output  []byte // records that wait to be written
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn}
	if sc, ok := conn.(syscall.Conn); ok && runtime.GOOS != "windows" {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// Close implements net.Conn.
func (w *wire) Close() error {
	err := w.Conn.Close()
	w.closing.Do(func() {
		if w.released != nil {
			w.released()
		}
	})
	return err
}

// startCollecting makes Write append to the records from now on.
func (w *wire) startCollecting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collect = true
}

// wouldWait is what Read returns while it polls and there is nothing to read. TLS takes it for a passing
// condition and can be read again.
type wouldWait struct{}

func (wouldWait) Error() string   { return "xmpp: nothing to read yet" }
func (wouldWait) Timeout() bool   { return true }
func (wouldWait) Temporary() bool { return true }

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	var n int
	var err error
	if w.polling {
		n, err = w.poll.read(w.raw, p)
	} else {
		n, err = w.Conn.Read(p)
	}
	w.drained = n < len(p)
	w.records.got(p[:n])
	return n, err
}

// hungUp reports whether the client has closed the connection. Over TLS the end of what it says may come from TLS, and
// the client may still read. It belongs to the reader.
func (w *wire) hungUp() bool {
	if w.raw == nil || w.SetReadDeadline(time.Time{}) != nil { // one in the past, which wakes readers, would fail this too
		return false
	}
	var more [1]byte
	_, err := w.poll.read(w.raw, more[:])
	return errors.Is(err, io.EOF)
}

// quiet reports whether there is nothing left to read, neither from the socket nor, if it is there, from TLS.
func (w *wire) quiet(overTLS bool) bool { return w.drained && (!overTLS || w.records.none()) }

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if !w.collect {
		w.mu.Unlock()
		return w.Conn.Write(p)
	}
	defer w.mu.Unlock()
	if w.output == nil {
		w.output = takeBuffer()
	}
	w.output = append(w.output, p...)
	return len(p), nil
}

// sendRecords writes as many of the records as the socket takes now; done means none is left.
func (w *wire) sendRecords(op *writeOp) (done bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.output) == 0 {
		return true, nil
	}
	n, err := op.write(w, w.output)
	if n == len(w.output) {
		giveBuffer(w.output)
		w.output = nil
		return true, err
	}
	w.output = w.output[:copy(w.output, w.output[n:])]
	return false, err
}

// sendRecordsSlowly writes all records, waiting for the client until the deadline. After an error the
// TLS stream is torn and cannot be used.
func (w *wire) sendRecordsSlowly(deadline time.Time) error {
	w.mu.Lock()
	records := w.output
	w.output = nil
	w.mu.Unlock()
	defer giveBuffer(records)
	_, err := w.writeSlowly(records, deadline)
	return err
}

// writeSlowly writes all of p, waiting for the client until the deadline.
func (w *wire) writeSlowly(p []byte, deadline time.Time) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	if n, err = w.Conn.Write(p); err != nil {
		return n, err
	}
	return n, w.SetWriteDeadline(time.Time{}) // one in the past would fail the next non-blocking write too
}
