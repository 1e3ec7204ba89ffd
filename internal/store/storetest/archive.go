package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func testBlocked(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	must(t, s.ChangeBlocked(ctx, 1, []string{"zoe@example.com", "evil.example"}, nil))
	must(t, s.ChangeBlocked(ctx, 1, []string{"zoe@example.com"}, []string{"nobody@example.com"}))
	must(t, s.ChangeBlocked(ctx, 2, []string{"zoe@example.com"}, nil))
	want(t, "by user and JID", must1(s.Blocked(ctx))(t), []uc.Blocked{{User: 1, JID: "evil.example"}, {User: 1, JID: "zoe@example.com"}, {User: 2, JID: "zoe@example.com"}})
	must(t, s.ChangeBlocked(ctx, 1, []string{"a@b"}, []string{"evil.example", "zoe@example.com"}))
	want(t, "after a change", must1(s.Blocked(ctx))(t), []uc.Blocked{{User: 1, JID: "a@b"}, {User: 2, JID: "zoe@example.com"}})
	wantKind(t, "of a stranger", s.ChangeBlocked(ctx, 9, []string{"a@b"}, nil), uc.ErrNotFound)
}

func testPrivate(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	want(t, "none", must1(s.Private(ctx, 1, "a", "x"))(t), nil)
	put := func(ns, xml string) error {
		return s.PutPrivate(ctx, uc.PrivateXML{User: 1, Namespace: ns, Name: "x", XML: []byte(xml)}, 2)
	}
	must(t, put("a", "<x>1</x>"))
	must(t, put("b", "<x>2</x>"))
	must(t, put("a", "<x>3</x>"))
	wantKind(t, "one too many", put("c", "<x/>"), uc.ErrConflict)
	want(t, "replaced", string(must1(s.Private(ctx, 1, "a", "x"))(t)), "<x>3</x>")
	want(t, "beside it", string(must1(s.Private(ctx, 1, "b", "x"))(t)), "<x>2</x>")
	want(t, "not written", must1(s.Private(ctx, 1, "c", "x"))(t), nil)
	want(t, "all", must1(s.AllPrivate(ctx, 1))(t), []uc.PrivateXML{
		{User: 1, Namespace: "a", Name: "x", XML: []byte("<x>3</x>")}, {User: 1, Namespace: "b", Name: "x", XML: []byte("<x>2</x>")},
	})
	want(t, "of another", must1(s.Private(ctx, 2, "a", "x"))(t), nil)
	wantKind(t, "of a stranger", s.PutPrivate(ctx, uc.PrivateXML{User: 9, Namespace: "a", Name: "x", XML: []byte("<x/>")}, 2), uc.ErrNotFound)
}

// archived fills the archive of user 1 with messages 1 to 200, of which every third is with carl; user 2
// has some with the same IDs.
func archived(t *testing.T, s Store) (list []uc.ArchivedMessage) {
	saveUsers(t, s)
	for id := range int64(200) {
		m := uc.ArchivedMessage{Archive: uc.Archive{User: 1}, ID: id + 1, Peer: "ben@example.com", Resource: fmt.Sprint(id % 2), Stanza: fmt.Appendf(nil, "<message>%d\xff</message>", id)}
		if id%3 == 0 {
			m.Peer, m.Resource = "carl@example.com", ""
		}
		list = append(list, m)
	}
	must(t, s.AddArchived(t.Context(), slices.Concat(list, []uc.ArchivedMessage{{Archive: uc.Archive{User: 2}, ID: 3, Peer: "x@y", Stanza: []byte("a")}})))
	return list
}

