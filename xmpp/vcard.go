package xmpp

import (
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsVCard = "vcard-temp"

// maxVCard bounds a stored vCard, picture included.
const maxVCard = 128 << 10

// vcardGet answers with the user's own vCard, or one made from the directory; a team's is always made
// (XEP-0054 §3.1, §3.3). Who may not know a user or a team learns no more than of an address that is nobody's.
func (r *request) vcardGet() error {
	if team, ok := r.teamAsked(); ok {
		return r.reply(r.server.teamCard(team, r.from.account).temp())
	}
	if r.to.account == nil || !r.server.mayKnow(r.from.account, r.to.account) {
		return errServiceUnavailable
	}
	stored, err := r.server.deps.Store.VCard(r.server.ctx, r.to.account.user)
	if err != nil {
		return err
	}
	if stored == nil {
		stored = r.server.userCard(r.to.account).temp()
	}
	card, err := r.server.withPhoto(r.to.account, r.from.account, stored)
	if err != nil {
		return err
	}
	return r.reply(card)
}

// vcardSet stores the user's own vCard (XEP-0054 §3.2).
func (r *request) vcardSet() error {
	card, err := r.payload()
	if err != nil {
		return err
	}
	if card.Name != "vCard" {
		return errBadRequest
	}
	if len(r.raw) > maxVCard {
		return stanza.Error{Type: stanza.Modify, Condition: stanza.NotAcceptable, Text: map[string]string{"en": "the vCard is too big"}}
	}
	if err := r.publishPhoto(card); err != nil {
		return err
	}
	raw := card.AppendXML(nil, scan.NSClient)
	if err := r.server.deps.Store.PutVCard(r.server.ctx, r.from.account.user, raw); err != nil {
		return err
	}
	return r.reply(nil)
}
