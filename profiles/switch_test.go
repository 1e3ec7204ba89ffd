package profiles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// ringOff silences all devices; text shows a presence text.
var (
	ringOff = uc.Action{Kind: uc.ActionFollowMe, Enabled: ptr(false)}
	ringOn  = uc.Action{Kind: uc.ActionFollowMe, Enabled: ptr(true)}
)

func showText(text string) uc.Action { return uc.Action{Kind: uc.ActionText, Text: text} }

// inWorld runs a test in a started world in which it is Monday nine o'clock.
func inWorld(t *testing.T, test func(*testing.T, *world), profiles ...uc.Profile) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		for i := range profiles {
			profiles[i].Assigned = uc.AssignedAdmin
		}
		w := newWorld(t, monday(t, 9, 0), profiles...)
		w.start()
		defer func() { w.stop() }()
		test(t, w)
	})
}

// results words what became of the actions of an entry.
func results(entry uc.JournalEntry) []string {
	var list []string
	for _, a := range entry.Actions {
		text := a.Action + ": " + a.Result
		if a.Error != "" {
			text += " because " + a.Error
		}
		list = append(list, text)
	}
	return list
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestLeaveActionsRunBeforeEnterActions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		w.people.did()
		entry := w.hand(11)
		want(t, "did", w.people.did(), []string{"leaving profile Office: gsm off", "profile Home: ring off", "profile Home: ring off", "profile Home: logout"})
		want(t, "results", results(entry), []string{
			"leaving Office: GSM mode off: nothing to do",
			"FollowMe of all devices, all calls: off: done",
			"FollowMe of all devices, all calls: off: nothing to do",
			"log out of team Support: nothing to do",
		})
		if stored := w.journal()[0]; entry.ID != stored.ID || !slices.Equal(results(stored), results(entry)) || stored.FromName != "Office" || stored.ToName != "Home" {
			t.Errorf("stored %+v", stored)
		}
	},
		uc.Profile{ID: 10, Name: "Office", Leave: []uc.Action{{Kind: uc.ActionGSM, Enabled: ptr(false)}}},
		uc.Profile{ID: 11, Name: "Home", Enter: []uc.Action{ringOff, ringOff, {Kind: uc.ActionTeamLogout, Team: 3}}})
}

func TestEveryActionReachesItsSwitch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		want(t, "did", w.people.did(), []string{
			"profile All: ring on", "profile All: gsm on", "profile All: login", "profile All: logout", "profile All: pause lunch",
			"profile All: unpause", "profile All: workplace", "profile All: no workplace",
			"profile All: redirect always both 34", "profile All: no redirect busy external", "profile All: text hello",
		})
	}, uc.Profile{ID: 10, Name: "All", Enter: []uc.Action{
		ringOn, {Kind: uc.ActionGSM, Enabled: ptr(true)}, {Kind: uc.ActionTeamLogin}, {Kind: uc.ActionTeamLogout},
		{Kind: uc.ActionTeamPause, Reason: "lunch"}, {Kind: uc.ActionTeamUnpause}, {Kind: uc.ActionSetWorkplace, Location: 4},
		{Kind: uc.ActionUnsetWorkplace}, {Kind: uc.ActionSetRedirect, Target: "34"},
		{Kind: uc.ActionUnsetRedirect, Forward: uc.ForwardBusy, Class: uc.ForwardExternal}, showText("hello"),
	}})
}

func TestAFailingActionIsRecordedAndTheChainGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.people.fail = uc.Errorf(uc.ErrForbidden, "the location is reserved for others")
		want(t, "told", results(w.hand(10)), []string{
			"log in at a workplace that is gone: failed because the location is reserved for others",
			"send a message to ben@example.org: failed because no messenger",
			`unknown action "dance": failed because "dance" is not an action`,
		})
		w.people.fail = fmt.Errorf("connect to 10.1.2.3: %w", errBroken)
		want(t, "internal", results(w.hand(11)), []string{"GSM mode on: failed because internal error"})
		w.expect(11)
	},
		uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{{Kind: uc.ActionSetWorkplace, Location: 4}, {Kind: uc.ActionMessage, Target: "ben@example.org"}, {Kind: "dance"}}},
		uc.Profile{ID: 11, Name: "Home", Enter: []uc.Action{{Kind: uc.ActionGSM}}})
}

type chat []string

func (c *chat) SendMessage(_ context.Context, to, text string) error {
	*c = append(*c, to+": "+text)
	return nil
}

