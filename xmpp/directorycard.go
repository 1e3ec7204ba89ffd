package xmpp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
)

const (
	nsVCard4   = "urn:ietf:params:xml:ns:vcard-4.0"
	nodeVCard4 = "urn:xmpp:vcard4" // XEP-0292 §3
)

// maxNamed is how many members a team's vCard names.
const maxNamed = 50

// directoryCard is what the directory tells of a user or a team in a vCard, of either form.
type directoryCard struct {
	kind                         string // RFC 6350 §6.1.4
	name, nick, ext, email, note string
	members                      []string // addresses of a team's
}

func (s *Server) userCard(a *account) directoryCard {
	u := s.groups.Load().dir.Users.Get(a.user)
	if u == nil {
		return directoryCard{}
	}
	return directoryCard{kind: "individual", name: cmp.Or(u.Name, u.Login), nick: u.Login, ext: u.Ext, email: u.Email}
}

// teamCard names those members of a team whom the viewer may know.
func (s *Server) teamCard(c contact, viewer *account) directoryCard {
	dir := s.groups.Load().dir
	var known []*uc.User
	hidden := 0
	for _, m := range dir.TeamMembers(c.team) {
		if u := dir.Users.Get(m.User); u != nil && len(known) < maxNamed && s.mayKnow(viewer, s.accountOf(u)) {
			known = append(known, u)
		} else {
			hidden++
		}
	}
	slices.SortFunc(known, func(a, b *uc.User) int { return strings.Compare(a.Name, b.Name) })
	card := directoryCard{kind: "group", name: c.name}
	if t := dir.Teams.Get(c.team); t != nil { // it may have gone since it was found
		card.ext = t.Ext
	}
	var names []string
	for _, u := range known {
		names, card.members = append(names, cmp.Or(u.Name, u.Login)), append(card.members, s.addressOf(u))
	}
	if hidden > 0 && len(names) > 0 {
		names = append(names, fmt.Sprintf("%d more", hidden))
	}
	if len(names) > 0 {
		card.note = "Members: " + strings.Join(names, ", ")
	}
	return card
}

// mayKnow reports whether somebody may know what the directory tells of a user: everybody of the company may of those in
// the phone book, and of all others who see the user's presence.
func (s *Server) mayKnow(viewer, target *account) bool {
	if !viewer.foreign() {
		if u := s.groups.Load().dir.Users.Get(target.user); u == nil || !u.PhonebookHidden {
			return true
		}
	}
	return s.sees(viewer, target)
}

// temp is the vCard in the form of XEP-0054.
func (c directoryCard) temp() []byte {
	e := newElement("vCard").attr("xmlns", nsVCard)
	e.textIf("FN", c.name).textIf("NICKNAME", c.nick)
	if c.ext != "" {
		e.start("TEL").start("WORK").close("").start("VOICE").close("").text("NUMBER", c.ext).close("TEL")
	}
	if c.email != "" {
		e.start("EMAIL").start("INTERNET").close("").start("WORK").close("").text("USERID", c.email).close("EMAIL")
	}
	return e.textIf("DESC", c.note).close("vCard").bytes()
}

// four is the vCard in the form of RFC 6351.
func (c directoryCard) four() []byte {
	e := newElement("vcard").attr("xmlns", nsVCard4)
	property := func(name, kind, value string, types ...string) {
		if value == "" {
			return
		}
		e.start(name)
		if len(types) > 0 {
			e.start("parameters").start("type")
			for _, t := range types {
				e.text("text", t)
			}
			e.close("type").close("parameters")
		}
		e.text(kind, value).close(name)
	}
	property("kind", "text", c.kind)
	property("fn", "text", c.name)
	property("nickname", "text", c.nick)
	property("tel", "text", c.ext, "work", "voice")
	property("email", "text", c.email, "work")
	property("note", "text", c.note)
	for _, m := range c.members {
		property("member", "uri", "xmpp:"+m)
	}
	return e.close("vcard").bytes()
}

// card4 makes the vCard for the node of XEP-0292; nil if that is not asked for, or the user has published one.
func (q *nodeRequest) card4() ([]byte, error) {
	if q.node != nodeVCard4 || !q.server.mayKnow(q.from.account, q.owner) {
		return nil, nil
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	nodes, err := q.server.nodesOf(q.owner)
	if err != nil || nodes[nodeVCard4] != nil {
		return nil, err
	}
	return q.server.userCard(q.owner).four(), nil
}

// pubsubGetTeam answers for a team, which has one node: its vCard.
func (r *request) pubsubGetTeam(team contact) error {
	n, err := r.payload()
	switch {
	case err != nil || n.Name != "pubsub" || len(n.Nodes) == 0:
		return errBadRequest
	case n.Nodes[0].Name != "items":
		return pubsub.ErrUnsupported
	case n.Nodes[0].Attr("node") != nodeVCard4:
		return pubsub.ErrNotFound
	}
	return r.replyItem(nodeVCard4, r.server.teamCard(team, r.from.account).four())
}

// replyItem answers with the one item of a node that the server makes.
func (r *request) replyItem(node string, payload []byte) error {
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("items").attr("node", node)
	appendPubsubItem(e, madeItem, "", payload)
	return r.reply(e.close("items").close("pubsub").bytes())
}
