package storetest

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testRooms(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	want(t, "rooms of an empty store", must1(s.Rooms(ctx))(t), nil)
	attic := uc.Room{Name: "attic", Created: began}
	hall := uc.Room{
		Name: "hall & stairs", Created: began.Add(time.Hour),
		Settings: uc.RoomSettings{Title: "Hall", Password: "söcret", Persistent: true, NonAnonymous: true, PrivateMessages: "anyone", MaxOccupants: 20},
		Subject:  uc.RoomSubject{Text: "Paint", Nick: "Anna", At: began, Occupant: "0a1b"},
		Members: []uc.RoomMember{
			{JID: "anna@example.org", Affiliation: "owner", Nick: "Anna"},
			{JID: "ben@example.org", Affiliation: "outcast", Reason: "noise"},
		},
		Hats: uc.RoomHats{
			List: []uc.RoomHat{{URI: "urn:example:painter", Title: "Painter", Hue: "120.5"}, {URI: "urn:example:möbel", Title: "Möbel"}},
			Worn: map[string][]string{"carl@example.net": {"urn:example:möbel", "urn:example:painter"}},
		},
		Card: []byte("<vCard/>"),
	}
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Members: true, Card: true, Hats: true}, {Put: &attic, Members: true, Card: true}}))
	want(t, "rooms by name", must1(s.Rooms(ctx))(t), []uc.Room{attic, hall})

	hall.Settings.Title, hall.Members = "Stairs", []uc.RoomMember{{JID: "carl@example.org", Affiliation: "owner"}}
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Members: true}, {Delete: "attic"}, {Delete: "attic"}}))
	hall.Subject.Text = "Colours"
	without := hall
	without.Members, without.Card, without.Hats = nil, nil, uc.RoomHats{}
	hall.Hats.List = hall.Hats.List[1:]
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Hats: true}, {Put: &without}}))
	must(t, s.Close())
	s = open()
	want(t, "rooms after a restart", must1(s.Rooms(ctx))(t), []uc.Room{hall})
	hall.Hats, hall.Card = uc.RoomHats{}, nil
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Card: true, Hats: true}}))
	want(t, "a room without hats and card", must1(s.Rooms(ctx))(t), []uc.Room{hall})

	anna, carl, dora := uc.RoomMember{JID: "anna@example.org", Affiliation: "admin", Nick: "Anna"},
		uc.RoomMember{JID: "carl@example.org", Affiliation: "owner", Nick: "Carl", Reason: "ours"}, uc.RoomMember{JID: "dora@example.org", Affiliation: "member"}
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Changed: []uc.RoomMember{dora, anna}}}))
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Put: &hall, Changed: []uc.RoomMember{carl, {JID: "dora@example.org"}, {JID: "nobody@example.org"}}}}))
	hall.Members = []uc.RoomMember{anna, carl}
	want(t, "some members changed", must1(s.Rooms(ctx))(t), []uc.Room{hall})
}

func testRoomArchive(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	list := archived(t, s)
	said := func(room string, id int64) *uc.ArchivedMessage {
		return &uc.ArchivedMessage{Archive: uc.Archive{Room: room}, ID: id, Peer: "anna@example.com", Resource: "Anna", Open: id%2 == 0, Stanza: []byte("<message/>")}
	}
	page := func(room string, q uc.ArchiveQuery) uc.ArchivePage {
		q.Room, q.Max = room, max(q.Max, 10)
		return must1(s.Archived(ctx, q))(t)
	}
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{
		{Put: &uc.Room{Name: "hall"}}, {Add: said("hall", 500)}, {Add: said("hall", 501)}, {Add: said("hall", 502)}, {Add: said("attic", 500)},
	}))
	want(t, "last", must1(s.LastArchived(ctx))(t), 502)
	want(t, "what was said", page("hall", uc.ArchiveQuery{After: 500}), uc.ArchivePage{Messages: []uc.ArchivedMessage{*said("hall", 501), *said("hall", 502)}, Index: 1, Count: 3, Complete: true})
	want(t, "by whom", page("hall", uc.ArchiveQuery{Peer: "ben@example.com"}).Count, 0)
	want(t, "under which name", page("hall", uc.ArchiveQuery{Resource: "Anna"}).Count, 3)

	gone := said("hall", 501)
	gone.Stanza = []byte("<message>gone</message>")
	if s.ChangeRooms(ctx, []uc.RoomChange{{Replace: &uc.ArchivedMessage{Archive: gone.Archive, ID: 500, Stanza: []byte("x")}}, {Add: said("hall", 501)}}) == nil {
		t.Error("a message is added twice")
	}
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Replace: gone}}))
	want(t, "a tombstone", page("hall", uc.ArchiveQuery{}).Messages, []uc.ArchivedMessage{*said("hall", 500), *gone, *said("hall", 502)})

	want(t, "beyond the quota", must1(s.ArchivesBeyond(ctx, 2))(t), []uc.Archive{{User: 1}, {Room: "hall"}})
	want(t, "trimmed", must1(s.TrimArchive(ctx, gone.Archive, 2, 10))(t), 1)
	want(t, "nothing to trim", must1(s.TrimArchive(ctx, gone.Archive, 2, 10))(t), 0)
	want(t, "trimmed, in parts", must1(s.TrimArchive(ctx, uc.Archive{User: 1}, 150, 30))(t), 30)
	want(t, "trimmed, the rest", must1(s.TrimArchive(ctx, uc.Archive{User: 1}, 150, 30))(t), 20)
	must(t, s.RemoveArchived(ctx, uc.Archive{User: 1}, 200))
	want(t, "what is left", must1(s.Archived(ctx, uc.ArchiveQuery{Archive: uc.Archive{User: 1}, Max: 200}))(t), uc.ArchivePage{Messages: list[50:199], Count: 149, Complete: true})

	must(t, s.ForgetLostRooms(ctx))
	want(t, "of a lost room", page("attic", uc.ArchiveQuery{}).Count, 0)
	want(t, "too old", must1(s.DeleteArchived(ctx, 502, 1000))(t), 151) // user 2 has one
	must(t, s.ChangeRooms(ctx, []uc.RoomChange{{Delete: "hall", Forget: "hall"}}))
	want(t, "of a room that is gone", page("hall", uc.ArchiveQuery{}).Count, 0)
}
