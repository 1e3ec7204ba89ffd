package storetest

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

var began = time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.UTC)

// keys are SCRAM keys that nobody can log in with.
func keys(b byte) uc.ScramKeys {
	return uc.ScramKeys{Salt: []byte{b, 0, 255}, Iterations: 4096, StoredKey: []byte{b}, ServerKey: []byte{b, b}}
}

// fullTables has a row of every kind with every field set, and one with none set where that may be.
func fullTables() uc.Tables {
	yes, n := true, 7
	ring := func(d int) uc.Ring {
		return uc.Ring{Enabled: true, Delay: d, Timeout: 20 + d, SetBy: "profile Lunch, 12:00"}
	}
	action := uc.Action{
		Kind: uc.ActionFollowMe, Devices: "kind:mobile", Classes: []uc.Class{uc.Queue}, Enabled: &yes, Delay: &n, Timeout: &n,
		Team: 1, Reason: "r", Location: 1, Forward: uc.ForwardBusy, Class: uc.ForwardInternal, Target: "34", Text: "t", URL: "u",
	}
	return uc.Tables{
		Users: []uc.User{{
			ID: 1, Login: "anna", Name: "Anna Äpfel 'q' \"d\" 日本", Ext: "12", Auth: uc.AuthLocal,
			Password: uc.PasswordKeys{SHA1: keys(1), SHA256: keys(2), SHA512: keys(3)}, PINHash: "pin", MustChangePassword: true,
			CallWaiting: true, FaxExt: "812", Email: "a@example.com", Language: "de", Voicemail: uc.VoicemailAll,
			MobileNumber: "+491", CallerID: "10", TimeZone: "Europe/Berlin", PhonebookHidden: true, ClientDND: true,
			MonitoredBoxes: []uc.UserID{1, 2}, AdminLevel: uc.LevelSystem, TeamsID: "oid", TeamsUPN: "upn",
		}, {ID: 2, Login: "ben", Name: "Ben"}},
		UserStates: []uc.UserState{{User: 1, GSM: true, Workplace: 1, StatusText: "text", SetBy: "anna"}, {User: 2}},
		Devices: []uc.Device{
			{ID: 1, Name: "Phone", Kind: uc.DeviceDesk, Number: "1", SIPUser: "sip", SIPSecret: "secret"}, {ID: 2, Name: "Number"},
		},
		Assignments: []uc.Assignment{
			{ID: 1, Device: 1, User: 1, UserConfigurable: true, Internal: ring(1), External: ring(2), Queue: ring(3)},
			{ID: 2, Device: 2, Location: 1},
		},
		Locations: []uc.Location{{ID: 1, Name: "Desk 3", Users: []uc.UserID{1}}, {ID: 2}},
		Teams: []uc.Team{
			{ID: 1, Name: "Support", Ext: "70", Prefix: "S:", Strategy: uc.RoundRobin, MemberTimeout: 15, WrapUp: 5, MaxWaiting: 9, Overflow: "12"},
			{ID: 2},
		},
		Members: []uc.Member{
			{ID: 1, Team: 1, User: 1, Static: true, LoggedIn: true, Paused: true, Reason: "Lunch", Weight: 3, SetBy: "x"},
			{ID: 2, Team: 1, User: 2},
		},
		Roles: []uc.Role{{
			ID: 1, Title: "All", Description: "d", Types: []uc.RoleType{uc.TypeXMPPGroup}, Users: []uc.UserID{2}, Devices: []uc.DeviceID{1},
			Locations: []uc.LocationID{2}, Teams: []uc.TeamID{1}, AutoUsers: true, AutoDevices: true, AutoLocations: true,
			AutoTeams: true, Supervises: []uc.RoleID{2},
		}, {ID: 2}},
		Profiles: []uc.Profile{{
			ID: 1, Name: "Lunch", Color: "#aabbcc", Icon: "fork", IconVisible: true, Sticky: true, Roles: []uc.RoleID{1},
			Show: uc.ShowXA, Text: "at lunch",
			Triggers: []uc.Trigger{{
				Kind: uc.TriggerTimed, At: "12:00", End: "13:00", Weekdays: []time.Weekday{0, 5}, Date: "2026-12-24", Activities: []string{"InACall"},
			}},
			Enter: []uc.Action{action}, Leave: []uc.Action{{Kind: uc.ActionUnsetWorkplace}}, UndoOnLeave: true,
			Assigned: uc.AssignedPersonal, Owner: 2,
		}, {ID: 2}},
		Forwardings: []uc.Forwarding{
			{ID: 1, User: 1, Kind: uc.ForwardNoAnswer, Class: uc.ForwardExternal, Target: "34", Active: true, SetBy: "x"}, {ID: 2, User: 2},
		},
		FlowLines: []uc.FlowLine{
			{ID: 1, User: 1, List: uc.ExternalAfter, Position: 3, Status: "busy", Action: "goto", Target: "34"},
			{ID: 2, Team: 2},
		},
		Phonebook: []uc.PhonebookEntry{
			{ID: 1, Owner: 1, Name: "ACME", Organisation: "o", Numbers: []string{"+491", "12"}, Email: "e", Notes: "line\nline"}, {ID: 2},
		},
	}
}

