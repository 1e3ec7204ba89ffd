package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testProfileStates(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	base := uc.Base{
		Profile: 3, Since: began, Until: began.Add(time.Hour), Cause: uc.Cause{Kind: uc.CauseHand, By: uc.Actor{User: 1, Name: "anna", Via: "xmpp"}, Text: "by hand"},
		Before: &uc.Base{Profile: 1, Since: began},
	}
	full := uc.ProfileState{
		User: 1, Effective: 4, Since: began, Reason: "Teams meeting, over Office", Base: base, Version: 1 << 40,
		Overlays: []uc.Overlay{{Profile: 4, Kind: uc.CauseTeams, Key: "teams:4", Since: began, Text: "InACall"}},
		Memory:   json.RawMessage(`{"held":["a"]}`),
	}
	for _, st := range []uc.ProfileState{{User: 2, Effective: 1}, {User: 1, Effective: 1}, full} {
		id := must1(s.SaveProfileState(t.Context(), st, nil))(t)
		want(t, "ID without an entry", id, 0)
	}
	want(t, "states", must1(s.ProfileStates(t.Context()))(t), []uc.ProfileState{full, {User: 2, Effective: 1}})
}

func testJournal(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	write := func(e uc.JournalEntry) uc.JournalEntry {
		e.ID = must1(s.SaveProfileState(ctx, uc.ProfileState{User: e.User, Effective: e.To, Since: began}, &e))(t)
		return e
	}
	first := write(uc.JournalEntry{
		Time: began, User: 1, From: 1, FromName: "Available", To: 3, ToName: "Lunch",
		Cause: uc.Cause{Kind: uc.CauseTimed, By: uc.System, Text: "12:00"}, Reason: "because",
		Actions: []uc.ActionResult{
			{Action: "FollowMe", Result: uc.ResultDone, Changes: []uc.Change{{Key: "gsm:1", Before: "true", After: "false", Text: "GSM"}}},
			{Action: "Team login"},
		},
	})
	second := write(uc.JournalEntry{Time: began, User: 2, To: 3, Cause: uc.Cause{Kind: uc.CauseHand, By: uc.Actor{User: 1, Name: "anna", Via: "rest"}}})
	third := write(uc.JournalEntry{Time: began, User: 1, To: 1})
	want(t, "IDs rise", first.ID < second.ID && second.ID < third.ID && first.ID > 0, true)
	want(t, "all, newest first", must1(s.Journal(ctx, uc.JournalQuery{}))(t), []uc.JournalEntry{third, second, first})
	want(t, "of one user", must1(s.Journal(ctx, uc.JournalQuery{User: 1}))(t), []uc.JournalEntry{third, first})
	want(t, "a page", must1(s.Journal(ctx, uc.JournalQuery{Before: third.ID, Limit: 1}))(t), []uc.JournalEntry{second})
	want(t, "unfinished", must1(s.UnfinishedEntries(ctx))(t), []uc.JournalEntry{first})

	first.Actions[1].Result, first.Undone = uc.ResultNothing, true
	want(t, "ID of a changed entry", write(first).ID, first.ID)
	want(t, "changed entry", must1(s.Journal(ctx, uc.JournalQuery{Before: second.ID}))(t), []uc.JournalEntry{first})
	want(t, "unfinished", must1(s.UnfinishedEntries(ctx))(t), nil)

	_, err := s.SaveProfileState(ctx, uc.ProfileState{User: 2, Effective: 9}, &uc.JournalEntry{ID: 999, User: 2})
	wantKind(t, "changing an entry that does not exist", err, uc.ErrNotFound)
	want(t, "the state beside it", must1(s.ProfileStates(ctx))(t)[1].Effective, 3)

	for range 120 {
		write(uc.JournalEntry{Time: began, User: 2})
	}
	want(t, "default limit", len(must1(s.Journal(ctx, uc.JournalQuery{}))(t)), 100)
}

func testRoster(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	zoe := uc.RosterItem{
		User: 1, JID: "zoe@example.com", Name: "Zoë", Groups: []string{"Friends", "a'b"}, Subscription: "both", Ask: true, Approved: true,
		PendingIn: []byte("<presence type='subscribe'/>"),
	}
	carl := uc.RosterItem{User: 1, JID: "carl@example.com", Subscription: "none"}
	for _, item := range []uc.RosterItem{zoe, carl, {User: 2, JID: "zoe@example.com"}} {
		must(t, s.PutRosterItem(ctx, item))
	}
	want(t, "by JID", must1(s.RosterItems(ctx, 1))(t), []uc.RosterItem{carl, zoe})
	zoe = uc.RosterItem{User: 1, JID: zoe.JID, Subscription: "from"}
	must(t, s.PutRosterItem(ctx, zoe))
	must(t, s.DeleteRosterItem(ctx, 1, carl.JID))
	must(t, s.DeleteRosterItem(ctx, 1, "nobody@example.com"))
	want(t, "after a change", must1(s.RosterItems(ctx, 1))(t), []uc.RosterItem{zoe})
	want(t, "of another user", len(must1(s.RosterItems(ctx, 2))(t)), 1)
}

