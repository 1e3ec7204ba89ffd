package xmpp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

func TestNoticeOf(t *testing.T) {
	received := func(kind, inner string) string {
		return "<message from='anna@x'><" + kind + " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></" + kind + "></message>"
	}
	for raw, want := range map[string]string{
		"<message from='b@x/a'><body>hi</body></message>":                                                                   "b@x/a hi",
		"<message from='b@x/a'><body/></message>":                                                                           "",
		"<message from='b@x/a' type='headline'><body>hi</body></message>":                                                   "",
		"<message from='b@x/a' type='error'><body>hi</body></message>":                                                      "",
		"<message from='r@x/a' type='groupchat'><body>hi</body></message>":                                                  "r@x/a hi",
		"<message from='r@x/a' type='groupchat'><subject>hi</subject></message>":                                            "",
		"<message from='b@x/a'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>":                        "",
		"<message from='b@x/a'><received xmlns='urn:xmpp:receipts' id='1'/></message>":                                      "",
		"<message from='b@x/a'><encrypted xmlns='eu.siacs.conversations.axolotl'><header/><payload/></encrypted></message>": "b@x/a ",
		"<message from='b@x/a'><encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted></message>":           "",
		"<message from='b@x/a'><encrypted xmlns='urn:xmpp:omemo:2'><header/><payload/></encrypted></message>":               "b@x/a ",
		"<message from='b@x/a'><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>":                               "b@x/a  call",
		"<message from='b@x/a'><retract xmlns='urn:xmpp:jingle-message:0' id='1'/></message>":                               "",
		"<message from='r@x'><x xmlns='http://jabber.org/protocol/muc#user'><invite from='b@x'/></x></message>":             "r@x ",
		"<message from='b@x/a'><x xmlns='jabber:x:conference' jid='r@x'/></message>":                                        "b@x/a ",
		"<presence from='b@x/a'/>": "",
		received("received", "<message xmlns='jabber:client' from='b@x/a' to='anna@x/b'><body>hi</body></message>"):                              "b@x/a hi",
		received("received", "<message xmlns='jabber:client' from='b@x/a'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"): "",
		received("sent", "<message xmlns='jabber:client' from='anna@x/b' to='b@x'><body>hi</body></message>"):                                    "",
	} {
		what, ok := noticeOf([]byte(raw))
		got := what.sender + " " + what.body
		if what.call {
			got += " call"
		}
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

// pipe makes a session without a listener, so that time can be virtual.
func (w *world) pipe(t *testing.T, login, resource string) *client {
	t.Helper()
	near, far := net.Pipe()
	if _, err := w.server.bindResource(w.dir.Load().UserByLogin(login).ID, login, resource); err != nil {
		t.Fatal(err)
	}
	s := w.server.accountByLogin(login).byResource(resource)
	wire := newWire(far)
	s.attach(&negotiate.Bound{Conn: wire}, wire)
	w.server.begin(s)
	return &client{conn: near, scanner: scan.New(scan.DefaultLimits), jid: s.jid}
}

// end stops a server without listeners.
func (w *world) end(t *testing.T) {
	if err := w.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// notification takes a notification, the whole and what it says.
func (c *client) notification(t *testing.T, patience time.Duration) (iq *scan.Node, says values) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := c.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	iq, err = scan.Parse([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	says, _, _ = readForm(iq.Child(nsPubsub, "pubsub").Child(nsPubsub, "publish").Child(nsPubsub, "item").Child(nsPush, "notification"))
	return iq, says
}

// pushed takes a notification and returns its number of messages, and when it came.
func (c *client) pushed(t *testing.T) (count, body string, at time.Time) {
	t.Helper()
	_, v := c.notification(t, time.Hour)
	return v.one("message-count"), v.one("last-message-sender") + "|" + v.one("last-message-body"), time.Now()
}

// TestPushWhileDetached is a phone whose connection is lost: it is told of what it has not acknowledged and
// of what comes, more and more seldom, until it comes back.
func TestPushWhileDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()), func(c *Config) { c.Push = PushBody })
		defer w.end(t)
		service, phone, desk := w.pipe(t, "anna", "service"), w.pipe(t, "anna", "phone1"), w.pipe(t, "anna", "desk")
		ben := w.pipe(t, "ben", "b")
		_, _ = io.WriteString(phone.conn, "<enable xmlns='urn:xmpp:sm:3' resume='1'/>")
		phone.expect(t, "<enabled")
		_, _ = io.WriteString(phone.conn, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
		phone.expect(t, "id='c'")
		_, _ = io.WriteString(phone.conn, "<iq type='set' id='on'><enable xmlns='urn:xmpp:push:0' jid='"+service.jid+"' node='n'/></iq>")
		phone.expect(t, "id='on'")
		say := func(to, text string) {
			t.Helper()
			if err := w.server.SendMessage(t.Context(), to, text); err != nil {
				t.Fatal(err)
			}
		}
		say(phone.jid, "while connected")
		phone.expect(t, "while connected")
		synctest.Wait()
		cut := time.Now()
		phone.conn.Close()
		if count, text, at := service.pushed(t); count != "1" || text != "example.org|while connected" || at.Sub(cut) != pushDelay {
			t.Errorf("%s %q after %s", count, text, at.Sub(cut))
		}

		// The next ones wait longer; what another client of Anna's receives is told, too, what it sends is not.
		_, _ = io.WriteString(desk.conn, "<message to='ben@example.org' type='chat'><body>from the desk</body></message>")
		began := time.Now()
		_, _ = io.WriteString(ben.conn, chat(desk.jid, "at the desk"))
		desk.expect(t, "at the desk")
		say(phone.jid, strings.Repeat("ü", maxPushText))
		count, text, at := service.pushed(t)
		if count != "3" || at.Sub(began) != 2*pushDelay || len(text) > maxPushText+20 || !strings.HasSuffix(text, "ü…") {
			t.Errorf("%s %q after %s", count, text, at.Sub(began))
		}
		for range 10 {
			began = time.Now()
			say(phone.jid, "more")
			_, _, at = service.pushed(t)
		}
		if wait := at.Sub(began); wait != pushMaxDelay {
			t.Errorf("in the end %s between notifications", wait)
		}
	})
}

