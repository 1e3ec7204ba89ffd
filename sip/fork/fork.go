// Package fork decides how one call rings at several devices: who is invited when, who has won, who is
// cancelled and why, and what the call comes to if nobody answers (RFC 3261 §16.6 to §16.8 in the shape
// that a B2BUA needs).
//
// It is a pure state machine: the owner of the call feeds it events with the time of their arrival and
// carries out the commands that come back, in order. It opens no socket, reads no clock and starts no
// goroutine; a Fork belongs to the goroutine that owns the call.
//
// The rules that it holds, whatever the order of events:
//   - Of all answers the first wins; every later one is hung up at once (ACK, then BYE).
//   - Every invited branch ends: connected, failed, cancelled or hung up.
//   - CANCEL is commanded only after a provisional response (RFC 3261 §9.1).
//   - Exactly one decision is made: Connect, GiveUp, or the caller hung up. After it only branches that
//     lost are wound up, and when the last of them has ended no command follows.
package fork

import (
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// state is how far one branch has come.
type state uint8

const (
	waiting    state = iota // its delay is running
	calling                 // INVITE sent, no response yet: must not be cancelled yet
	proceeding              // a provisional response has come
	doomed                  // to be cancelled as soon as a provisional response comes
	cancelling              // CANCEL commanded, final response due
	connected               // the winner
	ended                   // failed, cancelled, hung up or never invited
)

// branch is one leg that may ring.
type branch struct {
	uc.Branch
	state  state
	rang   bool   // it has sent 180 or 183
	reason Reason // why it is doomed
	start  time.Time
	stop   time.Time
}

// live reports whether the branch may still become the winner in the ordinary way.
func (b *branch) live() bool {
	return b.state == waiting || b.state == calling || b.state == proceeding
}

// Fork is the state of one ringing call. Make it with [New].
type Fork struct {
	branches []branch
	started  bool
	decided  bool
	relayed  [2]bool // 180 and 183 have been told to the caller
	wake     time.Time
	outcomes outcomes
	out      []Command
}

// New makes the fork of a plan's branches. A device with several contacts is given as several branches
// with the same device. Nothing happens before [Start].
func New(branches []uc.Branch) *Fork {
	f := &Fork{branches: make([]branch, len(branches))}
	for i, b := range branches {
		f.branches[i].Branch = b
	}
	return f
}

// Done reports whether the decision is made and every branch but the winner has ended: no event leads
// to a command any more.
func (f *Fork) Done() bool {
	if !f.decided {
		return false
	}
	for i := range f.branches {
		if s := f.branches[i].state; s != connected && s != ended {
			return false
		}
	}
	return true
}

// Step takes an event that arrived at now and returns the commands to carry out, in order. Events that
// do not fit the state (a response of a branch that was never invited, a second Start) are ignored.
func (f *Fork) Step(now time.Time, e Event) []Command {
	f.out = nil
	if _, ok := e.(Start); !ok && !f.started {
		return nil
	}
	switch e := e.(type) {
	case Start:
		f.start(now)
	case Provisional:
		f.with(e.Branch, func(b *branch) { f.provisional(e, b) })
	case Answer:
		f.with(e.Branch, func(b *branch) { f.answer(e.Branch, b) })
	case Fail:
		f.with(e.Branch, func(b *branch) { f.fail(e, b) })
	case CallerGone:
		f.withdraw(ReasonCaller)
	case Diverted:
		f.withdraw(ReasonElsewhere)
	case Tick:
	}
	f.run(now)
	return f.out
}

func (f *Fork) with(index int, act func(*branch)) {
	if index >= 0 && index < len(f.branches) {
		act(&f.branches[index])
	}
}

func (f *Fork) emit(c Command) { f.out = append(f.out, c) }

func (f *Fork) start(now time.Time) {
	if f.started {
		return
	}
	f.started = true
	for i := range f.branches {
		b := &f.branches[i]
		b.start = now.Add(seconds(b.Delay))
		b.stop = b.start.Add(seconds(b.Timeout))
	}
}

// seconds bounds what a plan says to sensible times: not negative, not over a day.
func seconds(s int) time.Duration {
	return time.Duration(min(max(s, 0), 24*60*60)) * time.Second
}

func (f *Fork) provisional(e Provisional, b *branch) {
	switch b.state {
	case calling:
		b.state = proceeding
	case doomed:
		b.state = cancelling
		f.emit(Cancel{Branch: e.Branch, Reason: b.reason})
		return
	case proceeding:
	default:
		return
	}
	if e.Status != 180 && e.Status != 183 {
		return
	}
	b.rang = true
	if seen := &f.relayed[(e.Status-180)/3]; !*seen {
		*seen = true
		f.emit(Ringing(e))
	}
}

// answer takes a 2xx. One that crossed our CANCEL still wins while nothing is decided: somebody has
// picked up, and nobody else has.
func (f *Fork) answer(index int, b *branch) {
	switch b.state {
	case waiting, connected, ended:
		return
	}
	if f.decided {
		b.state = ended
		f.emit(HangUp{Branch: index, Reason: b.reason})
		return
	}
	f.decided = true
	b.state = connected
	f.emit(Connect{Branch: index})
	f.dismiss(ReasonElsewhere, func(*branch) bool { return true })
}

func (f *Fork) fail(e Fail, b *branch) {
	switch b.state {
	case waiting, connected, ended:
		return
	case calling, proceeding:
		f.outcomes.note(e.Status, b.rang)
	}
	b.state = ended
	if e.Status >= 600 && !f.decided {
		// RFC 3261 §16.7 step 5: a 6xx ends all pending branches; here those of the same person, for
		// in a team one member's refusal does not speak for the others.
		user := b.User
		f.dismiss(ReasonDeclined, func(o *branch) bool { return o.User == user })
	}
}

// withdraw winds up all branches: there is nothing to answer any more.
func (f *Fork) withdraw(why Reason) {
	if f.decided {
		return
	}
	f.decided = true
	f.dismiss(why, func(*branch) bool { return true })
}

// dismiss winds up the live branches that which selects.
func (f *Fork) dismiss(r Reason, which func(*branch) bool) {
	for i := range f.branches {
		if b := &f.branches[i]; b.live() && which(b) {
			f.drop(i, b, r)
		} else if b.state == doomed && r == ReasonElsewhere {
			b.reason = r
		}
	}
}

// drop ends one live branch as far as its state allows now.
func (f *Fork) drop(index int, b *branch, r Reason) {
	switch b.state {
	case waiting:
		b.state = ended
	case calling:
		b.state, b.reason = doomed, r
	case proceeding:
		b.state, b.reason = cancelling, r
		f.emit(Cancel{Branch: index, Reason: r})
	}
}

// run does what is due by now, gives up if nothing is left to ring, and asks for the next wake-up.
func (f *Fork) run(now time.Time) {
	if f.decided {
		return
	}
	for i := range f.branches {
		b := &f.branches[i]
		if b.state == waiting && !now.Before(b.start) {
			b.state = calling
			f.emit(Invite{Branch: i})
		}
		if (b.state == calling || b.state == proceeding) && !now.Before(b.stop) {
			f.outcomes.timeout(b.rang)
			f.drop(i, b, ReasonTimeout)
		}
	}
	next, live := f.next()
	switch {
	case !live:
		f.decided = true
		f.emit(f.outcomes.giveUp())
	case !next.Equal(f.wake):
		f.wake = next
		f.emit(Wake{At: next})
	}
}

// next returns when the next start or timeout is due; false if no branch is live.
func (f *Fork) next() (at time.Time, live bool) {
	for i := range f.branches {
		b := &f.branches[i]
		if !b.live() {
			continue
		}
		due := b.stop
		if b.state == waiting {
			due = b.start
		}
		if !live || due.Before(at) {
			at, live = due, true
		}
	}
	return at, live
}
