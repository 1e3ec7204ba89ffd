package sip

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
)

// exchange is one INVITE on its way through a call, the first one or a re-INVITE, from the leg that sent
// it to the other, until the ACK has come. There is never more than one in a call.
type exchange struct {
	call     *call
	from, to *leg
	in       *request     // the INVITE received
	sent     *sip.Request // the re-INVITE sent on; nil for the first INVITE
	tx       *clientTx    // its transaction
	late     bool         // the INVITE had no offer: the 2xx has it, and the answer comes with the ACK

	seq   uint32        // of the INVITE that the other leg answered
	ok    *sip.Response // our 2xx, sent again until the ACK comes
	again *time.Timer
}

// accept passes the 2xx of the other leg on, with its session description led to our relay.
func (x *exchange) accept(res *sip.Response) {
	x.seq = res.CSeq().SeqNo
	body := res.Body()
	if len(body) == 0 && x.sent == nil {
		body = x.to.early // gateways that gave their answer in a 183 leave it out of the 200
	}
	sdp, err := x.describe(x.to, body, x.late)
	if err != nil {
		x.to.acknowledge(x.seq, nil)
		x.mismatch(err)
		return
	}
	if !x.late {
		x.to.acknowledge(x.seq, nil)
	}
	x.ok = response(x.in.Request, sip.StatusOK, "OK", x.from.id.localTag)
	x.ok.AppendHeader(&sip.ContactHeader{Address: *x.from.contact.Clone()})
	x.ok.AppendHeader(sip.NewHeader("Allow", allowed))
	if name := x.call.connectedName(x.to); name != "" {
		x.ok.AppendHeader(sip.NewHeader("P-Asserted-Identity", name))
	}
	withSDP(x.ok, sdp)
	x.in.respond(x.ok)
	x.repeat(sip.T1, x.call.s.deps.Now().Add(64*sip.T1))
}

// describe leads one leg's session description to our relay. An empty one is wrong in a 2xx (RFC 3264
// §5 and §6 leave only the INVITE and the ACK without).
func (x *exchange) describe(l *leg, sdp []byte, offer bool) ([]byte, error) {
	m, source := x.call.media, l.flow.remote().Addr()
	if len(sdp) == 0 {
		return nil, uc.Errorf(uc.ErrInvalid, "session description missing")
	}
	if offer {
		return m.Offer(l.side, sdp, source)
	}
	return m.Answer(l.side, sdp, source)
}

// mismatch ends an exchange whose answer does not fit: the call cannot have media then.
func (x *exchange) mismatch(cause error) {
	c := x.call
	c.log.Warn("session description does not fit", "cause", cause)
	if x.in.tx != nil && x.ok == nil {
		x.in.answerTagged(x.from.id.localTag, sip.StatusNotAcceptableHere, "Not Acceptable Here")
		if x.from == c.caller && x.in == c.caller.invite {
			c.caller.established, c.caller.closed = false, true
		}
	}
	c.exchange = nil
	c.farewell(`SIP;cause=488;text="Session description does not fit"`, "session description does not fit")
}

// repeat sends the 2xx again until the ACK comes, over any transport, for the ACK comes from end to end
// (RFC 3261 §13.3.1.4). Without an ACK the call ends.
func (x *exchange) repeat(wait time.Duration, until time.Time) {
	x.again = x.call.after(wait, func() {
		if x.call.exchange != x || x.ok == nil {
			return
		}
		if !x.call.s.deps.Now().Before(until) {
			x.call.farewell(`SIP;cause=408;text="No ACK"`, "no ACK")
			return
		}
		if err := answerFlow(x.in.Via(), x.in.flow).WriteMsg(x.ok); err != nil {
			x.call.log.Debug("2xx not sent again", "cause", err)
		}
		x.repeat(min(2*wait, sip.T2), until)
	})
}

// onACK takes the ACK of a leg.
func (l *leg) onACK(r *request) {
	x := l.call.exchange
	if x == nil || x.from != l || x.ok == nil || r.CSeq().SeqNo != x.in.CSeq().SeqNo {
		return
	}
	x.again.Stop()
	l.call.exchange = nil
	if !x.late {
		return
	}
	sdp, err := x.describe(l, r.Body(), false)
	x.to.acknowledge(x.seq, sdp)
	if err != nil {
		x.mismatch(err)
	}
}

