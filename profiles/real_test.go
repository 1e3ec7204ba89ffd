package profiles_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles"
)

var root = uc.Actor{Name: "root", Via: "page"}

// house is the engine on a real directory and a real database.
type house struct {
	t      *testing.T
	store  *store.Store
	people *directory.Directory
	engine *profiles.Engine
	told   *bus.Reader
	stop   func()
	ahead  atomic.Int64 // of the clock
	anna   uc.User
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *house) open(path string) {
	h.t.Helper()
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(h.t.Context())
	b := bus.New()
	var err error
	if h.store, err = store.Open(ctx, "sqlite://"+path, log); err != nil {
		h.t.Fatal(err)
	}
	if h.people, err = directory.Open(ctx, h.store, b, directory.Options{Iterations: 16}); err != nil {
		h.t.Fatal(err)
	}
	h.told = b.Subscribe(1000, uc.ProfileSwitched{})
	h.engine, err = profiles.New(ctx, profiles.Deps{Store: h.store, Directory: h.people, Switches: h.people, Bus: b}, profiles.Options{Now: h.now, Location: time.UTC})
	if err != nil {
		h.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.engine.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := errors.Join(<-done, h.store.Close()); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *house) hand(p uc.ProfileID) uc.JournalEntry {
	h.t.Helper()
	entry, err := h.engine.Switch(h.t.Context(), uc.SwitchRequest{User: h.anna.ID, Profile: p, By: uc.Actor{User: h.anna.ID, Name: "anna", Via: "xmpp"}})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, a := range entry.Actions {
		if a.Result == uc.ResultFailed {
			h.t.Errorf("%s: %s", a.Action, a.Error)
		}
	}
	return entry
}

// rings reports whether Anna's softphone rings for calls from inside.
func (h *house) rings() bool {
	h.t.Helper()
	list := h.people.Snapshot().UserAssignments(h.anna.ID)
	if len(list) != 1 {
		h.t.Fatalf("%d devices", len(list))
	}
	return list[0].Internal.Enabled
}

// switched waits until Anna is told to be in a profile.
func (h *house) switched(to uc.ProfileID) uc.ProfileState {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := h.told.Next(ctx)
		if err != nil {
			h.t.Fatalf("waiting for profile %d: %v; %s", to, err, h.engine.State(h.anna.ID).Reason)
		}
		if s := e.(uc.ProfileSwitched); s.State.User == h.anna.ID && s.State.Effective == to {
			return s.State
		}
	}
}

func TestOnARealDirectoryAndDatabase(t *testing.T) {
	h := &house{t: t}
	path := filepath.Join(t.TempDir(), "rolecall.db")
	h.open(path)
	var err error
	if h.anna, err = h.people.AddUser(t.Context(), root, uc.NewUser{User: uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthNone}, Softphone: true}); err != nil {
		t.Fatal(err)
	}
	off := false
	meeting, err := h.people.AddProfile(t.Context(), root, uc.Profile{Name: "Meeting", Assigned: uc.AssignedAdmin, Show: uc.ShowDND, UndoOnLeave: true,
		Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}},
		Enter: []uc.Action{{Kind: uc.ActionFollowMe, Enabled: &off}, {Kind: uc.ActionText, Text: "in a meeting"},
			{Kind: uc.ActionSetRedirect, Target: "4711"}}})
	if err != nil {
		t.Fatal(err)
	}
	strikes := h.now().Add(2 * time.Hour).UTC()
	timed, err := h.people.AddProfile(t.Context(), root, uc.Profile{Name: "Timed", Assigned: uc.AssignedAdmin, Show: uc.ShowAway,
		Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: strikes.Format("15:04"), Date: strikes.Format("2006-01-02")}}})
	if err != nil {
		t.Fatal(err)
	}

	h.hand(uc.ProfileDND)
	if h.rings() {
		t.Error("DND rings")
	}
	h.hand(uc.ProfileAvailable)
	if !h.rings() {
		t.Error("Available does not ring")
	}
	h.engine.Teams(uc.TeamsPresence{User: h.anna.ID, Activity: "InACall"})
	h.switched(meeting.ID)
	h.stop()

	h.open(path) // the actions may have been cut off: the first turn finishes them
	h.hand(meeting.ID)
	if dir := h.people.Snapshot(); h.rings() || dir.State(h.anna.ID).StatusText != "in a meeting" || !dir.UserForwardings(h.anna.ID)[0].Active {
		t.Error("the meeting was not carried out")
	}
	h.hand(uc.ProfileAvailable)
	if dir := h.people.Snapshot(); !h.rings() || dir.State(h.anna.ID).StatusText != "" || len(dir.UserForwardings(h.anna.ID)) > 0 && dir.UserForwardings(h.anna.ID)[0].Active {
		t.Error("the meeting was not undone")
	}
	h.ahead.Store(int64(2*time.Hour + time.Minute))
	h.engine.Poke()
	if st := h.switched(timed.ID); st.Base.Cause.Kind != uc.CauseTimed {
		t.Errorf("cause %+v", st.Base.Cause)
	}
	if _, err := h.engine.Undo(t.Context(), h.anna.ID, root); err != nil {
		t.Fatal(err)
	}
	entries, err := h.engine.Journal(t.Context(), uc.JournalQuery{User: h.anna.ID, Limit: 2})
	if err != nil || len(entries) != 2 || entries[0].To != uc.ProfileAvailable || !entries[1].Undone {
		t.Errorf("%+v, %v", entries, err)
	}
	h.stop()
}
