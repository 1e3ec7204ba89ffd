package sip

import (
	"crypto/rand"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
)

// joining brings two legs together of which neither has called the other: one that has just answered, and
// made the offer in its 2xx, and one that waits. The offer goes to the one that waits in a re-INVITE, its
// answer back in the ACK (RFC 3725 §4.4, the end of flow IV).
type joining struct {
	call           *call
	fresh, waiting *leg
	tries          int
}

// maxTries is how often the one that waits is asked again while it is about to ask something itself.
const maxTries = 5

// join begins to bring two legs together.
func (c *call) join(fresh, waiting *leg) {
	c.joining = &joining{call: c, fresh: fresh, waiting: waiting}
	c.joining.ask()
}

// ask sends the offer of the one to the other.
func (j *joining) ask() {
	c, w := j.call, j.waiting
	switch {
	case c.joining != j:
		return
	case c.exchange != nil:
		j.askAgain()
		return
	}
	c.media.Renew(j.fresh.side, j.fresh.past)
	sdp, err := c.describeOffer(j.fresh)
	if err != nil {
		j.fail(sip.StatusNotAcceptableHere, "Not Acceptable Here", err)
		return
	}
	req := w.request(sip.INVITE)
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	if name := c.connectedName(j.fresh); name != "" {
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", name))
	}
	withSDP(req, sdp)
	if _, err := w.send(req, j.onResponse); err != nil {
		j.lost()
	}
}

// describeOffer leads the offer in a leg's 2xx to our relay.
func (c *call) describeOffer(l *leg) ([]byte, error) {
	if len(l.answer.Body()) == 0 {
		return nil, uc.Errorf(uc.ErrInvalid, "session description missing")
	}
	return c.media.Offer(l.side, l.answer.Body(), l.flow.remote().Addr())
}

// askAgain asks once more after a while (RFC 3261 §14.1 has it for a 491).
func (j *joining) askAgain() {
	if j.tries++; j.tries > maxTries {
		j.fail(sip.StatusGatewayTimeout, "Gateway Time-out", uc.Errorf(uc.ErrConflict, "who waits is busy with something else"))
		return
	}
	j.call.after(patience(), j.ask)
}

// patience is how long we wait after a 491, so as not to meet again (RFC 3261 §14.1).
func patience() time.Duration {
	var chance [1]byte
	rand.Read(chance[:]) //nolint:errcheck // never fails
	return 2100*time.Millisecond + time.Duration(chance[0])*7*time.Millisecond
}

// onResponse takes the response of the one that waits; nil means that there will be none.
func (j *joining) onResponse(res *sip.Response) {
	c, w := j.call, j.waiting
	switch {
	case res != nil && res.IsProvisional():
	case c.joining != j:
		if res != nil && res.IsSuccess() {
			w.settle(res)
		}
	case res == nil || res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == sip.StatusCallTransactionDoesNotExists:
		j.lost()
	case res.IsSuccess():
		w.retarget(res)
		w.acknowledge(res.CSeq().SeqNo, nil)
		j.agree(res.Body())
	case res.StatusCode == sip.StatusRequestPending:
		j.askAgain()
	default:
		j.fail(res.StatusCode, clean(res.Reason), uc.Errorf(uc.ErrInvalid, "who waits refused: %d %s", res.StatusCode, clean(res.Reason)))
	}
}

// agree takes the answer of the one that waits: the two talk from now on.
func (j *joining) agree(answer []byte) {
	c := j.call
	sdp, err := c.media.Answer(j.waiting.side, answer, j.waiting.flow.remote().Addr())
	if err != nil {
		c.log.Warn("session description does not fit", "cause", err)
		c.farewell(`SIP;cause=488;text="Session description does not fit"`, "session description does not fit")
		return
	}
	j.fresh.acknowledge(j.fresh.answer.CSeq().SeqNo, sdp)
	c.joining = nil
	if c.transfer != nil {
		c.transferred(j.fresh)
		return
	}
	c.connect(j.fresh)
	c.watch()
}

// lost ends the call: the one that waits is gone.
func (j *joining) lost() {
	j.call.farewell(`SIP;cause=408;text="The other side is gone"`, "the other side is gone")
}

// fail sends the fresh leg away. For the other all is as it was.
func (j *joining) fail(status int, reason string, cause error) {
	c := j.call
	c.log.Info("two parties could not be joined", "cause", cause)
	c.joining = nil
	j.fresh.end(reason)
	j.fresh.bye(sipReason(status, reason))
	c.refuse(status, reason, "")
}