// TestPushEndsWhenTheClientComes takes back what is due when the client is there before it is sent.
func TestPushEndsWhenTheClientComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		defer w.end(t)
		service, phone := w.pipe(t, "anna", "service"), w.pipe(t, "anna", "phone1")
		_, _ = io.WriteString(phone.conn, "<iq type='set' id='on'><enable xmlns='urn:xmpp:push:0' jid='"+service.jid+"' node='n'/></iq>")
		phone.expect(t, "id='on'")
		phone.conn.Close()
		synctest.Wait()
		if err := w.server.SendMessage(t.Context(), "anna@example.org", "one"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pushDelay / 2)
		w.pipe(t, "anna", "phone1").conn.Close()
		time.Sleep(time.Hour)
		service.expectNothing(t)
		if err := w.server.SendMessage(t.Context(), "anna@example.org", "two"); err != nil {
			t.Fatal(err)
		}
		if count, text, _ := service.pushed(t); count != "1" || text != "|New message" {
			t.Errorf("%s %q, want one message of which nothing is told", count, text)
		}
	})
}

// answersPush waits for a notification, answers it, and returns its number of messages and how long it took to come.
func (c *client) answersPush(t *testing.T, with string) (count string, after time.Duration) {
	t.Helper()
	began := time.Now()
	n, v := c.notification(t, 3*pushMaxRetry)
	after = time.Since(began)
	_, _ = io.WriteString(c.conn, fmt.Sprintf("<iq id='%s' to='%s' type=%s</iq>", n.Attr("id"), n.Attr("from"), with))
	synctest.Wait()
	return v.one("message-count"), after
}

const (
	pushTaken   = "'result'>"
	pushBusy    = "'error'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	pushBroken  = "'error'><error type='cancel'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	pushRefused = "'error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
)

// pushWorld has a push service, and a phone of Anna's that is away.
func pushWorld(t *testing.T) (w *world, service *client, say func()) {
	t.Helper()
	w = newWorld(t, uc.NewDirectory(1, company()))
	service = w.pipe(t, "anna", "service")
	phone := w.pipe(t, "anna", "phone1")
	_, _ = io.WriteString(phone.conn, "<iq type='set' id='on'><enable xmlns='urn:xmpp:push:0' jid='"+service.jid+"' node='n'/></iq>")
	phone.expect(t, "id='on'")
	phone.conn.Close()
	synctest.Wait()
	return w, service, func() {
		t.Helper()
		if err := w.server.SendMessage(t.Context(), "anna@example.org", "hi"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPushIsRetried is a service that is in trouble for a while: it is asked again, more and more seldom.
func TestPushIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, service, say := pushWorld(t)
		defer w.end(t)
		var told testenv.Log
		w.server.log = slog.New(slog.NewTextHandler(&told, nil))
		want := func(with, count string, after time.Duration) {
			t.Helper()
			if n, took := service.answersPush(t, with); n != count || took != after {
				t.Errorf("%s messages after %s, want %s after %s", n, took, count, after)
			}
		}
		say()
		want(pushBusy, "1", pushDelay)
		want(pushBroken, "1", pushRetry)
		want(pushBusy, "1", 2*pushRetry)
		say() // something new is told as soon as ever
		want(pushBusy, "2", 8*pushDelay)
		want(pushBusy, "2", 8*pushRetry)
		want(pushBusy, "2", 16*pushRetry)
		want(pushBusy, "2", 32*pushRetry)
		want(pushBusy, "2", pushMaxRetry)
		want(pushTaken, "2", pushMaxRetry)
		time.Sleep(2 * pushMaxRetry)
		service.expectNothing(t)

		say() // it is forgotten that there was trouble
		want(pushBusy, "3", pushMaxDelay)
		want(pushRefused, "3", pushRetry)
		if list, err := w.store.PushTargets(t.Context()); err != nil || len(list) > 0 || len(w.server.pushes.of(anna)) > 0 {
			t.Errorf("a service that refuses is not disabled: %v, %v", list, err)
		}
		for _, line := range []string{"notification now\" service=" + service.jid + " jid=anna@example.org cause=resource-constraint", "disabled\" service=" + service.jid + " jid=anna@example.org cause=item-not-found"} {
			if len(told.Lines(line)) == 0 {
				t.Errorf("the log does not say %s:\n%s", line, told.String())
			}
		}
	})
}

