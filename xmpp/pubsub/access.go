package pubsub

import "slices"

// Entity is what the service knows of somebody who wants something of a node.
type Entity struct {
	Bare     string   // address
	Owner    bool     // whose node it is
	Presence bool     // sees the owner's presence
	Groups   []string // of the owner's roster that the entity is in
}

// AffiliationOf returns what an entity is to the node.
func (n *Node) AffiliationOf(e Entity) Affiliation {
	if e.Owner {
		return Owner
	}
	if a, ok := n.Affiliations[e.Bare]; ok {
		return a
	}
	return None
}

// MayRead tells why an entity may not subscribe to the node and read its items, or nil (XEP-0060 §4.1, §4.5).
func (n *Node) MayRead(e Entity) error {
	switch n.AffiliationOf(e) {
	case Owner, Publisher, Member:
		return nil
	case Outcast:
		return ErrForbidden
	}
	switch {
	case n.Config.Access == Open:
	case n.Config.Access == Presence && !e.Presence:
		return ErrNeedsPresence
	case n.Config.Access == Presence:
	case n.Config.Access == Roster:
		if !slices.ContainsFunc(n.Config.Groups, func(g string) bool { return slices.Contains(e.Groups, g) }) {
			return ErrNotInGroup
		}
	default:
		return ErrClosed
	}
	return nil
}

// MayPublish reports whether an entity may publish items, and retract its own (XEP-0060 §4.1).
func (n *Node) MayPublish(e Entity) bool {
	a := n.AffiliationOf(e)
	return a == Owner || a == Publisher
}