func TestMessageAction(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		sent := &chat{}
		w.chat = sent
		w.restart()
		want(t, "results", results(w.hand(10)), []string{"send a message to ben@example.org: done"})
		want(t, "sent", *sent, []string{"ben@example.org: I am in"})
	}, uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{{Kind: uc.ActionMessage, Target: "ben@example.org", Text: "I am in"}}})
}

func TestUndoOnLeave(t *testing.T) {
	office := uc.Profile{ID: 10, Name: "Office"}
	meeting := uc.Profile{ID: 11, Name: "Meeting", UndoOnLeave: true, Enter: []uc.Action{ringOff, showText("busy")}}
	t.Run("puts back what entering changed", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.hand(11)
			w.restart()
			entry := w.hand(10)
			want(t, "results", results(entry), []string{"leaving Meeting: put back what entering changed: done", "leaving Meeting: clear the presence text: nothing to do"})
			if !w.people.ring[anna] || w.people.Snapshot().State(anna).StatusText != "" {
				t.Error("it was not put back")
			}
		}, office, meeting)
	})
	t.Run("leaves alone what somebody changed since", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.hand(11)
			w.people.ring[anna] = true
			if _, err := w.people.SetStatusText(t.Context(), byAnna, anna, "back at three"); err != nil {
				t.Fatal(err)
			}
			w.hand(10)
			if text := w.people.Snapshot().State(anna).StatusText; text != "back at three" || !w.people.ring[anna] {
				t.Errorf("the text is %q now", text)
			}
		}, office, meeting)
	})
	t.Run("leaves alone what entering found as it should be", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.people.ring[anna] = false
			w.hand(11)
			w.hand(10)
			if w.people.ring[anna] {
				t.Error("the phone rings, which it did not before the meeting")
			}
		}, office, meeting)
	})
	t.Run("also when the profile is deleted", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.hand(11)
			w.people.delete(11)
			w.expect(uc.ProfileAvailable)
			if entry := w.journal()[0]; !w.people.ring[anna] || entry.FromName != "Meeting" || entry.Cause.Kind != uc.CauseOffer {
				t.Errorf("entry %+v", entry)
			}
		}, office, meeting)
	})
}

func TestPresenceTextLeavesWithItsProfile(t *testing.T) {
	text := func(w *world) string { return w.people.Snapshot().State(anna).StatusText }
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		if got := text(w); got != "at my desk" {
			t.Fatalf("text %q", got)
		}
		w.restart()
		if entry := w.hand(11); text(w) != "at home" || len(entry.Actions) != 1 {
			t.Errorf("text %q; %v", text(w), results(entry))
		}
		want(t, "results", results(w.hand(uc.ProfileAvailable)), []string{"leaving Home: clear the presence text: done"})
		if got := text(w); got != "" {
			t.Errorf("text %q stayed", got)
		}
	},
		uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{showText("at my desk")}},
		uc.Profile{ID: 11, Name: "Home", Enter: []uc.Action{showText("at home")}})
}

func TestSwitchRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tests := []struct {
			name string
			req  uc.SwitchRequest
			want error
		}{
			{"a user who does not exist", uc.SwitchRequest{User: 99, Profile: 10}, uc.ErrNotFound},
			{"a profile that does not exist", uc.SwitchRequest{User: anna, Profile: 99}, uc.ErrNotFound},
			{"a profile that is not offered", uc.SwitchRequest{User: anna, Profile: 11}, uc.ErrForbidden},
			{"an expiry that is now", uc.SwitchRequest{User: anna, Profile: 10, Until: w.now()}, uc.ErrInvalid},
		}
		for _, tt := range tests {
			if _, err := w.engine.Switch(t.Context(), tt.req); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
		if entries := w.journal(); len(entries) != 0 {
			t.Errorf("journalled: %+v", entries)
		}
	}, uc.Profile{ID: 10, Name: "Office"}, uc.Profile{ID: 11, Name: "Board", Roles: []uc.RoleID{77}})
}

func TestChoosingTheProfileInEffectIsJournalledWithoutActions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.hand(10)
		w.people.did()
		again := w.hand(10)
		if again.ID == first.ID || again.From != 10 || again.To != 10 || len(again.Actions) != 0 || len(w.people.did()) != 0 {
			t.Errorf("second entry %+v", again)
		}
		if st := w.expect(10); !st.Since.Equal(first.Time) {
			t.Errorf("in it since %v, want %v", st.Since, first.Time)
		}
	}, uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{ringOff}})
}

