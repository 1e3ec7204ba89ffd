package profiles

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestEverybodyAtOnce lets all sources act on all users together; the race detector watches. In the end
// the journal of each user is an unbroken chain that leads to the state.
func TestEverybodyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 11, 59), profile("Office"), profile("Lunch"), profile("Meeting"), profile("Quiet Meeting"),
			uc.Profile{ID: 40, Name: "Busy", Assigned: uc.AssignedAdmin, UndoOnLeave: true, Enter: []uc.Action{ringOff, showText("busy")}, Leave: []uc.Action{ringOn}})
		var users []uc.User
		for id := uc.UserID(3); id < 40; id++ {
			users = append(users, uc.User{ID: id, Login: "u"})
		}
		w.people.change(uc.ChangeSet{Put: uc.Tables{Users: users}})
		w.start()
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() { w.harass(n, uc.UserID(len(users))) })
		}
		all.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.stop()
		w.checkChains()
	})
}

// harass acts on all users for some seconds.
func (w *world) harass(n int, users uc.UserID) {
	profiles := []uc.ProfileID{1, 2, profile("Office").ID, 40}
	for i := range 40 {
		id := uc.UserID((i*7+n)%int(users)) + 1
		switch (i + n) % 8 {
		case 0:
			w.engine.Teams(uc.TeamsPresence{User: id, Activity: "InACall"})
		case 1:
			w.engine.Teams(uc.TeamsPresence{User: id, Activity: "Available"})
		case 2:
			_, _ = w.engine.Undo(w.t.Context(), id, byAnna) // there may be nothing to undo
		case 3:
			w.engine.everybody()
			w.engine.Poke()
		case 4:
			w.engine.State(id)
			w.engine.Upcoming(id)
		default:
			req := uc.SwitchRequest{User: id, Profile: profiles[(i*3+n)%len(profiles)], By: byAnna, Until: w.now().Add(time.Duration(1+i%3) * time.Second)}
			if _, err := w.engine.Switch(w.t.Context(), req); err != nil {
				w.t.Error(err)
			}
		}
		time.Sleep(time.Duration(i%5) * 500 * time.Millisecond)
	}
}

func (w *world) checkChains() {
	entries, err := w.store.Journal(w.t.Context(), uc.JournalQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(entries) < 200 {
		w.t.Errorf("only %d switches", len(entries))
	}
	next := map[uc.UserID]uc.ProfileID{}
	for _, e := range entries { // newest first
		to, seen := next[e.User]
		if !seen {
			to = w.engine.State(e.User).Effective
		}
		if e.To != to {
			w.t.Errorf("user %d: entry %d leads to %d, then comes %d", e.User, e.ID, e.To, to)
		}
		next[e.User] = e.From
		for _, a := range e.Actions {
			if a.Result == "" {
				w.t.Errorf("entry %d is unfinished", e.ID)
			}
		}
	}
}
