//go:build linux

package xmpp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// quiet waits until the session has no reader.
func (w *world) quiet(c *session) {
	w.t.Helper()
	w.eventually(func() bool { return c.reader.Load() == readerGone })
}

// TestQuietClient has no reader, and notices nothing: neither when it is sent something nor when it speaks
// again.
func TestQuietClient(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for i := range 3 {
		w.quiet(w.of(a))
		b.send(t, chat(a.jid, fmt.Sprintf("there%d", i)))
		a.expect(t, fmt.Sprintf("there%d", i))
		if w.of(a).reader.Load() != readerGone {
			t.Error("a reader was started to write")
		}
		a.send(t, chat(b.jid, fmt.Sprintf("back%d", i)))
		b.expect(t, fmt.Sprintf("back%d", i))
	}
}

// TestQuietPlainClient is the same without TLS, where the reader waits in another way.
func TestQuietPlainClient(t *testing.T) {
	c := gather(t, 2, true)
	got := make(chan int, 100)
	go swallow(c.clients[1], "</message>", func(n int) {
		if n > 0 {
			got <- n
		}
	})
	for range 3 {
		c.quiet(c.session(0))
		if _, err := fmt.Fprintf(c.clients[0], benchMessage, 1); err != nil {
			t.Fatal(err)
		}
		<-got
	}
}

// TestShortRecordAtOnce: a record that comes together with another one, and is too short to be missed by its length, is
// not left lying in TLS.
func TestShortRecordAtOnce(t *testing.T) {
	w := start(t)
	c, g := w.gathering(t)
	s := w.of(c)
	for i := range 3 {
		w.quiet(s)
		g.hold = true
		c.send(t, fmt.Sprintf("<iq type='get' id='%d'><ping xmlns='urn:xmpp:ping'/></iq>", i))
		c.send(t, "<a xmlns='urn:xmpp:sm:3' h='0'/>")
		c.send(t, " ")
		if i == 2 {
			c.send(t, "</stream:stream>")
		}
		if err := g.release(); err != nil {
			t.Fatal(err)
		}
		c.expect(t, fmt.Sprintf("id='%d'", i))
		c.expect(t, "<failed") // nothing is counted on this stream
	}
	<-s.gone
}

// TestHangUpBehindStanza: what a client sends before it is gone is handled, and that it is gone is noticed, when both
// come together.
func TestHangUpBehindStanza(t *testing.T) {
	for range 20 {
		c := gather(t, 2, true)
		got := make(chan int, 1)
		go swallow(c.clients[1], "</message>", func(n int) {
			if n > 0 {
				got <- n
			}
		})
		s := c.session(0)
		c.quiet(s)
		if _, err := fmt.Fprintf(c.clients[0], benchMessage, 1); err != nil {
			t.Fatal(err)
		}
		_ = c.clients[0].Close()
		<-got
		<-s.gone
	}
}

// TestGoodbye is said to who closes the stream, and to who may still read, but not to who has closed the connection.
func TestGoodbye(t *testing.T) {
	const goodbye = "</stream:stream>"
	for _, tt := range []struct {
		name  string
		leave func(*tls.Conn) error
		hung  bool // the connection is closed, too, with what leave wrote last
		want  string
	}{
		{"end of the stream", func(c *tls.Conn) error { _, err := io.WriteString(c, goodbye); return err }, false, goodbye},
		{"end of the stream and of the connection", func(c *tls.Conn) error { _, err := io.WriteString(c, goodbye); return err }, true, goodbye},
		{"end of TLS", (*tls.Conn).CloseWrite, false, goodbye},
		{"end of TLS and of the connection", (*tls.Conn).CloseWrite, true, ""},
		{"end of the connection", func(*tls.Conn) error { return nil }, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t)
			c := w.must("anna", "a")
			w.quiet(w.of(c))
			conn := c.conn.(*tls.Conn)
			socket := conn.NetConn().(*net.TCPConn)
			if tt.hung {
				cork(t, socket) // so that the server sees both together
			}
			if err := tt.leave(conn); err != nil {
				t.Fatal(err)
			}
			if tt.hung {
				if err := socket.CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := io.ReadAll(conn)
			if string(got) != tt.want {
				t.Errorf("was told %q, want %q", got, tt.want)
			}
		})
	}
}