// TestPushIsGivenUp is a service that is in trouble for ever: after a day it is disabled.
func TestPushIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, service, say := pushWorld(t)
		defer w.end(t)
		began := time.Now()
		for say(); len(w.server.pushes.of(anna)) > 0; {
			service.answersPush(t, pushBusy)
		}
		if took := time.Since(began); took < pushPatience || took > pushPatience+2*pushMaxRetry {
			t.Errorf("given up after %s", took)
		}
		say()
		time.Sleep(pushPatience)
		service.expectNothing(t)
	})
}

// TestPushIsTakenBack is a service that cannot be reached for a while. It keeps its place, and is told nothing of what
// the client has seen meanwhile.
func TestPushIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, service, say := pushWorld(t)
		defer w.end(t)
		service.conn.Close()
		synctest.Wait()
		say()
		time.Sleep(2 * pushPatience)
		if len(w.server.pushes.of(anna)) != 1 {
			t.Fatal("a service that is away is disabled")
		}
		service = w.pipe(t, "anna", "service")
		say()
		if n, after := service.answersPush(t, pushBusy); n != "2" || after > pushMaxDelay {
			t.Errorf("%s messages after %s", n, after)
		}
		w.pipe(t, "anna", "phone1").conn.Close()
		time.Sleep(pushPatience)
		service.expectNothing(t)
	})
}

// TestPushTargetsAreBounded enables more targets than there may be, over two servers' lives.
func TestPushTargetsAreBounded(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	for i := range maxPushTargets + 3 {
		a.send(t, fmt.Sprintf("<iq type='set' id='n%d'><enable xmlns='urn:xmpp:push:0' jid='push.example.net' node='n%d'/></iq>", i, i))
		a.expect(t, "type='result'")
	}
	list, _ := w.store.PushTargets(t.Context())
	if len(list) != maxPushTargets || list[0].Node != "n3" || list[0].Resource != "a" {
		t.Errorf("%d targets from %+v on", len(list), list[0])
	}
	if err := w.server.loadPushTargets(t.Context()); err != nil || len(w.server.pushes.of(anna)) != maxPushTargets {
		t.Errorf("%v, %d targets are read", err, len(w.server.pushes.of(anna)))
	}
	long := strings.Repeat("n", maxPushNode+1)
	a.send(t, "<iq type='set' id='long'><enable xmlns='urn:xmpp:push:0' jid='push.example.net' node='"+long+"'/></iq>")
	a.expect(t, "id='long'", "type='error'")
	w.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(anna)}}})
	if got := w.server.pushes.of(anna); len(got) > 0 {
		t.Errorf("of a user who is gone %d targets are known", len(got))
	}
}

// TestPushServiceIsAway keeps the target of a component that is not there, or has no answer.
func TestPushServiceIsAway(t *testing.T) {
	w := start(t, withComponent)
	a := w.must("anna", "a")
	a.send(t, "<iq type='set' id='on'><enable xmlns='urn:xmpp:push:0' jid='"+testComponent+"' node='n'/></iq>")
	a.expect(t, "id='on'", "type='result'")
	a.Close()
	told := func() int {
		w.server.pushes.mu.Lock()
		defer w.server.pushes.mu.Unlock()
		return w.server.pushes.targets[anna][0].told
	}
	if err := w.server.SendMessage(t.Context(), "anna@example.org", "one"); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool {
		w.server.questions.mu.Lock()
		defer w.server.questions.mu.Unlock()
		return told() == 1 && len(w.server.questions.open) == 0 // it came back
	})
	c, err := w.component(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := w.server.SendMessage(t.Context(), "anna@example.org", "two"); err != nil {
		t.Fatal(err)
	}
	got, err := c.Receive(t.Context())
	if err != nil || !strings.Contains(got, "<value>2</value>") {
		t.Errorf("got %s, %v", got, err)
	}
}
