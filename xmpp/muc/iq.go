package muc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// onIQ answers what is asked of the room, and passes on what is asked of an occupant.
func (r *Room) onIQ(in *In) error {
	typ := string(in.Head.Type)
	if in.Nick != "" {
		return r.occupantIQ(in, typ)
	}
	if in.payload() == nil || typ != "get" && typ != "set" {
		return nil // the room asked nothing
	}
	switch p := in.payload(); [2]string{typ, p.NS} {
	case [2]string{"get", nsDiscoInfo}:
		return r.discoInfo(in, p.Attr("node"))
	case [2]string{"get", nsDiscoItems}:
		return r.discoItems(in, p.Attr("node"))
	case [2]string{"get", nsPing}:
		return r.reply(in, nil)
	case [2]string{"get", nsAdmin}:
		return r.adminGet(in)
	case [2]string{"set", nsAdmin}:
		return r.adminSet(in)
	case [2]string{"get", nsOwner}:
		return r.ownerGet(in)
	case [2]string{"set", nsOwner}:
		return r.ownerSet(in)
	case [2]string{"get", nsRegister}:
		return r.enrolForm(in)
	case [2]string{"set", nsRegister}:
		return r.enrol(in, p)
	case [2]string{"get", nsVCard}:
		return r.cardGet(in)
	case [2]string{"set", nsVCard}:
		return r.cardSet(in, p)
	case [2]string{"set", nsCommands}:
		return r.command(in, p)
	case [2]string{"set", nsModerate}:
		return r.moderate(in, p)
	}
	return errNotImplemented
}

// occupantIQ passes an IQ between two occupants (XEP-0045 §17.4). The room answers a client that asks
// whether it is still there (XEP-0410 §3.2).
func (r *Room) occupantIQ(in *In, typ string) error {
	s, to := r.seats[in.From], r.nicks[in.Nick]
	answer := typ == "result" || typ == "error"
	switch {
	case answer && (s == nil || to == nil):
		return nil
	case s == nil && strings.HasPrefix(string(in.Head.ChildNS), nsDisco):
		return errBadRequest // §6.6
	case s == nil:
		return errNotInRoom
	case to == s.occupant && typ == "get" && string(in.Head.ChildNS) == nsPing:
		return r.reply(in, nil)
	case to == nil:
		return errNotFound
	case answer:
		r.passAnswer(s, to, in)
		return nil
	case !r.take(in.Bare):
		return errTooFast
	}
	// The answer is to reach the client that asks, whose address the other must not learn.
	id := strconv.FormatUint(s.number, 10) + "." + string(in.Head.ID)
	r.send([]string{to.seats[0].full}, r.relayed(s, in, id))
	return nil
}

func (r *Room) passAnswer(s *seat, to *occupant, in *In) {
	number, id, _ := strings.Cut(string(in.Head.ID), ".")
	at := slices.IndexFunc(to.seats, func(asker *seat) bool { return strconv.FormatUint(asker.number, 10) == number })
	if at >= 0 {
		r.send([]string{to.seats[at].full}, r.relayed(s, in, id))
	}
}

func (r *Room) relayed(s *seat, in *In, id string) []byte {
	return build("iq", r.occupantAddress(s.occupant.nick), string(in.Head.Type), id, in.node.Nodes...)
}

