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
	if c.transfer == nil {
		c.state.Class, c.state.Caller.Name, c.state.Path = c.plan.Class, c.plan.CallerName, c.plan.Path
		c.changed = true
	}
	for _, line := range c.plan.Lines {
		c.log.Debug("plan", "step", line.Step, "text", line.Text, "because", line.Because)
	}
	c.rounds++
	switch {
	case c.plan.Outcome == uc.OutcomeReject:
		c.refuse(c.plan.Status, c.plan.Cause, lastReason(c.plan))
	case c.rounds > maxRounds:
		c.refuse(sip.StatusLoopDetected, "Loop Detected", "the call went on to somebody else too often")
	default:
		c.ring(&round{plan: c.plan})
	}
}

// refuse ends what the call was about to do: a transfer, or the call itself.
func (c *call) refuse(status int, reason, text string) {
	if c.transfer != nil {
		c.notTransferred(status, reason)
		return
	}
	c.reject(status, reason, text)
}

// lastReason is what the plan says of its outcome.
func lastReason(p uc.Plan) string {
	if len(p.Lines) == 0 {
		return ""
	}
	return p.Lines[len(p.Lines)-1].Because
}

// ring starts a round: each contact of each device is a branch of the fork.
func (c *call) ring(r *round) {
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
		c.taken(r, r.legs[command.Branch])
	case fork.Ringing:
		c.ringing(r, r.legs[command.Branch], command.Status)
	case fork.GiveUp:
		c.round = nil
		if r.own {
			c.reject(command.Status, notPickedUp(command.As), "")
			return
		}
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
	l := c.newLeg(r, b)
	l.branch = branch
	r.legs[branch] = l
	sdp, err := c.offerFor(r)
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

// offerFor is the offer for a leg: the caller's, led to our relay. Without one the leg makes the offer
// (RFC 3264 §4), and so it does when there is nobody yet, or somebody who has to be asked anew.
func (c *call) offerFor(r *round) ([]byte, error) {
	if r.own || c.waiting() || c.transfer != nil || len(c.caller.invite.Body()) == 0 {
		return nil, nil
	}
	in := c.caller.invite
	return c.media.Offer(media.Caller, in.Body(), in.flow.remote().Addr())
}

// newLeg makes the leg of a branch and its INVITE.
func (c *call) newLeg(r *round, b contactOf) *leg {
	domain := c.s.cfg.Domain
	from := party{displayName(c.plan.CallerName), sip.Uri{Scheme: "sip", User: userPart(c.plan.CallerNumber), Host: domain}}
	to := party{displayName(c.plan.Called.Name), sip.Uri{Scheme: "sip", User: userPart(c.plan.Called.Number), Host: domain}}
	l := &leg{dialog: newDialog(from, to, b.at), call: c, side: media.Callee, round: r,
		state: uc.Leg{User: b.User, Device: b.Device, Caller: r.own, State: uc.LegTrying}}
	switch {
	case r.own:
		l.side = media.Caller
	case c.transfer != nil:
		l.side = c.transfer.leaving.side
	}
	c.all = append(c.all, l)
	c.changed = true
	c.s.calls.addLeg(l)
	l.sent = l.request(sip.INVITE)
	*l.sent.MaxForwards() = sip.MaxForwardsHeader(c.hops - 1)
	l.sent.AppendHeader(sip.NewHeader("P-Asserted-Identity", `"`+from.name+`" <`+from.uri.String()+">")) // RFC 3325 §9.1
	if dialed := c.dialed(); dialed != c.plan.Called.Number && !r.own {
		l.sent.AppendHeader(sip.NewHeader("P-Called-Party-ID", "<sip:"+userPart(dialed)+"@"+domain+">")) // RFC 7315 §4.2
	}
	if c.transfer != nil {
		c.transfer.introduce(l.sent)
	} else if c.caller != nil && c.caller.invite != nil {
		for _, name := range passedOn {
			for _, value := range headers(c.caller.invite, name) {
				l.sent.AppendHeader(sip.NewHeader(textproto.CanonicalMIMEHeaderKey(name), clean(value)))
			}
		}
	}
	l.sent.AppendHeader(sip.NewHeader("Allow", allowed))
	return l
}

// dialed is the extension that the call, or its transfer, was meant for.
func (c *call) dialed() string {
	if c.transfer != nil {
		return c.transfer.to.Number
	}
	return c.state.Called.Number
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
		if c := l.call; c.state.State == uc.CallRouting && !l.round.own {
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
	if l.sent == nil || res.CSeq().SeqNo != l.sent.CSeq().SeqNo {
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

// ringing passes ringing or early media on to the caller; who waits without having called is not disturbed.
func (c *call) ringing(r *round, l *leg, status int) {
	switch {
	case c.transfer != nil:
		c.transfer.tell(sip.StatusRinging, "Ringing")
		return
	case r.own || c.waiting():
		return
	}
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

// taken goes on with the leg that answered first.
func (c *call) taken(r *round, l *leg) {
	c.round = nil
	l.confirm(l.answer)
	l.established = true
	switch {
	case r.own:
		c.pickedUp(l)
	case c.transfer != nil:
		c.join(l, c.transfer.kept)
	case c.waiting():
		c.join(l, c.caller)
	default:
		c.connect(l)
		c.caller.established = true
		c.exchange = &exchange{call: c, from: c.caller, to: l, in: c.caller.invite, late: len(c.caller.invite.Body()) == 0}
		c.exchange.accept(l.answer)
		c.watch()
	}
}

// connect notes that the caller talks to a callee from now on.
func (c *call) connect(l *leg) {
	c.winner = l
	now := c.s.deps.Now()
	c.state.State, c.state.Answered, c.changed = uc.CallAnswered, now, true
	if t := c.plan.Called.Team; t != 0 && l.state.User != 0 {
		c.agent = teamMember{t, l.state.User}
		c.s.history.answered(c.agent, now)
	}
	c.caller.set(uc.LegAnswered)
	l.set(uc.LegAnswered)
}
