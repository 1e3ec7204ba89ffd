package storetest

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testPubsub(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	item := func(node, id, payload string) uc.PubsubItem {
		return uc.PubsubItem{User: 1, Node: node, ID: id, Publisher: "anna@x/a", At: began, Size: len(payload), Payload: []byte(payload)}
	}
	listed := func(items ...uc.PubsubItem) []uc.PubsubItem {
		for i := range items {
			items[i].Payload = nil
		}
		return items
	}
	mood := uc.PubsubNode{User: 1, Name: "mood", Settings: []byte(`{"max":1}`)}
	tune := uc.PubsubNode{User: 1, Name: "tune", Settings: []byte(`{}`)}
	one, two, other := item("tune", "1", "<one/>"), item("tune", "2", "<zwölf\x00\xff/>"), item("mood", "1", "<m/>")
	must(t, s.ChangePubsub(ctx, uc.PubsubChange{User: 1, PutNodes: []uc.PubsubNode{tune, mood}, PutItems: []uc.PubsubItem{one, two, other}}))
	must(t, s.ChangePubsub(ctx, uc.PubsubChange{User: 2, PutNodes: []uc.PubsubNode{{Name: "tune", Settings: []byte(`{}`)}}}))
	want(t, "owners", must1(s.PubsubOwners(ctx))(t), []uc.UserID{1, 2})
	want(t, "nodes", must1(s.PubsubNodes(ctx, 1))(t), []uc.PubsubNode{mood, tune})
	want(t, "items", must1(s.PubsubItems(ctx, 1))(t), listed(one, two, other))
	want(t, "a payload", string(must1(s.PubsubPayload(ctx, 1, "tune", "2"))(t)), string(two.Payload))
	want(t, "no payload", must1(s.PubsubPayload(ctx, 2, "tune", "2"))(t), nil)
	want(t, "payloads", must1(s.PubsubPayloads(ctx, 1, "tune"))(t), map[string][]byte{"1": one.Payload, "2": two.Payload})
	want(t, "no payloads", must1(s.PubsubPayloads(ctx, 2, "tune"))(t), map[string][]byte{})

	// Published again, an item is the newest one.
	one = item("tune", "1", "<uno/>")
	one.At = began.Add(time.Second)
	mood.Settings = []byte(`{"max":2}`)
	must(t, s.ChangePubsub(ctx, uc.PubsubChange{User: 1, PutNodes: []uc.PubsubNode{mood}, PutItems: []uc.PubsubItem{one}}))
	want(t, "items, one anew", must1(s.PubsubItems(ctx, 1))(t), listed(two, other, one))
	want(t, "a node configured anew", must1(s.PubsubNodes(ctx, 1))(t)[0], mood)

	must(t, s.ChangePubsub(ctx, uc.PubsubChange{User: 1, DropItems: []uc.PubsubItem{{Node: "tune", ID: "2"}, {Node: "tune", ID: "none"}}}))
	want(t, "items without one", must1(s.PubsubItems(ctx, 1))(t), listed(other, one))
	must(t, s.ChangePubsub(ctx, uc.PubsubChange{User: 1, DropNodes: []string{"tune"}}))
	want(t, "items without a node's", must1(s.PubsubItems(ctx, 1))(t), listed(other))

	// A change is made whole or not at all.
	err := s.ChangePubsub(ctx, uc.PubsubChange{User: 1, DropNodes: []string{"mood"}, PutItems: []uc.PubsubItem{item("none", "1", "<x/>")}})
	wantKind(t, "an item without a node", err, uc.ErrNotFound)
	want(t, "the nodes after it", must1(s.PubsubNodes(ctx, 1))(t), []uc.PubsubNode{mood})
	err = s.ChangePubsub(ctx, uc.PubsubChange{User: 999, PutNodes: []uc.PubsubNode{tune}})
	wantKind(t, "a node of nobody", err, uc.ErrNotFound)
}
