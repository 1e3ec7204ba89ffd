package sip

import (
	"context"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
	"github.com/rolecall/rolecall/sip/plan"
)

// maxTransfer is how long one who is transferred waits for an answer. Then the call is where it was.
const maxTransfer = 60 * time.Second

// transfer is one party's place in an answered call being given to somebody else. Until that one answers
// the two talk on; if nobody does, nothing has changed. One who gave a call away and hung up meanwhile gets
// it back: their telephones ring.
type transfer struct {
	call          *call
	kept, leaving *leg
	to            uc.Party
	by            uc.Actor
	began         time.Time
	back          bool                            // it comes back to who gave it away
	fresh         *leg                            // of another call, after a consultation; nil if somebody rings
	report        func(status int, reason string) // for the telephone that asked for it; nil if none did
}

// Transfer gives the place of one party of an answered call to another extension: caller tells that the
// caller is the one who goes there, else the person called does, and the other leaves the call. It returns
// as soon as the new party is made to ring. When that one answers, the call ends and another one, of those
// two, goes on in its place; if nobody answers the call stays as it is.
//
// Errors: uc.ErrNotFound if the call is over, uc.ErrConflict if it was not answered, is being transferred
// already or the plan rejects the new call, uc.ErrInvalid if nobody has the extension.
func (s *Server) Transfer(ctx context.Context, id, to string, caller bool, by uc.Actor) error {
	to = clean(strings.TrimSpace(to))
	var of uc.Call
	err := s.steer(id, func(c *call) error {
		of = c.snapshot()
		kept := c.winner
		if caller {
			kept = c.caller
		}
		if err := c.mayTransfer(kept, to); err != nil {
			return err
		}
		dir := s.deps.Directory.Snapshot()
		t := &transfer{call: c, kept: kept, leaving: kept.peer(), to: called(dir, to), by: by}
		if p := plan.Make(t.request(), dir, s); p.Outcome == uc.OutcomeReject {
			return unplanned(p, to)
		}
		c.give(t)
		return nil
	})
	if err != nil {
		return err
	}
	s.audit(ctx, by, "Began to transfer the call "+inWords(of)+" to "+to, of)
	return nil
}

// mayTransfer says why a leg cannot be given another peer now.
func (c *call) mayTransfer(kept *leg, to string) error {
	target, _ := c.s.deps.Directory.Snapshot().ByExt(to)
	switch {
	case c.winner == nil || kept == nil || kept.peer() == nil:
		return uc.Errorf(uc.ErrConflict, "nobody has answered the call yet")
	case c.transfer != nil:
		return uc.Errorf(uc.ErrConflict, "the call is being transferred already")
	case to == "":
		return uc.FieldError(uc.ErrInvalid, "to", "where to transfer the call is missing")
	case target.User != 0 && target.User == kept.state.User:
		return uc.FieldError(uc.ErrConflict, "to", "nobody can be transferred to themselves")
	}
	return nil
}

// request asks the plan what a call of the one who is kept does.
func (t *transfer) request() uc.PlanRequest {
	c := t.call
	return uc.PlanRequest{Caller: partyOf(c.s.deps.Directory.Snapshot(), t.kept.state.User, t.kept.state.Device), To: t.to.Number, Now: c.s.deps.Now()}
}

// give begins a transfer: the new party rings.
func (c *call) give(t *transfer) {
	t.began = c.s.deps.Now()
	c.transfer, c.request, c.rounds = t, t.request(), 0
	c.log.Info("transfer began", "to", t.to.Number, "by", t.by.String())
	c.after(maxTransfer, t.tooLong)
	c.route()
}

// tooLong ends a transfer that nobody has answered.
func (t *transfer) tooLong() {
	if c := t.call; c.transfer == t && c.joining == nil {
		c.withdraw(fork.CallerGone{})
		c.notTransferred(sip.StatusTemporarilyUnavailable, "No Answer")
	}
}

// tell tells the telephone that asked for the transfer how it goes.
func (t *transfer) tell(status int, reason string) {
	if t.report != nil {
		t.report(status, reason)
	}
}

// introduce says in the INVITE of the new party who sends the call (RFC 3892).
func (t *transfer) introduce(invite *sip.Request) {
	if u := t.call.s.deps.Directory.Snapshot().Users.Get(t.by.User); u != nil && u.Ext != "" && !t.back {
		invite.AppendHeader(sip.NewHeader("Referred-By", quoted(u.Name)+" <sip:"+userPart(u.Ext)+"@"+t.call.s.cfg.Domain+">"))
	}
}

// notTransferred ends a transfer that came to nothing.
func (c *call) notTransferred(status int, reason string) {
	t := c.transfer
	c.transfer = nil
	c.log.Info("not transferred", "to", t.to.Number, "by", t.by.String(), "cause", reason)
	t.tell(status, reason)
	if !t.leaving.closed {
		return // it stays with who had it
	}
	giver := c.s.deps.Directory.Snapshot().Users.Get(t.leaving.state.User)
	if t.back || giver == nil {
		c.farewell(sipReason(status, reason), "not transferred to "+t.to.Number+": "+reason)
		return
	}
	c.give(&transfer{call: c, kept: t.kept, leaving: t.leaving, by: t.by, back: true,
		to: uc.Party{User: giver.ID, Number: giver.Ext, Name: giver.Name}})
}

// transferred goes on with the new party in the place of the one who leaves. For everybody who looks at
// it, one call has ended and another goes on.
func (c *call) transferred(fresh *leg) {
	t, now := c.transfer, c.s.deps.Now()
	c.transfer = nil
	t.tell(sip.StatusOK, "OK")
	t.leaving.bye(`Q.850;cause=16;text="Transferred"`)
	cause := "transferred to " + t.to.Number + " by " + t.by.Name
	t.leaving.end(cause)
	if c.agent != (teamMember{}) {
		c.s.history.ended(c.agent, now)
		c.agent = teamMember{}
	}
	before := c.state
	before.State, before.Ended, before.Cause, before.Legs = uc.CallEnded, now, cause, nil
	before.Version++
	for _, l := range c.all {
		if l == fresh {
			continue
		}
		last := l.state
		if last.State != uc.LegEnded {
			last.State, last.Cause = uc.LegEnded, "transferred"
		}
		before.Legs = append(before.Legs, last)
		if l != t.kept {
			c.past = append(c.past, l)
		}
	}
	c.log.Info("call ended", "cause", cause, "seconds", int(now.Sub(before.Began).Seconds()))
	c.s.records.add(before)
	c.all, c.caller = []*leg{t.kept, fresh}, t.kept
	t.kept.state.Caller, t.kept.state.State = true, uc.LegAnswered
	c.state = uc.Call{ID: newTag(), State: uc.CallAnswered, Class: c.plan.Class, Caller: partyOf(c.s.deps.Directory.Snapshot(), t.kept.state.User, t.kept.state.Device),
		Called: t.to, Began: t.began, Path: c.plan.Path}
	c.log = c.s.deps.Log.With("call", c.state.ID)
	c.log.Info("call began by transfer", "caller", c.state.Caller.Number, "called", t.to.Number, "of", before.ID)
	c.s.calls.rename(c, before.ID)
	c.connect(fresh)
	c.publish() // before the other ends, so that nobody looks free in between
	c.s.calls.tell(before)
}