func TestUndoRevertsTheLastSwitch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		w.hand(11)
		w.people.did()
		entry, err := w.engine.Undo(t.Context(), anna, byAnna)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "did", w.people.did(), []string{"anna: revert"})
		if !w.people.ring[anna] || entry.Cause.Kind != uc.CauseUndo || entry.From != 11 || entry.To != 10 {
			t.Errorf("entry %+v", entry)
		}
		if entries := w.journal(); !entries[1].Undone || entries[0].Undone {
			t.Errorf("journal %+v", entries)
		}
		w.restart()
		if _, err := w.engine.Undo(t.Context(), anna, byAnna); !errors.Is(err, uc.ErrConflict) {
			t.Errorf("a second undo: %v, want a conflict", err)
		}
		w.expect(10)
	}, uc.Profile{ID: 10, Name: "Office"}, uc.Profile{ID: 11, Name: "Home", Enter: []uc.Action{ringOff}})
}

// TestRelease holds a choice and lets it go: what was before returns with its leave and enter actions, also
// after a restart, unless another choice was made.
func TestRelease(t *testing.T) {
	tablet := uc.Actor{User: anna, Name: "anna", Via: "client tablet"}
	hold := func(t *testing.T, w *world) {
		if _, err := w.engine.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: 11, By: tablet, Held: true}); err != nil {
			t.Fatal(err)
		}
		w.expect(11)
	}
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		hold(t, w)
		w.restart()
		entry, err := w.engine.Release(t.Context(), anna, tablet)
		if err != nil || entry.From != 11 || entry.To != 10 || entry.Cause.Kind != uc.CauseHand || entry.Cause.By != tablet || len(entry.Actions) != 1 {
			t.Fatalf("entry %+v, %v", entry, err)
		}
		w.expect(10)
		refused := func(by uc.Actor) {
			if _, err := w.engine.Release(t.Context(), anna, by); !errors.Is(err, uc.ErrConflict) {
				t.Errorf("got %v, want a conflict", err)
			}
		}
		refused(tablet)
		hold(t, w)
		refused(byAnna)
		w.hand(10)
		refused(tablet)
		w.expect(10)
	}, uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{ringOff}}, uc.Profile{ID: 11, Name: "Quiet"})
}

func TestUndoAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		w.hand(11)
		w.restart()
		if _, err := w.engine.Undo(t.Context(), anna, byAnna); err != nil {
			t.Fatal(err)
		}
		w.expect(10)
	}, uc.Profile{ID: 10, Name: "Office"}, uc.Profile{ID: 11, Name: "Home"})
}

func TestUndoNeedsTheProfileToBeOfferedStill(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		w.hand(11)
		w.people.delete(10)
		if _, err := w.engine.Undo(t.Context(), anna, byAnna); !errors.Is(err, uc.ErrConflict) {
			t.Errorf("got %v, want a conflict", err)
		}
		w.expect(11)
	}, uc.Profile{ID: 10, Name: "Office"}, uc.Profile{ID: 11, Name: "Home"})
}

// TestWhatIsPublished: a switch is told when its actions have run, and before that if one of them tells
// somebody outside; a change beneath the profile in effect is told without an entry.
func TestWhatIsPublished(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		told := func() []string {
			var list []string
			for e, err, ok := w.told.TryNext(); ok; e, err, ok = w.told.TryNext() {
				if err != nil {
					t.Fatal(err)
				}
				s := e.(uc.ProfileSwitched)
				if s.State.User != anna {
					continue
				}
				text := fmt.Sprintf("%s v%d", w.people.name(s.State.Effective), s.State.Version)
				if s.State.Memory != nil {
					t.Error("the engine's notes were handed out")
				}
				if s.Entry != nil {
					text += fmt.Sprintf(" entry %d %q", s.Entry.ID, results(*s.Entry))
				}
				list = append(list, text)
			}
			return list
		}
		w.hand(10)
		want(t, "with actions", told(), []string{`Office v1 entry 1 ["GSM mode on: nothing to do"]`})
		w.hand(11)
		want(t, "without actions", told(), []string{`Home v2 entry 2 []`})
		w.teams("InACall")
		want(t, "meeting", told(), []string{`Talk v3 entry 3 []`})
		w.until(monday(t, 12, 0))
		want(t, "beneath", told(), []string{`Talk v4`})
		w.hand(14)
		if list := told(); len(list) != 2 || !strings.Contains(list[0], `"GSM mode on: nothing to do" "`) || strings.HasSuffix(list[0], `: done"]`) || list[0] == list[1] {
			t.Errorf("with a message: told %q, want the message pending, then done", list)
		}
	},
		uc.Profile{ID: 14, Name: "Loud", Enter: []uc.Action{{Kind: uc.ActionGSM}, {Kind: uc.ActionMessage, Target: "ben@example.org", Text: "hello"}}},
		uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{{Kind: uc.ActionGSM}}}, uc.Profile{ID: 11, Name: "Home"},
		uc.Profile{ID: 12, Name: "Talk", Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}},
		uc.Profile{ID: 13, Name: "Noon", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00"}}})
}