// save writes one commit on top of what is stored.
func save(t *testing.T, s Store, c uc.Commit) {
	t.Helper()
	_, _, version := load(t, s)
	c.Version = version + 1
	c.Audit.Time = began
	if err := s.SaveDirectory(t.Context(), version, []uc.Commit{c}); err != nil {
		t.Fatal(err)
	}
}

// saveUsers writes users 1 and 2 and all that fullTables gives them.
func saveUsers(t *testing.T, s Store) {
	t.Helper()
	save(t, s, uc.Commit{Change: uc.ChangeSet{Put: fullTables()}})
}

func load(t *testing.T, s Store) (uc.Tables, uc.Sequences, uint64) {
	t.Helper()
	tables, seq, version, err := s.LoadDirectory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tables, seq, version
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func wantKind(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got error %v, want %v", what, err, kind)
	}
}

func testReopen(t *testing.T, open func() Store) {
	s := open()
	tables, seq, version := load(t, s)
	want(t, "empty tables", tables, uc.Tables{})
	want(t, "empty sequences", seq, uc.Sequences{})
	want(t, "empty version", version, 0)
	saveUsers(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open() // the migrations that ran do not run again
	tables, _, version = load(t, again)
	want(t, "tables after a restart", tables, fullTables())
	want(t, "version after a restart", version, 1)
}

func testDirectoryRows(t *testing.T, open func() Store) {
	s := open()
	save(t, s, uc.Commit{Change: uc.ChangeSet{Put: fullTables()}, Sequences: uc.Sequences{uc.KindUser: 2, uc.KindTeam: 1}})
	tables, seq, _ := load(t, s)
	want(t, "tables", tables, fullTables())
	want(t, "sequences", seq, uc.Sequences{uc.KindUser: 2, uc.KindTeam: 1})

	anna := fullTables().Users[0]
	anna.Name, anna.MonitoredBoxes, anna.CallWaiting = "Anna Neu", nil, false
	state := uc.UserState{User: 1}
	save(t, s, uc.Commit{
		Change:    uc.ChangeSet{Put: uc.Tables{Users: []uc.User{anna}, UserStates: []uc.UserState{state}}},
		Sequences: uc.Sequences{uc.KindUser: 3},
	})
	tables, seq, _ = load(t, s)
	want(t, "changed user", tables.Users[0], anna)
	want(t, "other user", tables.Users[1], fullTables().Users[1])
	want(t, "changed state", tables.UserStates[0], state)
	want(t, "sequences", seq, uc.Sequences{uc.KindUser: 3, uc.KindTeam: 1})

	everything := uc.ChangeSet{Put: tables}
	save(t, s, uc.Commit{Change: uc.ChangeSet{Delete: everything.Refs()}})
	tables, seq, _ = load(t, s)
	want(t, "tables after deleting all", tables, uc.Tables{})
	want(t, "sequences after deleting all", seq, uc.Sequences{uc.KindUser: 3, uc.KindTeam: 1})
}

func testDirectoryVersion(t *testing.T, open func() Store) {
	s := open()
	commit := func(version uint64, user uc.User) uc.Commit {
		return uc.Commit{Version: version, Change: uc.ChangeSet{Put: uc.Tables{Users: []uc.User{user}}}}
	}
	three := []uc.Commit{
		commit(2, uc.User{ID: 1, Login: "a"}), commit(5, uc.User{ID: 1, Login: "b"}), commit(6, uc.User{ID: 2, Login: "a"}),
	}
	if err := s.SaveDirectory(t.Context(), 0, three); err != nil {
		t.Fatal(err)
	}
	tables, _, version := load(t, s)
	want(t, "version", version, 6)
	want(t, "users", tables.Users, []uc.User{{ID: 1, Login: "b"}, {ID: 2, Login: "a"}})

	err := s.SaveDirectory(t.Context(), 5, []uc.Commit{commit(7, uc.User{ID: 3, Login: "c"})})
	wantKind(t, "writing on an old version", err, uc.ErrConflict)
	tables, _, version = load(t, s)
	want(t, "version after the conflict", version, 6)
	want(t, "users after the conflict", len(tables.Users), 2)
}

func testDirectoryAtomic(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	bad := []uc.Commit{
		{Version: 2, Change: uc.ChangeSet{Put: uc.Tables{Users: []uc.User{{ID: 3, Login: "carl"}}}}},
		{Version: 3, Change: uc.ChangeSet{Put: uc.Tables{Users: []uc.User{{ID: 4, Login: "anna"}}}}}, // the login is taken
	}
	if err := s.SaveDirectory(t.Context(), 1, bad); err == nil {
		t.Error("a second user with the same login was stored")
	}
	dangling := uc.Commit{Version: 2, Change: uc.ChangeSet{Put: uc.Tables{Members: []uc.Member{{ID: 9, Team: 99, User: 1}}}}}
	if err := s.SaveDirectory(t.Context(), 1, []uc.Commit{dangling}); err == nil || errors.Is(err, uc.ErrNotFound) {
		t.Errorf("a member of a team that does not exist: got %v, want an internal error", err)
	}
	tables, _, version := load(t, s)
	want(t, "version", version, 1)
	want(t, "tables", tables, fullTables())
	audit, err := s.Audit(t.Context(), 0, 10)
	want(t, "error", err, nil)
	want(t, "audit entries", len(audit), 1)
}

func testDeletingUserCascades(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	for _, user := range []uc.UserID{1, 2} {
		must(t, s.PutRosterItem(ctx, uc.RosterItem{User: user, JID: "x@example.com"}))
		must(t, s.PutVCard(ctx, user, []byte("<vCard/>")))
		must1(s.AddOffline(ctx, []uc.OfflineMessage{{User: user, At: began, Stanza: []byte("<message/>")}}))(t)
		must1(s.SaveProfileState(ctx, uc.ProfileState{User: user}, &uc.JournalEntry{User: user, Time: began}))(t)
	}
	must(t, s.SaveBindings(ctx, []uc.Binding{{Device: 1, Contact: "a"}, {Device: 2, Contact: "b"}}, nil))

	save(t, s, uc.Commit{Change: uc.ChangeSet{
		Put: uc.Tables{Profiles: []uc.Profile{{ID: 1}}},
		Delete: []uc.Ref{
			{Kind: uc.KindUser, ID: 2}, {Kind: uc.KindUserState, ID: 2}, {Kind: uc.KindMember, ID: 2}, {Kind: uc.KindForwarding, ID: 2},
			{Kind: uc.KindDevice, ID: 2}, {Kind: uc.KindAssignment, ID: 2},
		},
	}})
	want(t, "roster", len(must1(s.RosterItems(ctx, 2))(t)), 0)
	want(t, "roster of another", len(must1(s.RosterItems(ctx, 1))(t)), 1)
	want(t, "vCard", must1(s.VCard(ctx, 2))(t), nil)
	want(t, "offline", countOffline(t, s, 2), 0)
	want(t, "offline of another", countOffline(t, s, 1), 1)
	want(t, "profile states", len(must1(s.ProfileStates(ctx))(t)), 1)
	want(t, "bindings", len(must1(s.Bindings(ctx))(t)), 1)
	want(t, "journal, which stays", len(must1(s.Journal(ctx, uc.JournalQuery{User: 2}))(t)), 1)
}

func testAudit(t *testing.T, open func() Store) {
	s := open()
	entries := []uc.AuditEntry{
		{ID: 1, Time: began, By: uc.Actor{User: 7, Name: "anna", Via: "page"}, Text: "added user ben", Refs: []uc.Ref{{Kind: uc.KindUser, ID: 2}}},
		{ID: 2, Time: began.Add(time.Second), By: uc.System, Text: "second"},
		{ID: 3, Time: began.Add(time.Minute), By: uc.System, Text: "third"},
	}
	for i, e := range entries {
		must(t, s.SaveDirectory(t.Context(), uint64(i), []uc.Commit{{Version: uint64(i) + 1, Audit: e}}))
	}
	slices.SortFunc(entries, func(a, b uc.AuditEntry) int { return cmp.Compare(b.ID, a.ID) })
	want(t, "all", must1(s.Audit(t.Context(), 0, 10))(t), entries)
	want(t, "page", must1(s.Audit(t.Context(), 3, 1))(t), entries[1:2])
	want(t, "last page", must1(s.Audit(t.Context(), 1, 10))(t), nil)
	ended := uc.AuditEntry{ID: 4, Time: began.Add(time.Hour), By: uc.System, Text: "ended a session", Refs: []uc.Ref{{Kind: uc.KindUser, ID: 2}}}
	must(t, s.AddAudit(t.Context(), ended))
	want(t, "what is no change of the directory", must1(s.Audit(t.Context(), 0, 1))(t), []uc.AuditEntry{ended})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must1 returns the value of a call that must not fail: must1(call())(t).
func must1[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}
