package muc

import "github.com/rolecall/rolecall/xmpp/scan"

// enrolForm asks for the nick to reserve (XEP-0045 §7.10). Only who belongs to the room may have one.
func (r *Room) enrolForm(in *In) error {
	p := r.people[in.Bare]
	if p.affiliation < member {
		return errNotAllowed
	}
	query := elem(nsRegister, "query")
	if p.nick != "" {
		with(query, elem(nsRegister, "registered"), text(nsRegister, "username", p.nick))
	}
	nick := with(field("text-single", "muc#register_roomnick", "Nick", p.nick), elem(nsForms, "required"))
	return r.reply(in, with(query, with(elem(nsForms, "x", "type", "form"), field("hidden", "FORM_TYPE", "", formEnroll), nick)))
}

// enrol reserves a nick, or gives it up.
func (r *Room) enrol(in *In, query *scan.Node) error {
	p := r.people[in.Bare]
	if p.affiliation < member {
		return errNotAllowed
	}
	nick := ""
	if query.Child(nsRegister, "remove") == nil {
		form := query.Child(nsForms, "x")
		if form == nil {
			return errBadRequest
		}
		if nick = readForm(form).one("muc#register_roomnick"); nick == "" {
			return errBadValue
		}
		if err := r.mayUseNick(in.Bare, nick); err != nil {
			return err
		}
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	p.nick = nick
	r.relate(in.Bare, p)
	return r.reply(in, nil)
}
