package muc

import (
	"math"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// remembered is a message that those who enter later are sent.
type remembered struct {
	at     time.Time
	id     string // by which the room knows it (XEP-0359)
	from   string // bare address of who sent it
	stanza []byte
}

// remember keeps a message of the discussion.
func (r *Room) remember(m remembered) {
	r.history = append(r.history, m)
	r.weight += len(m.stanza)
	for len(r.history) > 0 && (len(r.history) > r.settings.History || r.weight > r.limits.HistoryBytes) {
		r.weight -= len(r.history[0].stanza)
		r.history = r.history[1:]
	}
}

// logs reports whether what is said goes into the archive.
func (r *Room) logs() bool { return r.numbers != nil && r.settings.Logged }

// number gives a message of the room an ID; the number is 0 if it is not archived.
func (r *Room) number() (int64, string) {
	if r.logs() {
		return r.numbers.NewID(r.name)
	}
	return 0, r.newID()
}

// file puts a message into the archive, if it has a number.
func (r *Room) file(number int64, from, nick string, stanza []byte) {
	if number == 0 {
		return
	}
	r.said = append(r.said, uc.RoomChange{Add: &uc.ArchivedMessage{
		Archive: uc.Archive{Room: r.name}, ID: number, Peer: from, Resource: nick, Open: r.settings.NonAnonymous, Stanza: stanza,
	}})
	r.archived = true
	r.added++
}

// recall makes the history of the end of the archive.
func (r *Room) recall(list []uc.ArchivedMessage) {
	for _, m := range list {
		n, err := scan.Parse(m.Stanza)
		if err == nil && n.Child(nsRetract, "retracted") == nil {
			r.remember(remembered{m.At(), r.numbers.TextID(r.name, m.ID), m.Peer, m.Stanza})
		}
	}
}

// bury replaces a message in the archive by a note that it was retracted (XEP-0424 §4, XEP-0425 §5); by is the ID of the
// message that did it.
func (r *Room) bury(m *uc.ArchivedMessage, by string, why ...*scan.Node) {
	n, err := scan.Parse(m.Stanza)
	if err != nil {
		return // it was parsed when it came
	}
	retracted := with(elem(nsRetract, "retracted", "id", by, "stamp", r.now.UTC().Format(stampLayout)), why...)
	tomb := *m
	tomb.Stanza = build("message", n.Attr("from"), "groupchat", n.Attr("id"), retracted, n.Child(nsStanzaID, "stanza-id"), n.Child(nsOccupantID, "occupant-id"))
	r.said = append(r.said, uc.RoomChange{Replace: &tomb})
}

// forget drops a message from the history.
func (r *Room) forget(match func(*remembered) bool) (found bool) {
	kept := r.history[:0:0]
	for i := range r.history {
		if match(&r.history[i]) {
			r.weight -= len(r.history[i].stanza)
			found = true
			continue
		}
		kept = append(kept, r.history[i])
	}
	r.history = kept
	return found
}

// sendHistory sends as much of the discussion as the client wants: the least of what its limits allow
// (XEP-0045 §7.2.14).
func (r *Room) sendHistory(to []string, wish *scan.Node) {
	chars, stanzas := limitOf(wish, "maxchars"), limitOf(wish, "maxstanzas")
	since := time.Time{}
	if wish != nil {
		if at, err := time.Parse(time.RFC3339, wish.Attr("since")); err == nil {
			since = at
		}
		if seconds := limitOf(wish, "seconds"); seconds < math.MaxInt32 {
			if from := r.now.Add(-time.Duration(seconds) * time.Second); from.After(since) {
				since = from
			}
		}
	}
	first := len(r.history)
	var list [][]byte
	for ; first > 0; first-- {
		m := &r.history[first-1]
		if len(list) >= stanzas || m.at.Before(since) {
			break
		}
		delayed := inside(m.stanza, delayNode(r.address, m.at))
		if len(delayed) > chars {
			break
		}
		chars -= len(delayed)
		list = append(list, delayed)
	}
	for i := len(list) - 1; i >= 0; i-- {
		r.send(to, list[i])
	}
}

// limitOf reads a number that a client limits its history with; what is none limits nothing.
func limitOf(wish *scan.Node, name string) int {
	if wish == nil {
		return math.MaxInt
	}
	n, err := strconv.ParseUint(wish.Attr(name), 10, 31)
	if err != nil {
		return math.MaxInt
	}
	return int(n)
}

// sendSubject ends the history; there is always one, if an empty one (§7.2.15).
func (r *Room) sendSubject(to []string) {
	if r.subject.Nick == "" {
		r.send(to, build("message", r.address, "groupchat", "", text(scan.NSClient, "subject", "")))
		return
	}
	list := []*scan.Node{text(scan.NSClient, "subject", r.subject.Text), delayNode(r.address, r.subject.At)}
	if r.subject.Occupant != "" {
		list = append(list, occupantNode(r.subject.Occupant)) // XEP-0421 §3: of who set it, even if that one is gone
	}
	r.send(to, build("message", r.occupantAddress(r.subject.Nick), "groupchat", "", list...))
}
