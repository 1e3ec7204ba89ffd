package xmpp

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func (m *memory) Rooms(context.Context) ([]uc.Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uc.Room
	for _, name := range slices.Sorted(maps.Keys(m.rooms)) {
		list = append(list, m.rooms[name])
	}
	return list, nil
}

func (m *memory) ChangeRooms(_ context.Context, list []uc.RoomChange) error {
	if err := m.commit(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range list {
		switch {
		case c.Put != nil:
			r := *c.Put
			if !c.Members {
				r.Members = changedMembers(m.rooms[r.Name].Members, c.Changed)
			}
			if !c.Card {
				r.Card = m.rooms[r.Name].Card
			}
			if !c.Hats {
				r.Hats = m.rooms[r.Name].Hats
			}
			m.rooms[r.Name] = r
		case c.Add != nil:
			m.archive = append(m.archive, *c.Add)
		case c.Replace != nil:
			for i := range m.archive {
				if m.archive[i].Archive == c.Replace.Archive && m.archive[i].ID == c.Replace.ID {
					m.archive[i].Stanza = c.Replace.Stanza
				}
			}
		}
		delete(m.rooms, c.Delete)
		m.archive = slices.DeleteFunc(m.archive, func(a uc.ArchivedMessage) bool { return c.Forget != "" && a.Room == c.Forget })
	}
	return nil
}

func changedMembers(list, changed []uc.RoomMember) []uc.RoomMember {
	list = slices.Clone(list)
	for _, c := range changed {
		list = slices.DeleteFunc(list, func(m uc.RoomMember) bool { return m.JID == c.JID })
		if c.Affiliation != "" {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b uc.RoomMember) int { return cmp.Compare(a.JID, b.JID) })
	return list
}

func (m *memory) ForgetLostRooms(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.archive = slices.DeleteFunc(m.archive, func(a uc.ArchivedMessage) bool { _, kept := m.rooms[a.Room]; return a.Room != "" && !kept })
	return nil
}

// TestRoomsSurviveRestart makes a persistent room and finds it, with its members, in another server.
func TestRoomsSurviveRestart(t *testing.T) {
	first := start(t)
	c := first.must("anna", "desk")
	c.send(t, "<presence to='attic@rooms.example.org/Anna'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	c.expect(t, "code='201'")
	c.expect(t, "<subject/>")
	c.send(t, "<iq type='set' id='1' to='attic@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='muc#roomconfig_persistentroom'><value>1</value></field><field var='muc#roomconfig_membersonly'><value>1</value></field></x></query></iq>")
	c.expect(t, "type='result'")
	c.send(t, "<message to='attic@rooms.example.org' type='groupchat'><subject>Paint</subject></message>")
	c.expect(t, "<subject>Paint</subject>")
	c.send(t, "<iq type='set' id='2' to='attic@rooms.example.org'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>YXR0aWM=</BINVAL></PHOTO></vCard></iq>")
	c.expect(t, "id='2'")
	c.expect(t, "<photo>")
	c.expect(t, "code='104'")
	for i, command := range []string{"create", "assign"} {
		c.send(t, fmt.Sprintf("<iq type='set' id='h%d' to='attic@rooms.example.org'><command xmlns='%s' node='urn:xmpp:hats:commands:%s'><x xmlns='jabber:x:data' type='submit'>"+
			"<field var='hats#title'><value>Painter</value></field><field var='hats#uri'><value>urn:example:painter</value></field>"+
			"<field var='hats#jid'><value>anna@example.org</value></field></x></command></iq>", i, nsCommands, command))
		c.expect(t, []string{"code='104'", "<hat title='Painter'"}[i])
		c.expect(t, fmt.Sprintf("id='h%d'", i))
	}
	stored, err := first.store.Rooms(t.Context())
	if err != nil || len(stored) != 1 {
		t.Fatalf("stored are %v (%v)", stored, err)
	}

	second := start(t)
	if err := second.store.ChangeRooms(t.Context(), []uc.RoomChange{{Put: &stored[0], Members: true, Card: true, Hats: true}}); err != nil {
		t.Fatal(err)
	}
	if err := second.server.startRooms(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := second.must("ben", "desk")
	stranger.send(t, "<presence to='attic@rooms.example.org/Ben'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	stranger.expect(t, "<registration-required")
	c = second.must("anna", "desk")
	c.send(t, "<presence to='attic@rooms.example.org/Anna'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	c.expect(t, "affiliation='owner'", "<hat title='Painter' uri='urn:example:painter'/>")
	c.expect(t, "<photo>42c68c5fddd544de1a92ffb7c65f18080dc8da8b</photo>")
	c.expect(t, "<subject>Paint</subject>", "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='"+first.server.occupantID("attic", "anna@example.org")+"'/>")

	// Who is renamed keeps the hat; who gets the name of somebody who is gone does not.
	u := *second.dir.Load().UserByLogin("anna")
	u.Login = "anne"
	second.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	second.server.rooms.Sync()
	if stored, err = second.store.Rooms(t.Context()); err != nil || len(stored[0].Hats.Worn["anne@example.org"]) != 1 || len(stored[0].Hats.Worn) != 1 {
		t.Errorf("hats after renaming: %v (%v)", stored[0].Hats, err)
	}
	second.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(u.ID)}}})
	second.server.rooms.Sync()
	if stored, err = second.store.Rooms(t.Context()); err != nil || len(stored[0].Hats.Worn) != 0 || len(stored[0].Card) == 0 {
		t.Errorf("hats after the end of their wearer: %v (%v)", stored[0].Hats, err)
	}
}

// TestRoomsOfDeletedUsers sees to it that a new user does not inherit what an old one of that name was.
func TestRoomsOfDeletedUsers(t *testing.T) {
	w := start(t)
	room := uc.Room{Name: "attic", Settings: uc.RoomSettings{Persistent: true, MaxOccupants: 10}, Members: []uc.RoomMember{
		{JID: "anna@example.org", Affiliation: "owner"}, {JID: "ben@example.org", Affiliation: "admin"}}}
	if err := w.store.ChangeRooms(t.Context(), []uc.RoomChange{{Put: &room, Members: true}}); err != nil {
		t.Fatal(err)
	}
	if err := w.server.startRooms(t.Context()); err != nil {
		t.Fatal(err)
	}
	u := *w.dir.Load().UserByLogin("anna")
	u.Login = "anne"
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}, Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(ben)}}})
	w.server.rooms.Sync()
	stored, err := w.store.Rooms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []uc.RoomMember{{JID: "anne@example.org", Affiliation: "owner"}}
	if !slices.Equal(stored[0].Members, want) {
		t.Errorf("members are %v, want %v", stored[0].Members, want)
	}
}

