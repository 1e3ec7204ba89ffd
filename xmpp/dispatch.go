package xmpp

import (
	"cmp"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// place is whose stanza it is to answer.
type place uint8

const (
	anywhere  place = iota
	atServer        // addressed to the domain
	atUploads       // addressed to the domain of uploads
	atSelf          // addressed to the sender's own account, or to nobody (RFC 6120 §10.3.3)
	atOther         // addressed to the account of another user
	atClient        // addressed to a full address, or to another domain
	atPhone         // addressed to the resource that stands for a user's telephones, whose presence the sender sees
)

// row says who handles a kind of stanza.
type row struct {
	kind   scan.Kind
	typ    string
	at     place
	ns     string // of the payload, for IQs
	handle handler
}

type rowKey struct {
	kind scan.Kind
	typ  string
	at   place
	ns   string
}

// table is the dispatch table: what is not in it is answered service-unavailable (IQs) or bad-request.
var table = []row{
	{scan.Message, "", anywhere, "", (*request).message},
	{scan.Message, "normal", anywhere, "", (*request).message},
	{scan.Message, "chat", anywhere, "", (*request).message},
	{scan.Message, "headline", anywhere, "", (*request).message},
	{scan.Message, "groupchat", anywhere, "", (*request).message},
	{scan.Message, "error", anywhere, "", (*request).message},

	{scan.Presence, "", anywhere, "", (*request).available},
	{scan.Presence, "unavailable", anywhere, "", (*request).unavailable},
	{scan.Presence, "subscribe", anywhere, "", (*request).subscription},
	{scan.Presence, "subscribed", anywhere, "", (*request).subscription},
	{scan.Presence, "unsubscribe", anywhere, "", (*request).subscription},
	{scan.Presence, "unsubscribed", anywhere, "", (*request).subscription},
	{scan.Presence, "probe", anywhere, "", (*request).probe},
	{scan.Presence, "error", anywhere, "", (*request).presenceError},

	{scan.IQ, "get", atSelf, nsRoster, (*request).rosterGet},
	{scan.IQ, "set", atSelf, nsRoster, (*request).rosterSet},

	{scan.IQ, "set", atSelf, nsCarbons, (*request).switchCarbons},

	{scan.IQ, "set", atSelf, nsPush, (*request).setPush},

	{scan.IQ, "get", atServer, nsDiscoInfo, (*request).discoInfoServer},
	{scan.IQ, "get", atServer, nsDiscoItems, (*request).discoItemsServer},
	{scan.IQ, "get", atSelf, nsDiscoInfo, (*request).discoInfoAccount},
	{scan.IQ, "get", atSelf, nsDiscoItems, (*request).discoItemsAccount},
	{scan.IQ, "get", atOther, nsDiscoInfo, (*request).discoInfoOther},
	{scan.IQ, "get", atOther, nsDiscoItems, (*request).discoItemsOther},

	{scan.IQ, "get", atServer, nsPing, (*request).ping},
	{scan.IQ, "get", atSelf, nsPing, (*request).ping},
	{scan.IQ, "get", atServer, nsVersion, (*request).version},
	{scan.IQ, "get", atServer, nsTime, (*request).entityTime},

	{scan.IQ, "set", atServer, nsSession, (*request).beginSession},
	{scan.IQ, "set", atSelf, nsSession, (*request).beginSession},

	{scan.IQ, "get", atServer, nsLast, (*request).uptime},
	{scan.IQ, "get", atSelf, nsLast, (*request).lastActivity},
	{scan.IQ, "get", atOther, nsLast, (*request).lastActivity},

	{scan.IQ, "get", atServer, nsRegister, (*request).registered},
	{scan.IQ, "get", atSelf, nsRegister, (*request).registered},
	{scan.IQ, "set", atServer, nsRegister, (*request).register},
	{scan.IQ, "set", atSelf, nsRegister, (*request).register},

	{scan.IQ, "get", atServer, nsSearch, (*request).searchFields},
	{scan.IQ, "set", atServer, nsSearch, (*request).search},

	{scan.IQ, "get", atServer, nsUpload, (*request).uploadSlot},
	{scan.IQ, "get", atUploads, nsUpload, (*request).uploadSlot},
	{scan.IQ, "get", atUploads, nsDiscoInfo, (*request).discoInfoUploads},
	{scan.IQ, "get", atUploads, nsDiscoItems, (*request).discoItemsNone},
	{scan.IQ, "get", atUploads, nsPing, (*request).ping},
	{scan.IQ, "get", atServer, nsExternal, (*request).relayServices},

	{scan.IQ, "get", atSelf, nsVCard, (*request).vcardGet},
	{scan.IQ, "get", atOther, nsVCard, (*request).vcardGet},
	{scan.IQ, "set", atSelf, nsVCard, (*request).vcardSet},

	{scan.IQ, "get", atSelf, nsPrivate, (*request).privateGet},
	{scan.IQ, "set", atSelf, nsPrivate, (*request).privateSet},

	{scan.IQ, "get", atSelf, nsArchive, (*request).archiveGet},
	{scan.IQ, "set", atSelf, nsArchive, (*request).archiveSet},

	{scan.IQ, "get", atSelf, nsBlocking, (*request).blocklistGet},
	{scan.IQ, "set", atSelf, nsBlocking, (*request).blockingSet},
	{scan.IQ, "get", atSelf, nsPubsub, (*request).pubsubGet},
	{scan.IQ, "set", atSelf, nsPubsub, (*request).pubsubSet},
	{scan.IQ, "get", atOther, nsPubsub, (*request).pubsubGet},
	{scan.IQ, "set", atOther, nsPubsub, (*request).pubsubSet},
	{scan.IQ, "get", atSelf, nsPubsubOwner, (*request).pubsubOwnerGet},
	{scan.IQ, "set", atSelf, nsPubsubOwner, (*request).pubsubOwnerSet},
	{scan.IQ, "get", atOther, nsPubsubOwner, (*request).pubsubOwnerGet},
	{scan.IQ, "set", atOther, nsPubsubOwner, (*request).pubsubOwnerSet},

	{scan.IQ, "set", atServer, nsCommands, (*request).command},
	{scan.IQ, "set", atSelf, nsCommands, (*request).command},

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

// bareTable lists what clients send beside stanzas. An error of its handlers ends the stream; what is not in
// it is unsupported-stanza-type (RFC 6120 §4.9.3.24).
var bareTable = map[bareKey]handler{
	{nsManagement, "enable"}: (*request).enableManagement,
	{nsManagement, "resume"}: (*request).resumeTooLate,
	{nsManagement, "r"}:      (*request).tellHandled,
	{nsManagement, "a"}:      (*request).acknowledged,

	{nsClientState, "active"}:   (*request).active,
	{nsClientState, "inactive"}: (*request).inactive,
}

type bareKey struct{ ns, name string }

// dispatchBare handles what is no stanza.
func (r *request) dispatchBare() error {
	if h := bareTable[bareKey{string(r.head.NS), string(r.head.Name)}]; h != nil {
		return h(r)
	}
	return stream.UnsupportedStanzaType
}

var rows, foreignRows map[rowKey]handler

// init fills the indexes; the tables themselves refer to handlers that read it.
func init() {
	rows, foreignRows = index(table), index(foreignTable)
}

func index(table []row) map[rowKey]handler {
	rows := make(map[rowKey]handler, len(table))
	for _, r := range table {
		rows[rowKey{r.kind, r.typ, r.at, r.ns}] = r.handle
	}
	return rows
}

// dispatch hands the stanza to its handler and answers what that returns.
func (r *request) dispatch() {
	var err error
	if r.forRooms() {
		r.batch.mayWait()
		err = r.inRooms()
	} else if r.head.Kind == scan.IQ {
		err = r.dispatchIQ()
	} else if h := rows[rowKey{kind: r.head.Kind, typ: string(r.head.Type)}]; h != nil {
		err = h(r)
	} else if r.head.Kind == scan.Message {
		err = r.message() // an unknown type counts as normal (RFC 6121 §5.2.2)
	} else {
		err = errBadRequest // RFC 6121 §4.7.1
	}
	if err != nil {
		r.fail(err)
	}
}

// typeOfIQ checks what every IQ must have (RFC 6120 §8.2.3) and returns its type, and whether it is an answer.
func typeOfIQ(head *scan.Head) (typ string, answer bool, err error) {
	typ = string(head.Type)
	answer = typ == "result" || typ == "error"
	if len(head.ID) == 0 || !answer && (typ != "get" && typ != "set" || head.Child == nil || head.More) {
		return "", false, errBadRequest
	}
	return typ, answer, nil
}

func (r *request) dispatchIQ() error {
	typ, answer, err := typeOfIQ(&r.head)
	if err != nil {
		return err
	}
	at, err := r.place()
	if err != nil {
		return err
	}
	if err := r.screen(r.to); err != nil {
		return err
	}
	if at == atClient {
		return rows[rowKey{kind: scan.IQ, typ: typ, at: at}](r)
	}
	if answer {
		r.batch.mayWait()
		if !r.server.questions.answer(r.head.ID, r.from.jid, r.raw) {
			r.learnCaps()
		}
		return nil
	}
	if h := rows[rowKey{scan.IQ, typ, at, string(r.head.ChildNS)}]; h != nil {
		r.batch.mayWait()
		r.awaitStored() // an answer says that what was sent before was handled
		return h(r)
	}
	return errServiceUnavailable // RFC 6121 §8.5.1, RFC 6120 §8.4
}

// place finds out who is to answer an IQ.
func (r *request) place() (place, error) {
	if r.head.To == nil {
		r.to = destination{account: r.from.account, bare: r.from.account.bare}
		return atSelf, nil
	}
	var err error
	if r.to, err = r.server.resolve(r.head.To); err != nil {
		return 0, err
	}
	switch {
	case r.to.uploads:
		return atUploads, nil
	case r.toPhone():
		return atPhone, nil
	case r.to.resource && !r.to.server, r.to.abroad != nil:
		return atClient, nil
	case r.to.server:
		return atServer, nil
	case r.to.account == r.from.account:
		return atSelf, nil
	}
	return atOther, nil
}

// iqToClient passes an IQ to the client it is addressed to (RFC 6121 §8.5.3), or to its domain.
func (r *request) iqToClient() error {
	if !r.mayAskIdle() {
		return errForbidden
	}
	if to := cmp.Or(r.to.session, r.to.abroad); to == nil || !r.forward(to) {
		return errServiceUnavailable // the same whether the user exists or not
	}
	return nil
}

// forward sends the stanza on as it is, from the sender's full address, and reports whether it was taken.
func (r *request) forward(to *session) bool {
	r.batch.scratch = scan.AppendStamped(r.batch.scratch[:0], r.raw, &r.head, r.from.jidBytes, nil)
	return r.batch.push(to, r.batch.scratch)
}
