package xmpp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// TestUnackedIsAList holds the buffer of unacknowledged stanzas against a plain list of them.
func TestUnackedIsAList(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 198))
		u := &unacked{acked: ^uint32(0) - 20} // the count wraps
		var list [][]byte
		for step := range 300 {
			switch r.IntN(5) {
			case 0, 1, 2:
				raw := bytes.Repeat([]byte{byte('a' + step%26)}, 1+r.IntN(900))
				cut := r.IntN(len(raw))
				u.add(sentStanza{at: uint64(step)}, [][]byte{raw[:cut], raw[cut:]})
				list = append(list, raw)
			case 3:
				n := r.IntN(len(list) + 1)
				if !u.ack(u.acked + uint32(n)) {
					t.Fatalf("seed %d: %d of %d refused", seed, n, len(list))
				}
				list = list[n:]
			case 4:
				before := u.acked
				if u.ack(u.sent()+1+uint32(r.IntN(1000))) || !u.ack(before-uint32(r.IntN(1000))) || u.acked != before {
					t.Fatalf("seed %d: a count that is too high is taken, or one from before changes something", seed)
				}
			}
			if want := bytes.Join(list, nil); !bytes.Equal(u.all(), want) || u.count() != len(list) || u.size() != len(want) {
				t.Fatalf("seed %d, step %d: keeps %d stanzas of %d bytes, want %d of %d", seed, step, u.count(), u.size(), len(list), len(want))
			}
			i := 0
			u.each(func(_ *sentStanza, raw []byte) {
				if !bytes.Equal(raw, list[i]) {
					t.Fatalf("seed %d, step %d: stanza %d is wrong", seed, step, i)
				}
				i++
			})
		}
		if cap(u.bytes) > 1<<20 {
			t.Errorf("seed %d: the buffer has grown to %d bytes", seed, cap(u.bytes))
		}
	}
}

// manage enables resumption and returns the token.
func (c *client) manage(t *testing.T) string {
	t.Helper()
	c.send(t, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
	n, err := scan.Parse([]byte(c.expect(t, "<enabled", "resume='true'")))
	if err != nil || len(n.Attr("id")) < 20 {
		t.Fatalf("%v, token %q", err, n.Attr("id"))
	}
	return n.Attr("id")
}

// cut breaks the connection without a word and waits until the server has noticed.
func (w *world) cut(c *client) {
	w.t.Helper()
	_ = c.conn.(*tls.Conn).NetConn().Close()
	w.eventually(func() bool {
		for _, info := range w.server.Sessions() {
			if info.JID == c.jid {
				return info.Detached
			}
		}
		return true
	})
}

func (w *world) eventually(is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("it does not happen")
		}
	}
}

