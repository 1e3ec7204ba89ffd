package muc

import "github.com/rolecall/rolecall/xmpp/scan"

// voiceForm handles a visitor's request to speak, or a moderator's answer to one (XEP-0045 §7.13, §8.6).
func (r *Room) voiceForm(o *occupant, in values) error {
	switch {
	case in.one("FORM_TYPE") != formVoice:
		return errBadRequest
	case o.role == moderator:
		return r.answerVoice(o, in)
	case o.role == participant:
		return errBadRequest // has a voice
	case !r.settings.VoiceRequests:
		return errForbidden
	}
	form := with(elem(nsForms, "x", "type", "form"),
		text(nsForms, "title", "Voice request"),
		text(nsForms, "instructions", "To let this visitor speak, submit the form with yes."),
		field("hidden", "FORM_TYPE", "", formVoice),
		field("list-single", "muc#role", "Role", participant.String()),
		field("jid-single", "muc#jid", "Address", o.seats[0].full),
		field("text-single", "muc#roomnick", "Nick", o.nick),
		field("boolean", "muc#request_allow", "Grant voice to this person?", "0"))
	var moderators []string
	for _, other := range r.order {
		if other.role == moderator {
			moderators = append(moderators, other.clients()...)
		}
	}
	r.send(moderators, build("message", r.address, "", "", form))
	return nil
}

// answerVoice gives a visitor a voice, if the moderator allows it. Somebody who has left meanwhile has none.
func (r *Room) answerVoice(by *occupant, in values) error {
	o := r.nicks[in.one("muc#roomnick")]
	if !isTrue(in.one("muc#request_allow")) || o == nil || o.role != visitor {
		return nil
	}
	r.setRole(o, participant, by.nick, "")
	return nil
}

// setRole gives an occupant who stays another role.
func (r *Room) setRole(o *occupant, to role, actor, reason string) {
	o.role = to
	o.changed()
	r.announce(announcement{of: o, actor: actor, reason: reason}, o.clients())
}

// field makes a field of a form.
func field(typ, name, label string, values ...string) *scan.Node {
	f := elem(nsForms, "field", "type", typ, "var", name, "label", label)
	for _, v := range values {
		with(f, text(nsForms, "value", v))
	}
	return f
}

// values are the fields of a submitted form.
type values map[string][]string

func readForm(x *scan.Node) values {
	in := values{}
	for _, f := range x.Nodes {
		if f.Name != "field" || f.NS != nsForms {
			continue
		}
		name := f.Attr("var")
		in[name] = []string{} // present, if without a value
		for _, v := range f.Nodes {
			if v.Name == "value" && v.NS == nsForms {
				in[name] = append(in[name], v.Text)
			}
		}
	}
	return in
}

func (v values) one(name string) string {
	if list := v[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// isTrue reads a boolean (XEP-0004 §3.3).
func isTrue(value string) bool { return value == "1" || value == "true" }
