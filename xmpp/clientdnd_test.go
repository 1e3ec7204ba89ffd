package xmpp

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

// profilesDouble is a profile engine and a presence reducer that know one rule: the last choice counts.
type profilesDouble struct {
	w  *quiet
	mu sync.Mutex
	st uc.ProfileState
	n  uint64

	log []string // switches, as "DND by anna over client m"
}

func (p *profilesDouble) State(uc.UserID) uc.ProfileState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.st
}

func (p *profilesDouble) set(base uc.Base) {
	p.mu.Lock()
	p.st = uc.ProfileState{User: anna, Effective: base.Profile, Base: base}
	p.log = append(p.log, fmt.Sprintf("%s by %s", p.w.dir.Load().Profiles.Get(base.Profile).Name, base.Cause.By))
	p.mu.Unlock()
	floor := uc.Floor{Show: p.w.dir.Load().Profiles.Get(base.Profile).Show}
	p.show(floor)
}

// show has the server compose anew.
func (p *profilesDouble) show(floor uc.Floor) {
	p.mu.Lock()
	p.n++
	presence := uc.Presence{User: anna, Floor: floor, Version: p.n}
	p.mu.Unlock()
	b := p.w.server.newBatch()
	p.w.server.changePresence(b, presence)
	b.done()
}

func (p *profilesDouble) Switch(_ context.Context, r uc.SwitchRequest) (uc.JournalEntry, error) {
	base := uc.Base{Profile: r.Profile, Cause: uc.Cause{Kind: uc.CauseHand, By: r.By}}
	if r.Held {
		before := p.State(anna).Base
		base.Before = &before
	}
	p.set(base)
	return uc.JournalEntry{}, nil
}

func (p *profilesDouble) Release(_ context.Context, _ uc.UserID, by uc.Actor) (uc.JournalEntry, error) {
	base := p.State(anna).Base
	if base.Before == nil || base.Cause.By != by {
		return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "another choice was made")
	}
	before := *base.Before
	before.Cause.By = by
	p.set(before)
	return uc.JournalEntry{}, nil
}

// dndWorld is Anna with two clients, in virtual time.
type dndWorld struct {
	*quiet
	profiles *profilesDouble
	a, b     *session
}

func newDNDWorld(outer testing.TB, t failer, on bool) *dndWorld {
	tables := company()
	tables.Users[0].ClientDND = on
	w := &dndWorld{quiet: &quiet{newWorld(outer, uc.NewDirectory(1, tables))}}
	w.profiles = &profilesDouble{w: w.quiet, st: uc.ProfileState{Effective: uc.ProfileAvailable, Base: uc.Base{Profile: uc.ProfileAvailable}}}
	w.server.deps.Profiles = w.profiles
	w.a = w.appear(t, anna)
	if _, err := w.server.bindResource(anna, "anna", "n"); err != nil {
		t.Fatal(err)
	}
	w.b = w.server.accountByLogin("anna").byResource("n")
	return w
}

func (w *dndWorld) says(t failer, c *session, show string) {
	if show != "" {
		show = "<show>" + show + "</show>"
	}
	w.hear(t, c, "<presence>"+show+"</presence>")
}