// resume logs in and asks for a session; the answer is still to be read.
func (w *world) resume(user, token string, h int) *client {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.direct.String(), &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	c := &client{conn: conn, jid: user, scanner: scan.New(scan.DefaultLimits)}
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00Secret12"))
	for _, step := range []struct{ send, want string }{
		{streamHeader, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + auth + "</auth>", "<success"},
		{streamHeader, "</stream:features>"},
	} {
		if err := c.Send(w.t.Context(), step.send); err != nil {
			w.t.Fatal(err)
		}
		if got, err := c.until(step.want); err != nil || strings.HasSuffix(step.want, "features>") && strings.Contains(got, "xmpp-bind") && !strings.Contains(got, "urn:xmpp:sm:3") {
			w.t.Fatalf("%v: %s", err, got)
		}
	}
	if err := c.Send(w.t.Context(), fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, token)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func chat(to, id string) string {
	return fmt.Sprintf("<message to='%s' type='chat' id='%s'><body>%s</body></message>", to, id, id)
}

// expectNothing fails if there was something for the client before now.
func (c *client) expectNothing(t *testing.T) {
	t.Helper()
	c.send(t, "<iq type='get' id='nothing' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
	for got := c.expect(t); !strings.Contains(got, "id='nothing'"); got = c.expect(t) {
		if !strings.HasPrefix(got, "<r ") {
			t.Fatalf("got %s", got)
		}
	}
}

func TestResume(t *testing.T) {
	w := start(t)
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users = []uc.UserID{anna, ben} })
	a, b := w.must("anna", "a"), w.must("ben", "b")
	token := a.manage(t)
	a.send(t, "<presence/>")
	a.expect(t, "<presence")
	b.send(t, "<presence/>")
	b.expect(t, "ben@example.org/b")
	b.expect(t, "anna@example.org/a")
	a.expect(t, "ben@example.org/b")
	for i := range 3 {
		b.send(t, chat(a.jid, fmt.Sprint("m", i)))
		a.expect(t, fmt.Sprintf("id='m%d'", i))
	}
	w.cut(a)
	b.send(t, chat("anna@example.org", "m3")+chat(a.jid, "m4")+"<iq type='get' id='q' to='"+a.jid+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	b.expectNothing(t) // above all no unavailable presence

	again := w.resume("anna", token, 2+2) // the presences, and m0 and m1
	again.expect(t, "<resumed", "previd='"+token+"'", "h='1'")
	for _, id := range []string{"m2", "m3", "m4", "q"} {
		again.expect(t, "id='"+id+"'")
	}
	again.expect(t, "<r ")
	again.send(t, "<a xmlns='urn:xmpp:sm:3' h='8'/>"+chat(b.jid, "back")+"<iq type='result' id='q' to='"+b.jid+"'/>")
	b.expect(t, "id='back'", "from='anna@example.org/a'")
	b.expect(t, "id='q'", "type='result'")

	// The same token again, and now there is nothing to send twice.
	w.cut(&client{conn: again.conn, jid: a.jid})
	third := w.resume("anna", token, 8)
	third.expect(t, "<resumed", "h='3'")
	third.expectNothing(t)
	if n, _, _ := w.store.CountOffline(t.Context(), anna); n != 0 {
		t.Errorf("%d messages were also kept", n)
	}
}

func TestResumeMovesTheSession(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	token := a.manage(t)
	again := w.resume("anna", token, 0)
	again.expect(t, "<resumed")
	if got := drainUntilEnd(t, a.conn); !strings.Contains(got, "<conflict ") {
		t.Errorf("the old connection was told %q, want conflict", got)
	}
	again.expectNothing(t)
	if list := w.server.Sessions(); len(list) != 1 {
		t.Errorf("sessions: %+v", list)
	}
}

func TestResumeIsRefused(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	token := a.manage(t)
	w.cut(a)
	for _, c := range []*client{w.resume("ben", token, 0), w.resume("anna", "guessed", 0)} {
		c.expect(t, "<failed", "item-not-found")
		c.send(t, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		c.expect(t, "<jid>")
	}
	tooHigh := w.resume("anna", token, 77)
	if got := drainUntilEnd(t, tooHigh.conn); !strings.Contains(got, "<undefined-condition") || !strings.Contains(got, "h='77' send-count='0'") {
		t.Errorf("got %s", got)
	}
	w.resume("anna", token, 0).expect(t, "<resumed")
}

func TestHibernatedSessionTimesOut(t *testing.T) {
	w := start(t, func(c *Config) { c.ResumeTimeout = 300 * time.Millisecond })
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users = []uc.UserID{anna, ben} })
	b := w.must("ben", "b")
	b.send(t, "<presence/>")
	b.expect(t, "ben@example.org/b")
	a := w.must("anna", "a")
	token := a.manage(t)
	a.send(t, "<presence/>")
	a.expect(t, "<presence")
	a.expect(t, "<presence")
	b.expect(t, "anna@example.org/a")
	b.send(t, chat(a.jid, "one")+"<iq type='get' id='q' to='"+a.jid+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='one'")
	a.expect(t, "id='q'")
	w.cut(a)
	b.send(t, chat("anna@example.org", "two"))
	b.expect(t, "type='unavailable'", "anna@example.org/a")
	b.expect(t, "id='q'", "type='error'", "service-unavailable")
	b.expectNothing(t)
	w.eventually(func() bool { n, _, _ := w.store.CountOffline(t.Context(), anna); return n == 2 })
	w.resume("anna", token, 0).expect(t, "<failed", "item-not-found")

	again := w.must("anna", "a")
	again.send(t, "<presence/>")
	again.expect(t, "<presence")
	again.expect(t, "<presence")
	again.expect(t, "id='one'", "<delay ")
	again.expect(t, "id='two'", "<delay ")
	again.expectNothing(t)
}

// TestUnackedGoesOnOnce has two clients that share messages, of which one never comes back.
func TestUnackedGoesOnOnce(t *testing.T) {
	w := start(t, func(c *Config) { c.ResumeTimeout = 100 * time.Millisecond })
	b := w.must("ben", "b")
	desk, mobile := w.must("anna", "desk"), w.must("anna", "mobile")
	desk.manage(t)
	mobile.manage(t)
	desk.send(t, "<presence/>")
	desk.expect(t, "<presence")
	mobile.send(t, "<presence/>")
	mobile.expect(t, "<presence")
	mobile.expect(t, "<presence")
	desk.expect(t, "<presence")
	b.send(t, chat("anna@example.org", "both")+chat(mobile.jid, "one"))
	desk.expect(t, "id='both'")
	w.cut(mobile)
	desk.expect(t, "type='unavailable'")
	desk.expect(t, "id='one'", "<delay ")
	desk.expectNothing(t)
	w.cut(desk) // which has not acknowledged either
	w.eventually(func() bool { n, _, _ := w.store.CountOffline(t.Context(), anna); return n == 2 })
}

func TestHibernatedSessionIsBounded(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxDetached = 4 << 10 })
	a, b := w.must("anna", "a"), w.must("ben", "b")
	a.manage(t)
	a.send(t, "<presence/>")
	a.expect(t, "<presence")
	w.cut(a)
	const sent = 100
	for i := range sent {
		b.send(t, chat("anna@example.org", fmt.Sprint("m", i)))
	}
	b.expectNothing(t)
	w.eventually(func() bool { n, _, _ := w.store.CountOffline(t.Context(), anna); return n == sent })
}

