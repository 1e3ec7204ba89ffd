package pubsub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var limits = Limits{Nodes: 3, Items: 10, Bytes: 1000, Payload: 100, Name: 20, Affiliations: 2, Subscribers: 2}

func TestMayRead(t *testing.T) {
	owner := Entity{Bare: "anna@x", Owner: true}
	colleague := Entity{Bare: "ben@x", Presence: true, Groups: []string{"Sales"}}
	friend := Entity{Bare: "carl@x", Groups: []string{"Friends"}}
	stranger := Entity{Bare: "dora@x"}
	node := func(a Access, who Affiliation, bare string) *Node {
		return &Node{Config: Config{Access: a, Groups: []string{"Friends", "Family"}}, Affiliations: map[string]Affiliation{bare: who}}
	}
	for _, c := range []struct {
		access  Access
		given   Affiliation // to the stranger
		want    [4]error    // owner, colleague, friend, stranger
		publish [4]bool
	}{
		{Open, None, [4]error{}, [4]bool{true}},
		{Open, Outcast, [4]error{3: ErrForbidden}, [4]bool{true}},
		{Presence, None, [4]error{2: ErrNeedsPresence, 3: ErrNeedsPresence}, [4]bool{true}},
		{Roster, None, [4]error{1: ErrNotInGroup, 3: ErrNotInGroup}, [4]bool{true}},
		{Whitelist, None, [4]error{1: ErrClosed, 2: ErrClosed, 3: ErrClosed}, [4]bool{true}},
		{Whitelist, Member, [4]error{1: ErrClosed, 2: ErrClosed}, [4]bool{true}},
		{Whitelist, Publisher, [4]error{1: ErrClosed, 2: ErrClosed}, [4]bool{0: true, 3: true}},
		{Presence, Member, [4]error{2: ErrNeedsPresence}, [4]bool{true}},
		{Access("made up"), None, [4]error{1: ErrClosed, 2: ErrClosed, 3: ErrClosed}, [4]bool{true}},
	} {
		n := node(c.access, c.given, stranger.Bare)
		for i, e := range []Entity{owner, colleague, friend, stranger} {
			if err := n.MayRead(e); !errors.Is(err, c.want[i]) {
				t.Errorf("%s with a stranger who is %s: %s gets %v, want %v", c.access, c.given, e.Bare, err, c.want[i])
			}
			if got := n.MayPublish(e); got != c.publish[i] {
				t.Errorf("%s with a stranger who is %s: %s may publish: %v", c.access, c.given, e.Bare, got)
			}
		}
	}
}

func TestForm(t *testing.T) {
	base := limits.Default("mood")
	for _, c := range []struct {
		field, value string
		ok           bool
	}{
		{"access_model", "whitelist", true}, {"access_model", "authorize", false}, {"access_model", "", false},
		{"max_items", "10", true}, {"max_items", "max", true}, {"max_items", "11", false}, {"max_items", "0", false},
		{"max_items", "-1", false}, {"max_items", "99999999999999999999", false}, {"max_items", "many", false},
		{"persist_items", "false", true}, {"persist_items", "yes", false},
		{"send_last_published_item", "never", true}, {"send_last_published_item", "always", false},
		{"title", "Mood", true}, {"title", "longer than the limit allows", false},
		{"publish_model", "publishers", true}, {"publish_model", "open", false},
		{"deliver_notifications", "true", true}, {"deliver_notifications", "0", false},
		{"itemreply", "whatever", true}, // unknown
	} {
		got, err := base.With(Form{"pubsub#" + c.field: {c.value}}, limits)
		if (err == nil) != c.ok {
			t.Errorf("%s=%q: %v", c.field, c.value, err)
		}
		if err == nil && c.field != "itemreply" {
			if err := got.Meets(Form{"FORM_TYPE": {FormOptions}, "pubsub#" + c.field: {c.value}}, limits); err != nil {
				t.Errorf("%s=%q does not meet itself: %v", c.field, c.value, err)
			}
		}
	}
	if _, err := base.With(Form{"pubsub#access_model": {"open", "presence"}}, limits); err == nil {
		t.Error("two access models at a time")
	}
	if err := base.Meets(Form{"pubsub#itemreply": {"owner"}}, limits); !errors.Is(err, ErrPrecondition) {
		t.Errorf("an unknown precondition: %v", err)
	}
	for typ, ok := range map[string]bool{FormConfig: true, FormOptions: true, FormSubscribe: false, "": false} {
		if _, err := base.With(Form{"FORM_TYPE": {typ}, "pubsub#title": {"Mood"}}, limits); (err == nil) != ok {
			t.Errorf("a form of type %q: %v", typ, err)
		}
	}
	if err := base.Meets(nil, limits); err != nil {
		t.Errorf("no precondition: %v", err)
	}
}

// TestFormRoundTrip sends the form back as it was shown: nothing may change.
func TestFormRoundTrip(t *testing.T) {
	for _, c := range []Config{limits.Default("mood"), limits.Default("urn:xmpp:bookmarks:1"), {Access: Roster, Groups: []string{"b", "a"}, MaxItems: 3, SendLast: OnSubscribe, Title: "T"}} {
		form := make(Form)
		for _, f := range c.Fields(limits) {
			form[f.Var] = f.Values
		}
		got, err := c.With(form, limits)
		if err != nil || !got.equal(c) {
			t.Errorf("%+v became %+v, %v", c, got, err)
		}
		if err := c.Meets(form, limits); err != nil {
			t.Errorf("%+v does not meet itself: %v", c, err)
		}
	}
	if c := limits.Default("storage:bookmarks"); c.Access != Whitelist {
		t.Errorf("bookmarks are open to %s", c.Access)
	}
}

