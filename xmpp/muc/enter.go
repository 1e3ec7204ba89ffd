package muc

import (
	"crypto/subtle"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// enter lets a client in (XEP-0045 §7.2). A second client of a user may share the nick of the first.
func (r *Room) enter(in *In, x *scan.Node) error {
	if err := r.mayEnter(in, x); err != nil {
		return err
	}
	r.last++
	s := &seat{full: in.From, number: r.last}
	o := r.nicks[in.Nick]
	if o == nil {
		o = &occupant{nick: in.Nick, key: nickKey(in.Nick), bare: in.Bare, role: r.startRole(r.affiliation(in.Bare)), unseen: true}
		r.nicks[o.nick] = o
		r.order = append(r.order, o)
	}
	s.occupant = o
	o.seats = append(o.seats, s)
	r.seats[s.full] = s
	r.entered = append(r.entered, s.full)
	delete(r.invited, in.Bare)
	r.setPresence(o, in.node)
	var codes []int
	if r.locked {
		codes = []int{statusCreated} // §10.1.1
	}
	if _, asked, _ := strings.Cut(in.node.Attr("to"), "/"); asked != in.Nick {
		codes = append(codes, statusNickGiven) // §7.2.2: it was brought into its normal form
	}
	r.welcome(s, x, codes)
	return nil
}

// mayEnter applies the rules in the order of what they tell least about the room.
func (r *Room) mayEnter(in *In, x *scan.Node) error {
	a := r.affiliation(in.Bare)
	password := x.ChildText(NS, "password")
	switch {
	case a == outcast:
		return errForbidden // §7.2.7
	case r.locked && a != owner:
		return errNotFound // §10.1.3: not yet there
	case r.settings.MembersOnly && a < member:
		return errMembersOnly // §7.2.6
	case r.settings.Password != "" && a != owner && subtle.ConstantTimeCompare([]byte(password), []byte(r.settings.Password)) == 0:
		return errPassword // §7.2.5
	case len(r.seats) >= r.limits.Occupants, len(r.order) >= r.settings.MaxOccupants && a < admin && r.nicks[in.Nick] == nil:
		return errFull // §7.2.9
	}
	if err := r.mayUseNick(in.Bare, in.Nick); err != nil {
		return err
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	return nil
}

// welcome tells a client who is there, the others that it is, and then what was said (§7.1).
func (r *Room) welcome(s *seat, x *scan.Node, codes []int) {
	self, to := s.occupant, []string{s.full}
	open := r.seesAddresses(self)
	for _, o := range r.order {
		if o != self && !o.unseen {
			r.sendPresence(Delivery{To: to, Stanza: r.shown(o, open), Occupant: r.occupantAddress(o.nick)})
		}
	}
	if r.settings.NonAnonymous {
		codes = append(codes, statusNonAnonymous) // §7.2.3
	}
	if r.settings.Logged {
		codes = append(codes, statusLogged) // §7.2.12
	}
	a := announcement{of: self, own: codes}
	if len(self.seats) == 1 && len(r.entered) > 0 {
		r.announce(a, to)
	} else {
		r.announceTo(to, a) // the others know this occupant already
	}
	if len(r.photos) > 0 {
		r.tellPhoto(to)
	}
	r.sendHistory(to, x.Child(NS, "history"))
	r.sendSubject(to)
}