// discoInfo tells what kind of room it is (§6.4), or the nick that is reserved for who asks (§7.12).
func (r *Room) discoInfo(in *In, node string) error {
	query := elem(nsDiscoInfo, "query", "node", node)
	if r.affiliation(in.Bare) == outcast {
		return errForbidden
	}
	switch node {
	case reservedNick:
		if nick := r.people[in.Bare].nick; nick != "" {
			with(query, elem(nsDiscoInfo, "identity", "category", "conference", "type", "text", "name", nick))
		}
		return r.reply(in, query)
	case "":
	case NS + "#traffic":
		return errNotSupported // §18.1.1: everything passes
	default:
		return r.discoCommand(in, node)
	}
	if r.locked && r.affiliation(in.Bare) < owner {
		return errNotFound
	}
	with(query, elem(nsDiscoInfo, "identity", "category", "conference", "type", "text", "name", r.title()))
	features := append(r.kinds(), NS, nsDiscoInfo, nsDiscoItems, nsRegister, nsStanzaID, nsRetract, nsModerate, nsVCard, nsHats, nsCommands, selfPingFeature, NS+"#stable_id")
	if r.nameOf != nil {
		features = append(features, nsOccupantID)
	}
	if r.logs() {
		features = append(features, nsArchive, nsArchive+"#extended", nsRetract+"#tombstone")
	}
	for _, f := range features {
		with(query, elem(nsDiscoInfo, "feature", "var", f))
	}
	info := with(elem(nsForms, "x", "type", "result"),
		field("hidden", "FORM_TYPE", "", formInfo),
		field("text-single", "muc#roominfo_description", "Description", r.settings.Description),
		field("text-single", "muc#roominfo_occupants", "Occupants", strconv.Itoa(len(r.order))),
		field("boolean", "muc#roominfo_subjectmod", "Everybody may change the subject", boolText(r.settings.OpenSubject)),
		field("boolean", subjectSetting, "Everybody may change the subject", boolText(r.settings.OpenSubject)),
		field("text-single", "muc#maxhistoryfetch", "Messages that newcomers may be sent", strconv.Itoa(r.settings.History)))
	if r.settings.Pubsub != "" {
		with(info, field("text-single", pubsubSetting, "Node that belongs to the room", r.settings.Pubsub))
	}
	if len(r.photos) > 0 {
		with(info, field("text-multi", "muc#roominfo_avatarhash", "Hashes of the picture", r.photos...))
	}
	if r.settings.Lang != "" {
		with(info, field("text-single", "muc#roominfo_lang", "Language", r.settings.Lang))
	}
	if !r.settings.MembersOnly || r.affiliation(in.Bare) >= member {
		with(info, field("text-single", "muc#roominfo_subject", "Subject", r.subject.Text))
	}
	if r.settings.NonAnonymous || r.affiliation(in.Bare) >= member {
		with(info, field("jid-multi", "muc#roominfo_contactjid", "Owners", r.listed(owner)...))
	}
	if len(r.hats.List) > 0 && r.mayListHats(in) {
		with(info, field("text-single", hatsHash, "Hash of the hats", r.hatsDigest()))
	}
	return r.reply(in, with(query, info))
}

func boolText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (r *Room) title() string {
	if r.settings.Title != "" {
		return r.settings.Title
	}
	return r.name
}

// kinds lists the features that describe the room (§4.2).
func (r *Room) kinds() []string {
	s := &r.settings
	var list []string
	for _, k := range []struct {
		is      bool
		yes, no string
	}{
		{s.Public, "muc_public", "muc_hidden"},
		{s.MembersOnly, "muc_membersonly", "muc_open"},
		{s.Moderated, "muc_moderated", "muc_unmoderated"},
		{s.NonAnonymous, "muc_nonanonymous", "muc_semianonymous"},
		{s.Password != "", "muc_passwordprotected", "muc_unsecured"},
		{s.Persistent, "muc_persistent", "muc_temporary"},
	} {
		if k.is {
			list = append(list, k.yes)
		} else {
			list = append(list, k.no)
		}
	}
	return list
}

// discoItems lists the occupants to those who are among them (§6.5), or the room's commands.
func (r *Room) discoItems(in *In, node string) error {
	switch {
	case r.affiliation(in.Bare) == outcast:
		return errForbidden
	case node == nsCommands:
		return r.discoCommands(in)
	case node != "":
		return errNotFound
	}
	query := elem(nsDiscoItems, "query")
	if r.seats[in.From] != nil {
		for _, o := range r.order {
			if o.unseen && o != r.seats[in.From].occupant {
				continue
			}
			with(query, elem(nsDiscoItems, "item", "jid", r.occupantAddress(o.nick), "name", o.nick))
		}
	}
	return r.reply(in, query)
}

// moderate takes a message back that somebody else has sent (XEP-0425 §4).
func (r *Room) moderate(in *In, p *scan.Node) error {
	s, id := r.seats[in.From], p.Attr("id")
	switch {
	case s == nil || s.occupant.role < moderator:
		return errForbidden
	case id == "" || p.Child(nsRetract, "retract") == nil:
		return errBadRequest
	case !r.forget(func(m *remembered) bool { return m.id == id }) && in.target == nil:
		return errNotFound
	}
	moderated := with(elem(nsModerate, "moderated", "by", r.occupantAddress(s.occupant.nick)), r.occupantID(in.Bare))
	var why *scan.Node
	if reason := shorten(p.ChildText(nsModerate, "reason")); reason != "" {
		why = text(nsRetract, "reason", reason)
	}
	number, own := r.number()
	if in.target != nil {
		r.bury(in.target, own, moderated, why)
	}
	raw := build("message", r.address, "groupchat", own, with(elem(nsRetract, "retract", "id", id), moderated, why),
		elem(nsStanzaID, "stanza-id", "id", own, "by", r.address))
	r.send(r.everybody(), raw)
	r.file(number, in.Bare, s.occupant.nick, raw)
	return r.reply(in, nil)
}
