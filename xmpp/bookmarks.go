package xmpp

import (
	"bytes"
	"math"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Bookmarks of rooms have three forms: an item for each room in the node nsBookmarks (XEP-0402), one element
// with all of them in the node nsStorage (XEP-0048 by XEP-0223), and the same element as private XML (XEP-0048 by
// XEP-0049). The two nodes are kept alike, a change of one changing the other in the same transaction, and
// the private XML is what the node nsStorage has.
const (
	nsBookmarks = "urn:xmpp:bookmarks:1"
	nsStorage   = "storage:bookmarks"
)

// storageItem is the ID of the one item of the node nsStorage (XEP-0223 §4).
const storageItem = "current"

// mirrored is a change of one node of bookmarks that follows from a change of the other.
type mirrored struct {
	node *pubsub.Node
	put  []newItem
	gone []string
}

// mirrorBookmarks adds to the change of a node that holds bookmarks what changes in the other; nil if nothing
// does. pep.mu is held.
func (s *Server) mirrorBookmarks(owner *account, node string, put []newItem, gone []string, change *uc.PubsubChange) (*mirrored, error) {
	if node != nsBookmarks && node != nsStorage || len(put) == 0 && len(gone) == 0 {
		return nil, nil
	}
	was, err := s.storageOf(owner)
	if err != nil {
		return nil, err
	}
	m := &mirrored{}
	if node == nsBookmarks {
		if err := m.toStorage(was, put, gone, s.cfg.Pubsub.Payload); err != nil {
			return nil, err
		}
	} else if err := s.toBookmarks(m, owner, was, put); err != nil {
		return nil, err
	}
	if len(m.put) == 0 && len(m.gone) == 0 {
		return nil, nil
	}
	s.applyMirror(m, owner, map[string]string{nsBookmarks: nsStorage, nsStorage: nsBookmarks}[node], change)
	return m, nil
}

// applyMirror makes the changed node, and what is to be stored of it.
func (s *Server) applyMirror(m *mirrored, owner *account, name string, change *uc.PubsubChange) {
	if n := owner.pep.nodes[name]; n != nil {
		m.node = n.Clone()
	} else {
		m.node = &pubsub.Node{Name: name, Config: s.cfg.Pubsub.Default(name)}
		change.PutNodes = append(change.PutNodes, nodeChange(m.node).PutNodes...)
	}
	for _, id := range m.gone {
		m.node.Remove(id)
		change.DropItems = append(change.DropItems, uc.PubsubItem{Node: name, ID: id})
	}
	now := time.Now()
	for _, it := range m.put {
		for _, over := range m.node.Put(pubsub.Item{ID: it.id, Publisher: owner.bare, At: now, Size: len(it.payload)}) {
			change.DropItems = append(change.DropItems, uc.PubsubItem{Node: name, ID: over.ID})
		}
		if _, kept := m.node.Find(it.id); kept {
			change.PutItems = append(change.PutItems, uc.PubsubItem{Node: name, ID: it.id, Publisher: owner.bare, At: now, Size: len(it.payload), Payload: it.payload})
		}
	}
}

// tellMirror tells those who follow the other form.
func (s *Server) tellMirror(b *batch, owner *account, m *mirrored) {
	if m == nil {
		return
	}
	if len(m.put) > 0 {
		s.tellPublished(b, owner, m.node, m.put)
	}
	if len(m.gone) > 0 {
		s.tellRetracted(b, owner, m.node, m.gone)
	}
}

// storageOf reads what the node nsStorage has. pep.mu is held.
func (s *Server) storageOf(owner *account) (*scan.Node, error) {
	empty := &scan.Node{Name: "storage", NS: nsStorage}
	nodes, err := s.nodesOf(owner)
	if err != nil || nodes[nsStorage] == nil {
		return empty, err
	}
	last, ok := nodes[nsStorage].Last()
	if !ok {
		return empty, nil
	}
	payload, err := s.payloadOf(owner, nodes[nsStorage], last)
	if err != nil {
		return nil, err
	}
	return parseStorage(payload), nil
}

// parseStorage reads a list of bookmarks; what is none is an empty one.
func parseStorage(xml []byte) *scan.Node {
	if n, err := scan.Parse(xml); err == nil && n.Name == "storage" && n.NS == nsStorage {
		return n
	}
	return &scan.Node{Name: "storage", NS: nsStorage}
}

// toStorage takes changed items over into the list, which must not grow beyond limit.
func (m *mirrored) toStorage(list *scan.Node, put []newItem, gone []string, limit int) error {
	before := list.AppendXML(nil, nsNone)
	if len(gone) > 0 {
		dropped := make(map[string]bool, len(gone))
		for _, id := range gone {
			dropped[canonicalRoom(id)] = true
		}
		list.Nodes = slices.DeleteFunc(list.Nodes, func(c *scan.Node) bool { room := roomOf(c); return room != "" && dropped[room] })
	}
	at := roomsIn(list)
	for _, it := range put {
		n, err := scan.Parse(it.payload)
		room := canonicalRoom(it.id)
		if err != nil || n.Name != "conference" || n.NS != nsBookmarks || room == "" {
			continue
		}
		c := bookmark(nsStorage, n)
		c.Attrs = append([]scan.Attr{{Name: "jid", Value: room}}, c.Attrs...)
		if i, ok := at[room]; ok {
			list.Nodes[i] = c
			continue
		}
		at[room] = len(list.Nodes)
		list.Nodes = append(list.Nodes, c)
	}
	after := list.AppendXML(nil, nsNone)
	if len(after) > max(limit, len(before)) {
		return pubsub.ErrTooMuch
	}
	if !bytes.Equal(before, after) {
		m.put = []newItem{{storageItem, after}}
	}
	return nil
}

// toBookmarks takes what has changed in the list over into items. What clients keep in an item beside what the
// list knows stays (XEP-0402 §4, extensions).
func (s *Server) toBookmarks(m *mirrored, owner *account, was *scan.Node, put []newItem) error {
	is := &scan.Node{}
	if len(put) > 0 {
		is = parseStorage(put[len(put)-1].payload)
	}
	had, has := roomsIn(was), roomsIn(is)
	if len(has) > max(len(had), s.cfg.Pubsub.Items) {
		return pubsub.ErrTooMuch
	}
	read := payloads{server: s, owner: owner, node: owner.pep.nodes[nsBookmarks]}
	for i, c := range is.Nodes {
		room := roomOf(c)
		if first, ok := has[room]; !ok || first != i {
			continue
		}
		now := bookmark(nsBookmarks, c)
		if at, ok := had[room]; ok && same(now, bookmark(nsBookmarks, was.Nodes[at])) {
			continue
		}
		if err := keepExtensions(&read, room, now); err != nil {
			return err
		}
		m.put = append(m.put, newItem{room, now.AppendXML(nil, nsNone)})
	}
	for i, c := range was.Nodes {
		room := roomOf(c)
		if first, ok := had[room]; !ok || first != i {
			continue
		}
		if _, ok := has[room]; !ok {
			m.gone = append(m.gone, room)
		}
	}
	return nil
}

// keepExtensions adds to a bookmark what the item for the room has besides.
func keepExtensions(read *payloads, room string, c *scan.Node) error {
	if read.node == nil {
		return nil
	}
	it, ok := read.node.Find(room)
	if !ok {
		return nil
	}
	payload, err := read.of(it)
	if err != nil {
		return err
	}
	old, err := scan.Parse(payload)
	if err != nil {
		return err // it was parsed when it came
	}
	for _, child := range old.Nodes {
		if child.Name != "nick" && child.Name != "password" {
			c.Nodes = append(c.Nodes, child)
		}
	}
	return nil
}

// bookmark makes a bookmark of one of the forms out of one of any.
func bookmark(ns string, of *scan.Node) *scan.Node {
	c := &scan.Node{NS: ns, Name: "conference"}
	if name := of.Attr("name"); name != "" {
		c.Attrs = append(c.Attrs, scan.Attr{Name: "name", Value: name})
	}
	if auto := of.Attr("autojoin"); auto == "true" || auto == "1" {
		c.Attrs = append(c.Attrs, scan.Attr{Name: "autojoin", Value: "true"})
	}
	for _, name := range []string{"nick", "password"} {
		if t := of.ChildText(of.NS, name); t != "" {
			c.Nodes = append(c.Nodes, &scan.Node{NS: ns, Name: name, Text: t})
		}
	}
	return c
}

func same(a, b *scan.Node) bool {
	return bytes.Equal(a.AppendXML(nil, nsNone), b.AppendXML(nil, nsNone))
}

// roomsIn returns where in a list the bookmark of each room is; the first, if there are several.
func roomsIn(list *scan.Node) map[string]int {
	at := make(map[string]int, len(list.Nodes))
	for i, c := range list.Nodes {
		room := roomOf(c)
		if _, had := at[room]; !had && room != "" {
			at[room] = i
		}
	}
	return at
}

// roomOf returns the address of the room of a bookmark in a list, or "".
func roomOf(c *scan.Node) string {
	if c.Name != "conference" {
		return ""
	}
	return canonicalRoom(c.Attr("jid"))
}

// canonicalRoom returns the address of a room in its normal form, or "".
func canonicalRoom(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.Bare().String()
}

// unifyBookmarks brings the three forms together when the first of them is needed: whatever one of them has is in
// all afterwards. What stands in several is taken from the newest form. pep.mu is held.
func (s *Server) unifyBookmarks(owner *account) error {
	if owner.pep.unified {
		return nil
	}
	list, err := s.storageOf(owner)
	if err != nil {
		return err
	}
	private, err := s.deps.Store.Private(s.ctx, owner.user, nsStorage, "storage")
	if err != nil {
		return err
	}
	old := parseStorage(private)
	at := roomsIn(list)
	for _, c := range old.Nodes {
		if _, had := at[roomOf(c)]; !had {
			list.Nodes = append(list.Nodes, c)
		}
	}
	if err := s.storeUnified(owner, list); err != nil {
		return err
	}
	if len(old.Nodes) > 0 { // what is deleted from now on must not come back from there
		empty := (&scan.Node{Name: "storage", NS: nsStorage}).AppendXML(nil, nsPrivate)
		kept := uc.PrivateXML{User: owner.user, Namespace: nsStorage, Name: "storage", XML: empty}
		if err := s.deps.Store.PutPrivate(s.ctx, kept, maxPrivateKinds); err != nil {
			return err
		}
	}
	owner.pep.unified = true
	return nil
}

// storeUnified writes the list, with what the node nsBookmarks has, into both nodes.
func (s *Server) storeUnified(owner *account, list *scan.Node) error {
	var items []newItem
	if n := owner.pep.nodes[nsBookmarks]; n != nil {
		read := payloads{server: s, owner: owner, node: n}
		for _, it := range n.Items {
			payload, err := read.of(it)
			if err != nil {
				return err
			}
			items = append(items, newItem{it.ID, payload})
		}
	}
	was, err := s.storageOf(owner)
	if err != nil {
		return err
	}
	var whole mirrored
	if err := whole.toStorage(list, items, nil, math.MaxInt); err != nil {
		return err
	}
	kept := make(map[string]bool, len(items))
	for _, it := range items {
		kept[it.id] = true
	}
	var toItems, toList mirrored
	for _, c := range list.Nodes {
		if room := roomOf(c); room != "" && !kept[room] {
			toItems.put = append(toItems.put, newItem{room, bookmark(nsBookmarks, c).AppendXML(nil, nsNone)})
		}
	}
	if !same(list, was) {
		toList.put = []newItem{{storageItem, list.AppendXML(nil, nsNone)}}
	}
	var change uc.PubsubChange
	var nodes []*pubsub.Node
	for name, m := range map[string]*mirrored{nsBookmarks: &toItems, nsStorage: &toList} {
		if len(m.put) > 0 {
			s.applyMirror(m, owner, name, &change)
			nodes = append(nodes, m.node)
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	return s.commitNodes(owner, change, nodes...)
}

// privateBookmarks returns the bookmarks as private XML.
func (s *Server) privateBookmarks(owner *account) ([]byte, error) {
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	if err := s.unifyBookmarks(owner); err != nil {
		return nil, err
	}
	list, err := s.storageOf(owner)
	if err != nil {
		return nil, err
	}
	return list.AppendXML(nil, nsPrivate), nil
}

// setPrivateBookmarks publishes what a client has sent as private XML.
func (r *request) setPrivateBookmarks(list *scan.Node) error {
	p := publication{node: nsStorage, by: r.from.jid, items: []newItem{{storageItem, list.AppendXML(nil, nsNone)}}}
	return r.server.publish(r.batch, r.from.account, pubsub.Entity{Bare: r.from.account.bare, Owner: true}, p)
}
