package sip

import (
	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// leg is one device's dialog in a call. It belongs to the call's goroutine.
type leg struct {
	*dialog
	call   *call
	state  uc.Leg
	side   media.Side
	invite *request // the INVITE that began the call; nil of a leg that we invited

	sent    *sip.Request // the first INVITE that we sent
	tx      *clientTx    // its transaction
	round   *round
	branch  int           // in round
	early   []byte        // session description of its last 1xx
	answer  *sip.Response // its 2xx
	arrived bool          // any response has come

	referred bool       // it has sent a REFER
	past     media.Past // what it has seen in another call, before it was adopted

	acked       *sip.Request // our ACK of its last 2xx, to be sent again
	established bool         // a 2xx went over it, so that it ends with BYE
	closed      bool         // nothing is awaited from it any more
}

// peer is the leg that this one talks to; nil if there is none.
func (l *leg) peer() *leg {
	var other *leg
	switch l {
	case l.call.caller:
		other = l.call.winner
	case l.call.winner:
		other = l.call.caller
	}
	if other == nil || other.closed {
		return nil
	}
	return other
}

// set changes the state that others see.
func (l *leg) set(s uc.LegState) {
	if l.state.State != s && l.state.State != uc.LegEnded {
		l.state.State = s
		l.call.changed = true
	}
}

// end notes why the leg has ended; the first cause stays.
func (l *leg) end(cause string) {
	if l.state.State != uc.LegEnded {
		l.state.State, l.state.Cause = uc.LegEnded, cause
		l.call.changed = true
	}
}

// send sends a request of the leg's dialog. on is called in the call's goroutine with each response,
// with nil if none came.
func (l *leg) send(req *sip.Request, on func(*sip.Response)) (*clientTx, error) {
	if !l.flow.alive() {
		l.rejoin()
	}
	return l.call.s.edge.tx.request(req, l.flow, func(res *sip.Response) {
		l.call.box.post(func() { on(res) })
	})
}

// rejoin takes the flow of the device's present registration when the leg's own connection is gone: a
// phone that lost its connection comes back over a new one in the middle of a call.
func (l *leg) rejoin() {
	if at := l.call.s.registrar.contacts(l.state.Device); len(at) > 0 {
		l.flow = at[0].flow
	}
}

// bye hangs up an established leg and waits for the answer. reason is a Reason header field's value
// (RFC 3326) or empty.
func (l *leg) bye(reason string) {
	if !l.established || l.closed {
		return
	}
	if l.answer != nil && l.acked == nil {
		l.acknowledge(l.answer.CSeq().SeqNo, nil) // nobody has taken its answer
	}
	l.established = false
	req := l.request(sip.BYE)
	if reason != "" {
		req.AppendHeader(sip.NewHeader("Reason", reason))
	}
	_, err := l.send(req, func(res *sip.Response) {
		if res == nil || !res.IsProvisional() {
			l.closed = true
		}
	})
	if err != nil {
		l.closed = true
	}
}

// cancel withdraws an INVITE of ours (RFC 3261 §9.1). A peer that does not answer even that is given up
// after 64*T1.
func (l *leg) cancel(invite *sip.Request, tx *clientTx, reason string) {
	req := sip.NewRequest(sip.CANCEL, *invite.Recipient.Clone())
	req.AppendHeader(invite.Via().Clone())
	sip.CopyHeaders("Route", invite, req)
	req.AppendHeader(maxForwards(70))
	req.AppendHeader(sip.HeaderClone(invite.From()))
	req.AppendHeader(sip.HeaderClone(invite.To()))
	req.AppendHeader(sip.HeaderClone(invite.CallID()))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	if reason != "" {
		req.AppendHeader(sip.NewHeader("Reason", reason))
	}
	req.SetBody(nil)
	if _, err := l.send(req, func(*sip.Response) {}); err != nil {
		tx.Terminate()
		return
	}
	l.call.after(64*sip.T1, tx.Terminate)
}

// acknowledge sends the ACK of a 2xx to our INVITE number seq, with an answer if the 2xx had the offer.
func (l *leg) acknowledge(seq uint32, sdp []byte) {
	l.acked = l.ack(seq)
	withSDP(l.acked, sdp)
	l.reacknowledge()
}

// settle acknowledges a 2xx to a re-INVITE whose answer nobody waits for any more.
func (l *leg) settle(res *sip.Response) {
	if seq := res.CSeq().SeqNo; l.acked == nil || l.acked.CSeq().SeqNo != seq {
		l.acknowledge(seq, nil)
		return
	}
	l.reacknowledge()
}

// reacknowledge sends the last ACK again: the peer has sent its 2xx again.
func (l *leg) reacknowledge() {
	if l.acked == nil {
		return
	}
	if err := l.flow.WriteMsg(l.acked); err != nil {
		l.call.log.Debug("ACK not sent", "cause", err)
	}
}
