package s2s

import (
	"time"

	"mellium.im/xmpp/stream"
)

// item is what waits to be written.
type item struct {
	route  *route // nil unless it is a stanza
	sender string
	raw    []byte
	key    string // sender and recipient, if it is a state
	state  bool   // a later one with that key may take its place; see route.latest
}

// outbox is what waits to be written on a stream, in line. It is guarded by Federation.mu.
type outbox struct {
	items   []*item
	control int  // bytes of items that are not stanzas
	closed  bool // nothing more is taken
	sent    bool // a stanza has been written
}

// maxControl is how many bytes of answers may wait for a server that asks and does not read.
const maxControl = 64 << 10

// writer is the state of a stream's writer goroutine.
type writer struct {
	started bool          // by the reader
	wake    chan struct{} // holds one token while there may be something to do
	last    chan []byte   // gets what is to be written last
	done    chan struct{} // closed when the goroutine has ended
	unsent  []*item       // what it could not write; to be read after done
}

func newWriter() writer {
	return writer{wake: make(chan struct{}, 1), last: make(chan []byte, 1), done: make(chan struct{})}
}

func (w *writer) writing() bool { return w.started }

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// startWriting hands the writing over to a goroutine of its own.
func (s *link) startWriting() bool {
	s.started = s.fed.spawn(s.write)
	return s.started
}

// stopWriting lets the writer finish with what it has, then with last, and returns what could not be written.
func (s *link) stopWriting(last []byte) []*item {
	s.last <- last
	s.signal()
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-s.done:
	case <-t.C:
		s.raw.Close()
		<-s.done
	}
	return s.unsent
}

// write is the writer goroutine.
func (s *link) write() {
	defer close(s.done)
	tick := time.NewTicker(s.fed.cfg.KeepAlive)
	defer tick.Stop()
	var written []*item
	for {
		items := s.fed.take(s, written)
		written = nil
		if len(items) > 0 {
			n, err := s.send(items)
			written = items[:n]
			if err != nil {
				s.fed.take(s, written)
				s.unsent = items[n:]
				s.end(err)
				return
			}
			tick.Reset(s.fed.cfg.KeepAlive)
			continue
		}
		select {
		case <-s.wake:
			select {
			case last := <-s.last:
				s.finish(last)
				return
			default:
			}
		case <-tick.C:
			s.keepAlive()
		}
	}
}

// finish writes what was queued meanwhile, and the end.
func (s *link) finish(last []byte) {
	items := s.fed.take(s, nil)
	items = append(items, &item{raw: last})
	n, err := s.send(items)
	s.fed.take(s, items[:n])
	if err != nil {
		s.unsent = items[n : len(items)-1]
	}
}

// burst is how many bytes are written at a time.
const burst = 32 << 10

// send writes items and returns how many are sent. An item that was sent in part cannot have been understood.
func (s *link) send(items []*item) (n int, err error) {
	var buf []byte
	for n < len(items) {
		buf = buf[:0]
		end := n
		for end < len(items) && (end == n || len(buf)+len(items[end].raw) <= burst) {
			buf = append(buf, items[end].raw...)
			end++
		}
		if err := s.raw.SetWriteDeadline(time.Now().Add(s.fed.cfg.WriteTimeout)); err != nil {
			return n, err
		}
		took, err := s.conn.Write(buf)
		if err != nil {
			for n < end && took >= len(items[n].raw) {
				took -= len(items[n].raw)
				n++
			}
			return n, err
		}
		n = end
	}
	return n, nil
}

// keepAlive sends a space, or ends the stream if it has not been used for long.
func (s *link) keepAlive() {
	idle := time.Since(time.Unix(s.used.Load(), 0))
	switch {
	case !s.authentic.Load():
	case idle >= s.fed.cfg.IdleTimeout:
		s.end(errIdle)
	default:
		_ = s.fed.queueControl(s, []byte(" ")) // the stream ends: then nobody needs it
	}
}

// queueControl queues what is not a stanza.
func (f *Federation) queueControl(s *link, b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queueControlLocked(s, b)
}

func (f *Federation) queueControlLocked(s *link, b []byte) error {
	if s.out.control += len(b); s.out.control > maxControl {
		return stream.ResourceConstraint
	}
	if !s.out.closed {
		s.out.items = append(s.out.items, &item{raw: b})
		s.signal()
	}
	return nil
}

// take notes what has been written and returns what is to be written next.
func (f *Federation) take(s *link, written []*item) []*item {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, it := range written {
		if it.route != nil {
			f.count(it.route, it.sender, -len(it.raw))
			s.out.sent = true
			s.used.Store(time.Now().Unix())
			f.dropIfUnused(it.route)
		}
	}
	items := s.out.items
	s.out.items, s.out.control = nil, 0
	for _, it := range items {
		it.settle()
	}
	return items
}
