package sip

import (
	"net/textproto"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
	"github.com/rolecall/rolecall/sip/media"
	"github.com/rolecall/rolecall/sip/plan"
)

// silence is how long a contact may leave an INVITE without any response, seven transmissions over UDP
// taken together; then its branch fails. Timer B would let the caller wait for 32 s for a phone that was
// unplugged.
const silence = 8 * time.Second

// begin is the first act of a call.
func (c *call) begin() {
	c.caller.invite.answer(sip.StatusTrying, "Trying")
	c.route()
}

// route asks the plan what the call does now, and does it.
func (c *call) route() {
	c.publish() // the plan looks at live calls, and this one is among them
	c.request.Now = c.s.deps.Now()
	c.plan = plan.Make(c.request, c.s.deps.Directory.Snapshot(), c.s)
	c.state.Class, c.state.Caller.Name, c.state.Path = c.plan.Class, c.plan.CallerName, c.plan.Path
	c.changed = true
	for _, line := range c.plan.Lines {
		c.log.Debug("plan", "step", line.Step, "text", line.Text, "because", line.Because)
	}
	c.rounds++
	switch {
	case c.plan.Outcome == uc.OutcomeReject:
		c.reject(c.plan.Status, c.plan.Cause, lastReason(c.plan))
	case c.rounds > maxRounds:
		c.reject(sip.StatusLoopDetected, "Loop Detected", "the call went on to somebody else too often")
	default:
		c.ring()
	}
}

// lastReason is what the plan says of its outcome.
func lastReason(p uc.Plan) string {
	if len(p.Lines) == 0 {
		return ""
	}
	return p.Lines[len(p.Lines)-1].Because
}

// ring starts a round: each contact of each device is a branch of the fork.
func (c *call) ring() {
	r := &round{plan: c.plan}
	var branches []uc.Branch
	for _, b := range c.plan.Branches {
		contacts := c.s.registrar.contacts(b.Device)
		if b.Number != "" || len(contacts) == 0 {
			// GSM needs a trunk; or the registration has gone since the plan was made.
			branches, r.from = append(branches, b), append(r.from, contactOf{b, nil})
			continue
		}
		for _, at := range contacts {
			branches, r.from = append(branches, b), append(r.from, contactOf{b, at})
		}
	}
	r.legs = make([]*leg, len(branches))
	r.fork = fork.New(branches)
	c.round = r
	c.step(r, fork.Start{})
}

// step feeds a round's fork and does what it commands. What comes of that reaches the fork as a later
// act, never from inside this one.
func (c *call) step(r *round, e fork.Event) {
	for _, command := range r.fork.Step(c.s.deps.Now(), e) {
		c.carryOut(r, command)
	}
}

func (c *call) carryOut(r *round, command fork.Command) {
	switch command := command.(type) {
	case fork.Invite:
		c.invite(r, command.Branch)
	case fork.Cancel:
		l := r.legs[command.Branch]
		l.end(command.Reason.String())
		l.cancel(l.sent, l.tx, command.Reason.Header())
	case fork.HangUp:
		l := r.legs[command.Branch]
		l.end(command.Reason.String())
		l.refuseAnswer(l.answer, command.Reason.Header())
	case fork.Connect:
		c.connect(r.legs[command.Branch])
	case fork.Ringing:
		c.ringing(r.legs[command.Branch], command.Status)
	case fork.GiveUp:
		c.round = nil
		c.request = plan.Next(c.request, c.plan, command.As, c.s.deps.Now())
		c.route()
	case fork.Wake:
		if c.wake != nil {
			c.wake.Stop()
		}
		c.wake = c.after(command.At.Sub(c.s.deps.Now()), func() { c.step(r, fork.Tick{}) })
	}
}

// withdraw cancels everything that rings because of an event that leaves nothing to answer: the caller is
// gone, we are going, or the call goes elsewhere.
func (c *call) withdraw(why fork.Event) {
	if c.round != nil {
		r := c.round
		c.round = nil
		c.step(r, why)
	}
}

