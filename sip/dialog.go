package sip

import (
	"net/url"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// dialogID finds a dialog (RFC 3261 §12): our tag is ours alone, so the peer's is not needed.
type dialogID struct{ callID, localTag string }

// dialog is one of our dialogs. It is owned by whoever made it and has no lock.
type dialog struct {
	id            dialogID
	remoteTag     string
	local, remote party   // From and To as they stand in our requests
	target        sip.Uri // the peer's Contact
	routes        []sip.Uri
	localSeq      uint32
	remoteSeq     uint32
	flow          flow
	contact       sip.Uri // ours
}

// party is an address with a name.
type party struct {
	name string // escaped for a header
	uri  sip.Uri
}

// acceptDialog makes the dialog of a request that we answer as a server (RFC 3261 §12.1.1). tag is ours.
func acceptDialog(r *request, tag string) *dialog {
	d := &dialog{
		id:        dialogID{r.CallID().Value(), tag},
		remoteTag: tagOf(r.From().Params),
		local:     party{r.To().DisplayName, *r.To().Address.Clone()},
		remote:    party{r.From().DisplayName, *r.From().Address.Clone()},
		remoteSeq: r.CSeq().SeqNo,
		flow:      r.flow,
		contact:   contactURI(r.flow, r.Recipient.User),
	}
	for _, h := range r.GetHeaders("record-route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	d.retarget(r)
	return d
}

// newDialog begins a dialog of ours towards a registered contact; it gets its remote tag with the
// answer.
func newDialog(from, to party, b *binding) *dialog {
	d := &dialog{
		id:      dialogID{newTag() + "@" + hostOf(b.flow.local()), newTag()},
		local:   from,
		remote:  to,
		target:  b.target,
		flow:    b.flow,
		contact: contactURI(b.flow, from.uri.User),
	}
	for _, p := range b.Path { // RFC 3327 §5.3: the first Path value is the first hop
		for value := range strings.SplitSeq(p, ",") {
			var uri sip.Uri
			if _, err := sip.ParseAddressValue(strings.TrimSpace(value), &uri, nil); err == nil {
				d.routes = append(d.routes, uri)
			}
		}
	}
	return d
}

// confirm takes what a 2xx says of the peer (RFC 3261 §12.1.2).
func (d *dialog) confirm(res *sip.Response) {
	d.remoteTag = tagOf(res.To().Params)
	d.routes = nil
	recorded := res.GetHeaders("record-route")
	for i := len(recorded) - 1; i >= 0; i-- {
		if rr, ok := recorded[i].(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	d.retarget(res)
}

// retarget takes the peer's Contact (RFC 3261 §12.2: a target refresh replaces it).
func (d *dialog) retarget(msg interface{ Contact() *sip.ContactHeader }) {
	if c := msg.Contact(); c != nil && !c.Address.Wildcard && c.Address.Host != "" {
		d.target = *c.Address.Clone()
	}
}

// accepts notes the sequence number of a request from the peer; false means that it comes too late
// (RFC 3261 §12.2.2).
func (d *dialog) accepts(r *request) bool {
	seq := r.CSeq().SeqNo
	if seq <= d.remoteSeq && d.remoteSeq != 0 {
		return false
	}
	d.remoteSeq = seq
	if r.flow.alive() {
		d.flow = r.flow // the phone may have come back over a new connection
	}
	return true
}

// request builds the next request of the dialog (RFC 3261 §12.2.1.1).
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	d.localSeq++
	return d.build(method, d.localSeq)
}

// ack acknowledges the 2xx to our INVITE of that number (RFC 3261 §13.2.2.4).
func (d *dialog) ack(seq uint32) *sip.Request { return d.build(sip.ACK, seq) }

func (d *dialog) build(method sip.RequestMethod, seq uint32) *sip.Request {
	req := sip.NewRequest(method, *d.target.Clone())
	req.Recipient.Headers = nil // RFC 3261 §19.1.1: not allowed in a Request-URI
	req.AppendHeader(topVia(d.flow))
	for i := range d.routes {
		req.AppendHeader(&sip.RouteHeader{Address: *d.routes[i].Clone()})
	}
	req.AppendHeader(maxForwards(70))
	from := &sip.FromHeader{DisplayName: d.local.name, Address: *d.local.uri.Clone(), Params: sip.NewParams()}
	from.Params.Add("tag", d.id.localTag)
	req.AppendHeader(from)
	to := &sip.ToHeader{DisplayName: d.remote.name, Address: *d.remote.uri.Clone(), Params: sip.NewParams()}
	if d.remoteTag != "" {
		to.Params.Add("tag", d.remoteTag)
	}
	req.AppendHeader(to)
	req.AppendHeader(callID(d.id.callID))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	if method != sip.BYE && method != sip.ACK {
		req.AppendHeader(&sip.ContactHeader{Address: *d.contact.Clone()})
	}
	req.AppendHeader(sip.NewHeader("User-Agent", product))
	req.SetTransport(d.flow.transport())
	req.SetBody(nil)
	return req
}

// topVia is our Via on a flow, with a branch of its own and rport (RFC 3581 §3).
func topVia(f flow) *sip.ViaHeader {
	at := f.local()
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.transport(),
		Host: hostOf(at), Port: int(at.Port()), Params: sip.NewParams()}
	via.Params.Add("branch", sip.GenerateBranch())
	via.Params.Add("rport", "")
	return via
}

// withSDP puts a session description into a message; none if it is empty.
func withSDP(msg sip.Message, sdp []byte) {
	if len(sdp) == 0 {
		return
	}
	msg.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	msg.SetBody(sdp)
}

// userPart escapes a text for the user part of a URI (RFC 3261 §25.1).
func userPart(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%2B", "+")
}
