package xmpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// longChat is a message of about 4 kB.
func longChat(to string, n int) string {
	return fmt.Sprintf("<message to='%s' type='chat' id='%d'><body>%s</body></message>", to, n, strings.Repeat("lorem ipsum ", 340))
}

// waiting returns the ids of the messages that wait for a user, in the order in which they will be sent.
func (w *world) waiting(t *testing.T, user uc.UserID) (ids []string) {
	t.Helper()
	list, err := w.store.Offline(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		_, rest, _ := strings.Cut(string(m.Stanza), " id='")
		id, _, _ := strings.Cut(rest, "'")
		ids = append(ids, id)
	}
	return ids
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// counted reads what a client is sent and counts what contains a text.
func (c *client) counted(text string) func() int {
	var mu sync.Mutex
	n := 0
	go swallow(c.conn, text, func(more int) {
		mu.Lock()
		defer mu.Unlock()
		n += more
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// TestUnsentIsStoredTogether is a client that has stopped reading and goes: what it did not take is stored in
// order, and in few transactions.
func TestUnsentIsStoredTogether(t *testing.T) {
	const sent = 400
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		defer w.end(t)
		a, b := w.pipe(t, "anna", "a"), w.pipe(t, "ben", "b")
		for i := range sent {
			_, _ = io.WriteString(b.conn, longChat(a.jid, i))
		}
		synctest.Wait()
		a.conn.Close()
		later(time.Minute)
		if got := w.waiting(t, anna); fmt.Sprint(got) != fmt.Sprint(numbers(sent)) {
			t.Errorf("stored is %v", got)
		}
		if most := sent / 3; len(w.store.keeps) > most {
			t.Errorf("%d transactions of %v messages, want at most %d", len(w.store.keeps), w.store.keeps, most)
		}
	})
}

// TestUnsentComesBeforeWhatCameLater: what a client did not take is stored later than what came when it was gone,
// but sent before.
func TestUnsentComesBeforeWhatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		defer w.end(t)
		a, b := w.pipe(t, "anna", "a"), w.pipe(t, "ben", "b")
		for i := range 3 {
			_, _ = io.WriteString(b.conn, longChat(a.jid, i))
		}
		synctest.Wait()
		w.of(a).end(errKicked) // and is given a moment to read why
		later(time.Millisecond)
		_, _ = io.WriteString(b.conn, longChat(a.jid, 3))
		later(time.Minute)
		if got := w.waiting(t, anna); fmt.Sprint(got) != fmt.Sprint([]int{3, 0, 1, 2}) {
			t.Errorf("stored is %v: this test shows nothing", got)
		}
		again := w.pipe(t, "anna", "a")
		_, _ = io.WriteString(again.conn, "<presence/>")
		again.expect(t, "<presence")
		for i := range 4 {
			again.expect(t, fmt.Sprintf("id='%d'", i), "<delay")
		}
	})
}

// TestUnsentFindsNoRoom: who has sent what can be neither delivered nor stored is told so.
func TestUnsentFindsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()), func(c *Config) { c.MaxOffline = 5 })
		defer w.end(t)
		a, b := w.pipe(t, "anna", "a"), w.pipe(t, "ben", "b")
		refused := b.counted("<service-unavailable")
		for i := range 20 {
			_, _ = io.WriteString(b.conn, longChat(a.jid, i))
		}
		synctest.Wait()
		a.conn.Close()
		later(time.Minute)
		if got := w.waiting(t, anna); fmt.Sprint(got) != fmt.Sprint(numbers(5)) || refused() != 15 {
			t.Errorf("stored is %v, refused are %d", got, refused())
		}
	})
}

// TestFullStorageIsKnown: to refuse a message takes no look into the database.
func TestFullStorageIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()), func(c *Config) { c.MaxOffline = 5 })
		defer w.end(t)
		b := w.pipe(t, "ben", "b")
		refused := b.counted("<service-unavailable")
		say := func(n int) {
			for i := range n {
				_, _ = io.WriteString(b.conn, longChat("anna@example.org", i))
			}
			later(time.Minute)
		}
		say(500)
		if refused() != 495 || w.store.counts != 1 || len(w.store.keeps) != 1 {
			t.Errorf("%d are refused, the storage was counted %d times, written %v", refused(), w.store.counts, w.store.keeps)
		}

		// And there is room again when the user has taken what was there.
		a := w.pipe(t, "anna", "a")
		_, _ = io.WriteString(a.conn, "<presence/>")
		taken := a.counted("<delay")
		later(time.Minute)
		a.conn.Close()
		later(time.Minute)
		say(1)
		if got := w.waiting(t, anna); taken() != 5 || refused() != 495 || len(got) != 1 {
			t.Errorf("%d are taken, %d refused, %v wait", taken(), refused(), got)
		}
	})
}

