package pubsub

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Affiliation is what somebody may do with a node beyond its access model (XEP-0060 §4.1).
type Affiliation string

// The affiliations. The owner's is implied: it cannot be given away.
const (
	Owner     Affiliation = "owner"
	Publisher Affiliation = "publisher"
	Member    Affiliation = "member"
	None      Affiliation = "none"
	Outcast   Affiliation = "outcast"
)

// Item is an item of a node, without its payload.
type Item struct {
	ID        string
	Publisher string
	At        time.Time
	Size      int // of the payload
}

// Node is a leaf node.
type Node struct {
	Name         string
	Config       Config
	Affiliations map[string]Affiliation // by bare address, without the owner's
	Subscribers  []string               // bare or full addresses that have subscribed
	Items        []Item                 // oldest first
}

// stored is what of a node is kept besides its items.
type stored struct {
	Config       Config                 `json:"config"`
	Affiliations map[string]Affiliation `json:"affiliations,omitempty"`
	Subscribers  []string               `json:"subscribers,omitempty"`
}

// Settings returns what is to be kept of the node besides its items.
func (n *Node) Settings() []byte {
	text, err := json.Marshal(stored{n.Config, n.Affiliations, n.Subscribers})
	if err != nil {
		panic(err) // texts and numbers only
	}
	return text
}

// Load makes a node of what Settings returned.
func Load(name string, settings []byte) (*Node, error) {
	var s stored
	if err := json.Unmarshal(settings, &s); err != nil {
		return nil, fmt.Errorf("pubsub: settings of %q: %w", name, err)
	}
	return &Node{Name: name, Config: s.Config, Affiliations: s.Affiliations, Subscribers: s.Subscribers}, nil
}

// Clone returns a copy that can be changed.
func (n *Node) Clone() *Node {
	c := *n
	c.Affiliations = maps.Clone(n.Affiliations)
	c.Subscribers = slices.Clone(n.Subscribers)
	c.Items = slices.Clone(n.Items)
	return &c
}

// Last returns the newest item.
func (n *Node) Last() (Item, bool) {
	if len(n.Items) == 0 {
		return Item{}, false
	}
	return n.Items[len(n.Items)-1], true
}

// Find returns an item.
func (n *Node) Find(id string) (Item, bool) {
	if i := n.index(id); i >= 0 {
		return n.Items[i], true
	}
	return Item{}, false
}

func (n *Node) index(id string) int {
	return slices.IndexFunc(n.Items, func(it Item) bool { return it.ID == id })
}

// Put adds an item as the newest, in place of the one with its ID, and returns those that had to give
// way (XEP-0060 §7.1.2). A node that does not persist items keeps none.
func (n *Node) Put(it Item) (gone []Item) {
	if !n.Config.Persist {
		return nil
	}
	n.Remove(it.ID)
	n.Items = append(n.Items, it)
	return n.Trim()
}

// Trim removes the oldest items until the configuration is obeyed, and returns them.
func (n *Node) Trim() (gone []Item) {
	keep := 0
	if n.Config.Persist {
		keep = n.Config.MaxItems
	}
	over := max(0, len(n.Items)-keep)
	gone, n.Items = n.Items[:over:over], n.Items[over:]
	return gone
}

// Remove removes an item and reports whether it was there.
func (n *Node) Remove(id string) bool {
	i := n.index(id)
	if i >= 0 {
		n.Items = slices.Delete(n.Items, i, i+1)
	}
	return i >= 0
}

// IDs lists the items.
func (n *Node) IDs() []string {
	list := make([]string, len(n.Items))
	for i := range n.Items {
		list[i] = n.Items[i].ID
	}
	return list
}

// Size is the sum of the payloads and of the IDs, which are in memory all the time.
func (n *Node) Size() int {
	size := 0
	for i := range n.Items {
		size += n.Items[i].Size + len(n.Items[i].ID)
	}
	return size
}

// Affiliate gives somebody an affiliation; None takes it away. Whoever may no longer read the node by it
// loses nothing here: what access means is asked whenever something is sent.
func (n *Node) Affiliate(bare string, a Affiliation, l Limits) error {
	switch a {
	case Publisher, Member, Outcast:
		if _, had := n.Affiliations[bare]; !had && len(n.Affiliations) >= l.Affiliations {
			return ErrTooMuch
		}
		if n.Affiliations == nil {
			n.Affiliations = make(map[string]Affiliation)
		}
		n.Affiliations[bare] = a
	case None:
		delete(n.Affiliations, bare)
	default:
		return ErrNotAcceptable // a node has one owner: the user whose node it is
	}
	return nil
}

// Subscribe adds an address; one that is subscribed stays so (XEP-0060 §6.1.1).
func (n *Node) Subscribe(address string, l Limits) error {
	switch {
	case slices.Contains(n.Subscribers, address):
	case len(n.Subscribers) >= l.Subscribers:
		return ErrTooManyFollow
	default:
		n.Subscribers = append(n.Subscribers, address)
	}
	return nil
}

// Unsubscribe removes an address.
func (n *Node) Unsubscribe(address string) error {
	i := slices.Index(n.Subscribers, address)
	if i < 0 {
		return ErrNotSubscribed
	}
	n.Subscribers = slices.Delete(n.Subscribers, i, i+1)
	return nil
}