func testOffline(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	var kept []uc.OfflineMessage
	for i := range 3 {
		m := uc.OfflineMessage{User: 1, At: began.Add(time.Duration(-i)), Stanza: fmt.Appendf(nil, "<message>%d\x00\xff</message>", i)}
		m.ID = must1(s.AddOffline(ctx, []uc.OfflineMessage{m}))(t)[0]
		kept = append(kept, m)
	}
	must1(s.AddOffline(ctx, []uc.OfflineMessage{{User: 2, At: began, Stanza: []byte("<message/>")}}))(t)
	want(t, "in the order in which they came", must1(s.Offline(ctx, 1))(t), kept)
	want(t, "count", countOffline(t, s, 1), 3)
	must(t, s.DeleteOffline(ctx, nil))
	must(t, s.DeleteOffline(ctx, []int64{kept[0].ID, kept[2].ID, 999}))
	want(t, "rest", must1(s.Offline(ctx, 1))(t), kept[1:2])
	want(t, "count of another", countOffline(t, s, 2), 1)
	must(t, s.DeleteOffline(ctx, []int64{kept[1].ID}))
	ids := must1(s.AddOffline(ctx, []uc.OfflineMessage{{User: 1, At: began, Stanza: []byte("<message/>")}}))(t)
	want(t, "no ID is used twice", ids[0] > kept[2].ID, true)
}

// testOfflineTogether stores messages of several users in one transaction: all in order, or none.
func testOfflineTogether(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	want(t, "none", must1(s.AddOffline(ctx, nil))(t), nil)
	list := make([]uc.OfflineMessage, 333)
	for i := range list {
		list[i] = uc.OfflineMessage{User: uc.UserID(1 + i%2), At: began, Stanza: fmt.Appendf(nil, "<message>%d</message>", i)}
	}
	var kept [2][]uc.OfflineMessage
	for i, id := range must1(s.AddOffline(ctx, list))(t) {
		list[i].ID = id
		kept[i%2] = append(kept[i%2], list[i])
	}
	want(t, "of one", must1(s.Offline(ctx, 1))(t), kept[0])
	want(t, "of the other", must1(s.Offline(ctx, 2))(t), kept[1])

	list[200].User = 9 // nobody
	_, err := s.AddOffline(ctx, list)
	wantKind(t, "one for nobody among others", err, uc.ErrNotFound)
	want(t, "after it", countOffline(t, s, 1)+countOffline(t, s, 2), len(list))
}

func countOffline(t *testing.T, s Store, user uc.UserID) int {
	t.Helper()
	n, size, err := s.CountOffline(t.Context(), user)
	must(t, err)
	var want int64
	for _, m := range must1(s.Offline(t.Context(), user))(t) {
		want += int64(len(m.Stanza))
	}
	if size != want {
		t.Errorf("the messages are said to have %d bytes, want %d", size, want)
	}
	return n
}

func testVCards(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	want(t, "none", must1(s.VCard(ctx, 1))(t), nil)
	must(t, s.PutVCard(ctx, 1, []byte("<vCard>1</vCard>")))
	must(t, s.PutVCard(ctx, 1, []byte("<vCard>2</vCard>")))
	want(t, "replaced", string(must1(s.VCard(ctx, 1))(t)), "<vCard>2</vCard>")
	must(t, s.PutVCard(ctx, 1, nil))
	want(t, "removed", must1(s.VCard(ctx, 1))(t), nil)
}

func testBindings(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	desk := uc.Binding{
		Device: 1, Contact: "<sip:a@192.0.2.1:5060;ob>", Transport: "tls", Source: "192.0.2.1:4711", Agent: "Phone/1",
		CallID: "c1", CSeq: 1<<32 - 1, Path: []string{"<sip:p1;lr>", "<sip:p2;lr>"}, Instance: "<urn:uuid:1>", Expires: began,
	}
	other := uc.Binding{Device: 1, Contact: "<sip:b@192.0.2.2>"}
	number := uc.Binding{Device: 2, Contact: "<sip:c@192.0.2.3>", CSeq: 1}
	must(t, s.SaveBindings(ctx, []uc.Binding{desk, other, number}, nil))
	want(t, "saved", must1(s.Bindings(ctx))(t), []uc.Binding{desk, other, number})
	desk.CSeq, desk.Expires, desk.Path = 5, began.Add(time.Minute), nil
	must(t, s.SaveBindings(ctx, []uc.Binding{desk}, []uc.Binding{{Device: 1, Contact: other.Contact}}))
	want(t, "changed", must1(s.Bindings(ctx))(t), []uc.Binding{desk, number})
	must(t, s.SaveBindings(ctx, []uc.Binding{desk}, []uc.Binding{desk}))
	want(t, "dropped, then put", must1(s.Bindings(ctx))(t), []uc.Binding{desk, number})
}

