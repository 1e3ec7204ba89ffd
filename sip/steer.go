package sip

import (
	"cmp"
	"context"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
)

// HangUp ends a call for somebody who may. A call that is not there any more is uc.ErrNotFound.
func (s *Server) HangUp(ctx context.Context, id string, by uc.Actor) error {
	var of uc.Call
	err := s.steer(id, func(c *call) error {
		of = c.snapshot()
		c.log.Info("hung up by hand", "by", by.String())
		cause := "hung up by " + by.Name
		if c.winner != nil || c.caller == nil || c.waiting() {
			c.farewell(`Q.850;cause=16;text="Normal call clearing"`, cause) // RFC 3326 §2
			return nil
		}
		c.withdraw(fork.CallerGone{})
		c.reject(sip.StatusGlobalDecline, "Decline", "")
		return nil
	})
	if err != nil {
		return err
	}
	s.audit(ctx, by, "Hung up the call "+inWords(of), of)
	return nil
}

// Divert leads a call that nobody has answered to another extension; what rings for it is told that it was
// answered elsewhere. A call that was answered is uc.ErrConflict.
func (s *Server) Divert(ctx context.Context, id, to string, by uc.Actor) error {
	var of uc.Call
	err := s.steer(id, func(c *call) error {
		of = c.snapshot()
		switch {
		case c.winner != nil || c.joining != nil:
			return uc.Errorf(uc.ErrConflict, "the call was answered already")
		case c.caller == nil:
			return uc.Errorf(uc.ErrConflict, "the caller has not picked up yet")
		}
		c.log.Info("diverted by hand", "to", to, "by", by.String())
		c.withdraw(fork.Diverted{})
		// It begins anew for whom it was led to: what it visited before does not count as a loop.
		c.request = uc.PlanRequest{Caller: c.request.Caller, To: to}
		c.state.State, c.rounds = uc.CallRouting, 0
		c.route()
		return nil
	})
	if err != nil {
		return err
	}
	s.audit(ctx, by, "Led the call "+inWords(of)+" to "+to, of)
	return nil
}

// audit writes down who did what with a call. It waits for the database, so it is not for a call's goroutine.
func (s *Server) audit(ctx context.Context, by uc.Actor, text string, c uc.Call) {
	e := uc.AuditEntry{Time: s.deps.Now(), By: by, Text: text}
	for _, id := range []uc.UserID{c.Caller.User, c.Called.User} {
		if id != 0 {
			e.Refs = append(e.Refs, uc.Ref{Kind: uc.KindUser, ID: int64(id)})
		}
	}
	if err := s.deps.Store.AddAudit(ctx, e); err != nil {
		s.deps.Log.Error("an act is not in the audit", "text", text, "by", by.String(), "cause", err)
	}
}

// inWords names a call by who talks to whom.
func inWords(c uc.Call) string {
	return cmp.Or(c.Caller.Name, c.Caller.Number) + " → " + cmp.Or(c.Called.Name, c.Called.Number)
}

// steer has the actor of a call do something, and waits for it.
func (s *Server) steer(id string, act func(*call) error) error {
	gone := uc.Errorf(uc.ErrNotFound, "the call is over")
	s.calls.mu.RLock()
	c := s.calls.byID[id]
	s.calls.mu.RUnlock()
	if c == nil {
		return gone
	}
	result := make(chan error, 1)
	posted := c.box.post(func() {
		err := gone
		defer func() { result <- err }()
		if !c.ended {
			err = act(c)
		}
	})
	if !posted {
		return gone
	}
	return <-result // the actor runs all that is posted, even when it ends
}
