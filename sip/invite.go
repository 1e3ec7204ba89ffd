package sip

import (
	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// invite handles an INVITE outside a dialog: a phone of ours calls somebody.
func (s *Server) invite(r *request) {
	if other := s.calls.invited(idOf(r)); other != nil {
		s.merged(r, other)
		return
	}
	device := s.authenticate(r, sip.StatusProxyAuthRequired)
	if device == nil {
		return
	}
	fault := checkBody(r.Request, "application/sdp")
	switch {
	case fault != nil:
		r.refuse(fault)
		return
	case r.MaxForwards().Val() == 0:
		r.answer(sip.StatusTooManyHops, "Too Many Hops")
		return
	case s.draining.Load():
		r.answer(sip.StatusServiceUnavailable, "Shutting Down", "Retry-After", "30")
		return
	}
	c := s.newCall(r, device)
	if !s.calls.add(c, s.cfg.MaxCalls) {
		r.answer(sip.StatusServiceUnavailable, "Too Many Calls", "Retry-After", "10")
		return
	}
	go c.run()
	c.box.post(c.begin)
}

// merged refuses an INVITE that came to us a second time by another way (RFC 3261 §8.2.2.2). One that
// is only sent again, after its transaction was forgotten, is left to the retransmissions of the answer.
func (s *Server) merged(r *request, other *leg) {
	mine, _ := r.Via().Params.Get("branch")
	if its, _ := other.invite.Via().Params.Get("branch"); its == mine {
		r.tx.Terminate()
		return
	}
	r.answer(sip.StatusLoopDetected, "Loop Detected")
}

func (s *Server) newCall(r *request, device *uc.Device) *call {
	dir := s.deps.Directory.Snapshot()
	caller := partyOf(dir, dir.DeviceUser(device.ID), device.ID)
	c := &call{
		s: s, box: newMailbox(), media: s.pool.NewSession(), hops: r.MaxForwards().Val(), changed: true,
		state: uc.Call{ID: newTag(), State: uc.CallRouting, Caller: caller, Called: called(dir, r.Recipient.User), Began: s.deps.Now()},
	}
	c.name = c.state.ID
	c.log = s.deps.Log.With("call", c.state.ID)
	c.caller = &leg{dialog: acceptDialog(r, newTag()), call: c, invite: r,
		side: media.Caller, state: uc.Leg{User: caller.User, Device: device.ID, Caller: true, State: uc.LegTrying}}
	c.all = []*leg{c.caller}
	c.request = uc.PlanRequest{Caller: caller, To: c.state.Called.Number}
	c.log.Info("call began", "caller", caller.Number, "called", c.state.Called.Number, "device", device.ID)
	return c
}

// partyOf is a user of ours at a device, or the device if nobody is there.
func partyOf(dir *uc.Directory, user uc.UserID, device uc.DeviceID) uc.Party {
	p := uc.Party{User: user, Device: device}
	if u := dir.Users.Get(user); u != nil {
		p.Number, p.Name = u.Ext, u.Name
	} else if d := dir.Devices.Get(device); d != nil {
		p.Number, p.Name = d.SIPUser, d.Name
	}
	return p
}

// called is the party that a phone dialled.
func called(dir *uc.Directory, dialed string) uc.Party {
	p := uc.Party{Number: clean(dialed)}
	t, ok := dir.ByExt(dialed)
	if !ok {
		return p
	}
	if u := dir.Users.Get(t.User); u != nil {
		p.User, p.Name = u.ID, u.Name
	}
	if team := dir.Teams.Get(t.Team); team != nil {
		p.Team, p.Name = team.ID, team.Name
	}
	return p
}

// cancel handles CANCEL (RFC 3261 §9.2). It is answered for itself; what becomes of the INVITE is the
// call's affair.
func (s *Server) cancel(r *request) {
	tx := s.edge.tx.server(serverKey(r.Request, sip.INVITE))
	if tx == nil {
		r.answer(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
		return
	}
	r.answer(sip.StatusOK, "OK")
	invite := tx.Origin()
	reason := header(r, "reason")
	s.calls.mu.RLock()
	l := s.calls.byDialog[dialogID{invite.CallID().Value(), tagOf(invite.To().Params)}]
	begun := s.calls.byInvite[inviteID{invite.CallID().Value(), tagOf(invite.From().Params), invite.CSeq().SeqNo}]
	s.calls.mu.RUnlock()
	if begun != nil {
		l = begun
	}
	if l != nil {
		l.call.box.post(func() { l.call.onCancel(invite, reason) })
	}
}
