package sip

import (
	"log/slog"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
	"github.com/rolecall/rolecall/sip/media"
)

// call is the actor of one call. Its goroutine alone touches its legs, its fork and its state; all
// others post to its mailbox. It lives until the call has ended and every leg is wound up.
type call struct {
	s     *Server
	name  string // the identifier with which it began
	log   *slog.Logger
	box   *mailbox
	state uc.Call
	media *media.Session

	all     []*leg // in the order in which they began; the caller's first if the caller dialled
	past    []*leg // of calls that this one goes on from by a transfer
	caller  *leg   // nil until a telephone of whom the call is dialled for is answered
	winner  *leg   // the callee that is connected; nil before
	round   *round // the round of ringing that goes on; nil before the first and after the decision
	rounds  int
	hops    uint32         // Max-Forwards left
	request uc.PlanRequest // of the round that goes on
	plan    uc.Plan
	agent   teamMember // who took the call for a team; zero if nobody did

	exchange *exchange   // the INVITE that goes through the call now; nil if none
	transfer *transfer   // one party's place is being given to somebody else; nil if not
	joining  *joining    // the answered leg that is being joined with the one that waits; nil if none
	wake     *time.Timer // of the round
	changed  bool        // the state has changed since it was published
	ended    bool
}

// round is one time of ringing: a plan's branches and the fork that rings them. When a call goes on to
// somebody else, branches of the round before may still be winding up.
type round struct {
	fork *fork.Fork
	legs []*leg // by branch; nil until it is invited
	plan uc.Plan
	from []contactOf // by branch
	own  bool        // telephones of whom the call is dialled for ring
}

// contactOf is a branch of a plan and the contact at which its device is reached; nil if there is none.
type contactOf struct {
	uc.Branch
	at *binding
}

// maxRounds bounds how often a call goes on to somebody else.
const maxRounds = 20

// run is the actor.
func (c *call) run() {
	defer c.gone()
	for {
		<-c.box.ready
		for _, act := range c.box.take() {
			c.perform(act)
		}
		if c.ended && c.woundUp() {
			return
		}
	}
}

// perform runs one act and publishes what it changed. A fault of ours ends this call and no other.
func (c *call) perform(act func()) {
	defer func() {
		if cause := recover(); cause != nil {
			c.s.log.warn("call made us panic", "call", c.state.ID, "cause", cause, "stack", stack())
			c.ended = true
			c.finish("Internal Error")
			c.abandon()
		}
	}()
	act()
	c.publish()
}

// after posts an act after a time. The timer may be stopped, and does no harm once the call is over.
func (c *call) after(d time.Duration, act func()) *time.Timer {
	return time.AfterFunc(d, func() { c.box.post(act) })
}

// woundUp reports whether no leg waits for anything any more.
func (c *call) woundUp() bool {
	for _, l := range c.known() {
		if !l.closed {
			return false
		}
	}
	return true
}

// gone takes the call out of the tables. What is still queued is answered.
func (c *call) gone() {
	rest := c.box.close()
	c.s.calls.remove(c)
	c.media.Close()
	for _, act := range rest {
		c.perform(act)
	}
}

// publish tells of the state if it has changed.
func (c *call) publish() {
	if !c.changed {
		return
	}
	c.changed = false
	c.state.Version++
	c.s.calls.tell(c.snapshot())
}

// known returns the legs of the call, and those before it that may still be winding up.
func (c *call) known() []*leg { return slices.Concat(c.past, c.all) }

// busy reports whether an INVITE goes through the call now: there is never more than one.
func (c *call) busy() bool { return c.exchange != nil || c.joining != nil }

// waiting reports whether the caller is on the line and has no INVITE that we could answer.
func (c *call) waiting() bool { return c.caller != nil && c.caller.invite == nil }

// finish ends the call for everybody who looks at it; its legs may still be winding up.
func (c *call) finish(cause string) {
	if c.state.State == uc.CallEnded {
		return
	}
	c.ended = true
	c.withdraw(fork.CallerGone{})
	c.drop()
	now := c.s.deps.Now()
	c.state.State, c.state.Ended, c.state.Cause = uc.CallEnded, now, cause
	if c.agent != (teamMember{}) {
		c.s.history.ended(c.agent, now)
	}
	for _, l := range c.all {
		l.end(cause)
	}
	c.changed = true
	c.media.Close()
	c.publish()
	c.s.records.add(c.snapshot())
	c.log.Info("call ended", "cause", cause, "seconds", int(now.Sub(c.state.Began).Seconds()))
}

// snapshot returns a copy of the state that others may keep.
func (c *call) snapshot() uc.Call {
	s := c.state
	s.Path = append([]string(nil), c.state.Path...)
	s.Legs = nil
	for _, l := range c.all {
		s.Legs = append(s.Legs, l.state)
	}
	return s
}

// abandon gives up all legs without waiting for their peers.
func (c *call) abandon() {
	for _, l := range c.known() {
		l.closed = true
		if l.tx != nil {
			l.tx.Terminate()
		}
	}
}

// reject ends a call that was never answered: with a final response to the caller, or with BYE to one for
// whom it was dialled.
func (c *call) reject(status int, reason, text string) {
	switch {
	case c.caller == nil:
		c.finish(reason)
		return
	case c.waiting():
		c.farewell(sipReason(status, reason), reason)
		return
	}
	res := response(c.caller.invite.Request, status, reason, c.caller.id.localTag)
	if text != "" {
		warning(res, c.s.cfg.Domain, text)
	}
	c.caller.invite.respond(res)
	c.caller.closed = true
	c.finish(reason)
}

// hangUp ends the call from our side: the caller and whoever rings or talks are told why.
func (c *call) hangUp(reason, cause string) {
	if c.ended {
		return
	}
	if c.winner == nil {
		c.withdraw(fork.CallerGone{})
		c.reject(sip.StatusServiceUnavailable, "Service Unavailable", cause)
		return
	}
	c.farewell(reason, cause)
}

// farewell ends a call that was answered; both sides are told why.
func (c *call) farewell(reason, cause string) {
	for _, l := range c.all {
		l.bye(reason)
	}
	c.finish(cause)
}
