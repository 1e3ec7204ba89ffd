package uc

import "time"

// PubsubNode is a node to which a user publishes (XEP-0060). Settings is JSON of package xmpp/pubsub; only
// that package reads it.
type PubsubNode struct {
	User     UserID
	Name     string
	Settings []byte
}

// PubsubItem is an item of a node.
type PubsubItem struct {
	User      UserID
	Node      string
	ID        string
	Publisher string // full address
	At        time.Time
	Size      int    // of the payload
	Payload   []byte // XML; nil in a list of items
}

// PubsubChange is a change of a user's nodes that is made as a whole, in the order of the fields.
type PubsubChange struct {
	User      UserID
	DropNodes []string // with their items
	PutNodes  []PubsubNode
	DropItems []PubsubItem // by Node and ID
	PutItems  []PubsubItem // in this order; one that exists is replaced and becomes the newest
}
