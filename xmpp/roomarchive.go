package xmpp

import (
	"bytes"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/muc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// roomNumbers implements muc.Numbers.
type roomNumbers struct{ archive *archive }

func (n roomNumbers) NewID(room string) (int64, string) {
	a := n.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	id := a.next()
	return id, string(a.appendID(nil, uc.Archive{Room: room}, id))
}

func (n roomNumbers) TextID(room string, id int64) string {
	return n.archive.textID(uc.Archive{Room: room}, id)
}

func (n roomNumbers) ParseID(room, text string) (int64, bool) {
	return n.archive.parseID(uc.Archive{Room: room}, text)
}

func (n roomNumbers) Grown(room string, messages int) {
	n.archive.growBy(uc.Archive{Room: room}, messages)
}

// roomView is what the sender of a request may see of a room's archive.
type roomView struct{ muc.View }

// forRoomArchive reports whether an IQ is about the archive of a room.
func (r *request) forRoomArchive(to jid.JID) bool {
	typ := string(r.head.Type)
	return r.head.Kind == scan.IQ && string(r.head.ChildNS) == nsArchive && (typ == "get" || typ == "set") &&
		to.Localpart() != "" && to.Resourcepart() == ""
}

// roomArchive answers a request about the archive of a room (XEP-0313 §5.1.2).
func (r *request) roomArchive(room string) error {
	view, err := r.server.rooms.View(room, r.from.account.bare, r.from.jid)
	if err != nil {
		return err
	}
	a := &archiveRequest{request: r, of: uc.Archive{Room: room}, room: &roomView{view}}
	if string(r.head.Type) == "get" {
		return a.get()
	}
	return a.set()
}

// sees reports whether the asker may know who has sent a message: who moderates, and everybody if everybody
// could know when it was sent and can now.
func (v *roomView) sees(m *uc.ArchivedMessage) bool { return v.Moderator || v.Open && m.Open }

// with narrows a query to one occupant, by nick or by real address.
func (v *roomView) with(q *uc.ArchiveQuery, who jid.JID) error {
	bare := who.Bare().String()
	switch {
	case bare == v.Address:
		q.Resource = who.Resourcepart()
	case !v.Moderator && !v.Open:
		return errForbidden
	default:
		q.Peer = bare
	}
	return nil
}

// shown returns a message as the asker may see it: with the sender's address, if that is no secret.
func (v *roomView) shown(m uc.ArchivedMessage) []byte {
	end := bytes.LastIndex(m.Stanza, []byte("</"))
	if end < 0 || !v.sees(&m) {
		return m.Stanza
	}
	e := newElement("x").attr("xmlns", nsMUCUser).start("item").attr("jid", m.Peer).close("item").close("x")
	return append(append(append(make([]byte, 0, len(m.Stanza)+128), m.Stanza[:end]...), e.bytes()...), m.Stanza[end:]...)
}
