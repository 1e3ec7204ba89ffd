package xmpp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// archived returns the bodies in an archive.
func (w *world) archived(of uc.Archive) (bodies []string) {
	w.t.Helper()
	page, err := w.server.archived(uc.ArchiveQuery{Archive: of, Max: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range page.Messages {
		_, text, _ := strings.Cut(string(m.Stanza), "<body>")
		text, _, _ = strings.Cut(text, "</body>")
		bodies = append(bodies, text)
	}
	return bodies
}

// ping asks the other client something that the server only passes on, and is answered.
func (c *client) ping(t *testing.T, other *client) {
	t.Helper()
	c.send(t, "<iq type='get' id='through' to='"+other.jid+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	other.expect(t, "id='through'")
	other.send(t, "<iq type='result' id='through' to='"+c.jid+"'/>")
	c.expect(t, "id='through'", "type='result'")
}

// TestAcknowledgedWhenStored: a message is delivered at once, but acknowledged when it is in the archive.
func TestAcknowledgedWhenStored(t *testing.T) {
	w := start(t, withArchive)
	a, b := w.must("anna", "desk"), w.must("ben", "desk")
	token := a.manage(t)
	commits := w.store.holdCommits()
	t.Cleanup(func() { close(commits) })
	say := func(n int) {
		a.send(t, fmt.Sprintf("<message to='%s' type='chat'><body>%d</body></message>", b.jid, n))
	}

	say(1)
	a.send(t, "<r xmlns='urn:xmpp:sm:3'/>")
	b.expect(t, "<body>1</body>")
	a.ping(t, b) // it is not acknowledged before
	commits <- nil
	a.expect(t, "<a ", "h='1'")

	// The answer of the server to what comes behind it says the same.
	say(2)
	a.send(t, "<iq type='get' id='p' to='"+testDomain+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	b.expect(t, "<body>2</body>")
	commits <- nil
	a.expect(t, "id='p'", "result")
	if got := len(w.store.archiveOf(anna)); got != 2 {
		t.Errorf("%d messages are stored when the answer comes, want 2", got)
	}

	// And so does what a client is told that comes back.
	say(3)
	b.expect(t, "<body>3</body>")
	w.cut(a)
	resumed := make(chan *client, 1)
	go func() { resumed <- w.resume("anna", token, 2) }()
	commits <- nil
	c := <-resumed
	c.expect(t, "<resumed", "h='5'") // three messages, two pings
	if got := len(w.store.archiveOf(anna)); got != 3 {
		t.Errorf("%d messages are stored when the session is resumed, want 3", got)
	}
}

func (m *memory) archiveOf(user uc.UserID) (list []uc.ArchivedMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.archive {
		if a.User == user {
			list = append(list, a)
		}
	}
	return list
}

// TestRefusedIsNotArchived: a message that its sender was refused is in nobody's archive.
func TestRefusedIsNotArchived(t *testing.T) {
	w := start(t, withArchive, func(c *Config) { c.MaxOffline = 1 })
	a := w.must("anna", "desk")
	a.send(t, "<message to='ben@example.org' type='chat' id='1'><body>kept</body></message>"+
		"<message to='ben@example.org' type='chat' id='2'><body>refused</body></message>"+
		"<message to='nobody@example.org' type='chat' id='3'><body>refused</body></message>")
	a.expect(t, "id='2'", "<service-unavailable")
	a.expect(t, "id='3'", "<service-unavailable")
	for _, user := range []uc.UserID{anna, ben} {
		if got := w.archived(uc.Archive{User: user}); len(got) != 1 || got[0] != "kept" {
			t.Errorf("user %d has %q", user, got)
		}
	}
	// The same when it has been written meanwhile.
	archive := w.server.archive
	_, f := archive.put(nil, nil, nil, &archiveRow{user: carl, peer: "x"}, []byte("<message/>"))
	archive.sync()
	archive.withdraw(f)
	if got := w.archived(uc.Archive{User: carl}); len(got) != 0 {
		t.Errorf("%d messages are left", len(got))
	}
}

// TestArchiveQuota: of a full archive the oldest messages go.
func TestArchiveQuota(t *testing.T) {
	w := start(t, withArchive, func(c *Config) { c.ArchiveQuota = 20 })
	a := w.server.archive
	for i := range 100 {
		a.put(nil, nil, nil, &archiveRow{user: anna, peer: "x"}, fmt.Appendf(nil, "<message><body>%d</body></message>", i))
		if i < 10 {
			a.put(nil, nil, nil, &archiveRow{user: ben, peer: "x"}, []byte("<message/>"))
		}
		a.sync()
	}
	w.eventually(func() bool { return len(w.store.archiveOf(anna)) <= 22 })
	if got := w.archived(uc.Archive{User: anna}); len(got) < 20 || got[len(got)-1] != "99" {
		t.Errorf("left are %q", got)
	}
	if got := w.archived(uc.Archive{User: ben}); len(got) != 10 {
		t.Errorf("another archive has %d messages, want 10", len(got))
	}
}

const roomConfig = "<iq type='set' id='c' to='x@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>" +
	"<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query></iq>"

// enterRoom enters the room x, which is new or has no history.
func (c *client) enterRoom(t *testing.T, nick string) {
	t.Helper()
	c.send(t, "<presence to='x@rooms.example.org/"+nick+"'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	for !strings.Contains(c.expect(t), "<subject") {
	}
}

// TestRoomsTellWhatIsStored: in a room nobody hears what is not stored, and everything comes in order.
func TestRoomsTellWhatIsStored(t *testing.T) {
	w := start(t, withArchive)
	a, b := w.must("anna", "desk"), w.must("ben", "desk")
	a.enterRoom(t, "Anna")
	commits := w.store.holdCommits()
	t.Cleanup(func() { close(commits) })

	// The owner is told that the room is configured when that is stored, or that it could not be.
	a.send(t, roomConfig)
	a.ping(t, b)
	commits <- errors.New("the disk is full")
	a.expect(t, "id='c'", "<internal-server-error")
	a.send(t, roomConfig)
	commits <- nil
	a.expect(t, "id='c'", "type='result'")
	a.expect(t, "code='104'")
	b.enterRoom(t, "Ben")
	a.expect(t, "Ben")

	a.manage(t)
	a.send(t, "<message to='x@rooms.example.org' type='groupchat'><body>One</body></message><r xmlns='urn:xmpp:sm:3'/>")
	a.send(t, "<presence to='x@rooms.example.org/Annie'/>")
	a.ping(t, b) // neither of the two has heard it
	commits <- nil
	for _, c := range []*client{a, b} {
		c.expect(t, "<body>One</body>", "stanza-id")
		if c == a {
			c.expect(t, "<a ", "h='1'")
		}
		c.expect(t, "code='303'")
		c.expect(t, "Annie")
	}
	if got := w.archived(uc.Archive{Room: "x"}); len(got) != 1 {
		t.Errorf("stored is %q", got)
	}

	// A message that cannot be stored is heard nevertheless.
	b.send(t, "<message to='x@rooms.example.org' type='groupchat'><body>Two</body></message>")
	commits <- errors.New("the disk is full")
	a.expect(t, "<body>Two</body>")
	b.expect(t, "<body>Two</body>")
}

// TestRoomHistorySurvivesRestart: who enters a room after a restart hears what was said before.
func TestRoomHistorySurvivesRestart(t *testing.T) {
	w := start(t, withArchive)
	a := w.must("anna", "desk")
	a.enterRoom(t, "Anna")
	a.send(t, roomConfig+"<message to='x@rooms.example.org' type='groupchat'><body>One</body></message>"+
		"<message to='x@rooms.example.org' type='groupchat'><body>Two</body></message>"+
		"<message to='x@rooms.example.org' type='groupchat'><subject>Colours</subject></message>")
	a.expect(t, "type='result'")
	a.expect(t, "One")
	a.expect(t, "Two")
	a.expect(t, "Colours")
	a.send(t, "<presence to='tmp@rooms.example.org/Anna'><x xmlns='http://jabber.org/protocol/muc'/></presence>"+
		"<message to='tmp@rooms.example.org' type='groupchat'><body>Three</body></message>")
	a.expect(t, "201")
	a.expect(t, "<subject")
	a.expect(t, "Three")

	if err := w.server.startRooms(t.Context()); err != nil { // what a new process does
		t.Fatal(err)
	}
	b := w.must("ben", "desk")
	b.send(t, "<presence to='x@rooms.example.org/Ben'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='1'/></x></presence>")
	b.expect(t, "code='110'", "code='170'")
	b.expect(t, "<body>Two</body>", "<delay")
	b.expect(t, "<subject>Colours</subject>")
	if got := w.archived(uc.Archive{Room: "tmp"}); len(got) != 0 {
		t.Errorf("of a temporary room that is gone there is %q", got)
	}
}