// cork holds back what is written until the connection is closed.
func cork(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if ctl := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1) }); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
}

// TestLineOfReaders keeps its order and its length, however long there is always somebody in line.
func TestLineOfReaders(t *testing.T) {
	l := readers{wake: make(chan struct{}, 1)}
	sessions := make([]*session, 10)
	for i := range sessions {
		sessions[i] = &session{number: uint64(i)}
	}
	l.add(sessions[:7]...)
	next := 0
	for i := 7; i < 10_000; i++ {
		l.add(sessions[i%10])
		if got := l.take(); got.number != uint64(next) {
			t.Fatalf("session %d was taken, want %d", got.number, next)
		}
		next = (next + 1) % 10
	}
	if cap(l.line) > 100 {
		t.Errorf("the line of 7 has room for %d", cap(l.line))
	}
	for range 7 {
		if l.take() == nil {
			t.Fatal("somebody is missing")
		}
	}
	if l.take() != nil {
		t.Error("somebody is in line twice")
	}
}

// TestReadersThatWait do not keep other clients waiting, however many they are.
func TestReadersThatWait(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	held := w.of(a).account
	w.quiet(w.of(a))
	held.pep.mu.Lock() // what a slow database would keep
	var waiting []*client
	for i := range 4 * runtime.GOMAXPROCS(0) {
		c := w.must("anna", fmt.Sprintf("w%d", i))
		c.send(t, "<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>")
		waiting = append(waiting, c)
	}
	b.send(t, chat(a.jid, "there"))
	a.expect(t, "there")
	held.pep.mu.Unlock()
	for _, c := range waiting {
		c.expect(t, "id='v'")
	}
}

// TestQuietClientEnds when its connection does, when another client takes its place, and when the server stops.
func TestQuietClientEnds(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	s := w.of(a)
	w.quiet(s)
	_ = a.conn.Close()
	<-s.gone

	first := w.must("anna", "a")
	s = w.of(first)
	w.quiet(s)
	second := w.must("anna", "a") // RFC 6120 §7.7.2.2: the older one is ended
	first.expect(t, "<stream:error", "conflict")
	<-s.gone

	s = w.of(second)
	w.quiet(s)
	w.server.lostByWriter(s)
	<-s.gone

	w.quiet(w.of(w.must("anna", "b"))) // for the end of the test, which stops the server
}

// lostByWriter is what happens when a write to the client fails.
func (s *Server) lostByWriter(c *session) { c.lost(c.wire, errTooSlow) }

// TestQuietClientResumes on another connection, and has nobody to notice that the first one is gone.
func TestQuietClientResumes(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	token := a.manage(t)
	w.quiet(w.of(a))
	second := w.resume("anna", token, 0)
	second.expect(t, "<resumed")
	a.expect(t, "<stream:error", "conflict")
	s := w.server.router.session([]byte(a.jid))
	w.quiet(s)
	b.send(t, chat(a.jid, "there"))
	second.expect(t, "there")

	w.quiet(s)
	_ = second.conn.Close()
	w.eventually(func() bool { return s.queue.isDetached() })
	third := w.resume("anna", token, 0)
	third.expect(t, "<resumed")
	third.expect(t, "there")
}

func (q *queue) isDetached() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.detached()
}

// TestWokenForNothing loses nothing, whenever readers look at a client that has sent nothing.
func TestWokenForNothing(t *testing.T) {
	const messages = 500
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	sa, sb := w.of(a), w.of(b)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sa.wakeIdle()
				sb.wakeIdle()
			}
		}
	})
	for i := range messages {
		a.send(t, chat(b.jid, fmt.Sprintf("there%d.", i)))
		b.expect(t, fmt.Sprintf("there%d.", i))
		b.send(t, chat(a.jid, fmt.Sprintf("back%d.", i)))
		a.expect(t, fmt.Sprintf("back%d.", i))
	}
	close(stop)
	wg.Wait()
}