// TestKeptWhenAcknowledged: a message for somebody who is away is stored when its sender is told so, and the sender is
// told if it could not be.
func TestKeptWhenAcknowledged(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "desk"), w.must("ben", "desk")
	a.manage(t)
	commits := w.store.holdCommits()
	t.Cleanup(func() { close(commits) })
	request := "<r xmlns='urn:xmpp:sm:3'/>"

	a.send(t, chat("carl@example.org", "one")+request)
	a.ping(t, b) // it is not acknowledged before
	commits <- nil
	a.expect(t, "<a ", "h='1'")

	a.send(t, chat("carl@example.org", "two")+"<iq type='get' id='p' to='"+testDomain+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	commits <- nil
	a.expect(t, "id='p'", "result")
	if got := w.waiting(t, carl); len(got) != 2 {
		t.Errorf("%v are stored when the answer comes", got)
	}

	a.send(t, chat("carl@example.org", "three")+request)
	commits <- errors.New("the disk is full")
	a.expect(t, "id='three'", "type='error'", "<internal-server-error")
	a.expect(t, "<a ")
}

// TestStorageCounts has many senders and a reader of one storage: it is never fuller than it may be, and in the end
// what is known of it is right.
func TestStorageCounts(t *testing.T) {
	const senders, each, most = 8, 60, 50
	w := start(t, func(c *Config) { c.MaxOffline = most })
	s, ctx := w.server, context.Background()
	account := s.accountByLogin("anna")
	raw := []byte(longChat("anna@example.org", 0))
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			b := s.newBatch()
			defer b.done()
			for range each {
				if err := s.keep(ctx, b, account, raw, time.Now(), filed{}); err != nil && !errors.Is(err, errServiceUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	sent := make(chan struct{})
	go func() { sending.Wait(); close(sent) }()
	for over := false; !over; {
		select {
		case <-sent:
			over = true
		default:
		}
		list, _ := w.store.Offline(ctx, anna)
		if len(list) > most {
			t.Fatalf("%d messages are stored, want at most %d", len(list), most)
		}
		var ids []int64
		for _, m := range list[:rand.N(len(list)+1)] {
			ids = append(ids, m.ID)
		}
		_ = w.store.DeleteOffline(ctx, ids)
		account.storage.emptied()
	}
	s.keeping.sync()
	if err := account.storage.count(ctx, s, account); err != nil {
		t.Fatal(err)
	}
	n, size, _ := w.store.CountOffline(ctx, anna)
	if st := &account.storage; !st.known || st.n != n || st.size != size || st.inLine != 0 || st.toStore != 0 {
		t.Errorf("known are %d messages of %d bytes and %d in line, stored %d of %d", st.n, st.size, st.inLine, n, size)
	}
}

// TestTurnsAreShort: however much a client sends, only some of it is handled before others have their turn.
func TestTurnsAreShort(t *testing.T) {
	const sent = 500
	c := gather(t, 2, false)
	conn := c.connectAs("user0", "tls", false, true)
	go func() { _, _ = io.Copy(io.Discard, c.clients[1]) }()
	to, from := c.session(1), c.server.accountByLogin("user0").byResource("tls")
	length := len(longChat(to.jid, 0))
	go func(conn net.Conn) {
		var all strings.Builder
		for i := range sent {
			all.WriteString(longChat(to.jid, i))
		}
		_, _ = io.WriteString(conn, all.String())
	}(conn)
	handled := func() int {
		to.queue.mu.Lock()
		defer to.queue.mu.Unlock()
		return int(to.queue.total)
	}
	in := newInput(from)
	for before, turns := 0, 0; before < sent*length; turns++ {
		err := in.more()
		if errors.Is(err, errQuiet) {
			err = in.wait()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := from.handleInput(in); err != nil {
			t.Fatal(err)
		}
		now := handled()
		if most := turnMax + 16<<10 + 2*length; now-before > most {
			t.Fatalf("%d bytes were handled in turn %d, want at most %d", now-before, turns, most)
		}
		before = now
	}
	in.free()
	for _, s := range c.unread {
		s.end(errShutdown)
		c.server.begin(s)
	}
}