// TestLostSessionMakesRoom holds that sessions whose clients are gone do not keep a user from signing in again: the one
// that was lost first gives way, and nothing that was sent to it is lost.
func TestLostSessionMakesRoom(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxResources = 3 })
	w.must("anna", "connected")
	for _, resource := range []string{"z-first", "second"} {
		c := w.must("anna", resource)
		c.manage(t)
		w.cut(c)
	}
	w.must("ben", "b").send(t, chat("anna@example.org/z-first", "kept"))
	w.must("anna", "third")
	w.eventually(func() bool { n, _, _ := w.store.CountOffline(t.Context(), anna); return n == 1 })
	var left []string
	for _, s := range w.server.Sessions() {
		if s.User == anna {
			_, resource, _ := strings.Cut(s.JID, "/")
			left = append(left, resource)
		}
	}
	if slices.Sort(left); !slices.Equal(left, []string{"connected", "second", "third"}) {
		t.Errorf("%v are left", left)
	}
	w.must("anna", "fourth")
	if c, err := w.login(t.Context(), "anna", "fifth"); err == nil {
		t.Errorf("%s was let in beside three that are connected", c.jid)
	}
}

func TestHibernatedSessionAtShutdown(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	a.manage(t)
	a.send(t, "<presence/>")
	a.expect(t, "<presence")
	w.cut(a)
	b.send(t, chat("anna@example.org", "kept"))
	b.expectNothing(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if list, _ := w.store.Offline(t.Context(), anna); len(list) != 1 || !bytes.Contains(list[0].Stanza, []byte("id='kept'")) {
		t.Errorf("kept %d messages, want the one", len(list))
	}
}

// TestAsksAndGivesUp waits with virtual time for the question, and for the end of a connection over which
// no answer comes.
func TestAsksAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		near, far := net.Pipe()
		if _, err := w.server.bindResource(anna, "anna", "r"); err != nil {
			t.Fatal(err)
		}
		s := w.server.accountByLogin("anna").byResource("r")
		wire := newWire(far)
		s.attach(&negotiate.Bound{Conn: wire}, wire)
		w.server.begin(s)
		c := &client{conn: near, scanner: scan.New(scan.DefaultLimits)}
		_, _ = io.WriteString(near, "<enable xmlns='urn:xmpp:sm:3' resume='1' max='7'/>")
		c.expect(t, "<enabled", "max='7'")
		if err := w.server.SendMessage(t.Context(), "anna@example.org/r", "hello"); err != nil {
			t.Fatal(err)
		}
		c.expect(t, "hello")
		asked := time.Now()
		c.expect(t, "<r ")
		if waited := time.Since(asked); waited != askAfter {
			t.Errorf("asked after %s, want %s", waited, askAfter)
		}
		time.Sleep(askPatience + time.Second)
		if info := w.server.Sessions(); len(info) != 1 || !info[0].Detached {
			t.Errorf("after %s without an answer: %+v", askPatience, info)
		}
		time.Sleep(7 * time.Second)
		if n, _, _ := w.store.CountOffline(t.Context(), anna); n != 1 || len(w.server.Sessions()) != 0 {
			t.Errorf("%d messages kept, sessions %v", n, w.server.Sessions())
		}
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
