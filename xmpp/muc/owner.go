package muc

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// ownerGet sends the configuration form (XEP-0045 §10.2).
func (r *Room) ownerGet(in *In) error {
	if r.affiliation(in.Bare) < owner {
		return errForbidden
	}
	r.asked = true
	return r.reply(in, with(elem(nsOwner, "query"), r.configForm()))
}

// ownerSet configures or destroys the room (§10.1.2, §10.2, §10.9).
func (r *Room) ownerSet(in *In) error {
	if r.affiliation(in.Bare) < owner {
		return errForbidden
	}
	query := in.payload()
	if d := query.Child(nsOwner, "destroy"); d != nil {
		return r.destroy(in, d)
	}
	form := query.Child(nsForms, "x")
	if form == nil {
		return errBadRequest
	}
	switch form.Attr("type") {
	case "cancel":
		if r.locked {
			return r.destroy(in, elem(nsOwner, "destroy")) // §10.1.3
		}
		return r.reply(in, nil)
	case "submit":
		return r.configure(in, readForm(form))
	}
	return errBadRequest
}

// configure takes over what the owner has decided. An empty form accepts what is proposed (§10.1.2).
func (r *Room) configure(in *In, form values) error {
	after, err := r.readSettings(form)
	if err != nil {
		return err
	}
	people, err := r.readPeople(form)
	if err != nil {
		return err
	}
	if !r.takeMany(in.Bare, 1+len(people)) {
		return errTooFast
	}
	before := r.settings
	fresh := r.locked
	r.settings, r.changed, r.locked = after, true, false
	for _, o := range r.order {
		o.changed()
	}
	for len(r.history) > after.History {
		r.weight -= len(r.history[0].stanza)
		r.history = r.history[1:]
	}
	if err := r.reply(in, nil); err != nil {
		return err
	}
	r.affiliate(people, r.actor(in))
	r.showRoles()
	if fresh {
		return nil
	}
	if after.MembersOnly && !before.MembersOnly {
		r.removeStrangers()
	}
	r.announceCodes(changeCodes(&before, &after)...)
	return nil
}

// removeStrangers takes those out who may not be in a room that is now for members only (§10.2.1).
func (r *Room) removeStrangers() {
	for _, o := range slices.Clone(r.order) {
		if r.affiliation(o.bare) < member {
			r.remove(o, announcement{codes: []int{statusMembersOnly}})
		}
	}
}

// changeCodes says what occupants must know of a change of the settings (§10.2.1).
func changeCodes(before, after *uc.RoomSettings) []int {
	codes := []int{statusConfigChanged}
	if before.Logged != after.Logged {
		codes = append(codes, map[bool]int{true: statusLogged, false: statusNotLogged}[after.Logged])
	}
	if before.NonAnonymous != after.NonAnonymous {
		codes = append(codes, map[bool]int{true: statusNowOpen, false: statusNowSemi}[after.NonAnonymous])
	}
	return codes
}

// destroy ends the room and tells everybody where to go instead (§10.9).
func (r *Room) destroy(in *In, d *scan.Node) error {
	told := elem(nsUser, "destroy", "jid", shorten(d.Attr("jid")))
	for _, name := range []string{"reason", "password"} {
		if t := shorten(d.ChildText(nsOwner, name)); t != "" {
			with(told, text(nsUser, name, t))
		}
	}
	r.removeAll(func(o *occupant) announcement { return announcement{of: o, leaves: true, destroy: told} })
	r.destroyed = true
	return r.reply(in, nil)
}

// removeAll takes everybody out and tells each only of themselves.
func (r *Room) removeAll(why func(*occupant) announcement) {
	for _, o := range r.order {
		r.announceTo(o.clients(), why(o))
		for _, s := range o.seats {
			r.left = append(r.left, s.full)
		}
	}
	r.order = nil
	clear(r.nicks)
	clear(r.seats)
}
