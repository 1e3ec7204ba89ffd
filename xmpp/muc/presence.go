package muc

import (
	"slices"
	"strings"

	"golang.org/x/text/secure/precis"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// The status codes of XEP-0045 §15.6.2.
const (
	statusNonAnonymous   = 100
	statusConfigChanged  = 104
	statusSelf           = 110
	statusLogged         = 170
	statusNotLogged      = 171
	statusNowOpen        = 172
	statusNowSemi        = 173
	statusCreated        = 201
	statusBanned         = 301
	statusNickGiven      = 210
	statusNickChanged    = 303
	statusKicked         = 307
	statusAffiliation    = 321
	statusMembersOnly    = 322
	statusShutdown       = 332
	statusBroken         = 333
	maxPresenceChildren  = 32
	maxReason            = 1024
	maxNick              = 128
	maxInvitesPerMessage = 10
)

// onPresence enters, changes the presence or the nick, or leaves.
func (r *Room) onPresence(in *In) error {
	s := r.seats[in.From]
	switch string(in.Head.Type) {
	case "unavailable":
		if s != nil {
			r.leave(s, announcement{children: r.presenceOf(in.node)})
		}
		return nil
	case "":
	case "error":
		return r.bounced(s, in)
	default:
		return nil // subscriptions and probes mean nothing to a room
	}
	entering := in.node.Child(NS, "x")
	switch {
	case in.Nick == "":
		return errBadAddress // §7.2.1
	case s == nil && entering == nil:
		r.tellNotIn(in) // a client that thinks it is in the room learns that it is not
		return nil
	case s == nil:
		return r.enter(in, entering)
	case s.occupant.nick != in.Nick:
		return r.changeNick(s, in)
	case !r.take(in.Bare):
		return errTooFast
	case entering != nil:
		r.welcome(s, entering, nil) // the client has lost its state: all is told again
		return nil
	}
	r.setPresence(s.occupant, in.node)
	r.announce(announcement{of: s.occupant}, s.occupant.clients()) // §7.7
	return nil
}

// tellNotIn tells a client that has fallen out of the room without knowing it, in a way that all clients understand
// (§7.2.18).
func (r *Room) tellNotIn(in *In) {
	item := with(elem(nsUser, "item", "affiliation", unaffiliated.String(), "role", noRole.String()), text(nsUser, "reason", "You are not in the room."))
	x := with(elem(nsUser, "x"), item, statusNode(statusSelf), statusNode(statusKicked), statusNode(statusBroken))
	from := r.occupantAddress(in.Nick)
	r.sendPresence(Delivery{To: []string{in.From}, Stanza: build("presence", from, "unavailable", string(in.Head.ID), x), Occupant: from, Left: true})
}

// presenceOf returns what the client says of itself, without what only the room may say.
func (r *Room) presenceOf(n *scan.Node) []*scan.Node {
	list := slices.DeleteFunc(slices.Clone(n.Nodes), func(c *scan.Node) bool {
		return strings.HasPrefix(c.NS, NS) || r.isRooms(c) || c.NS == nsHats || c.Name == "priority" && c.NS == scan.NSClient
	})
	return list[:min(len(list), maxPresenceChildren)]
}

func (r *Room) setPresence(o *occupant, n *scan.Node) {
	o.presence = r.presenceOf(n)
	o.changed()
}

// changed says that the presence must be made anew.
func (o *occupant) changed() { o.open, o.closed = nil, nil }

// announcement is a presence of an occupant as it is told to the others.
type announcement struct {
	of       *occupant
	leaves   bool
	children []*scan.Node // instead of the occupant's presence, if the occupant leaves
	newNick  string
	actor    string // nick of who has done it
	reason   string
	codes    []int
	own      []int      // further codes, for the occupant's own clients
	destroy  *scan.Node // §10.9
}

// announce tells the occupants, then the occupant's own clients.
func (r *Room) announce(a announcement, own []string) {
	r.announceToOthers(a)
	r.announceTo(own, a)
}

// announceToOthers tells all but the occupant, unless the room keeps the presence of that role from them
// (muc#roomconfig_presencebroadcast). When that begins the occupant is gone for them.
func (r *Room) announceToOthers(a announcement) {
	was := a.of.unseen
	if !a.leaves {
		a.of.unseen = slices.Contains(r.settings.Unseen, a.of.role.String())
	}
	switch {
	case was && a.of.unseen, was && a.leaves:
		return
	case a.of.unseen:
		a = announcement{of: a.of, leaves: true}
	}
	var open, closed []string
	for _, o := range r.order {
		switch {
		case o == a.of:
		case r.seesAddresses(o):
			open = append(open, o.clients()...)
		default:
			closed = append(closed, o.clients()...)
		}
	}
	if len(open) > 0 {
		r.sendPresence(Delivery{To: open, Stanza: r.render(a, true, false), Occupant: r.occupantAddress(a.of.nick), State: a.isState()})
	}
	if len(closed) > 0 {
		r.sendPresence(Delivery{To: closed, Stanza: r.render(a, false, false), Occupant: r.occupantAddress(a.of.nick), State: a.isState()})
	}
}

// showRoles tells occupants of those whom they see now or do not see any more because of their roles.
func (r *Room) showRoles() {
	for _, o := range r.order {
		if o.unseen != slices.Contains(r.settings.Unseen, o.role.String()) {
			r.announceToOthers(announcement{of: o})
		}
	}
}

// announceTo tells an occupant's own clients.
func (r *Room) announceTo(own []string, a announcement) {
	r.sendPresence(Delivery{To: own, Stanza: r.render(a, true, true), Occupant: r.occupantAddress(a.of.nick), Left: a.leaves && a.newNick == ""})
}

// isState reports whether others learn nothing of it but how the occupant is now.
func (a *announcement) isState() bool {
	return len(a.codes) == 0 && a.newNick == "" && a.actor == "" && a.reason == "" && a.destroy == nil
}

// render makes the presence for those who may know the real address or not, or for the occupant's own clients.
func (r *Room) render(a announcement, open, own bool) []byte {
	typ, now, children := "", a.of.role, a.of.presence
	aff := r.affiliation(a.of.bare)
	if a.leaves {
		typ, children = "unavailable", a.children
		if a.newNick == "" {
			now = noRole
		}
	}
	address := ""
	if open && len(a.of.seats) > 0 {
		address = a.of.seats[0].full
	}
	if a.destroy != nil {
		aff = unaffiliated // §10.9
	}
	item := elem(nsUser, "item", "affiliation", aff.String(), "role", now.String(), "jid", address, "nick", a.newNick)
	if a.actor != "" {
		with(item, elem(nsUser, "actor", "nick", a.actor))
	}
	if a.reason != "" {
		with(item, text(nsUser, "reason", a.reason))
	}
	x := with(elem(nsUser, "x"), item, a.destroy)
	codes := a.codes
	if own {
		codes = append(slices.Clone(a.codes), statusSelf)
		codes = append(codes, a.own...)
	}
	for _, c := range codes {
		with(x, statusNode(c))
	}
	var hats *scan.Node
	if !a.leaves {
		hats = r.hatsOf(a.of.bare)
	}
	return build("presence", r.occupantAddress(a.of.nick), typ, "", append(slices.Clone(children), x, hats, r.occupantID(a.of.bare))...)
}

// shown returns an occupant's presence as it stands, for one who enters.
func (r *Room) shown(o *occupant, open bool) []byte {
	if open {
		if o.open == nil {
			o.open = r.render(announcement{of: o}, true, false)
		}
		return o.open
	}
	if o.closed == nil {
		o.closed = r.render(announcement{of: o}, false, false)
	}
	return o.closed
}

// leave takes a client out of the room. The others hear of it when it was the occupant's last (§7.14).
func (r *Room) leave(s *seat, a announcement) {
	o := s.occupant
	a.of, a.leaves = o, true
	if len(o.seats) > 1 {
		r.announceTo([]string{s.full}, a)
		r.unseat(s)
		return
	}
	r.remove(o, a)
}

// unseat forgets a client; the occupant has others.
func (r *Room) unseat(s *seat) {
	delete(r.seats, s.full)
	s.occupant.seats = slices.DeleteFunc(s.occupant.seats, func(other *seat) bool { return other == s })
	s.occupant.changed()
	r.left = append(r.left, s.full)
}

// remove takes an occupant out of the room and tells everybody how it comes.
func (r *Room) remove(o *occupant, a announcement) {
	r.order = slices.DeleteFunc(r.order, func(other *occupant) bool { return other == o })
	delete(r.nicks, o.nick)
	a.of, a.leaves = o, true
	r.announce(a, o.clients())
	for _, s := range o.seats {
		delete(r.seats, s.full)
		r.left = append(r.left, s.full)
	}
}

// changeNick gives an occupant another nick, in all of their clients (§7.6).
func (r *Room) changeNick(s *seat, in *In) error {
	o := s.occupant
	if err := r.mayUseNick(in.Bare, in.Nick); err != nil {
		return err
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	r.announce(announcement{of: o, leaves: true, newNick: in.Nick, codes: []int{statusNickChanged}}, o.clients())
	delete(r.nicks, o.nick)
	o.nick, o.key = in.Nick, nickKey(in.Nick)
	r.nicks[o.nick] = o
	r.setPresence(o, in.node)
	r.announce(announcement{of: o}, o.clients())
	return nil
}

// mayUseNick checks that a nick is somebody's to have: not in use by others, not reserved for others.
func (r *Room) mayUseNick(bare, nick string) error {
	if len(nick) > maxNick || strings.TrimSpace(nick) != nick {
		return errBadValue
	}
	if o := r.nicks[nick]; o != nil && o.bare == bare {
		return nil
	}
	key := nickKey(nick)
	for _, o := range r.order {
		if o.key == key && o.bare != bare {
			return errConflict // §7.2.8
		}
	}
	if owner := r.reserved[key]; owner != "" && owner != bare {
		return errConflict // §7.10
	}
	return nil
}

// nickKey is the same for nicks that people cannot tell apart well enough: those that differ in case, width or
// blanks only (RFC 8266 §2.4).
func nickKey(nick string) string {
	if key, err := precis.Nickname.CompareKey(nick); err == nil {
		return key
	}
	return nick
}