func testArchive(t *testing.T, open func() Store) {
	s := open()
	want(t, "last of nothing", must1(s.LastArchived(t.Context()))(t), 0)
	list := archived(t, s)
	var carl []uc.ArchivedMessage
	for _, m := range list {
		if m.Peer == "carl@example.com" {
			carl = append(carl, m)
		}
	}
	want(t, "last", must1(s.LastArchived(t.Context()))(t), 200)
	for _, test := range []struct {
		name string
		q    uc.ArchiveQuery
		want uc.ArchivePage
	}{
		{"first page", uc.ArchiveQuery{Max: 10}, uc.ArchivePage{Messages: list[:10], Count: 200}},
		{"everything", uc.ArchiveQuery{Max: 200}, uc.ArchivePage{Messages: list, Count: 200, Complete: true}},
		{"second page", uc.ArchiveQuery{Max: 10, After: 10}, uc.ArchivePage{Messages: list[10:20], Index: 10, Count: 200}},
		{"the end", uc.ArchiveQuery{Max: 10, After: 195}, uc.ArchivePage{Messages: list[195:], Index: 195, Count: 200, Complete: true}},
		{"behind the end", uc.ArchiveQuery{Max: 10, After: 200}, uc.ArchivePage{Count: 200, Complete: true}},
		{"last page", uc.ArchiveQuery{Max: 10, Last: true}, uc.ArchivePage{Messages: list[190:], Count: 200}},
		{"the page before", uc.ArchiveQuery{Max: 10, Last: true, Before: 191}, uc.ArchivePage{Messages: list[180:190], Count: 200}},
		{"the beginning", uc.ArchiveQuery{Max: 10, Last: true, Before: 6}, uc.ArchivePage{Messages: list[:5], Count: 200, Complete: true}},
		{"nothing but the count", uc.ArchiveQuery{Max: 0}, uc.ArchivePage{Count: 200}},
		{"by index", uc.ArchiveQuery{Max: 10, Skip: 30}, uc.ArchivePage{Messages: list[30:40], Index: 30, Count: 200}},
		{"of a peer", uc.ArchiveQuery{Max: 5, Peer: "carl@example.com", After: 10}, uc.ArchivePage{Messages: carl[4:9], Index: 4, Count: len(carl)}},
		{"of a resource", uc.ArchiveQuery{Max: 1, Peer: "ben@example.com", Resource: "1"}, uc.ArchivePage{Messages: list[1:2], Count: 67}},
		{"of a time", uc.ArchiveQuery{Max: 5, From: 50, To: 53}, uc.ArchivePage{Messages: list[49:52], Count: 3, Complete: true}},
		{"by ID", uc.ArchiveQuery{Max: 5, IDs: []int64{7, 3}, Known: []int64{7, 3, 7}}, uc.ArchivePage{Messages: []uc.ArchivedMessage{list[2], list[6]}, Count: 2, Complete: true}},
		{"by size", uc.ArchiveQuery{Max: 50, Bytes: 1}, uc.ArchivePage{Messages: list[:1], Count: 200}},
	} {
		test.q.User = 1
		want(t, test.name, must1(s.Archived(t.Context(), test.q))(t), test.want)
	}
	_, err := s.Archived(t.Context(), uc.ArchiveQuery{Archive: uc.Archive{User: 2}, Max: 5, Known: []int64{3, 4}})
	wantKind(t, "an ID of another user", err, uc.ErrNotFound)
	wantKind(t, "of a stranger", s.AddArchived(t.Context(), []uc.ArchivedMessage{{Archive: uc.Archive{User: 1}, ID: 900, Stanza: []byte("a")}, {Archive: uc.Archive{User: 9}, ID: 900, Stanza: []byte("a")}}), uc.ErrNotFound)
	want(t, "all or nothing", must1(s.LastArchived(t.Context()))(t), 200)
}

func testArchiveRetention(t *testing.T, open func() Store) {
	s := open()
	list := archived(t, s)
	want(t, "removed", must1(s.DeleteArchived(t.Context(), 101, 60))(t), 60)
	want(t, "removed, then", must1(s.DeleteArchived(t.Context(), 101, 60))(t), 41)
	want(t, "nothing is left", must1(s.DeleteArchived(t.Context(), 101, 60))(t), 0)
	want(t, "rest", must1(s.Archived(t.Context(), uc.ArchiveQuery{Archive: uc.Archive{User: 1}, Max: 200}))(t), uc.ArchivePage{Messages: list[100:], Count: 100, Complete: true})
}

func testArchivePreferences(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	p := uc.ArchivePreferences{User: 1, Standard: "roster", Always: []string{"a@b", "c"}, Never: []string{"d@e/f"}}
	must(t, s.PutArchivePreferences(t.Context(), uc.ArchivePreferences{User: 1, Standard: "never"}))
	must(t, s.PutArchivePreferences(t.Context(), uc.ArchivePreferences{User: 2, Standard: "always"}))
	must(t, s.PutArchivePreferences(t.Context(), p))
	want(t, "by user", must1(s.ArchivePreferences(t.Context()))(t), []uc.ArchivePreferences{p, {User: 2, Standard: "always"}})
}

func testArchiveMoves(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	list := archived(t, s)
	one := uc.Archive{User: 1}
	want(t, "a page by number", must1(s.ArchivedAfter(ctx, one, 0, 60, 1<<20))(t), list[:60])
	want(t, "the next", must1(s.ArchivedAfter(ctx, one, 60, 1000, 1<<20))(t), list[60:])
	want(t, "a page by size", must1(s.ArchivedAfter(ctx, one, 10, 100, 1))(t), list[10:11])
	want(t, "behind the end", len(must1(s.ArchivedAfter(ctx, one, 200, 100, 1))(t)), 0)

	message := func(user uc.UserID, id int64, text string) uc.ArchivedMessage {
		return uc.ArchivedMessage{Archive: uc.Archive{User: user}, ID: id, Peer: "x@y", Stanza: []byte(text)}
	}
	// Three of the same time, of which the first is like none that is there.
	file := []uc.ArchivedMessage{message(2, 3, "b"), message(2, 3, "c"), message(2, 3, "a"), message(2, 9, "e"), message(1, 300, "d")}
	want(t, "imported", must1(s.ImportArchived(ctx, file))(t), 5)
	want(t, "and not again", must1(s.ImportArchived(ctx, file[:2]))(t), 0)
	want(t, "nor the rest", must1(s.ImportArchived(ctx, file[3:]))(t), 0)
	want(t, "where they are", must1(s.ArchivedAfter(ctx, uc.Archive{User: 2}, 0, 100, 1<<20))(t), []uc.ArchivedMessage{
		message(2, 3, "a"), message(2, 4, "b"), message(2, 5, "c"), message(2, 6, "a"), message(2, 9, "e"),
	})
	_, err := s.ImportArchived(ctx, []uc.ArchivedMessage{message(9, 1, "a")})
	wantKind(t, "of a stranger", err, uc.ErrNotFound)
}
