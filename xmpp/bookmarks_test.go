package xmpp

import (
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestBookmarksOfBefore: what a user has in forms that were not kept alike comes together, once.
func TestBookmarksOfBefore(t *testing.T) {
	w := start(t)
	list := "<storage xmlns='storage:bookmarks'><url name='a' url='b'/><conference jid='attic@rooms.example.org' name='Attic'/><conference jid='hall@rooms.example.org' name='Old'/></storage>"
	if err := w.store.PutPrivate(t.Context(), uc.PrivateXML{User: anna, Namespace: nsStorage, Name: "storage", XML: []byte(list)}, 50); err != nil {
		t.Fatal(err)
	}
	item := "<conference xmlns='urn:xmpp:bookmarks:1' name='Hall'/>"
	node := &uc.PubsubNode{User: anna, Name: nsBookmarks, Settings: []byte(`{"config":{"access":"whitelist","persist":true,"maxItems":100,"payloads":true}}`)}
	if err := w.store.ChangePubsub(t.Context(), uc.PubsubChange{User: anna, PutNodes: []uc.PubsubNode{*node},
		PutItems: []uc.PubsubItem{{Node: nsBookmarks, ID: "hall@rooms.example.org", Size: len(item), Payload: []byte(item)}}}); err != nil {
		t.Fatal(err)
	}
	w.server.publishers.add(anna)

	c := w.must("anna", "desk")
	ask := "<iq type='get' id='1'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>"
	c.send(t, ask)
	c.expect(t, "<url ", "name='Attic'", "name='Hall'")
	c.send(t, "<iq type='get' id='2'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>")
	c.expect(t, "name='Hall'", "id='attic@rooms.example.org'")

	// What is deleted then does not come back with the next start.
	c.send(t, "<iq type='set' id='3'><pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='urn:xmpp:bookmarks:1'><item id='attic@rooms.example.org'/></retract></pubsub></iq>")
	c.expect(t, "id='3'", "result")
	w.server.router.account([]byte("anna@example.org")).pep.unified = false
	c.send(t, ask)
	if got := c.expect(t, "name='Hall'"); strings.Contains(got, "attic") {
		t.Errorf("what was deleted is back: %s", got)
	}
}

// TestBookmarksWithSlixmpp sets bookmarks with a real client in one old form and reads them in the other.
func TestBookmarksWithSlixmpp(t *testing.T) {
	w := start(t)
	if said := w.slixmpp(t, "bookmarks.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}