// invite sends the INVITE of a branch.
func (c *call) invite(r *round, branch int) {
	b := r.from[branch]
	fail := func(status int) { c.box.post(func() { c.step(r, fork.Fail{Branch: branch, Status: status}) }) }
	if b.at == nil {
		fail(sip.StatusTemporarilyUnavailable)
		return
	}
	l := c.newCallee(b)
	l.round, l.branch = r, branch
	r.legs[branch] = l
	sdp, err := c.offerFor()
	if err != nil {
		l.end(err.Error())
		l.closed = true
		fail(sip.StatusNotAcceptableHere)
		return
	}
	withSDP(l.sent, sdp)
	if l.tx, err = l.send(l.sent, l.onResponse); err != nil {
		c.log.Info("INVITE not sent", "device", b.Device, "cause", err)
		l.end("not reachable")
		l.closed = true
		fail(sip.StatusTemporarilyUnavailable)
		return
	}
	c.after(silence, func() {
		if !l.arrived && !l.closed {
			l.tx.Terminate()
		}
	})
}

// offerFor is the offer for a callee: the caller's, led to our relay. Without one the callee makes the
// offer (RFC 3264 §4).
func (c *call) offerFor() ([]byte, error) {
	in := c.caller.invite
	if len(in.Body()) == 0 {
		return nil, nil
	}
	return c.media.Offer(media.Caller, in.Body(), in.flow.remote().Addr())
}

// newCallee makes the leg of a branch and its INVITE.
func (c *call) newCallee(b contactOf) *leg {
	domain := c.s.cfg.Domain
	from := party{displayName(c.plan.CallerName), sip.Uri{Scheme: "sip", User: userPart(c.plan.CallerNumber), Host: domain}}
	to := party{displayName(c.plan.Called.Name), sip.Uri{Scheme: "sip", User: userPart(c.plan.Called.Number), Host: domain}}
	l := &leg{dialog: newDialog(from, to, b.at), call: c,
		state: uc.Leg{User: b.User, Device: b.Device, State: uc.LegTrying}}
	c.callees = append(c.callees, l)
	c.changed = true
	c.s.calls.addLeg(l)
	l.sent = l.request(sip.INVITE)
	*l.sent.MaxForwards() = sip.MaxForwardsHeader(c.hops - 1)
	l.sent.AppendHeader(sip.NewHeader("P-Asserted-Identity", `"`+from.name+`" <`+from.uri.String()+">")) // RFC 3325 §9.1
	if dialed := c.state.Called.Number; dialed != c.plan.Called.Number {
		l.sent.AppendHeader(sip.NewHeader("P-Called-Party-ID", "<sip:"+userPart(dialed)+"@"+domain+">")) // RFC 7315 §4.2
	}
	for _, name := range passedOn {
		for _, value := range headers(c.caller.invite, name) {
			l.sent.AppendHeader(sip.NewHeader(textproto.CanonicalMIMEHeaderKey(name), clean(value)))
		}
	}
	l.sent.AppendHeader(sip.NewHeader("Allow", allowed))
	return l
}

// passedOn lists the header fields of the caller's INVITE that a callee gets to see as they are.
var passedOn = []string{"alert-info", "priority", "subject", "user-to-user"}

// onResponse takes a response to the first INVITE of a callee; nil means that there will be none.
func (l *leg) onResponse(res *sip.Response) {
	l.arrived = true
	switch {
	case res == nil:
		l.failed(sip.StatusRequestTimeout, "Request Timeout")
	case res.StatusCode == sip.StatusTrying:
		l.call.step(l.round, fork.Provisional{Branch: l.branch, Status: res.StatusCode})
	case res.IsProvisional():
		l.rings(res)
	case res.IsSuccess():
		l.answers(res)
	case res.IsRedirection():
		// Where calls go on to is decided here, by forwardings that are seen and can be undone; a phone's
		// own redirection counts as not being there.
		l.failed(sip.StatusTemporarilyUnavailable, strconv.Itoa(res.StatusCode)+" "+res.Reason)
	default:
		l.failed(res.StatusCode, strconv.Itoa(res.StatusCode)+" "+res.Reason)
	}
}

