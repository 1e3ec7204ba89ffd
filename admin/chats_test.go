package admin_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// chats plays the XMPP server, on which Anna has one session.
type chats struct {
	c     *company
	mu    sync.Mutex
	ended []uc.Actor
	more  []uc.TracedStanza // what passes while it is followed
}

const annasSession = 7

func (c *chats) Sessions() []uc.ChatSession {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ended) > 0 {
		return nil
	}
	return []uc.ChatSession{{ID: annasSession, JID: "anna@example.com/phone", User: c.c.user("anna"), Address: "192.0.2.7:40112", TLS: true,
		Since: clockTime.Add(-time.Hour), Online: true, Show: uc.ShowAway, Client: "https://client.example", LastIn: clockTime.Add(-time.Minute)}}
}

func (c *chats) EndSession(_ context.Context, by uc.Actor, id uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != annasSession {
		return uc.Errorf(uc.ErrNotFound, "There is no such session.")
	}
	c.ended = append(c.ended, by)
	return nil
}

func (c *chats) Trace(string) ([]uc.TracedStanza, error) {
	return []uc.TracedStanza{
		{Session: annasSession, JID: "anna@example.com/phone", Number: 1, Time: clockTime, Direction: uc.StanzaFromClient, Size: 70, Name: "iq", Type: "get", ID: "<1>", Payload: "ping", PayloadNS: "urn:xmpp:ping"},
		{Session: annasSession, JID: "anna@example.com/phone", Number: 2, Time: clockTime, Direction: uc.StanzaToClient, Size: 50, Name: "iq", Type: "result", ID: "<1>", To: "anna@example.com/phone"},
	}, nil
}

func (c *chats) FollowTrace(string) (func() []uc.TracedStanza, func(), error) {
	first, err := c.Trace("")
	return func() []uc.TracedStanza {
		c.mu.Lock()
		defer c.mu.Unlock()
		list := slices.Concat(first, c.more)
		first, c.more = nil, nil
		return list
	}, func() {}, err
}

func (c *chats) pass(s uc.TracedStanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more = append(c.more, s)
}

func TestChatSessionPage(t *testing.T) {
	c := open(t)
	b := c.signIn("admin")
	if r := c.get(b, "/sessions?q=ann"); !strings.Contains(r.body, "anna@example.com/phone") || !strings.Contains(r.body, "client.example") {
		t.Errorf("the list: %s", r.body)
	}
	if r := c.get(b, "/sessions?q=zed"); strings.Contains(r.body, "anna@example.com/phone") {
		t.Error("the search finds Anna under zed")
	}
	if r := c.get(b, "/sessions/7"); !strings.Contains(r.body, "urn:xmpp:ping") || !strings.Contains(r.body, "&lt;1&gt;") {
		t.Errorf("the session: %s", r.body)
	}
	if r := c.get(b, "/sessions/8"); r.status != http.StatusNotFound {
		t.Errorf("a session that is gone: %d", r.status)
	}
	s := c.listen(b, "/sessions/7/events", "")
	s.until("stanza", "urn:xmpp:ping")
	c.chats.pass(uc.TracedStanza{Session: annasSession, Number: 3, Name: "presence", Type: "unavailable"})
	s.until("stanza", "unavailable")
	if r := c.post(b, "/sessions/7/end", nil); r.status != http.StatusSeeOther {
		t.Fatalf("end: %d %s", r.status, r.body)
	}
	if len(c.chats.ended) != 1 || c.chats.ended[0].Name != "admin" || c.chats.ended[0].Via != "page" {
		t.Errorf("ended by %+v", c.chats.ended)
	}
	s.until("gone", "")
}

func TestChatSessionsOverREST(t *testing.T) {
	c := open(t)
	for _, path := range []string{"/xmpp/sessions", "/xmpp/trace?jid=anna@example.com", "/xmpp/trace/events?jid=anna@example.com"} {
		if r := c.rest("pbx", "GET", path, ""); r.status != http.StatusForbidden {
			t.Errorf("a PBX manager reads %s: %d", path, r.status)
		}
	}
	s := c.listen(c.browser(), "/api/v1/xmpp/trace/events?jid=anna@example.com", "admin")
	s.until("stanza", `"payload":"ping"`)
	c.chats.pass(uc.TracedStanza{Session: annasSession, Number: 3, Name: "presence", Type: "unavailable"})
	s.until("stanza", "unavailable")
	if r := c.rest("pbx", "DELETE", "/xmpp/sessions/7", ""); r.status != http.StatusForbidden {
		t.Errorf("a PBX manager ends a session: %d", r.status)
	}
	if r := c.rest("admin", "DELETE", "/xmpp/sessions/8", ""); r.status != http.StatusNotFound {
		t.Errorf("a session that is gone: %d", r.status)
	}
	if r := c.rest("admin", "DELETE", "/xmpp/sessions/7", ""); r.status != http.StatusNoContent || len(c.chats.ended) != 1 || c.chats.ended[0].Via != "rest" {
		t.Errorf("end: %d %+v", r.status, c.chats.ended)
	}
}
