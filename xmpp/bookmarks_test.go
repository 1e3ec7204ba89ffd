package xmpp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
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

// TestBookmarksAreLimited fills the list, which every change of a bookmark writes as a whole. What does not fit is refused in
// all forms and leaves them as they are.
func TestBookmarksAreLimited(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Pubsub = pubsub.Limits{Nodes: 5, Items: 3, Bytes: 10000, Payload: 400, Name: 100}
	})
	c := w.must("anna", "a")
	item := func(id, room, name string) string {
		return publishXML(id, nsBookmarks, room+"@rooms.example.org", "<conference xmlns='urn:xmpp:bookmarks:1' name='"+name+"'/>")
	}
	list := func(id string, rooms ...string) string {
		s := "<storage xmlns='storage:bookmarks'>"
		for _, room := range rooms {
			s += "<conference jid='" + room + "@r.example'/>"
		}
		return publishXML(id, nsStorage, "current", s+"</storage>")
	}
	long := strings.Repeat("x", 200)
	for _, step := range []struct{ name, send, want string }{
		{"the first", item("1", "one", long), "type='result'"},
		{"too much for the list", item("2", "two", long), "resource-constraint"},
		{"a short one", item("3", "two", "x"), "type='result'"},
		{"the first, shorter", item("4", "one", "x"), "type='result'"},
		{"more rooms than items", list("5", "1", "2", "3", "4"), "resource-constraint"},
		{"as many rooms as items", list("6", "1", "2", "3"), "type='result'"},
		{"in the place of the oldest", item("7", "one", "x"), "type='result'"},
	} {
		c.send(t, step.send)
		if got := c.expect(t); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	c.send(t, "<iq type='get' id='end'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>")
	want := "<conference jid='2@r.example'/><conference jid='3@r.example'/><conference jid='one@rooms.example.org' name='x'/></storage>"
	if got := c.expect(t, "id='end'"); !strings.Contains(got, want) {
		t.Errorf("the list is %s", got)
	}
}

// TestManyBookmarksAreReadAtOnce: the store is not asked for each of many items.
func TestManyBookmarksAreReadAtOnce(t *testing.T) {
	w := start(t)
	c := w.must("anna", "a")
	list := func(name string) string {
		s := "<storage xmlns='storage:bookmarks'>"
		for i := range 100 {
			s += fmt.Sprintf("<conference jid='r%d@r.example' name='%s'/>", i, name)
		}
		return publishXML("1", nsStorage, "current", s+"</storage>")
	}
	c.send(t, list("a"))
	c.expect(t, "type='result'")
	for name, ask := range map[string]string{
		"a change of all": list("b"),
		"all items":       "<iq type='get' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>",
		"all forms": "<iq type='set' id='0'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='storage:bookmarks'/></pubsub></iq>" +
			"<iq type='get' id='1'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>",
	} {
		w.store.mu.Lock()
		w.store.published.reads = 0
		w.store.mu.Unlock()
		c.send(t, ask)
		c.takeUntil(t, "id='1'")
		w.store.mu.Lock()
		if n := w.store.published.reads; n > 20 {
			t.Errorf("%s: %d times", name, n)
		}
		w.store.mu.Unlock()
	}
}

// TestBookmarksCost: a change costs as much as the list is long, not the square of it.
func TestBookmarksCost(t *testing.T) {
	w := newWorld(t, uc.NewDirectory(1, company()))
	a := w.server.accountByLogin("anna")
	if _, err := w.server.nodesOf(a); err != nil {
		t.Fatal(err)
	}
	listOf := func(n int, name string) []byte {
		s := &scan.Node{Name: "storage", NS: nsStorage}
		for i := range n {
			s.Nodes = append(s.Nodes, &scan.Node{Name: "conference", NS: nsStorage,
				Attrs: []scan.Attr{{Name: "jid", Value: fmt.Sprintf("r%d@r.example", i)}, {Name: "name", Value: name}}})
		}
		return s.AppendXML(nil, nsNone)
	}
	cost := func(n int) [2]float64 {
		was, is := listOf(n, "a"), newItem{storageItem, listOf(n, "b")}
		var items []newItem
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("r%d@r.example", i))
			items = append(items, newItem{ids[i], []byte("<conference xmlns='urn:xmpp:bookmarks:1'/>")})
		}
		return [2]float64{
			testing.AllocsPerRun(1, func() {
				if err := w.server.toBookmarks(&mirrored{}, a, parseStorage(was), []newItem{is}); err != nil {
					t.Fatal(err)
				}
			}),
			testing.AllocsPerRun(1, func() {
				if err := new(mirrored).toStorage(parseStorage(was), items, ids[:n/2], 1<<20); err != nil {
					t.Fatal(err)
				}
			}),
		}
	}
	few, many := cost(100), cost(400)
	for i, form := range []string{"list", "items"} {
		if many[i] > 5*few[i] {
			t.Errorf("%s: four times as many cost %v allocations instead of %v", form, many[i], few[i])
		}
	}
}
