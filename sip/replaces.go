package sip

import (
	"net/url"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
)

// replaced names a dialog as a Replaces header field does (RFC 3891 §6.1), from our side.
type replaced struct {
	dialogID
	remoteTag string
}

// readReplaces reads the Replaces that stands escaped in a Refer-To; nil is none that can be read.
func readReplaces(text string) *replaced {
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil
	}
	id, params, _ := strings.Cut(text, ";")
	r := &replaced{dialogID: dialogID{callID: strings.TrimSpace(id)}}
	for p := range strings.SplitSeq(params, ";") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.ToLower(name) {
		case "to-tag":
			r.localTag = value
		case "from-tag":
			r.remoteTag = value
		}
	}
	if r.callID == "" || r.localTag == "" || r.remoteTag == "" {
		return nil
	}
	return r
}

// exchangeParties transfers with consultation: the telephone has two calls with us, and brings the other
// parties of the two together. Theirs goes on in this call; the other call gives its leg away and ends.
func (c *call) exchangeParties(t *transfer, with *replaced) {
	c.transfer, t.began = t, c.s.deps.Now()
	fail := func(status int, reason string) {
		if c.transfer == t && t.fresh == nil {
			c.notTransferred(status, reason)
		}
	}
	second := c.s.calls.leg(with.dialogID)
	if second == nil || second.call == c {
		fail(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
		return
	}
	kept := partyOf(c.s.deps.Directory.Snapshot(), t.kept.state.User, t.kept.state.Device)
	c.log.Info("transfer with consultation began", "with", second.call.name, "by", t.by.String())
	posted := second.call.box.post(func() {
		status, reason := second.giveAway(with.remoteTag, t, kept)
		switch status {
		case 0:
		case sip.StatusRequestPending:
			// Nobody has answered there yet, so it is a transfer without consultation.
			c.box.post(func() {
				if c.transfer == t {
					c.transfer = nil
					c.giveIfAllowed(t)
				}
			})
		default:
			c.box.post(func() { fail(status, reason) })
		}
	})
	if !posted {
		fail(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
	}
}

// giveAway gives the leg of the one whom this telephone talks to to another call of the telephone, and ends
// the call. It runs in the goroutine of the call that gives. A status other than 0 says why not.
func (l *leg) giveAway(remoteTag string, t *transfer, kept uc.Party) (status int, reason string) {
	c, peer := l.call, l.peer()
	switch {
	case c.ended || l.closed || l.remoteTag != remoteTag:
		return sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist"
	case l.state.Device != t.leaving.state.Device:
		return sip.StatusForbidden, "Forbidden" // nobody brings others' calls together
	case peer == nil || c.winner == nil:
		return sip.StatusRequestPending, "Request Pending"
	case c.busy() || c.transfer != nil:
		return sip.StatusServiceUnavailable, "Service Unavailable"
	}
	moved := &leg{dialog: new(*peer.dialog), call: t.call, side: t.leaving.side, past: c.media.Past(peer.side), acked: peer.acked,
		established: true, state: uc.Leg{User: peer.state.User, Device: peer.state.Device, State: uc.LegAnswered}}
	if !t.call.box.post(func() { t.call.adopt(t, moved) }) {
		return sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist"
	}
	peer.closed, peer.established = true, false
	c.farewell(`Q.850;cause=16;text="Transferred"`, "transferred to "+kept.Number+" by "+t.by.Name)
	return 0, ""
}

// adopt takes the leg that another call has given away.
func (c *call) adopt(t *transfer, moved *leg) {
	c.s.calls.addLeg(moved)
	if c.transfer != t {
		c.past = append(c.past, moved)
		moved.bye(`Q.850;cause=16`)
		return
	}
	t.fresh, t.to = moved, partyOf(c.s.deps.Directory.Snapshot(), moved.state.User, moved.state.Device)
	c.plan = uc.Plan{Class: c.state.Class} // no plan has led here
	c.all, c.changed = append(c.all, moved), true
	c.askForOffer(t, 1)
}

// askForOffer asks the adopted leg for an offer, to join it with the one who is kept.
func (c *call) askForOffer(t *transfer, try int) {
	l := t.fresh
	if c.transfer != t || l.closed {
		return
	}
	fail := func(status int, reason string) {
		l.end(reason)
		l.bye(sipReason(status, reason))
		if c.transfer == t {
			c.notTransferred(status, reason)
		}
	}
	req := l.request(sip.INVITE)
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	if name := c.connectedName(t.kept); name != "" {
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", name))
	}
	_, err := l.send(req, func(res *sip.Response) {
		switch {
		case res == nil:
			fail(sip.StatusRequestTimeout, "Request Timeout")
		case res.IsProvisional():
		case res.IsSuccess() && c.transfer == t:
			l.retarget(res)
			l.answer, l.acked = res, nil
			c.join(l, t.kept)
		case res.IsSuccess():
			l.settle(res)
		case res.StatusCode == sip.StatusRequestPending && try < maxTries:
			c.after(patience(), func() { c.askForOffer(t, try+1) })
		default:
			fail(res.StatusCode, clean(res.Reason))
		}
	})
	if err != nil {
		fail(sip.StatusTemporarilyUnavailable, "Temporarily Unavailable")
	}
}
