package muc

import (
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const maxSubject = 2048

// onMessage handles what is said to the room, to an occupant, or about getting in.
func (r *Room) onMessage(in *In) error {
	typ := string(in.Head.Type)
	s := r.seats[in.From]
	in.without(r.isRooms)
	switch {
	case typ == "error":
		return r.bounced(s, in)
	case in.Nick != "":
		return r.privateMessage(s, in)
	case typ == "groupchat":
		return r.groupMessage(s, in)
	}
	if x := in.node.Child(nsUser, "x"); x != nil && x.Child(nsUser, "decline") != nil {
		return r.decline(in, x.Child(nsUser, "decline")) // who declines is not in the room
	}
	if s == nil {
		return errNotInRoom
	}
	if !r.take(in.Bare) {
		return errTooFast
	}
	if x := in.node.Child(nsUser, "x"); x != nil && x.Child(nsUser, "invite") != nil {
		return r.invite(s.occupant, x)
	}
	if f := in.node.Child(nsForms, "x"); f != nil && f.Attr("type") == "submit" {
		return r.voiceForm(s.occupant, readForm(f))
	}
	return errBadRequest
}

// groupMessage sends a message to everybody, the sender too (XEP-0045 §7.4).
func (r *Room) groupMessage(s *seat, in *In) error {
	switch {
	case s == nil:
		return errNotInRoom
	case s.occupant.role < participant:
		return errForbidden // §7.5: without voice
	case in.Head.Child == nil, forged(in.node):
		return errBadRequest
	case !r.take(in.Bare):
		return errTooFast
	}
	r.accepted() // who speaks wants to be heard
	from := r.occupantAddress(s.occupant.nick)
	body := in.node.ChildText(scan.NSClient, "body") != "" // MCabber sends an empty one with a subject
	if subject := in.node.Child(scan.NSClient, "subject"); subject != nil && !body {
		return r.changeSubject(s.occupant, in, subject.Text)
	}
	number, id := r.number()
	raw := inside(in.stampedFrom(from), elem(nsStanzaID, "stanza-id", "id", id, "by", r.address), r.occupantID(in.Bare)) // XEP-0359 §3
	r.send(r.everybody(), raw)
	retract := in.node.Child(nsRetract, "retract")
	if retract != nil { // XEP-0424 §3: only one's own
		r.forget(func(m *remembered) bool { return m.id == retract.Attr("id") && m.from == in.Bare })
		if in.target != nil && in.target.Peer == in.Bare {
			r.bury(in.target, string(in.Head.ID))
		}
	}
	if (body || retract != nil || in.node.Child(nsHints, "store") != nil) && in.node.Child(nsHints, "no-store") == nil {
		r.remember(remembered{r.now, id, in.Bare, raw})
		r.file(number, in.Bare, s.occupant.nick, raw)
	}
	return nil
}

// forged reports whether a message says something that only the room may say.
func forged(n *scan.Node) bool {
	return slices.ContainsFunc(n.Nodes, func(c *scan.Node) bool { return strings.HasPrefix(c.NS, NS) && len(c.Nodes) > 0 })
}

// isRooms reports whether an element is one that the room adds to messages, or a delay in the old form (XEP-0091): who
// resends what came from here may have left it in, so it is taken out and not refused (XEP-0359 §5, XEP-0421 §5).
func (r *Room) isRooms(c *scan.Node) bool {
	switch c.NS {
	case nsOccupantID:
		return true
	case nsStanzaID:
		return r.is(c.Attr("by"))
	case nsDelay, nsOldDelay:
		return r.is(c.Attr("from"))
	}
	return false
}

// is reports whether an address is the room's, an occupant's or the service's.
func (r *Room) is(address string) bool {
	j, err := jid.Parse(address)
	return err == nil && (j.Bare().String() == r.address || j.Localpart() == "" && strings.HasSuffix(r.address, "@"+j.Domainpart()))
}

// changeSubject tells everybody what the room is about now (§8.1).
func (r *Room) changeSubject(o *occupant, in *In, subject string) error {
	switch {
	case o.role < moderator && !r.settings.OpenSubject:
		return errForbidden
	case len(subject) > maxSubject:
		return errBadValue
	}
	id := r.occupantID(o.bare)
	r.subject = uc.RoomSubject{Text: subject, Nick: o.nick, At: r.now}
	if id != nil {
		r.subject.Occupant = id.Attr("id")
	}
	r.changed = true
	r.send(r.everybody(), inside(in.stampedFrom(r.occupantAddress(o.nick)), id))
	return nil
}

// privateMessage passes a message to one occupant, in all of their clients (§7.5).
func (r *Room) privateMessage(s *seat, in *In) error {
	switch to := r.nicks[in.Nick]; {
	case s == nil:
		return errNotInRoom
	case string(in.Head.Type) == "groupchat", forged(in.node):
		return errBadRequest
	case to == nil:
		return errNotFound
	case !r.mayTalkAlone(s.occupant, to):
		return errForbidden
	case !r.take(in.Bare):
		return errTooFast
	default:
		raw := in.stampedFrom(r.occupantAddress(s.occupant.nick))
		if in.Head.Child != nil && in.node.Child(nsUser, "x") == nil {
			raw = inside(raw, elem(nsUser, "x")) // so that carbons are known for what they are
		}
		if in.Head.Child != nil {
			raw = inside(raw, r.occupantID(in.Bare))
		}
		r.send(to.clients(), raw)
	}
	return nil
}

// mayTalkAlone applies the room's policy; moderators may be asked by anybody and may answer.
func (r *Room) mayTalkAlone(from, to *occupant) bool {
	if from.role == moderator || to.role == moderator {
		return true
	}
	switch r.settings.PrivateMessages {
	case "anyone":
		return true
	case "participants":
		return from.role >= participant
	}
	return false
}

// bounced takes a client out of the room to which nothing can be delivered, by what its errors say, and passes other
// errors of private messages to their senders.
func (r *Room) bounced(s *seat, in *In) error {
	in.gone = tellsGone(in.node.Child(scan.NSClient, "error"))
	switch {
	case s == nil:
	case in.gone:
		r.leave(s, announcement{codes: []int{statusBroken}})
	case in.Head.Kind == scan.Message:
		if to := r.nicks[in.Nick]; to != nil {
			raw := in.stampedFrom(r.occupantAddress(s.occupant.nick))
			if in.Head.Child != nil {
				raw = inside(raw, r.occupantID(in.Bare))
			}
			r.send(to.clients(), raw)
		}
	}
	return nil
}

// goneConditions are those of errors that say that a client is not there any more (XEP-0045 §18.2).
var goneConditions = []string{
	"gone", "internal-server-error", "item-not-found", "jid-malformed", "recipient-unavailable", "redirect",
	"remote-server-not-found", "remote-server-timeout", "service-unavailable",
}

func tellsGone(told *scan.Node) bool {
	return told != nil && slices.ContainsFunc(told.Nodes, func(c *scan.Node) bool {
		return c.NS == nsStanzas && slices.Contains(goneConditions, c.Name)
	})
}

// occupantID names an occupant's user for as long as the room exists (XEP-0421), or is nil.
func (r *Room) occupantID(bare string) *scan.Node {
	if r.nameOf == nil {
		return nil
	}
	return occupantNode(r.nameOf(r.name, bare))
}

func occupantNode(id string) *scan.Node { return elem(nsOccupantID, "occupant-id", "id", id) }
