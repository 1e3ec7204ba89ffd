package sip

import (
	"context"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/plan"
)

// Dial calls somebody for a user: the user's own telephones ring (see plan.Own), and when one is answered
// the call goes to where the user's own would go. It returns as soon as they are made to ring; what becomes
// of the call is seen in its state, as of any other.
//
// Errors: uc.ErrNotFound if there is no such user, uc.ErrInvalid if nobody has the extension,
// uc.ErrConflict if a call could not come about now (nothing of the user's rings, or the plan rejects it),
// uc.ErrUnavailable if the server takes no calls.
func (s *Server) Dial(ctx context.Context, user uc.UserID, to string, by uc.Actor) (uc.Call, error) {
	dir := s.deps.Directory.Snapshot()
	u := dir.Users.Get(user)
	if u == nil {
		return uc.Call{}, uc.Errorf(uc.ErrNotFound, "there is no such user")
	}
	req := uc.PlanRequest{Caller: uc.Party{User: u.ID, Number: u.Ext, Name: u.Name}, To: clean(strings.TrimSpace(to)), Now: s.deps.Now()}
	own, err := s.mayDial(req, dir)
	if err != nil {
		s.deps.Log.Info("not dialled", "user", u.Login, "to", req.To, "by", by.String(), "cause", err)
		return uc.Call{}, err
	}
	c := &call{
		s: s, box: newMailbox(), media: s.pool.NewSession(), hops: 70, changed: true, request: req, plan: own,
		state: uc.Call{ID: newTag(), State: uc.CallRouting, Class: own.Class, Caller: req.Caller, Called: called(dir, req.To), Began: req.Now},
	}
	c.name = c.state.ID
	c.log = s.deps.Log.With("call", c.state.ID)
	begun := c.snapshot()
	if s.draining.Load() || !s.calls.add(c, s.cfg.MaxCalls) {
		c.media.Close()
		return uc.Call{}, uc.Errorf(uc.ErrUnavailable, "the server takes no more calls now")
	}
	c.log.Info("call is dialled", "caller", u.Ext, "called", req.To, "by", by.String())
	go c.run()
	c.box.post(c.summon)
	s.audit(ctx, by, "Dialled "+req.To+" for "+u.Name, begun)
	return begun, nil
}

// mayDial returns the plan by which the caller's own telephones ring, or why a call cannot come about.
func (s *Server) mayDial(req uc.PlanRequest, dir *uc.Directory) (uc.Plan, error) {
	if req.To == "" {
		return uc.Plan{}, uc.FieldError(uc.ErrInvalid, "to", "whom to call is missing")
	}
	if t, _ := dir.ByExt(req.To); t.User == req.Caller.User && t.User != 0 {
		return uc.Plan{}, uc.FieldError(uc.ErrConflict, "to", "nobody can call themselves")
	}
	for _, c := range s.calls.list() {
		if c.Caller.User == req.Caller.User && c.State == uc.CallRouting {
			return uc.Plan{}, uc.Errorf(uc.ErrConflict, "%s is about to call somebody already", req.Caller.Name)
		}
	}
	there := plan.Make(req, dir, s)
	if there.Outcome == uc.OutcomeReject {
		return uc.Plan{}, unplanned(there, req.To)
	}
	own := plan.Own(req, dir, s)
	if own.Outcome == uc.OutcomeReject {
		return uc.Plan{}, uc.Errorf(uc.ErrConflict, "%s: no telephone of %s can ring", own.Cause, req.Caller.Name)
	}
	return own, nil
}

// unplanned says why a plan leads nowhere.
func unplanned(p uc.Plan, to string) error {
	if p.Status == sip.StatusNotFound {
		return uc.FieldError(uc.ErrInvalid, "to", "%s: %s", to, lastReason(p))
	}
	return uc.FieldError(uc.ErrConflict, "to", "%s cannot be reached now: %s", to, p.Cause)
}

// summon is the first act of a call that is dialled for somebody: their own telephones ring.
func (c *call) summon() {
	c.publish()
	c.ring(&round{plan: c.plan, own: true})
}

// pickedUp goes on to the person called: one whom the call is dialled for has picked up, and waits in
// silence until the other answers (RFC 3725 §4.4, flow IV).
func (c *call) pickedUp(l *leg) {
	c.caller = l
	l.set(uc.LegAnswered)
	held, err := c.media.Hold(l.side, l.answer.Body())
	l.acknowledge(l.answer.CSeq().SeqNo, held)
	if err != nil {
		c.log.Warn("session description does not fit", "cause", err)
		c.farewell(`SIP;cause=488;text="Session description does not fit"`, "session description does not fit")
		return
	}
	c.state.Caller.Device, c.changed = l.state.Device, true
	c.request.Caller = c.state.Caller
	c.route()
}

// notPickedUp is why a call was not dialled after all.
func notPickedUp(as uc.CallStatus) string {
	switch as {
	case uc.StatusBusy:
		return "the caller's telephones were busy"
	case uc.StatusNoAnswer:
		return "the caller did not pick up"
	}
	return "the caller's telephones were not reachable"
}
