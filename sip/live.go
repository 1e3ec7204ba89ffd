package sip

import (
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/plan"
)

var _ uc.Live = (*Server)(nil)

// Registered implements uc.Live.
func (s *Server) Registered(d uc.DeviceID) bool { return len(s.registrar.contacts(d)) > 0 }

// DeviceCalls implements uc.Live.
func (s *Server) DeviceCalls(d uc.DeviceID) int { return s.calls.deviceCalls(d) }

// UserCalls implements uc.Live.
func (s *Server) UserCalls(u uc.UserID) int { return s.calls.userCalls(u) }

// Calls returns the calls that go on, the oldest first.
func (s *Server) Calls() []uc.Call { return s.calls.list() }

// Registrations returns the devices that are registered.
func (s *Server) Registrations() []uc.Registration { return s.registrar.registrations() }

// Explain returns the plan that a call would get, from the function that live calls use. A zero Now is
// filled in, and so is a caller who is named only by an extension.
func (s *Server) Explain(req uc.PlanRequest) uc.Plan {
	dir := s.deps.Directory.Snapshot()
	if req.Now.IsZero() {
		req.Now = s.deps.Now()
	}
	if req.Caller.User == 0 && req.Caller.Device == 0 && req.Class != uc.External {
		if t, ok := dir.ByExt(req.Caller.Number); ok {
			req.Caller.User = t.User
		}
	}
	return plan.Make(req, dir, s)
}
