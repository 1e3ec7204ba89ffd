package xmpp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/xmpp/pubsub"
)

func publishXML(id, node, item, payload string) string {
	return fmt.Sprintf("<iq type='set' id='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='%s'><item id='%s'>%s</item></publish></pubsub></iq>", id, node, item, payload)
}

// TestPublishingIsLimited fills what a user may fill; nothing over a limit is kept.
func TestPublishingIsLimited(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Pubsub = pubsub.Limits{Nodes: 2, Items: 2, Bytes: 300, Payload: 200, Name: 10, Affiliations: 1, Subscribers: 1}
	})
	c := w.must("anna", "a")
	big := "<x xmlns='u'>" + strings.Repeat("x", 150) + "</x>"
	for _, step := range []struct{ name, send, want string }{
		{"a payload", publishXML("1", "one", "i", "<x xmlns='u'>"+strings.Repeat("x", 200)+"</x>"), "payload-too-big"},
		{"a node's name", publishXML("2", "longer than ten", "i", "<x xmlns='u'/>"), "not-acceptable"},
		{"an item's name", publishXML("3", "one", "longer than ten", "<x xmlns='u'/>"), "not-acceptable"},
		{"no payload", publishXML("4", "one", "i", ""), "payload-required"},
		{"two payloads", publishXML("5", "one", "i", "<x xmlns='u'/><x xmlns='u'/>"), "invalid-payload"},
		{"within all limits", publishXML("6", "one", "i", big), "type='result'"},
		{"all bytes", publishXML("7", "two", "i", big), "resource-constraint"},
		{"the same again", publishXML("8", "one", "i", big), "type='result'"},
		{"the second node", publishXML("9", "two", "i", "<x xmlns='u'/>"), "type='result'"},
		{"names of items", publishXML("11", "two", strings.Repeat("i", 10), "<x xmlns='u'>"+strings.Repeat("x", 106)+"</x>"), "resource-constraint"},
		{"the third node", publishXML("10", "three", "i", "<x xmlns='u'/>"), "max-nodes-exceeded"},
	} {
		c.send(t, step.send)
		if got := c.expect(t); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	if n := len(w.store.published.items); n != 2 {
		t.Errorf("%d items are kept, want 2", n)
	}
}

// TestManyItemsAtOnce publishes more items than the node keeps. The store is only told of those that stay, and of what gives
// way to them.
func TestManyItemsAtOnce(t *testing.T) {
	w := start(t)
	c := w.must("anna", "a")
	c.send(t, publishXML("1", "n", "first", "<x xmlns='u'/>"))
	c.expect(t, "type='result'")
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, "<item id='%d'><x xmlns='u'/></item>", i)
	}
	c.send(t, "<iq type='set' id='2'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'>"+many.String()+"<item id='first'><x xmlns='u'/></item><item id='last'><x xmlns='u'/></item></publish></pubsub></iq>")
	c.expect(t, "type='result'")
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if p := &w.store.published; len(p.items) != 1 || p.items[0].ID != "last" || p.drops > 2 {
		t.Errorf("%d drops, and %v is kept", p.drops, p.items)
	}
}

// TestPublishedSurvives makes the server forget what it has in memory: what is stored is enough.
func TestPublishedSurvives(t *testing.T) {
	w := start(t)
	c := w.must("anna", "a")
	c.send(t, publishXML("1", nsAvatarData, hashOf([]byte("picture")), "<data xmlns='urn:xmpp:avatar:data'>cGljdHVyZQ==</data>"))
	c.expect(t, "type='result'")
	c.send(t, publishXML("2", nsAvatarMetadata, "m", "<metadata xmlns='urn:xmpp:avatar:metadata'><info id='"+hashOf([]byte("picture"))+"' type='image/png' bytes='7'/></metadata>"))
	c.expect(t, "type='result'")
	w.server.router.dropAccount("anna@example.org") // what the server has in memory
	c = w.must("anna", "b")
	c.send(t, "<presence/>")
	c.expect(t, "<photo>"+hashOf([]byte("picture"))+"</photo>")
	c.send(t, "<iq type='get' id='3'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='"+nsAvatarData+"'/></pubsub></iq>")
	c.expect(t, "cGljdHVyZQ==")
}
