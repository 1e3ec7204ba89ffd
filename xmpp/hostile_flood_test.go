package xmpp

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// TestRosterFlood adds contacts until there may be no more, with names that are too long, too many groups,
// and to a roster that others fill.
func TestRosterFlood(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxRoster = 3 })
	witness := w.witness()
	a := w.must("anna", "a")
	set := func(jid, name, groups string) string {
		return "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='" + jid + "' name='" + name + "'>" + groups + "</item></query></iq>"
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "<group>%d</group>", i)
	}
	var long strings.Builder
	for i := range 5 {
		fmt.Fprintf(&long, "<group>%d%s</group>", i, strings.Repeat("x", 1000))
	}
	for _, tt := range []struct{ name, send, want string }{
		{"a long name", set("x@example.org", strings.Repeat("x", 1024), ""), "<not-acceptable"},
		{"a long group", set("x@example.org", "", "<group>"+strings.Repeat("x", 1024)+"</group>"), "<not-acceptable"},
		{"many groups", set("x@example.org", "", many.String()), "<not-acceptable"},
		{"long groups", set("x@example.org", "", long.String()), "<not-acceptable"},
		{"no address", set("@", "", ""), "<bad-request"},
		{"two items", "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='a@x'/><item jid='b@x'/></query></iq>", "<bad-request"},
		{"the first", set("one@example.org", "", ""), "type='result'"},
		{"the second", set("two@example.org", "", ""), "type='result'"},
		{"the third", set("three@example.org", "", ""), "type='result'"},
		{"the fourth", set("four@example.org", "", ""), "<not-acceptable"},
		{"a change", set("one@example.org", "One", ""), "type='result'"},
		{"a removal", strings.Replace(set("one@example.org", "", ""), "name=''", "subscription='remove'", 1), "type='result'"},
		{"another", set("four@example.org", "", ""), "type='result'"},
		{"one too many", set("five@example.org", "", ""), "<not-acceptable"},
	} {
		a.send(t, tt.send)
		if got := a.expect(t, "id='s'"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	a.send(t, "<presence type='subscribe' to='ben@example.org' id='p'/>")
	a.expect(t, "type='error'", "<not-acceptable")
	witness.unharmed(t)
}

// TestSubscriptionFlood asks one user from many accounts, with long requests, and again and again. The user
// is told of each once, keeps only so many, and can still add contacts.
func TestSubscriptionFlood(t *testing.T) {
	w := newWorld(t, uc.NewDirectory(1, company()), func(c *Config) { c.MaxRoster = 2 })
	var told testenv.Log
	w.server.log = slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.run(t)
	witness := w.witness()
	victim := w.must("dora", "v")
	victim.send(t, "<presence/>")
	victim.expect(t, "<presence")
	for i, login := range []string{"anna", "ben", "carl"} {
		c := w.must(login, "flood")
		long := "<presence type='subscribe' to='dora@example.org'><status>" + strings.Repeat("x", 100<<10) + "</status></presence>"
		c.send(t, strings.Repeat(long, 20)+"<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
		c.expect(t, "id='end'") // and no error: who is asked too often is not told apart from who does not answer
		if i < 2 {
			if got := victim.expect(t, "type='subscribe'", "from='"+login+"@example.org'"); len(got) > maxRequest {
				t.Errorf("%s's request has %d bytes", login, len(got))
			}
		}
	}
	victim.send(t, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='friend@example.org'/></query></iq>")
	victim.expect(t, "type='result'") // so nothing more has come
	kept := 0
	if lines := told.Lines(""); len(lines) != 1 {
		t.Errorf("%d lines in the log, want one that says that there are too many", len(lines))
	}
	w.store.mu.Lock()
	if w.store.rosterWrites != 3+2+1 { // the senders' contacts, the requests that are kept, and the friend
		t.Errorf("%d items of rosters were written, want 6", w.store.rosterWrites)
	}
	for _, it := range w.store.roster[dora] {
		if it.PendingIn != nil {
			if kept++; len(it.PendingIn) > maxRequest {
				t.Errorf("%d bytes of a request are kept", len(it.PendingIn))
			}
		}
	}
	w.store.mu.Unlock()
	if kept != 2 {
		t.Errorf("%d requests are kept, want 2", kept)
	}
	victim.send(t, "<presence type='subscribed' to='anna@example.org'/>")
	victim.send(t, "<presence type='unsubscribed' to='ben@example.org'/><iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
	victim.takeUntil(t, "id='end'")
	witness.unharmed(t)
}

// TestFloodOfReports blocks many at once and reports each, at length. The log gets one line that says how many.
func TestFloodOfReports(t *testing.T) {
	w := newWorld(t, uc.NewDirectory(1, company()))
	var told testenv.Log
	w.server.log = slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.run(t)
	c := w.must("anna", "a")
	long := strings.Repeat("ö", 500)
	var items strings.Builder
	for i := range 100 {
		fmt.Fprintf(&items, "<item jid='u%d@far.example'><report xmlns='urn:xmpp:reporting:1' reason='%s'><text>%s</text></report></item>", i, long, long)
	}
	c.send(t, "<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'>"+items.String()+"</block></iq><iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>")
	c.expect(t, "id='1'", "type='result'")
	c.expect(t, "id='2'")
	lines := told.Lines("")
	if len(lines) != 1 || len(lines[0]) > 2000 || !strings.Contains(lines[0], "reports=100") || !strings.Contains(lines[0], "u0@far.example") {
		t.Errorf("the log is told %s", lines)
	}
}

// TestOfflineFlood writes to somebody who is offline, more messages and longer ones than are kept: the sender
// is told.
func TestOfflineFlood(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxOffline, c.MaxOfflineSize = 3, 20<<10 })
	witness := w.witness()
	a := w.must("anna", "a")
	message := func(to, id string, size int) string {
		return "<message to='" + to + "@example.org' type='chat' id='" + id + "'><body>" + strings.Repeat("x", size) + "</body></message>"
	}
	end := "<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>"
	for i := range 3 {
		a.send(t, message("ben", fmt.Sprint("m", i), 10))
	}
	a.send(t, message("ben", "full", 10))
	a.expect(t, "id='full'", "type='error'", "<service-unavailable")
	for range 100 {
		a.send(t, message("ben", "flood", 10))
		a.expect(t, "id='flood'", "<service-unavailable")
	}
	a.send(t, message("probe", "long", 15<<10)+end) // another account has room
	a.expect(t, "id='end'")
	a.send(t, message("probe", "longer", 15<<10))
	a.expect(t, "id='longer'", "<service-unavailable")
	b := w.must("ben", "b")
	b.send(t, "<presence/>")
	b.takeUntil(t, "id='m2'")
	<-w.store.deleted
	a.send(t, message("ben", "again", 10)+end)
	if got := b.expect(t, "id='again'"); !strings.Contains(got, "chat") {
		t.Error(got)
	}
	witness.unharmed(t)
}

// TestCommandFlood begins commands without ever ending one: only the newest are kept, and those can be ended.
func TestCommandFlood(t *testing.T) {
	w := start(t)
	witness := w.witness()
	a, b := w.must("anna", "a"), w.must("ben", "b")
	begin := "<iq type='set' id='c' to='example.org'><command xmlns='http://jabber.org/protocol/commands' node='urn:rolecall:command:profile' action='execute'/></iq>"
	a.send(t, strings.Repeat(begin, 1000))
	var last string
	for range 1000 {
		last = a.expect(t, "id='c'", "status='executing'")
	}
	w.server.commands.mu.Lock()
	kept := len(w.server.commands.byID)
	w.server.commands.mu.Unlock()
	if kept != maxCommandsOfClient {
		t.Errorf("%d commands are kept, want %d", kept, maxCommandsOfClient)
	}
	_, id, _ := strings.Cut(last, "sessionid='")
	id, _, _ = strings.Cut(id, "'")
	a.send(t, "<iq type='set' id='e' to='example.org'><command xmlns='http://jabber.org/protocol/commands' node='urn:rolecall:command:profile' sessionid='"+
		id+"' action='cancel'/></iq>")
	a.expect(t, "id='e'", "status='canceled'")
	b.send(t, begin)
	b.expect(t, "status='executing'")
	witness.unharmed(t)
}

// TestRoomFlood talks too much in a room, and enters too many.
func TestRoomFlood(t *testing.T) {
	w := start(t)
	witness := w.witness()
	a, b := w.must("anna", "a"), w.must("ben", "b")
	enter := "<presence to='x@rooms.example.org/NICK'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	a.send(t, strings.Replace(enter, "NICK", "a", 1))
	a.takeUntil(t, "<subject")
	a.send(t, "<iq type='set' id='1' to='x@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
	a.takeUntil(t, "id='1'")
	b.send(t, strings.Replace(enter, "NICK", "b", 1))
	b.takeUntil(t, "<subject")
	const sent = 500
	a.send(t, strings.Repeat("<message to='x@rooms.example.org' type='groupchat' id='m'><body>x</body></message>", sent)+
		"<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
	heard, refused := 0, 0
	for _, got := range a.takeUntil(t, "id='end'") {
		switch {
		case strings.Contains(got, "type='error'"):
			refused++
		case strings.Contains(got, "type='groupchat'"):
			heard++
		}
	}
	if heard < 50 || refused < sent/2 || heard+refused != sent {
		t.Errorf("%d messages went through, %d were refused", heard, refused)
	}
	b.send(t, "<message to='x@rooms.example.org' type='groupchat' id='mine'><body>x</body></message>")
	b.takeUntil(t, "id='mine'") // others talk on
	const rooms = 2000
	for i := range rooms {
		a.send(t, fmt.Sprintf("<presence id='r' to='x%d@rooms.example.org/a'><x xmlns='http://jabber.org/protocol/muc'/></presence>", i))
	}
	a.send(t, "<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
	made := 0
	for _, got := range a.takeUntil(t, "id='end'") {
		if strings.Contains(got, "<subject") {
			made++
		}
	}
	if made == 0 || made >= rooms {
		t.Errorf("%d rooms were made", made)
	}
	witness.unharmed(t)
}

// TestSlotFlood asks for leave to upload again and again.
func TestSlotFlood(t *testing.T) {
	w := startWithUploads(t, "https://files.example/upload", 1000, 5000)
	witness := w.witness()
	a, b := w.must("anna", "a"), w.must("ben", "b")
	ask := "<iq type='get' id='u' to='example.org'><request xmlns='urn:xmpp:http:upload:0' filename='f' size='1000'/></iq>"
	a.send(t, strings.Repeat(ask, 200))
	given := 0
	seen := map[string]bool{}
	for range 200 {
		got := a.expect(t, "id='u'")
		switch _, address, ok := strings.Cut(got, "put url='"); {
		case ok && seen[address]:
			t.Fatal("the same address twice")
		case ok:
			given++
			seen[address] = true
		case !strings.Contains(got, "<resource-constraint"):
			t.Fatal(got)
		}
	}
	if given == 0 || given > 5 {
		t.Errorf("%d slots of 1000 bytes were given with a quota of 5000", given)
	}
	for _, size := range []string{"-1", "0", "99999999999999999999", "x", ""} {
		a.send(t, strings.Replace(ask, "size='1000'", "size='"+size+"'", 1))
		a.expect(t, "id='u'", "type='error'")
	}
	b.send(t, ask)
	b.expect(t, "put url='")
	witness.unharmed(t)
}

// TestForeignFlood lets another server send as fast as it can, to a client that reads and to one that does not: others talk
// meanwhile, and whoever reads gets everything. How fast one server may be is s2s.TestFlood's.
func TestForeignFlood(t *testing.T) {
	const sent = 3000
	w := start(t, func(c *Config) { c.QueueSoft, c.QueueHard = 64<<10, 1<<20 })
	other := w.otherServer("other.example")
	witness := w.witness()
	anna := w.must("anna", "reads")
	w.must("ben", "sleeps")
	flood := func(to string, size int) (done chan error) {
		done = make(chan error, 1)
		go func() {
			for i := range sent {
				if err := other.Send(t.Context(), fmt.Sprintf("<message from='zoe@other.example' to='%s' type='chat' id='f%d.'><body>%s</body></message>",
					to, i, strings.Repeat("x", size))); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		return done
	}
	first, _ := flood("anna@example.org/reads", 100), flood("ben@example.org/sleeps", 1000)
	for i := range sent {
		anna.expect(t, fmt.Sprintf("id='f%d.'", i))
		if i%1000 == 500 {
			witness.unharmed(t)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	witness.unharmed(t)
}