// later lets time pass, and everything that is to happen then.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestClientDND(t *testing.T) {
	const long = time.Minute
	lunch := func(w *dndWorld) {
		_, _ = w.profiles.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: profileLunch, By: uc.Actor{Name: "dora", Via: "xmpp"}})
	}
	for _, c := range []struct {
		name string
		off  bool
		do   func(t *testing.T, w *dndWorld)
		want []string
	}{
		{name: "off by default", off: true, do: func(t *testing.T, w *dndWorld) { w.says(t, w.a, "dnd") }},
		{name: "there and back", do: func(t *testing.T, w *dndWorld) {
			w.says(t, w.a, "dnd")
			later(long)
			w.says(t, w.a, "away")
		}, want: []string{"DND by anna over client m", "Available by anna over client m"}},
		{name: "the client goes", do: func(t *testing.T, w *dndWorld) {
			w.says(t, w.a, "dnd")
			later(long)
			w.hear(t, w.a, "<presence type='unavailable'/>")
		}, want: []string{"DND by anna over client m", "Available by anna over client m"}},
		{name: "somebody chose another", do: func(t *testing.T, w *dndWorld) {
			w.says(t, w.a, "dnd")
			later(long)
			lunch(w)
			later(long)
			w.says(t, w.a, "dnd")
			later(long)
			w.says(t, w.a, "")
		}, want: []string{"DND by anna over client m", "Lunch by dora over xmpp"}},
		{name: "DND was chosen before", do: func(t *testing.T, w *dndWorld) {
			_, _ = w.profiles.Switch(t.Context(), uc.SwitchRequest{User: anna, Profile: uc.ProfileDND, By: uc.Actor{Name: "anna", Via: "xmpp"}})
			w.says(t, w.a, "dnd")
			later(long)
			w.says(t, w.a, "")
		}, want: []string{"DND by anna over xmpp"}},
		{name: "an echo of a call", do: func(t *testing.T, w *dndWorld) {
			w.profiles.show(uc.Floor{Show: uc.ShowDND, CallText: "On the phone"})
			w.says(t, w.a, "dnd")
			later(long)
			w.says(t, w.a, "")
			w.profiles.show(uc.Floor{Show: uc.ShowAvailable})
			later(time.Second)
			w.says(t, w.a, "dnd")
		}},
		{name: "an echo of the other client", do: func(t *testing.T, w *dndWorld) {
			w.says(t, w.b, "")
			w.says(t, w.a, "dnd")
			w.says(t, w.b, "dnd")
			later(long)
			w.says(t, w.a, "")
			later(time.Second)
			w.says(t, w.b, "")
			w.says(t, w.b, "dnd")
		}, want: []string{"DND by anna over client m", "Available by anna over client m"}},
		{name: "there and back too fast", do: func(t *testing.T, w *dndWorld) {
			for range 200 {
				w.says(t, w.a, "dnd")
				later(25 * time.Millisecond)
				w.says(t, w.a, "")
				later(25 * time.Millisecond)
			}
		}, want: []string{"DND by anna over client m", "Available by anna over client m", "DND by anna over client m", "Available by anna over client m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newDNDWorld(t, t, !c.off)
				defer w.close()
				c.do(t, w)
				later(long)
				if !slices.Equal(w.profiles.log, c.want) {
					t.Errorf("switched %q, want %q", w.profiles.log, c.want)
				}
			})
		})
	}
}

// TestClientDNDSettles has a client that repeats what it sees of the other one, with any delay. Whatever the
// user does at the other one, that comes to rest, and only the user's own wishes switch the profile.
func TestClientDNDSettles(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		type deed struct {
			show  string
			pause time.Duration
		}
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			return deed{rapid.SampledFrom([]string{"", "dnd", "away"}).Draw(t, "show"), time.Duration(rapid.IntRange(0, 20000).Draw(t, "ms")) * time.Millisecond}
		}), 1, 8).Draw(t, "deeds")
		delay := time.Duration(rapid.IntRange(0, 4000).Draw(t, "delay")) * time.Millisecond
		synctest.Test(outer, func(inner *testing.T) {
			w := newDNDWorld(inner, t, true)
			defer w.close()
			w.says(t, w.b, "")
			stop := make(chan struct{})
			go func() { // the mirror
				shown := ""
				for {
					select {
					case <-stop:
						return
					case <-time.After(delay + 50*time.Millisecond):
					}
					w.a.account.presenceMu.Lock()
					see, _ := readPresence(w.a.composed.full)
					w.a.account.presenceMu.Unlock()
					if show := see.show.String(); show != shown && see.show != uc.ShowOffline {
						shown = show
						if show == "available" {
							show = ""
						}
						w.says(t, w.b, show)
					}
				}
			}()
			wishes := 0
			last := ""
			for _, d := range deeds {
				if d.show == "dnd" && last != "dnd" {
					wishes++
				}
				last = d.show
				w.says(t, w.a, d.show)
				later(d.pause)
			}
			later(time.Minute)
			settled := len(w.profiles.log)
			later(2 * time.Minute)
			close(stop)
			synctest.Wait()
			if now := len(w.profiles.log); now != settled || now > 2*wishes {
				t.Fatalf("after %d wishes: %q, %d of them in the first minute", wishes, w.profiles.log, settled)
			}
			if last != "dnd" && w.profiles.State(anna).Effective != uc.ProfileAvailable {
				t.Fatalf("nobody wants DND any more: %q", w.profiles.log)
			}
		})
	})
}