// TestRoomsWithSlixmpp lets three people meet in a room with a real client library.
func TestRoomsWithSlixmpp(t *testing.T) {
	w := start(t)
	// slixmpp 1.8.3 itself prints delays.
	if said := w.slixmpp(t, "rooms.py"); !strings.HasSuffix(said, "done") {
		t.Errorf("it said %q, want done", said)
	}
}

// TestManyInOneRoom lets clients come, talk and go at the same time; who stays hears everything in one order.
func TestManyInOneRoom(t *testing.T) {
	const talkers, messages = 8, 20
	w := start(t, func(c *Config) { c.MaxResources = 50 })
	enter := "<presence to='x@rooms.example.org/NICK'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"
	listeners := []*client{w.must("anna", "one"), w.must("ben", "two")}
	for i, c := range listeners {
		c.send(t, strings.Replace(enter, "NICK", fmt.Sprint("listener", i), 1))
		for !strings.Contains(c.expect(t), "<subject/>") {
		}
		if i == 0 {
			c.send(t, "<iq type='set' id='1' to='x@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
			c.expect(t, "type='result'") // before it nobody else finds the room
		}
	}
	var wg sync.WaitGroup
	for n := range talkers {
		c := w.must("carl", fmt.Sprint("r", n))
		wg.Go(func() {
			text := strings.Replace(enter, "NICK", "carl", 1)
			for i := range messages {
				text += fmt.Sprintf("<message to='x@rooms.example.org' type='groupchat' id='%d.%d'><body>x</body></message>", n, i)
				if i == messages/2 {
					text += "<presence type='unavailable' to='x@rooms.example.org/carl'/>" + strings.Replace(enter, "NICK", "carl", 1)
				}
			}
			if err := c.Send(context.Background(), text+"</stream:stream>"); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, c.conn)
		})
	}
	wg.Wait()
	var heard [2][]string
	for i, c := range listeners {
		c.send(t, "<iq type='get' id='end' to='x@rooms.example.org/"+fmt.Sprint("listener", i)+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		for {
			got := c.expect(t)
			if strings.Contains(got, "id='end'") {
				break
			}
			if _, message, ok := strings.Cut(got, " id='"); ok && strings.Contains(got, "<body>") {
				heard[i] = append(heard[i], message)
			}
		}
	}
	if len(heard[0]) < 50 || !slices.Equal(heard[0], heard[1]) { // the rest was too fast
		t.Errorf("one heard %d messages, the other %d, or not in the same order", len(heard[0]), len(heard[1]))
	}
}

// TestRoomCreators lets only users of the named roles make rooms.
func TestRoomCreators(t *testing.T) {
	w := start(t, func(c *Config) { c.RoomCreators, c.RoomsDomain = []string{"Heads"}, "talk.example.org" })
	enter := "<presence to='x@Talk.example.org/N'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	a := w.must("anna", "desk")
	a.send(t, enter)
	a.expect(t, "<not-allowed")
	d := w.must("dora", "desk")
	d.send(t, enter)
	d.expect(t, "code='201'")
}

// TestGhost takes a client out of its rooms whose connection broke.
func TestGhost(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "desk"), w.must("ben", "desk")
	enter := "<presence to='x@rooms.example.org/NICK'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	a.send(t, strings.Replace(enter, "NICK", "Anna", 1)+
		"<iq type='set' id='1' to='x@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
	a.expect(t, "code='201'")
	a.expect(t, "<subject/>")
	a.expect(t, "type='result'")
	b.send(t, strings.Replace(enter, "NICK", "Ben", 1))
	a.expect(t, "x@rooms.example.org/Ben")
	b.conn.Close()
	a.expect(t, "x@rooms.example.org/Ben", "type='unavailable'")
}
