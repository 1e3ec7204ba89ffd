package sip

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/uc"
)

// refer takes a REFER in the dialog of a call (RFC 3515): the telephone gives its place to somebody else.
// It is told how that goes by NOTIFY, and with BYE when the other has answered.
func (l *leg) refer(r *request) {
	c := l.call
	to, with, fault := readReferTo(headers(r, "refer-to"), c.s.cfg.Domain, hostOf(l.flow.local()))
	if fault != nil {
		r.refuse(fault)
		return
	}
	kept := l.peer()
	if c.ended || kept == nil || c.transfer != nil || c.joining != nil {
		r.answer(sip.StatusRequestPending, "Request Pending")
		return
	}
	dir := c.s.deps.Directory.Snapshot()
	by := uc.Actor{User: l.state.User, Name: partyOf(dir, l.state.User, l.state.Device).Name, Via: "sip"}
	if u := dir.Users.Get(by.User); u != nil {
		by.Name = u.Login
	}
	progress := &referral{leg: l, event: "refer"}
	if l.referred {
		progress.event += ";id=" + strconv.FormatUint(uint64(r.CSeq().SeqNo), 10) // RFC 3515 §2.4.6
	}
	l.referred = true
	r.answer(sip.StatusAccepted, "Accepted", "Contact", "<"+l.contact.String()+">", "Allow", allowed)
	progress.notify(sip.StatusTrying, "Trying")
	t := &transfer{call: c, kept: kept, leaving: l, to: called(dir, to), report: progress.notify, by: by}
	if with != nil {
		c.exchangeParties(t, with)
		return
	}
	c.giveIfAllowed(t)
}

// giveIfAllowed begins a transfer that a telephone has asked for, or tells it that it must not be.
func (c *call) giveIfAllowed(t *transfer) {
	if err := c.mayTransfer(t.kept, t.to.Number); err != nil {
		c.log.Info("not transferred", "to", t.to.Number, "cause", err)
		t.tell(sip.StatusForbidden, "Forbidden")
		return
	}
	c.give(t)
}

// readReferTo reads the extension that a REFER names at one of our hosts, and the dialog of the telephone's own
// that the new call is to replace, if it has consulted somebody there.
func readReferTo(values []string, hosts ...string) (to string, with *replaced, refused *fault) {
	if len(values) != 1 || strings.Count(values[0], "<") > 1 { // RFC 3515 §2.4.2: exactly one
		return "", nil, bad("One Refer-To Needed")
	}
	var uri sip.Uri
	if _, err := sip.ParseAddressValue(values[0], &uri, nil); err != nil || uri.User == "" {
		return "", nil, bad("Malformed Refer-To")
	}
	method := ""
	if uri.UriParams != nil {
		method, _ = uri.UriParams.Get("method")
	}
	switch {
	case uri.Scheme != "sip" && uri.Scheme != "sips":
		return "", nil, &fault{status: 416, reason: "Unsupported URI Scheme"}
	case method != "" && !strings.EqualFold(method, string(sip.INVITE)):
		return "", nil, &fault{status: sip.StatusGlobalDecline, reason: "Decline"}
	case !slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, uri.Host) }):
		return "", nil, &fault{status: sip.StatusGlobalDecline, reason: "Decline"} // there is no way out of the company
	}
	if uri.Headers != nil {
		for _, h := range uri.Headers {
			if strings.EqualFold(h.K, "replaces") {
				if with = readReplaces(h.V); with == nil {
					return "", nil, bad("Malformed Replaces")
				}
			}
		}
	}
	return uri.User, with, nil
}

// referral is the subscription that a REFER makes (RFC 3515 §2.4.4).
type referral struct {
	leg   *leg
	event string
}

// notify tells how the call that a REFER asked for is going; a final status ends the subscription.
func (f *referral) notify(status int, reason string) {
	l := f.leg
	if l.closed {
		return // it has hung up and is not curious any more
	}
	state := "active;expires=" + strconv.Itoa(int(maxTransfer.Seconds()))
	if status >= 200 {
		state = "terminated;reason=noresource"
	}
	req := l.request(sip.NOTIFY)
	req.AppendHeader(sip.NewHeader("Event", f.event))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody([]byte("SIP/2.0 " + strconv.Itoa(status) + " " + reason + "\r\n"))
	if _, err := l.send(req, func(*sip.Response) {}); err != nil {
		l.call.log.Debug("NOTIFY not sent", "cause", err)
	}
}
