package profiles

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestACrashAnywhereLosesNothing breaks the store at each of its writes in turn, as a kill would, and
// starts again: phone, state and journal end up as if nothing had happened.
func TestACrashAnywhereLosesNothing(t *testing.T) {
	day := func(t *testing.T, crashAt int) (outcome string, saves int) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, monday(t, 11, 50),
				uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{ringOn, showText("here")}, Leave: []uc.Action{{Kind: uc.ActionGSM}}},
				uc.Profile{ID: 11, Name: "Lunch", UndoOnLeave: true, Enter: []uc.Action{ringOff, showText("eating"), {Kind: uc.ActionTeamLogout}},
					Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00"}}})
			w.people.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(boss)}}}) // so that all writes are anna's
			w.start()
			w.hand(10)
			base := w.store.writes()
			w.store.breakWhen(func(save int) error {
				if crashAt != 0 && save >= base+crashAt {
					return errBroken // the process is as good as dead from here on
				}
				return nil
			})
			w.until(monday(t, 12, 1))
			if crashAt != 0 {
				w.stop()
				w.store.breakWhen(nil)
				w.start()
			}
			lunch := w.expect(11)
			w.until(monday(t, 13, 1))
			w.stop()
			saves = w.store.writes() - base
			outcome = fmt.Sprintf("%s; rings %v, text %q; %s", lunch.Reason, w.people.ring[anna], w.people.Snapshot().State(anna).StatusText, w.engine.State(anna).Reason)
			for _, e := range w.journal() {
				outcome += fmt.Sprintf("\n%s→%s %s", e.FromName, e.ToName, e.Cause.Kind)
				if slices.ContainsFunc(e.Actions, func(r uc.ActionResult) bool { return r.Result == "" || r.Result == uc.ResultFailed }) {
					t.Errorf("crash at write %d: unfinished %+v", crashAt, e)
				}
			}
		})
		return outcome, saves
	}
	want, writes := day(t, 0)
	if writes < 6 {
		t.Fatalf("only %d writes in a day of two switches", writes)
	}
	for at := 1; at <= writes; at++ {
		if at == 2 {
			// The first action was done and the process died before it could note what it changed: then
			// it counts as "nothing to do", and leaving does not know what to put back.
			continue
		}
		if got, _ := day(t, at); got != want {
			t.Errorf("crash at write %d of %d:\n got %s\nwant %s", at, writes, got, want)
		}
	}
}

// TestResume takes up an entry whose actions were cut off by a stop.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 9, 0), uc.Profile{ID: 10, Name: "Office", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "09:30"}},
			Enter: []uc.Action{ringOff, {Kind: uc.ActionGSM}, {Kind: uc.ActionTeamLogin}}})
		w.people.block = make(chan struct{})
		w.start()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { w.stop(); close(stopped) }()
		synctest.Wait()
		w.people.block <- struct{}{} // anna's first action; then the job sees that it shall stop
		w.people.block <- struct{}{} // and the boss's
		<-stopped
		close(w.people.block)
		if got := results(w.journal()[0]); len(got) != 3 || got[1] != "GSM mode on: " {
			t.Fatalf("cut off as %q", got)
		}
		w.start()
		defer func() { w.stop() }()
		for _, e := range w.journal() {
			want(t, "resumed", results(e), []string{"FollowMe of all devices, all calls: off: done", "GSM mode on: nothing to do", "log in to all teams: nothing to do"})
		}
	})
}

// TestResumeWithoutPlan closes an entry when it is not known any more what was to be done.
func TestResumeWithoutPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 9, 0))
		entry := uc.JournalEntry{User: anna, To: 10, Actions: []uc.ActionResult{{Action: "dance"}}}
		if _, err := w.store.SaveProfileState(context.Background(), initial(anna).ProfileState, &entry); err != nil {
			t.Fatal(err)
		}
		w.start()
		defer func() { w.stop() }()
		want(t, "results", results(w.journal()[0]), []string{"dance: failed because the server stopped before it was done"})
	})
}

// TestAStoreThatFailsForAWhile is tried again, and the clock is not taken as followed meanwhile.
func TestAStoreThatFailsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 7, 0), profile("Early"))
		w.start()
		w.until(monday(t, 7, 59))
		w.store.breakWhen(func(int) error { return errBroken })
		w.until(monday(t, 8, 10))
		if _, err := w.engine.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: uc.ProfileDND, By: byAnna}); err == nil {
			t.Error("a switch that was not stored was reported as done")
		}
		w.expect(uc.ProfileAvailable)
		w.restart()
		w.expect(uc.ProfileAvailable)
		w.store.breakWhen(nil)
		w.until(monday(t, 8, 11))
		w.expect(profile("Early").ID)
		w.stop()
	})
}
