package muc

import (
	"slices"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxChanges bounds the items of one request.
const maxChanges = 200

// adminGet lists who has a role or an affiliation (XEP-0045 §8.5, §9.5, §9.8, §10.5, §10.8).
func (r *Room) adminGet(in *In) error {
	item := in.payload().Child(nsAdmin, "item")
	if item == nil {
		return errBadRequest
	}
	query := elem(nsAdmin, "query")
	if name := item.Attr("role"); name != "" {
		want, ok := roleOf(name)
		if !ok || want == noRole {
			return errBadRequest
		}
		if s := r.seats[in.From]; s == nil || s.occupant.role < moderator {
			return errForbidden
		}
		for _, o := range r.order {
			if o.role == want {
				with(query, elem(nsAdmin, "item", "affiliation", r.affiliation(o.bare).String(), "role", name, "nick", o.nick, "jid", o.seats[0].full))
			}
		}
		return r.reply(in, query)
	}
	want, ok := affiliationOf(item.Attr("affiliation"))
	if !ok || want == unaffiliated {
		return errBadRequest
	}
	if !r.mayList(in.Bare, want) {
		return errForbidden
	}
	for _, bare := range r.listed(want) {
		p := r.people[bare]
		one := elem(nsAdmin, "item", "affiliation", want.String(), "jid", bare, "nick", p.nick)
		if p.reason != "" {
			with(one, text(nsAdmin, "reason", p.reason))
		}
		with(query, one)
	}
	return r.reply(in, query)
}

// mayList lets admins see all lists. Members of a room where addresses are no secret see who else belongs
// to it: they need that to encrypt for everybody.
func (r *Room) mayList(bare string, want affiliation) bool {
	mine := r.affiliation(bare)
	return mine >= admin || mine >= member && r.settings.NonAnonymous && want >= member
}

// change is one checked item of a request.
type change struct {
	occupant *occupant // whose role is changed
	role     role

	bare        string // whose affiliation is changed
	affiliation affiliation
	nick        string

	reason string
}

// adminSet changes roles and affiliations: all that was asked for, or nothing (§8, §9, §10.3-10.8).
func (r *Room) adminSet(in *In) error {
	var changes []change
	for _, item := range in.payload().Nodes {
		if item.Name != "item" || item.NS != nsAdmin {
			continue
		}
		c, err := r.readChange(in, item)
		if err != nil {
			return err
		}
		if changes = append(changes, c); len(changes) > maxChanges {
			return errTooMuch
		}
	}
	if len(changes) == 0 {
		return errBadRequest
	}
	if err := r.checkTogether(changes); err != nil {
		return err
	}
	if !r.takeMany(in.Bare, len(changes)) {
		return errTooFast
	}
	r.affiliate(changes, r.actor(in))
	return r.reply(in, nil)
}

// actor is the nick of who asks for something, if there.
func (r *Room) actor(in *In) string {
	if s := r.seats[in.From]; s != nil {
		return s.occupant.nick
	}
	return ""
}

// affiliate makes changes that were checked.
func (r *Room) affiliate(changes []change, actor string) {
	for _, c := range changes {
		if c.occupant != nil {
			r.applyRole(c, actor)
		} else {
			r.applyAffiliation(c, actor)
		}
	}
}

func (r *Room) readChange(in *In, item *scan.Node) (change, error) {
	c := change{reason: shorten(item.ChildText(nsAdmin, "reason"))}
	nick, address := item.Attr("nick"), item.Attr("jid")
	if name := item.Attr("affiliation"); name != "" {
		if item.Attr("role") != "" {
			return c, errBadRequest // §17.4
		}
		var ok bool
		if c.affiliation, ok = affiliationOf(name); !ok {
			return c, errBadRequest
		}
		var err error
		if o := r.nicks[nick]; address == "" && o != nil {
			c.bare = o.bare
		} else if c.bare, err = bareAddress(address); err != nil {
			return c, err
		} else if len(nick) <= maxNick && r.mayUseNick(c.bare, nick) == nil {
			c.nick = nick
		}
		return c, r.mayAffiliate(in.Bare, c)
	}
	var ok bool
	if c.role, ok = roleOf(item.Attr("role")); !ok {
		return c, errBadRequest
	}
	if c.occupant = r.nicks[nick]; c.occupant == nil {
		return c, errNotFound
	}
	return c, r.mayGiveRole(in, c)
}

// mayGiveRole applies XEP-0045 §5.1.1 and §8.2-8.4, §9.6-9.7.
func (r *Room) mayGiveRole(in *In, c change) error {
	mine, theirs := r.affiliation(in.Bare), r.affiliation(c.occupant.bare)
	s := r.seats[in.From]
	switch {
	case mine < admin && (s == nil || s.occupant.role < moderator):
		return errForbidden
	case c.role == moderator && mine < admin:
		return errForbidden // §9.6
	case c.role == noRole && theirs > mine:
		return errNotAllowed // §8.2
	case c.role != noRole && c.role != moderator && theirs >= admin:
		return errNotAllowed // §8.4, §9.7: admins and owners are moderators
	case c.occupant.role == moderator && c.role < moderator && mine < admin:
		return errNotAllowed // §9.7: only admins may take it
	case c.role == visitor && theirs > mine:
		return errNotAllowed // §8.4
	}
	return nil
}

// mayAffiliate applies XEP-0045 §5.2.1, §9.1-9.4 and §10.3-10.7.
func (r *Room) mayAffiliate(by string, c change) error {
	mine, theirs := r.affiliation(by), r.affiliation(c.bare)
	switch {
	case mine < admin:
		return errForbidden
	case by == c.bare && c.affiliation == outcast:
		return errConflict // §9.1: nobody bans themselves
	case mine < owner && (theirs >= admin || c.affiliation >= admin):
		return errNotAllowed
	}
	return nil
}

// checkTogether keeps a room from losing its last owner (§10.4), and its lists from growing without end.
func (r *Room) checkTogether(changes []change) error {
	after := map[string]affiliation{}
	var fresh []string
	for _, c := range changes {
		if c.occupant == nil {
			after[c.bare] = c.affiliation
			if c.affiliation != unaffiliated {
				fresh = append(fresh, c.bare)
			}
		}
	}
	if !r.roomFor(fresh) {
		return errTooMuch
	}
	lost := false
	for bare, a := range after {
		lost = lost || a < owner && r.affiliation(bare) == owner
		if a == owner {
			return nil
		}
	}
	if !lost {
		return nil
	}
	for bare, p := range r.people {
		if a, touched := after[bare]; p.affiliation == owner && (!touched || a == owner) {
			return nil
		}
	}
	return errConflict
}

// roomFor reports whether the list of affiliations can take those of these addresses that it has not.
func (r *Room) roomFor(addresses []string) bool {
	fresh := map[string]bool{}
	for _, bare := range addresses {
		if _, known := r.people[bare]; !known {
			fresh[bare] = true
		}
	}
	return len(fresh) == 0 || len(r.people)+len(fresh) <= r.limits.Affiliations
}

func (r *Room) applyRole(c change, actor string) {
	if r.nicks[c.occupant.nick] != c.occupant {
		return // an earlier item of the request took them out of the room
	}
	if c.role == noRole {
		r.remove(c.occupant, announcement{codes: []int{statusKicked}, actor: actor, reason: c.reason})
		return
	}
	r.setRole(c.occupant, c.role, actor, c.reason)
}

// applyAffiliation changes what somebody is to the room, and with it the roles of their occupants.
func (r *Room) applyAffiliation(c change, actor string) {
	before := r.affiliation(c.bare)
	p := r.people[c.bare]
	p.affiliation, p.reason = c.affiliation, c.reason
	switch {
	case c.affiliation == unaffiliated:
		p = stranger
	case c.affiliation == outcast:
		p.nick = "" // §9.1: others may have it
	case c.nick != "" && r.mayUseNick(c.bare, c.nick) == nil: // another item of the request may have taken it
		p.nick = c.nick
	}
	r.relate(c.bare, p)
	there := false
	for _, o := range slices.Clone(r.order) {
		if o.bare == c.bare {
			there = true
			r.reaffiliate(o, before, announcement{of: o, actor: actor, reason: c.reason})
		}
	}
	if !there && before != c.affiliation {
		r.tellAffiliation(c)
	}
}

// reaffiliate tells of an occupant's new affiliation, and removes who may not stay.
func (r *Room) reaffiliate(o *occupant, before affiliation, a announcement) {
	now := r.affiliation(o.bare)
	switch {
	case now == outcast:
		a.codes = []int{statusBanned} // §9.1
		r.remove(o, a)
		return
	case now < member && r.settings.MembersOnly:
		a.codes = []int{statusAffiliation} // §9.4
		r.remove(o, a)
		return
	case now >= admin, before >= admin, now > before && o.role < r.startRole(now):
		o.role = r.startRole(now)
	}
	o.changed()
	r.announce(a, o.clients())
}

// tellAffiliation tells of a change for somebody who is not there (§9.3), to those who may know addresses.
func (r *Room) tellAffiliation(c change) {
	var to []string
	for _, o := range r.order {
		if r.seesAddresses(o) {
			to = append(to, o.clients()...)
		}
	}
	item := elem(nsUser, "item", "affiliation", c.affiliation.String(), "role", noRole.String(), "jid", c.bare)
	r.send(to, build("message", r.address, "", r.newID(), with(elem(nsUser, "x"), item)))
}
