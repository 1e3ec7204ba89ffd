package fork

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"pgregory.net/rapid"
)

// watch checks the promises of the package against every command of one fork.
type watch struct {
	t        *rapid.T
	f        *Fork
	now      time.Time
	wake     time.Time
	invited  map[int]bool
	provided map[int]bool // a provisional response has come
	final    map[int]bool // a final response has come
	ended    map[int]bool // cancelled, hung up or failed
	decision Command
	gone     bool
}

func (w *watch) step(e Event) {
	over := w.f.Done()
	w.hear(e)
	for _, c := range w.f.Step(w.now, e) {
		if over {
			w.t.Fatalf("%T after the fork was done", c)
		}
		w.obey(c)
	}
}

func (w *watch) hear(e Event) {
	switch e := e.(type) {
	case Provisional:
		w.provided[e.Branch] = true
	case Answer:
		w.final[e.Branch] = true
	case Fail:
		w.final[e.Branch] = true
		w.ended[e.Branch] = true
	case CallerGone:
		w.gone = true
	}
}

func (w *watch) obey(c Command) {
	t := w.t
	decide := func() {
		if w.decision != nil {
			t.Fatalf("%#v after %#v", c, w.decision)
		}
		w.decision = c
	}
	switch c := c.(type) {
	case Invite:
		if w.invited[c.Branch] || w.decision != nil || w.gone {
			t.Fatalf("invites %d twice or after the decision", c.Branch)
		}
		w.invited[c.Branch] = true
	case Cancel:
		if !w.provided[c.Branch] || w.final[c.Branch] || w.ended[c.Branch] || c.Reason == 0 {
			t.Fatalf("cancels %d before a provisional, after a final response, twice or for no reason", c.Branch)
		}
		w.ended[c.Branch] = true
	case HangUp:
		if !w.final[c.Branch] || c.Reason == 0 {
			t.Fatalf("hangs up %d that has not answered", c.Branch)
		}
		w.ended[c.Branch] = true
	case Connect:
		if !w.final[c.Branch] {
			t.Fatalf("connects %d that has not answered", c.Branch)
		}
		delete(w.ended, c.Branch) // its answer crossed the CANCEL of its timeout
		decide()
	case GiveUp:
		if c.As == uc.StatusNone || c.Status < 300 {
			t.Fatalf("gives up as %q with %d", c.As, c.Status)
		}
		decide()
	case Wake:
		if c.At.Before(w.wake) || !c.At.After(w.now) {
			t.Fatalf("wakes at %v; now %v, before %v", c.At, w.now, w.wake)
		}
		w.wake = c.At
	}
}

// Whatever arrives in whatever order: one decision, every branch comes to an end, nothing after it.
func TestEveryForkEndsWell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var branches []uc.Branch
		for range rapid.IntRange(0, 4).Draw(t, "branches") {
			branches = append(branches, uc.Branch{User: uc.UserID(rapid.IntRange(1, 2).Draw(t, "user")),
				Delay: rapid.IntRange(-1, 10).Draw(t, "delay"), Timeout: rapid.IntRange(0, 10).Draw(t, "timeout")})
		}
		w := &watch{t: t, f: New(branches), now: epoch,
			invited: map[int]bool{}, provided: map[int]bool{}, final: map[int]bool{}, ended: map[int]bool{}}
		w.step(Start{})
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			if e := w.draw(len(branches)); e != nil {
				w.step(e)
			}
		}
		w.finish(len(branches))
	})
}

// draw chooses what a correct transport layer could deliver next.
func (w *watch) draw(branches int) Event {
	b := rapid.IntRange(0, max(branches-1, 0)).Draw(w.t, "branch")
	switch kind := rapid.IntRange(0, 9).Draw(w.t, "event"); {
	case kind == 0:
		return CallerGone{}
	case kind <= 3:
		return Tick{}
	case !w.invited[b] || w.final[b]:
		return nil
	case kind <= 6:
		return Provisional{b, rapid.SampledFrom([]int{100, 180, 183, 181}).Draw(w.t, "status")}
	case kind <= 7:
		return Answer{b}
	}
	return Fail{b, rapid.SampledFrom([]int{302, 404, 408, 480, 486, 487, 503, 600, 603}).Draw(w.t, "status")}
}

// finish lets time pass, then delivers the final responses that are still due.
func (w *watch) finish(branches int) {
	for range 2*branches + 2 {
		w.now = w.now.Add(10 * time.Second)
		w.step(Tick{})
	}
	if w.decision == nil && !w.gone {
		w.t.Fatal("all time has passed and nothing is decided")
	}
	for b := range branches {
		if w.invited[b] && !w.final[b] {
			w.step(Fail{b, 487})
		}
	}
	if !w.f.Done() {
		w.t.Fatal("every branch has had its final response, yet the fork is not done")
	}
	for b := range w.invited {
		if c, ok := w.decision.(Connect); ok && c.Branch == b {
			if w.ended[b] {
				w.t.Fatalf("the winner %d was ended", b)
			}
		} else if !w.ended[b] {
			w.t.Fatalf("branch %d was invited and never ended", b)
		}
	}
	w.now = w.now.Add(time.Hour)
	w.step(Tick{})
	w.step(CallerGone{})
}

func BenchmarkFork(b *testing.B) {
	branches := []uc.Branch{desk, mobile}
	b.ReportAllocs()
	for b.Loop() {
		f := New(branches)
		f.Step(epoch, Start{})
		f.Step(epoch.Add(time.Second), Provisional{0, 180})
		f.Step(epoch.Add(5*time.Second), Tick{})
		f.Step(epoch.Add(9*time.Second), Answer{1})
		f.Step(epoch.Add(9*time.Second), Fail{0, 487})
	}
}