// reinvite passes a re-INVITE on to the other leg: hold, resume, another codec or address.
func (l *leg) reinvite(r *request) {
	c, peer := l.call, l.peer()
	switch {
	case c.ended:
		r.answer(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
		return
	case peer == nil:
		r.answer(sip.StatusRequestPending, "Request Pending") // there is nobody yet, but somebody is to come
		return
	case c.exchange != nil && c.exchange.from == l && c.exchange.ok == nil:
		r.answer(sip.StatusInternalServerError, "Another INVITE Is In Progress", "Retry-After", "1") // RFC 3261 §14.2
		return
	case c.busy():
		r.answer(sip.StatusRequestPending, "Request Pending") // RFC 3261 §14.2: glare
		return
	}
	if fault := checkBody(r.Request, "application/sdp"); fault != nil {
		r.refuse(fault)
		return
	}
	r.answer(sip.StatusTrying, "Trying")
	l.retarget(r)
	x := &exchange{call: c, from: l, to: peer, in: r, late: len(r.Body()) == 0}
	var sdp []byte
	if !x.late {
		var err error
		if sdp, err = c.media.Offer(l.side, r.Body(), l.flow.remote().Addr()); err != nil {
			r.answer(sip.StatusNotAcceptableHere, "Not Acceptable Here")
			return
		}
	}
	x.sent = peer.request(sip.INVITE)
	x.sent.AppendHeader(sip.NewHeader("Allow", allowed))
	withSDP(x.sent, sdp)
	tx, err := peer.send(x.sent, x.onResponse)
	if err != nil {
		r.answer(sip.StatusRequestTimeout, "Request Timeout")
		return
	}
	x.tx = tx
	c.exchange = x
}

// onResponse takes the other leg's response to a re-INVITE; nil means that there will be none.
func (x *exchange) onResponse(res *sip.Response) {
	c := x.call
	switch {
	case c.exchange != x:
		if res != nil && res.IsSuccess() {
			x.to.settle(res)
		}
	case x.ok != nil:
		if res != nil && res.IsSuccess() {
			x.to.reacknowledge()
		}
	case res == nil || res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == sip.StatusCallTransactionDoesNotExists:
		// RFC 3261 §12.2.1.2: the dialog is gone at the other side.
		x.in.answer(sip.StatusRequestTimeout, "Request Timeout")
		c.exchange = nil
		c.farewell(`SIP;cause=408;text="The other side is gone"`, "the other side is gone")
	case res.IsProvisional():
	case res.IsSuccess():
		x.to.retarget(res)
		x.hold()
		x.accept(res)
	default:
		x.in.answer(res.StatusCode, clean(res.Reason))
		c.exchange = nil
	}
}

// leave ends an exchange of a leg that has hung up while the other stays; nil is none.
func (x *exchange) leave(l *leg) {
	switch {
	case x == nil || x.from != l && (x.to != l || x.ok != nil):
		return // the ACK of who stays is still to come
	case x.ok == nil:
		x.in.answer(sip.StatusRequestPending, "Request Pending")
	case x.late:
		x.again.Stop()
		x.to.acknowledge(x.seq, nil)
	default:
		x.again.Stop()
	}
	x.call.exchange = nil
}

// hold notes that the side which sent the re-INVITE has put the call on hold or taken it back.
func (x *exchange) hold() {
	switch {
	case x.late:
	case onHold(x.in.Body()):
		x.from.set(uc.LegHeld)
	default:
		x.from.set(uc.LegAnswered)
	}
}

// drop ends what goes on when the call ends.
func (c *call) drop() {
	x := c.exchange
	c.exchange, c.joining, c.transfer = nil, nil, nil
	if x == nil {
		return
	}
	if x.again != nil {
		x.again.Stop()
	}
	if x.ok == nil && x.sent != nil {
		x.in.answer(sip.StatusRequestTerminated, "Request Terminated")
	}
}
