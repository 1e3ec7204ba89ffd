package muc

import (
	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxInvited bounds the invitations that may be declined.
const maxInvited = 1000

// invite passes invitations to those whom an occupant invites (XEP-0045 §7.8.2).
func (r *Room) invite(o *occupant, x *scan.Node) error {
	if !r.settings.OpenInvites && r.affiliation(o.bare) < admin {
		return errForbidden
	}
	var invites []*scan.Node
	var addresses []string
	for _, c := range x.Nodes {
		if c.Name != "invite" || c.NS != nsUser {
			continue
		}
		bare, err := bareAddress(c.Attr("to"))
		if err != nil || len(invites) == maxInvitesPerMessage {
			return errBadRequest
		}
		invites, addresses = append(invites, c), append(addresses, bare)
	}
	if r.settings.MembersOnly && !r.roomFor(addresses) {
		return errTooMuch
	}
	r.accepted()
	for i, c := range invites {
		r.inviteOne(o, addresses[i], c)
	}
	return nil
}

// inviteOne lets somebody in, if the room is for members only, and tells them.
func (r *Room) inviteOne(o *occupant, bare string, c *scan.Node) {
	if r.affiliation(bare) == outcast {
		return // who was banned is not called back by an invitation
	}
	if r.settings.MembersOnly && r.affiliation(bare) == unaffiliated {
		r.relate(bare, person{affiliation: member})
	}
	if len(r.invited) >= maxInvited {
		clear(r.invited)
	}
	r.invited[bare] = o.bare
	reason := shorten(c.ChildText(nsUser, "reason"))
	invite := elem(nsUser, "invite", "from", o.bare)
	if reason != "" {
		with(invite, text(nsUser, "reason", reason))
	}
	with(invite, c.Child(nsUser, "continue"))
	user := with(elem(nsUser, "x"), invite)
	if r.settings.Password != "" {
		with(user, text(nsUser, "password", r.settings.Password))
	}
	direct := elem(nsDirectInvite, "x", "jid", r.address, "reason", reason, "password", r.settings.Password)
	r.send([]string{bare}, build("message", r.address, "", r.newID(), user, direct))
}

// decline tells who invited that the invitation is declined. Only who was invited is heard, and once.
func (r *Room) decline(in *In, c *scan.Node) error {
	inviter := r.invited[in.Bare]
	if inviter == "" {
		return errForbidden
	}
	delete(r.invited, in.Bare)
	for _, o := range r.order {
		if o.bare != inviter {
			continue
		}
		decline := elem(nsUser, "decline", "from", in.Bare)
		if reason := shorten(c.ChildText(nsUser, "reason")); reason != "" {
			with(decline, text(nsUser, "reason", reason))
		}
		r.send(o.clients(), build("message", r.address, "", string(in.Head.ID), with(elem(nsUser, "x"), decline)))
	}
	return nil
}

// bareAddress returns the canonical bare form of a person's address.
func bareAddress(address string) (string, error) {
	parsed, err := jid.Parse(address)
	if err != nil || parsed.Localpart() == "" {
		return "", errBadAddress
	}
	return parsed.Bare().String(), nil
}