func (l *leg) failed(status int, cause string) {
	if l.closed || l.answer != nil {
		return
	}
	l.closed = true
	l.end(clean(cause))
	l.call.step(l.round, fork.Fail{Branch: l.branch, Status: status})
}

func (l *leg) rings(res *sip.Response) {
	if isType(res, "application/sdp") && len(res.Body()) > 0 {
		l.early = res.Body()
	}
	if res.StatusCode == sip.StatusRinging || res.StatusCode == sip.StatusSessionInProgress {
		l.set(uc.LegRinging)
		if c := l.call; c.state.State == uc.CallRouting {
			c.state.State, c.changed = uc.CallRinging, true
		}
	}
	l.call.step(l.round, fork.Provisional{Branch: l.branch, Status: res.StatusCode})
}

func (l *leg) answers(res *sip.Response) {
	switch {
	case l.answer == nil && !l.closed:
		l.answer = res
		l.call.step(l.round, fork.Answer{Branch: l.branch})
	case l.answer != nil && tagOf(res.To().Params) == l.remoteTag:
		l.reacknowledge() // our ACK was lost
	default:
		// A second device behind the contact has answered too (RFC 3261 §13.2.2.4), or one that we had
		// given up.
		stray := &leg{dialog: &dialog{}, call: l.call}
		*stray.dialog = *l.dialog
		stray.refuseAnswer(res, fork.ReasonElsewhere.Header())
	}
}

// late takes a 2xx to an INVITE of ours whose transaction is over.
func (l *leg) late(res *sip.Response) {
	if l.state.Caller || res.CSeq().SeqNo != l.sent.CSeq().SeqNo {
		l.reacknowledge()
		return
	}
	l.answers(res)
}

// refuseAnswer acknowledges an answer that nobody wants and hangs up.
func (l *leg) refuseAnswer(res *sip.Response, reason string) {
	l.confirm(res)
	l.established = true
	l.acknowledge(res.CSeq().SeqNo, nil)
	l.bye(reason)
}

// ringing passes ringing or early media on to the caller.
func (c *call) ringing(l *leg, status int) {
	reason := "Ringing"
	if status == sip.StatusSessionInProgress {
		reason = "Session Progress"
	}
	res := response(c.caller.invite.Request, status, reason, c.caller.id.localTag)
	res.AppendHeader(&sip.ContactHeader{Address: *c.caller.contact.Clone()})
	if len(l.early) > 0 && len(c.caller.invite.Body()) > 0 {
		sdp, err := c.media.Answer(media.Callee, l.early, l.flow.remote().Addr())
		if err != nil {
			c.log.Info("early media left out", "cause", err)
		}
		withSDP(res, sdp)
	}
	c.caller.set(uc.LegRinging)
	c.caller.invite.respond(res)
}

// connect joins the caller with the callee that answered first.
func (c *call) connect(l *leg) {
	c.round = nil
	c.winner = l
	l.confirm(l.answer)
	l.established = true
	now := c.s.deps.Now()
	c.state.State, c.state.Answered, c.changed = uc.CallAnswered, now, true
	if t := c.plan.Called.Team; t != 0 && l.state.User != 0 {
		c.agent = teamMember{t, l.state.User}
		c.s.history.answered(c.agent, now)
	}
	c.caller.set(uc.LegAnswered)
	l.set(uc.LegAnswered)
	c.caller.established = true
	c.exchange = &exchange{call: c, from: c.caller, to: l, in: c.caller.invite, late: len(c.caller.invite.Body()) == 0}
	c.exchange.accept(l.answer)
	c.watch()
}
