package xmpp

import (
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsVCard = "vcard-temp"

// maxVCard bounds a stored vCard, picture included.
const maxVCard = 128 << 10

// vcardGet answers with the user's own vCard, or one made from the directory (XEP-0054 §3.1, §3.3).
func (r *request) vcardGet() error {
	if r.to.account == nil {
		return errServiceUnavailable
	}
	stored, err := r.server.deps.Store.VCard(r.server.ctx, r.to.account.user)
	if err != nil {
		return err
	}
	if stored == nil {
		stored = defaultVCard(r.server.groups.Load().dir.Users.Get(r.to.account.user))
	}
	card, err := r.server.withPhoto(r.to.account, r.from.account, stored)
	if err != nil {
		return err
	}
	return r.reply(card)
}

func defaultVCard(u *uc.User) []byte {
	e := newElement("vCard").attr("xmlns", nsVCard)
	if u == nil {
		return e.close("vCard").bytes()
	}
	e.text("FN", u.Name).text("NICKNAME", u.Login)
	if u.Ext != "" {
		e.start("TEL").start("WORK").close("").start("VOICE").close("").text("NUMBER", u.Ext).close("TEL")
	}
	if u.Email != "" {
		e.start("EMAIL").start("INTERNET").close("").start("WORK").close("").text("USERID", u.Email).close("EMAIL")
	}
	return e.close("vCard").bytes()
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