func TestStateHidesTheNotes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hand(10)
		w.restart()
		if st := w.expect(10); st.Memory != nil {
			t.Error("the engine's notes were handed out")
		}
		if st := w.engine.State(77); st.Effective != uc.ProfileAvailable || !st.Since.IsZero() || st.User != 77 {
			t.Errorf("a user never seen: %+v", st)
		}
	}, uc.Profile{ID: 10, Name: "Office"})
}

func TestNewsFromTeamsAfterSilence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		say := func(activity string) {
			w.engine.Teams(uc.TeamsPresence{User: anna, Activity: activity})
			synctest.Wait()
		}
		say("InACall")
		w.expect(12)
		say("Available")
		time.Sleep(15 * time.Second)
		w.expect(uc.ProfileAvailable)
		time.Sleep(5 * time.Minute)
		say("InACall")
		w.expect(12)
		w.engine.Teams(uc.TeamsPresence{User: 99, Activity: "InACall"})
	}, uc.Profile{ID: 12, Name: "Talk", Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}})
}

func TestUpcoming(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.until(monday(t, 12, 30))
		if _, err := w.engine.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: 10, By: byAnna, Until: monday(t, 18, 0)}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range w.engine.Upcoming(anna) {
			got = append(got, fmt.Sprintf("%s %s %s: %s", e.At.In(berlin(t)).Format("Mon 15:04"), e.Kind, w.people.name(e.Profile), e.Text))
		}
		want(t, "upcoming", got, []string{
			"Mon 13:00 window Lunch: window 12:00–13:00 ends", "Mon 18:00 expiry Available: Office runs out",
			"Tue 08:00 timed Early: timed switch 08:00", "Tue 12:00 window Lunch: window 12:00–13:00 begins",
		})
		if list := w.engine.Upcoming(77); list != nil {
			t.Errorf("of nobody: %v", list)
		}
	}, uc.Profile{ID: 10, Name: "Office"}, profile("Lunch"), profile("Early"))
}

func TestNewAndDeletedUsers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const carl uc.UserID = 3
		w.people.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{{ID: carl, Login: "carl", TimeZone: "America/New_York"}}}})
		w.until(monday(t, 13, 0)) // seven in the morning in New York
		if st := w.engine.State(carl); st.Effective != uc.ProfileAvailable {
			t.Errorf("carl is in %s", st.Reason)
		}
		w.until(monday(t, 14, 0))
		if st := w.engine.State(carl); st.Reason != "Early (timed switch 08:00)" {
			t.Errorf("carl is in %s", st.Reason)
		}
		w.people.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(carl)}}})
		if _, err := w.engine.Switch(t.Context(), uc.SwitchRequest{User: carl, Profile: 13}); !errors.Is(err, uc.ErrNotFound) {
			t.Errorf("switching a deleted user: %v", err)
		}
		w.restart()
	}, profile("Early"))
}

func TestSwitchWaitsForItsTurn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.people.block = make(chan struct{})
		first := make(chan uc.JournalEntry)
		go func() {
			entry, _ := w.engine.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: 10, By: byAnna})
			first <- entry
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.engine.Switch(ctx, uc.SwitchRequest{User: anna, Profile: 11, By: byAnna}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want to have waited in vain", err)
		}
		w.teams("InACall") // waits too, without a worker
		if _, err := w.engine.Switch(t.Context(), uc.SwitchRequest{User: boss, Profile: 11}); err != nil {
			t.Errorf("another user: %v", err)
		}
		close(w.people.block)
		if entry := <-first; entry.To != 10 || entry.Actions[0].Result == "" {
			t.Errorf("entry %+v", entry)
		}
		w.expect(12)
	},
		uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{{Kind: uc.ActionGSM}}}, uc.Profile{ID: 11, Name: "Home"},
		uc.Profile{ID: 12, Name: "Talk", Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}})
}

func TestACallerWhoLeavesDoesNotStopTheSwitch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.people.block = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan uc.JournalEntry)
		go func() {
			entry, err := w.engine.Switch(ctx, uc.SwitchRequest{User: anna, Profile: 10, By: byAnna})
			if err != nil {
				t.Error(err)
			}
			done <- entry
		}()
		synctest.Wait()
		cancel()
		close(w.people.block)
		want(t, "results", results(<-done), []string{"GSM mode on: nothing to do", "GSM mode on: nothing to do"})
	}, uc.Profile{ID: 10, Name: "Office", Enter: []uc.Action{{Kind: uc.ActionGSM}, {Kind: uc.ActionGSM}}})
}
