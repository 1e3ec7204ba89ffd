package xmpp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// resourcesOf waits for the next statement about a user's clients.
func resourcesOf(t *testing.T, events interface {
	Next(context.Context) (uc.Event, error)
}, user uc.UserID) []uc.Resource {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		e, err := events.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if r := e.(uc.ResourcesChanged); r.User == user {
			return r.Resources
		}
	}
}

func TestResourcesAreStated(t *testing.T) {
	w := start(t)
	events := w.bus.Subscribe(100, uc.ResourcesChanged{})
	defer events.Close()
	c := w.must("anna", "desk")
	c.send(t, "<presence><show>away</show><status>Out</status><priority>5</priority></presence>")
	got := resourcesOf(t, events, anna)
	if len(got) != 1 || got[0].Name != "desk" || got[0].Show != uc.ShowAway || got[0].Status != "Out" || got[0].Priority != 5 || got[0].Since.IsZero() {
		t.Errorf("stated %+v", got)
	}
	if all := w.server.Resources(); !slices.Equal(all[anna], got) {
		t.Errorf("Resources is %+v", all)
	}
	infos := w.server.Sessions()
	if len(infos) != 1 || infos[0].JID != "anna@example.org/desk" || !infos[0].TLS || !infos[0].Online || infos[0].Priority != 5 {
		t.Errorf("Sessions is %+v", infos)
	}
	// A profile over it changes what others see, not what the client says of itself.
	w.setPresence(uc.Presence{User: anna, Floor: uc.Floor{Show: uc.ShowDND}})
	c.send(t, "<presence type='unavailable'/>")
	if got := resourcesOf(t, events, anna); len(got) != 0 {
		t.Errorf("after going: %+v", got)
	}
}

// TestResync loses events and must find out by itself what they said.
func TestResync(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for _, c := range []*client{a, b} {
		c.send(t, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
		c.expect(t, "id='r'")
		c.expect(t, "<presence")
	}
	role := *w.dir.Load().Roles.Get(roleSales)
	role.Users = []uc.UserID{anna, ben}
	w.dir.Store(w.dir.Load().With(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{role}}}))
	w.mu.Lock()
	w.presences[anna] = uc.Presence{User: anna, Version: 5, Floor: uc.Floor{Show: uc.ShowDND, CallText: "On the phone"}}
	w.mu.Unlock()
	w.server.resync()
	b.expect(t, "type='set'", "anna@example.org", "subscription='both'")
	b.expect(t, "<presence from='anna@example.org/a'")
	b.expect(t, "<presence from='anna@example.org/a'", "<show>dnd</show>", "On the phone")
}

func TestCommandSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCommandSessions(10 * time.Minute)
		p := &page{}
		id, err := s.put("", "anna@x/a", "node", p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ id, client, node, want string }{
			{id, "anna@x/a", "node", ""},
			{id, "anna@x/b", "node", "bad-sessionid"},
			{id, "anna@x/a", "other", "bad-sessionid"},
			{"guess", "anna@x/a", "node", "bad-sessionid"},
		} {
			_, err := s.get(c.id, c.client, c.node, time.Now())
			var specific commandError
			if errors.As(err, &specific); specific.specific != c.want {
				t.Errorf("%+v: %v", c, err)
			}
		}
		first := id
		for range maxCommandsOfClient { // the first makes room for the last
			time.Sleep(time.Second)
			if id, err = s.put("", "anna@x/a", "node", p, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.get(first, "anna@x/a", "node", time.Now()); err == nil || len(s.byID) != maxCommandsOfClient {
			t.Errorf("a client may keep any number of commands waiting: %d", len(s.byID))
		}
		if _, err := s.put("", "ben@x/b", "node", p, time.Now()); err != nil {
			t.Error("one client keeps another from its commands")
		}
		time.Sleep(11 * time.Minute)
		if _, err := s.get(id, "anna@x/a", "node", time.Now()); err == nil || !strings.Contains(err.Error(), "session-expired") {
			t.Errorf("after a while: %v", err)
		}
		if _, err := s.put("", "anna@x/a", "node", p, time.Now()); err != nil || len(s.byID) != 1 {
			t.Errorf("what has expired is still kept: %d, %v", len(s.byID), err)
		}
		s.drop("anna@x/a")
		if len(s.byID) != 0 {
			t.Error("the commands of a client that is gone are kept")
		}
	})
}

// TestLongStreamInPieces sends stanza after stanza for longer than one may take, never pausing between
// two of them.
func TestLongStreamInPieces(t *testing.T) {
	w := start(t, func(c *Config) { c.StanzaTimeout = 400 * time.Millisecond })
	c := w.must("anna", "a")
	const first, second = "<iq type='get' id='1'><ping xmlns=", "'urn:xmpp:ping'/></iq>"
	c.send(t, first)
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for range 15 {
		<-tick.C
		c.send(t, second+first)
		c.expect(t, "type='result'")
	}
}
