package xmpp

import (
	"bytes"
	"slices"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsCarbons  = "urn:xmpp:carbons:2"
	nsReceipts = "urn:xmpp:receipts"
	nsMarkers  = "urn:xmpp:chat-markers:0"
	nsMUCUser  = "http://jabber.org/protocol/muc#user"
)

// switchCarbons answers a client that wants copies of what its user's other clients send and receive, or
// does not want them any more (XEP-0280 §4, §5).
func (r *request) switchCarbons() error {
	switch string(r.head.Child) {
	case "enable":
		r.from.carbons.Store(true)
	case "disable":
		r.from.carbons.Store(false)
	default:
		return errBadRequest
	}
	return r.reply(nil)
}

// wantCopies reports whether a client other than the two wants copies of what goes from one to the other.
func wantCopies(a *account, one, other *session) bool {
	for _, c := range a.bound() {
		if c.carbons.Load() && c != one && c != other {
			return true
		}
	}
	return false
}

// copied reports whether clients of the sender or of who is addressed get copies of this message.
func (r *request) copied(dest destination) bool {
	wanted := wantCopies(r.from.account, r.from, dest.session) ||
		dest.account != nil && wantCopies(dest.account, dest.session, r.from)
	if string(r.head.Type) == "error" && !r.from.account.foreign() {
		return false // what a client bounces goes to the one that it was said by
	}
	return wanted && worthCopying(&r.head, r.raw, dest.abroad != nil)
}

// suspicious are the texts without which a chat message has none of what keeps it from being copied. A
// namespace may be hidden by references.
var suspicious = [][]byte{[]byte(nsCarbons), []byte(nsHints), []byte(nsMUCUser), []byte(nsArchive), []byte("&#")}

func isSuspicious(raw []byte) bool {
	return slices.ContainsFunc(suspicious, func(text []byte) bool { return bytes.Contains(raw, text) })
}

// worthCopying applies the rules of XEP-0280 §6.1. sent says that it is about a message that a user sends: what goes to
// somebody in a room is copied, what comes from there is not.
func worthCopying(head *scan.Head, raw []byte, sent bool) bool {
	chat := string(head.Type) == "chat"
	switch string(head.Type) {
	case "groupchat", "headline":
		return false
	case "error": // of what was sent to a bare address, which is where most of the conversation goes
		return len(head.From) > 0 && bytes.IndexByte(head.From, '/') < 0 && !bytes.Contains(raw, []byte(nsMUCUser))
	}
	if chat && !isSuspicious(raw) {
		return true
	}
	n, err := scan.Parse(raw)
	switch {
	case err != nil, n.Child(nsCarbons, "private") != nil, n.Child(nsHints, "no-copy") != nil:
		return false
	case isInvitation(n):
		return true
	case !sent && n.Child(nsMUCUser, "x") != nil:
		return false
	}
	return chat || n.Child(scan.NSClient, "body") != nil || slices.ContainsFunc(n.Nodes, func(c *scan.Node) bool {
		return c.NS == nsReceipts || c.NS == nsChatStates || c.NS == nsMarkers
	})
}

// isInvitation reports whether a message invites into a room, directly (XEP-0249) or through the room (XEP-0045 §7.8.2).
func isInvitation(n *scan.Node) bool {
	return n.Child(nsConference, "x") != nil || n.Child(nsMUCUser, "x").Child(nsMUCUser, "invite") != nil
}

// forgesCopy reports whether a client pretends to pass on a copy, or a message of an archive: only the server
// does (XEP-0280 §11, XEP-0313 §4.2). Clients that do not check from whom these come would believe it.
func (r *request) forgesCopy() bool {
	if !isSuspicious(r.raw) {
		return false
	}
	n, err := scan.Parse(r.raw)
	return err == nil && (n.Child(nsCarbons, "received") != nil || n.Child(nsCarbons, "sent") != nil || n.Child(nsArchive, "result") != nil)
}