// TestItems publishes and retracts at random beside a slow and plain model.
func TestItems(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	n := &Node{Config: Config{Persist: true, MaxItems: 5}}
	var model []string
	for range 5000 {
		id := fmt.Sprint(random.IntN(12))
		at := slices.Index(model, id)
		if random.IntN(4) == 0 {
			if n.Remove(id) != (at >= 0) {
				t.Fatalf("removing %s of %v", id, model)
			}
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
		} else {
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
			model = append(model, id)
			var gone []string
			for len(model) > 5 {
				gone, model = append(gone, model[0]), model[1:]
			}
			if got := ids(n.Put(Item{ID: id, Size: 3})); !slices.Equal(got, gone) {
				t.Fatalf("%v gave way, want %v", got, gone)
			}
		}
		if got := ids(n.Items); !slices.Equal(got, model) || n.Size() != 3*len(model)+len(strings.Join(model, "")) {
			t.Fatalf("items %v of %d bytes, want %v", got, n.Size(), model)
		}
	}
	before := n.Clone()
	c := n.Clone()
	c.Put(Item{ID: "new"})
	c.Remove("1")
	if !slices.Equal(n.Items, before.Items) {
		t.Error("changing a clone changed the node")
	}
	n.Config.Persist = false
	if n.Put(Item{ID: "x"}); len(n.Trim()) != 5 || len(n.Items) != 0 {
		t.Errorf("a node that keeps nothing has %v", ids(n.Items))
	}
}

func ids(items []Item) []string {
	var list []string
	for _, it := range items {
		list = append(list, it.ID)
	}
	return list
}

func TestSelect(t *testing.T) {
	n := &Node{}
	for i := range 5 {
		n.Items = append(n.Items, Item{ID: string(rune('a' + i)), Size: 10})
	}
	for _, c := range []struct {
		name         string
		q            Query
		want         string
		index, count int
		err          error
	}{
		{"all", All, "abcde", 0, 5, nil},
		{"newest", Query{Max: -1, Newest: 2}, "de", 0, 2, nil},
		{"more than there are", Query{Max: -1, Newest: 9}, "abcde", 0, 5, nil},
		{"by ID", Query{IDs: []string{"d", "x", "b", "b"}}, "bd", 0, 2, nil},
		{"first page", Query{Max: 2}, "ab", 0, 5, nil},
		{"next page", Query{Max: 2, After: "b"}, "cd", 2, 5, nil},
		{"behind the end", Query{Max: 2, After: "e"}, "", 5, 5, nil},
		{"last page", Query{Max: 2, Backwards: true}, "de", 3, 5, nil},
		{"page before", Query{Max: 2, Before: "d", Backwards: true}, "bc", 1, 5, nil},
		{"before the beginning", Query{Max: 2, Before: "a", Backwards: true}, "", 0, 5, nil},
		{"between", Query{Max: 9, After: "a", Before: "d", Backwards: true}, "bc", 1, 5, nil},
		{"crossed", Query{Max: 9, After: "d", Before: "b", Backwards: true}, "", 4, 5, nil},
		{"only the count", Query{Max: 0}, "", 0, 5, nil},
		{"after nothing", Query{Max: 2, After: "x"}, "", 0, 0, ErrNotFound},
		{"before nothing", Query{Max: 2, Before: "x", Backwards: true}, "", 0, 0, ErrNotFound},
	} {
		p, err := n.Select(c.q)
		got := ""
		for _, it := range p.Items {
			got += it.ID
		}
		if got != c.want || p.Index != c.index || p.Count != c.count || !errors.Is(err, c.err) {
			t.Errorf("%s: %q from %d of %d, %v; want %q from %d of %d, %v", c.name, got, p.Index, p.Count, err, c.want, c.index, c.count, c.err)
		}
	}
	p, _ := n.Select(All)
	if cut := p.Fit(25, false); !cut || len(p.Items) != 2 || p.Items[0].ID != "a" {
		t.Errorf("a page of 25 bytes: %v, %v", p, cut)
	}
	if p, _ = n.Select(All); !p.Fit(5, true) || len(p.Items) != 1 || p.Items[0].ID != "e" || p.Index != 4 {
		t.Errorf("the last page of 5 bytes: %v", p)
	}
}

func TestLimits(t *testing.T) {
	n := &Node{Name: "n"}
	for i, want := range []error{nil, nil, ErrTooMuch} {
		if err := n.Affiliate(fmt.Sprint(i), Member, limits); !errors.Is(err, want) {
			t.Errorf("affiliation %d: %v", i, err)
		}
	}
	for i, want := range []error{nil, nil, ErrTooManyFollow} {
		if err := n.Subscribe(fmt.Sprint(i), limits); !errors.Is(err, want) {
			t.Errorf("subscription %d: %v", i, err)
		}
	}
	if err := n.Subscribe("1", limits); err != nil {
		t.Errorf("subscribing again: %v", err)
	}
	if err := n.Affiliate("0", Owner, limits); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("a second owner: %v", err)
	}
	if err := n.Affiliate("0", None, limits); err != nil || len(n.Affiliations) != 1 {
		t.Errorf("taking one away: %v, %v", err, n.Affiliations)
	}
	if err := n.Unsubscribe("9"); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("ending what is not: %v", err)
	}
	again, err := Load("n", n.Settings())
	if err != nil || !slices.Equal(again.Settings(), n.Settings()) {
		t.Errorf("kept as %s, came back as %s, %v", n.Settings(), again.Settings(), err)
	}
	if _, err := Load("n", []byte("{")); err == nil {
		t.Error("broken settings were read")
	}
}
