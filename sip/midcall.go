package sip

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/fork"
)

// within is the dispatch table of requests inside the dialog of a call. They run in the call's goroutine.
var within = map[sip.RequestMethod]func(*leg, *request){
	sip.ACK:     (*leg).onACK,
	sip.BYE:     (*leg).onBye,
	sip.INVITE:  (*leg).reinvite,
	sip.UPDATE:  (*leg).update,
	sip.INFO:    (*leg).info,
	sip.REFER:   (*leg).refer,
	sip.OPTIONS: func(_ *leg, r *request) { r.answer(sip.StatusOK, "OK", "Allow", allowed) },
}

// receive takes a request inside the leg's dialog.
func (l *leg) receive(r *request) {
	if r.Method == sip.ACK {
		l.onACK(r)
		return
	}
	if !l.accepts(r) {
		r.answer(sip.StatusInternalServerError, "CSeq Out Of Order") // RFC 3261 §12.2.2
		return
	}
	handle := within[r.Method]
	if handle == nil {
		r.answer(sip.StatusMethodNotAllowed, "Method Not Allowed", "Allow", allowed)
		return
	}
	handle(l, r)
}

// onBye ends the call: the peer of the leg has hung up.
func (l *leg) onBye(r *request) {
	r.answer(sip.StatusOK, "OK")
	c := l.call
	l.closed, l.established = true, false
	if c.ended {
		return
	}
	l.end("hung up")
	fresh := c.joining != nil && l == c.joining.fresh
	switch {
	case l != c.caller && l != c.winner && !fresh:
		return // it has lost already
	case c.transfer != nil && l == c.transfer.leaving:
		c.exchange.leave(l)
		return // who stays waits for who comes
	case l == c.caller && c.winner == nil && l.invite != nil:
		c.withdraw(fork.CallerGone{})
		c.caller.invite.answerTagged(l.id.localTag, sip.StatusRequestTerminated, "Request Terminated")
	}
	reason := header(r, "reason")
	for _, other := range c.all {
		other.bye(reason)
	}
	if l.state.Caller {
		c.finish("the caller hung up")
	} else {
		c.finish("the person called hung up")
	}
}

// onCancel takes a CANCEL of an INVITE (RFC 3261 §9.2).
func (c *call) onCancel(invite *sip.Request, reason string) {
	x := c.exchange
	switch {
	case c.caller != nil && c.caller.invite != nil && invite == c.caller.invite.Request && c.winner == nil && !c.ended:
		c.withdraw(fork.CallerGone{})
		c.caller.invite.answerTagged(c.caller.id.localTag, sip.StatusRequestTerminated, "Request Terminated")
		c.caller.closed = true
		c.finish("the caller hung up")
	case x != nil && x.in.Request == invite && x.ok == nil && x.tx != nil:
		x.to.cancel(x.sent, x.tx, reason)
	}
}

// update passes an UPDATE on (RFC 3311). One without a session description only refreshes the target.
func (l *leg) update(r *request) {
	c, peer := l.call, l.peer()
	l.retarget(r)
	switch {
	case len(r.Body()) == 0:
		r.answer(sip.StatusOK, "OK", "Contact", "<"+l.contact.String()+">", "Allow", allowed)
		return
	case c.ended || peer == nil:
		r.answer(sip.StatusInternalServerError, "Not Answered Yet", "Retry-After", "1") // RFC 3311 §5.2
		return
	case c.busy():
		r.answer(sip.StatusRequestPending, "Request Pending")
		return
	}
	if fault := checkBody(r.Request, "application/sdp"); fault != nil {
		r.refuse(fault)
		return
	}
	sdp, err := c.media.Offer(l.side, r.Body(), l.flow.remote().Addr())
	if err != nil {
		r.answer(sip.StatusNotAcceptableHere, "Not Acceptable Here")
		return
	}
	req := peer.request(sip.UPDATE)
	withSDP(req, sdp)
	l.pass(peer, req, r, func(res, out *sip.Response) {
		if sdp, err := c.media.Answer(peer.side, res.Body(), peer.flow.remote().Addr()); err == nil {
			withSDP(out, sdp)
		}
		out.AppendHeader(&sip.ContactHeader{Address: *l.contact.Clone()})
	})
}

// info passes an INFO on, as phones send it for DTMF (RFC 6086 in its legacy use).
func (l *leg) info(r *request) {
	peer := l.peer()
	if peer == nil || l.call.ended {
		r.answer(sip.StatusOK, "OK")
		return
	}
	req := peer.request(sip.INFO)
	for _, name := range []string{"content-type", "info-package"} {
		if v := header(r, name); v != "" {
			req.AppendHeader(sip.NewHeader(name, v))
		}
	}
	req.SetBody(r.Body())
	l.pass(peer, req, r, func(_, _ *sip.Response) {})
}

// pass sends a request to the peer and its final response back; complete adds to the response of a 2xx.
func (l *leg) pass(peer *leg, req *sip.Request, r *request, complete func(res, out *sip.Response)) {
	_, err := peer.send(req, func(res *sip.Response) {
		switch {
		case res == nil:
			r.answer(sip.StatusRequestTimeout, "Request Timeout")
		case res.IsProvisional():
		case res.IsSuccess():
			out := response(r.Request, res.StatusCode, clean(res.Reason), "")
			complete(res, out)
			r.respond(out)
		default:
			r.answer(res.StatusCode, clean(res.Reason))
		}
	})
	if err != nil {
		r.answer(sip.StatusRequestTimeout, "Request Timeout")
	}
}

// connectedName is who a leg belongs to, for P-Asserted-Identity towards the other side (RFC 3325).
func (c *call) connectedName(l *leg) string {
	who := c.state.Caller
	if !l.state.Caller {
		u := c.s.deps.Directory.Snapshot().Users.Get(l.state.User)
		if u == nil {
			return ""
		}
		who = uc.Party{Number: u.Ext, Name: u.Name}
	}
	if who.Number == "" {
		return ""
	}
	return quoted(who.Name) + " <sip:" + userPart(who.Number) + "@" + c.s.cfg.Domain + ">"
}

// onHold reports whether a session description puts the other side on hold: it does not want to receive
// (RFC 3264 §8.4), or names no address (RFC 2543).
func onHold(sdp []byte) bool {
	held := false
	for line := range strings.Lines(string(sdp)) {
		switch strings.TrimSpace(line) {
		case "a=sendrecv", "a=recvonly":
			return false
		case "a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0":
			held = true
		}
	}
	return held
}
