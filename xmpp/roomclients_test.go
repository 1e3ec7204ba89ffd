package xmpp

import (
	"strings"
	"testing"
)

// TestRoomsWithProfanity makes a room in a real client, talks, and throws somebody out.
func TestRoomsWithProfanity(t *testing.T) {
	w := start(t, withArchive)
	x := w.profanity(t)
	x.enter("/join x@rooms.example.org nick Anna")
	x.shows("/room accept")
	x.enter("/room accept")
	x.shows("unlocked")
	x.enter("/subject set Colours")
	x.shows("room subject: Colours")

	b := w.must("ben", "desk")
	b.send(t, "<presence to='x@rooms.example.org/Ben'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	b.expect(t, "x@rooms.example.org/Anna", "affiliation='owner'")
	b.expect(t, "x@rooms.example.org/Ben", "code='110'")
	b.expect(t, "<subject>Colours</subject>")
	x.shows("Participants", "Ben")
	b.send(t, "<message to='x@rooms.example.org' type='groupchat'><body>Hello in there</body></message>")
	b.expect(t, "Hello in there")
	x.shows("Hello in there")
	x.enter("And hello to you")
	b.expect(t, "<body>And hello to you</body>", "x@rooms.example.org/Anna", "stanza-id")
	x.enter("/affiliation set member ben@example.org")
	b.expect(t, "affiliation='member'", "code='110'")
	x.enter("/kick Ben enough")
	b.expect(t, "code='307'", "<reason>enough</reason>")
	x.shows("enough")
}

// TestRoomArchiveWithSlixmpp has a real client page through what was said in a room.
func TestRoomArchiveWithSlixmpp(t *testing.T) {
	w := start(t, withArchive)
	// slixmpp 1.8.3 itself prints delays.
	if said := w.slixmpp(t, "roomhistory.py"); !strings.HasSuffix(said, "done") {
		t.Errorf("it said %q, want done", said)
	}
}