func testCallRecords(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	full := uc.Call{
		ID: "call-1", State: uc.CallEnded, Class: uc.External, Began: began, Answered: began.Add(time.Second), Ended: began.Add(time.Minute),
		Caller: uc.Party{Number: "+491", Name: "ACME"}, Called: uc.Party{User: 1, Team: 2, Device: 3, Number: "12", Name: "Anna"},
		Legs:  []uc.Leg{{User: 1, Device: 3, Caller: true, State: uc.LegEnded, Cause: "answered elsewhere"}},
		Cause: "normal", Path: []string{"34", "12"}, Version: 9,
	}
	later := uc.Call{ID: "call-0", Began: began.Add(time.Nanosecond)}
	must(t, s.AddCallRecords(ctx, []uc.Call{{ID: "call-1", Cause: "replaced"}}))
	must(t, s.AddCallRecords(ctx, []uc.Call{full, later}))
	want(t, "newest first", must1(s.CallRecords(ctx, 10))(t), []uc.Call{later, full})
	want(t, "limit", must1(s.CallRecords(ctx, 1))(t), []uc.Call{later})
}

func testSettings(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	want(t, "none", must1(s.Setting(ctx, "key"))(t), nil)
	must(t, s.PutSetting(ctx, "key", []byte{1, 0, 255}))
	must(t, s.PutSetting(ctx, "key", []byte{2, 0, 255}))
	must(t, s.PutSetting(ctx, "empty", nil))
	want(t, "replaced", must1(s.Setting(ctx, "key"))(t), []byte{2, 0, 255})
	want(t, "empty, not none", must1(s.Setting(ctx, "empty"))(t), []byte{})
}

// testStrangers writes for users and devices that do not exist.
func testStrangers(t *testing.T, open func() Store) {
	s := open()
	ctx := t.Context()
	wantKind(t, "roster", s.PutRosterItem(ctx, uc.RosterItem{User: 9, JID: "a@example.com"}), uc.ErrNotFound)
	wantKind(t, "vCard", s.PutVCard(ctx, 9, []byte("<vCard/>")), uc.ErrNotFound)
	wantKind(t, "binding", s.SaveBindings(ctx, []uc.Binding{{Device: 9, Contact: "a"}}, nil), uc.ErrNotFound)
	_, err := s.AddOffline(ctx, []uc.OfflineMessage{{User: 9, Stanza: []byte("<message/>")}})
	wantKind(t, "offline", err, uc.ErrNotFound)
	_, err = s.SaveProfileState(ctx, uc.ProfileState{User: 9}, &uc.JournalEntry{User: 9})
	wantKind(t, "profile state", err, uc.ErrNotFound)
	want(t, "journal", must1(s.Journal(ctx, uc.JournalQuery{}))(t), nil)
}

// testParallelWrites has many writers at once, some of which must fail without harm to the others that
// share their transaction.
func testParallelWrites(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	const writers, each = 40, 10
	var wg sync.WaitGroup
	ids := make([][]int64, writers)
	for w := range writers {
		wg.Go(func() {
			user := uc.UserID(1)
			if w%4 == 0 {
				user = 9 // nobody
			}
			for i := range each {
				fresh, err := s.AddOffline(ctx, []uc.OfflineMessage{{User: user, At: began, Stanza: fmt.Appendf(nil, "%d/%d", w, i)}})
				if (err != nil) != (user == 9) {
					t.Errorf("writer %d: %v", w, err)
				}
				ids[w] = append(ids[w], fresh...)
			}
		})
	}
	wg.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(ids...)))
	want(t, "distinct IDs", len(slices.Compact(all)), writers*each*3/4)
	want(t, "count", countOffline(t, s, 1), writers*each*3/4)
	for w := range writers {
		if !slices.IsSorted(ids[w]) {
			t.Errorf("writer %d: its messages are out of order", w)
		}
	}
}

func testClosed(t *testing.T, open func() Store) {
	s := open()
	must(t, s.Close())
	wantKind(t, "write after close", s.PutSetting(t.Context(), "a", []byte("b")), uc.ErrUnavailable)
}