// withoutPrivate returns a message as its recipient's clients get it, and whether that differs: what says that it is not to be
// copied is for servers (XEP-0280 §9). Other domains and archives get the message as it was sent.
func withoutPrivate(raw []byte) ([]byte, bool) {
	if !bytes.Contains(raw, []byte("private")) || !isSuspicious(raw) {
		return raw, false
	}
	return leaveOut(raw, func(n *scan.Node) bool { return n.Name == "private" && n.NS == nsCarbons })
}

// sendTo sends a message to a client, and, if copied, copies to the user's others that want them. It reports
// whether one of them has it or may still take it. Of a private message, which is not copied, the original is kept as well,
// so that it is known to be private if the client does not take it. What is to be copied is the delivery's from then on.
func (s *Server) sendTo(b *batch, to *session, raw []byte, copied bool) bool {
	shown, private := withoutPrivate(raw)
	switch {
	case copied:
	case private:
		raw = slices.Clone(raw)
	default:
		return b.push(to, raw)
	}
	of := newDelivery(raw)
	if !b.pushCopy(to, of, shown) {
		return false
	}
	s.copyReceived(b, to.account, []*session{to}, of)
	return !of.missed()
}

// copyReceived sends copies of what some clients of a user received to the others that want them, but
// not to the one it came from (XEP-0280 §7).
func (s *Server) copyReceived(b *batch, a *account, received []*session, of *delivery) {
	head, _, _, err := scan.New(unlimited).Next(of.raw)
	if err != nil || !worthCopying(&head, of.raw, false) {
		return
	}
	for _, c := range a.bound() {
		if c.carbons.Load() && !slices.Contains(received, c) && string(head.From) != c.jid {
			b.pushCopy(c, of, carbon("received", c, head.Type, of.raw))
		}
	}
}

// copySent sends copies of what a client sent to the user's others that want them (XEP-0280 §8). What it
// sent to its own account they receive.
func (r *request) copySent(dest destination) {
	if dest.account == r.from.account {
		return
	}
	r.batch.scratch = scan.AppendStamped(r.batch.scratch[:0], r.raw, &r.head, r.from.jidBytes, nil)
	for _, c := range r.from.account.bound() {
		if c != r.from && c.carbons.Load() {
			r.batch.push(c, carbon("sent", c, r.head.Type, r.batch.scratch))
		}
	}
}

// copySentInRoom is copySent for a message to somebody in a room of this server: the user's clients that are in the
// room, too, can do something with it.
func (r *request) copySentInRoom(room string) {
	if string(r.head.Type) == "error" || r.from.account.foreign() || !wantCopies(r.from.account, r.from, nil) || !worthCopying(&r.head, r.raw, true) {
		return
	}
	r.batch.scratch = scan.AppendStamped(r.batch.scratch[:0], r.raw, &r.head, r.from.jidBytes, nil)
	stamped := slices.Clone(r.batch.scratch)
	for _, c := range r.from.account.bound() {
		if c != r.from && c.carbons.Load() && r.server.rooms.Has(room, c.jid) {
			r.batch.push(c, carbon("sent", c, r.head.Type, stamped))
		}
	}
}

// copyBounced tells the user's other clients, which have a copy of what one of them has sent, that it did not arrive.
// sent is the message and raw the error.
func (s *Server) copyBounced(b *batch, to *session, sent *scan.Head, message, raw []byte) {
	if sent.Kind != scan.Message || string(sent.Type) == "error" || !worthCopying(sent, message, true) {
		return
	}
	for _, c := range to.account.bound() {
		if c != to && c.carbons.Load() {
			b.push(c, carbon("received", c, []byte("error"), raw))
		}
	}
}

// carbon makes a copy of a message for a client.
func carbon(kind string, to *session, typ, raw []byte) []byte {
	e := &element{b: make([]byte, 0, len(raw)+320)}
	e.start("message").attr("from", to.account.bare).attr("to", to.jid).attrIf("type", string(typ))
	e.start(kind).attr("xmlns", nsCarbons).start("forwarded").attr("xmlns", nsForwarding).open()
	e.b = appendQualified(e.b, raw)
	return e.close("forwarded").close(kind).close("message").bytes()
}
