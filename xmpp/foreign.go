package xmpp

import (
	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// foreignTable is the dispatch table for stanzas that come from other domains. What is not in it is refused,
// whatever local users may do.
var foreignTable = []row{
	{scan.Message, "", anywhere, "", (*request).message},
	{scan.Message, "normal", anywhere, "", (*request).message},
	{scan.Message, "chat", anywhere, "", (*request).message},
	{scan.Message, "headline", anywhere, "", (*request).message},
	{scan.Message, "groupchat", anywhere, "", (*request).message},
	{scan.Message, "error", anywhere, "", (*request).message},

	{scan.Presence, "", anywhere, "", (*request).foreignPresence},
	{scan.Presence, "unavailable", anywhere, "", (*request).foreignPresence},
	{scan.Presence, "subscribe", anywhere, "", (*request).foreignSubscription},
	{scan.Presence, "subscribed", anywhere, "", (*request).foreignSubscription},
	{scan.Presence, "unsubscribe", anywhere, "", (*request).foreignSubscription},
	{scan.Presence, "unsubscribed", anywhere, "", (*request).foreignSubscription},
	{scan.Presence, "probe", anywhere, "", (*request).foreignProbe},
	{scan.Presence, "error", anywhere, "", (*request).presenceError},

	{scan.IQ, "get", atServer, nsDiscoInfo, (*request).discoInfoServer},
	{scan.IQ, "get", atServer, nsDiscoItems, (*request).discoItemsServer},
	{scan.IQ, "get", atServer, nsPing, (*request).ping},
	{scan.IQ, "get", atServer, nsVersion, (*request).version},
	{scan.IQ, "get", atServer, nsTime, (*request).entityTime},

	{scan.IQ, "get", atOther, nsDiscoInfo, (*request).discoInfoOther},
	{scan.IQ, "get", atOther, nsDiscoItems, (*request).discoItemsOther},
	{scan.IQ, "get", atOther, nsVCard, (*request).foreignVCard},
	{scan.IQ, "get", atOther, nsLast, (*request).lastActivity},
	{scan.IQ, "get", atOther, nsPubsub, (*request).pubsubGet},
	{scan.IQ, "set", atOther, nsPubsub, (*request).pubsubSet},

	{scan.IQ, "get", atPhone, nsDiscoInfo, (*request).discoInfoPhone},
	{scan.IQ, "get", atPhone, nsDiscoItems, (*request).discoItemsNone},
	{scan.IQ, "get", atPhone, nsPing, (*request).ping},
	{scan.IQ, "get", atPhone, nsVersion, (*request).version},
	{scan.IQ, "get", atPhone, nsTime, (*request).entityTime},

	{scan.IQ, "get", atClient, "", (*request).iqToClient},
	{scan.IQ, "set", atClient, "", (*request).iqToClient},
	{scan.IQ, "result", atClient, "", (*request).iqToClient},
	{scan.IQ, "error", atClient, "", (*request).iqToClient},
}

// Deliver handles a stanza from another domain. Whoever calls it has made sure that it comes from there. The
// bytes are valid until Deliver returns; it may wait, so that a domain that sends fast is slowed.
func (s *Server) Deliver(domain string, head scan.Head, raw []byte) {
	s.delivering.RLock()
	defer s.delivering.RUnlock()
	from, err := jid.Parse(string(head.From))
	if err != nil || from.Domainpart() != domain || s.stopped.Load() {
		return
	}
	s.guard(func() {
		b := s.newBatch()
		defer b.done()
		r := b.requestOf(s.strangerAt(from))
		r.head, r.raw = head, raw
		r.dispatchForeign()
		b.breathe()
	})
}

// dispatchForeign is dispatch for a stanza from another domain.
func (r *request) dispatchForeign() {
	if err := r.handleForeign(); err != nil {
		r.fail(err)
	}
}

func (r *request) handleForeign() error {
	if r.forRooms() {
		return r.inRooms()
	}
	if r.head.Kind == scan.IQ {
		return r.foreignIQ()
	}
	dest, err := r.server.resolve(r.head.To)
	if err != nil || dest.abroad != nil {
		return r.pass(dest, err)
	}
	if h := foreignRows[rowKey{kind: r.head.Kind, typ: string(r.head.Type)}]; h != nil {
		return h(r)
	}
	if r.head.Kind == scan.Message {
		return r.message() // RFC 6121 §5.2.2
	}
	return errBadRequest
}

func (r *request) foreignIQ() error {
	typ, answer, err := typeOfIQ(&r.head)
	if err != nil {
		return err
	}
	at, err := r.place()
	if err != nil || r.to.abroad != nil {
		return r.pass(r.to, err)
	}
	if err := r.screen(r.to); err != nil {
		return err
	}
	switch {
	case at == atClient:
		return foreignRows[rowKey{kind: scan.IQ, typ: typ, at: at}](r)
	case answer:
		if !r.server.questions.answer(r.head.ID, r.from.jid, r.raw) {
			r.answeredAbroad()
		}
		return nil
	}
	if h := foreignRows[rowKey{scan.IQ, typ, at, string(r.head.ChildNS)}]; h != nil {
		return h(r)
	}
	return errServiceUnavailable
}

// pass passes a stanza on from one domain to another, if one of them is a component's. Nothing goes from one
// server to another by way of this one.
func (r *request) pass(to destination, err error) error {
	components := r.server.components
	if err != nil {
		return err
	}
	if !components.Serves(r.from.account.domain) && !components.Serves(to.abroad.account.domain) {
		return errRemoteServerNotFound
	}
	if !r.forward(to.abroad) {
		return errServiceUnavailable
	}
	return nil
}

// foreignVCard answers with the vCard of a user to strangers whom the user lets see their presence: one that
// is made from the directory is not for everybody in the world.
func (r *request) foreignVCard() error {
	if r.to.account == nil || !r.server.sees(r.from.account, r.to.account) {
		return errServiceUnavailable
	}
	return r.vcardGet()
}
