package sip

import (
	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
)

// HangUp ends a call for somebody who may. A call that is not there any more is uc.ErrNotFound.
func (s *Server) HangUp(id string, by uc.Actor) error {
	return s.steer(id, func(c *call) error {
		c.log.Info("hung up by hand", "by", by.String())
		cause := "hung up by " + by.Name
		if c.winner != nil {
			c.farewell(`Q.850;cause=16;text="Normal call clearing"`, cause) // RFC 3326 §2
			return nil
		}
		c.withdraw(fork.CallerGone{})
		c.reject(sip.StatusGlobalDecline, "Decline", "")
		return nil
	})
}

// Divert leads a call that nobody has answered to another extension; what rings for it is told that it was
// answered elsewhere. A call that was answered is uc.ErrConflict.
func (s *Server) Divert(id, to string, by uc.Actor) error {
	return s.steer(id, func(c *call) error {
		if c.winner != nil {
			return uc.Errorf(uc.ErrConflict, "the call was answered already")
		}
		c.log.Info("diverted by hand", "to", to, "by", by.String())
		c.withdraw(fork.Diverted{})
		// It begins anew for whom it was led to: what it visited before does not count as a loop.
		c.request = uc.PlanRequest{Caller: c.request.Caller, To: to}
		c.state.State, c.rounds = uc.CallRouting, 0
		c.route()
		return nil
	})
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
