package xmpp

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// pep is what a user publishes (XEP-0163). Nodes and the list of their items are in memory once they were
// needed; payloads stay in the store, but for small newest ones, which newcomers are sent.
type pep struct {
	mu    sync.Mutex // held while the nodes change and while that is told, so that all hear it in order
	nodes map[string]*pubsub.Node
	last  map[string][]byte // by node: payload of the newest item, unless it is big

	photo        atomic.Pointer[photo] // nil until the nodes are loaded
	profilesTold []byte                // the list of profiles as last sent; under mu
	unified      bool                  // the forms of bookmarks say the same; under mu
}

// smallPayload is the size up to which a payload is kept in memory.
const smallPayload = 4 << 10

// publishers are the users who have nodes, so that the others cost no look into the store.
type publishers struct {
	mu  sync.RWMutex
	set map[uc.UserID]struct{}
}

func (p *publishers) load(ctx context.Context, store Store) error {
	list, err := store.PubsubOwners(ctx)
	if err != nil {
		return err
	}
	p.set = make(map[uc.UserID]struct{}, len(list))
	for _, id := range list {
		p.set[id] = struct{}{}
	}
	return nil
}

func (p *publishers) has(id uc.UserID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, ok := p.set[id]
	return ok
}

func (p *publishers) add(id uc.UserID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set[id] = struct{}{}
}

// nodesOf returns the nodes of a user; called with pep.mu held. A node in it must be cloned to be changed.
func (s *Server) nodesOf(a *account) (map[string]*pubsub.Node, error) {
	if a.pep.nodes != nil {
		return a.pep.nodes, nil
	}
	nodes := make(map[string]*pubsub.Node)
	if s.publishers.has(a.user) {
		if err := s.loadNodes(a, nodes); err != nil {
			return nil, err
		}
	}
	a.pep.nodes, a.pep.last = nodes, make(map[string][]byte)
	s.findPhoto(a)
	return nodes, nil
}

// nodesFor is nodesOf for somebody who is about to read or change a node.
func (s *Server) nodesFor(a *account, node string) (map[string]*pubsub.Node, error) {
	nodes, err := s.nodesOf(a)
	if err == nil && (node == nsBookmarks || node == nsStorage) {
		err = s.unifyBookmarks(a)
	}
	return nodes, err
}

func (s *Server) loadNodes(a *account, nodes map[string]*pubsub.Node) error {
	kept, err := s.deps.Store.PubsubNodes(s.ctx, a.user)
	if err != nil {
		return err
	}
	for _, k := range kept {
		n, err := pubsub.Load(k.Name, k.Settings)
		if err != nil {
			return err
		}
		nodes[k.Name] = n
	}
	items, err := s.deps.Store.PubsubItems(s.ctx, a.user)
	if err != nil {
		return err
	}
	for _, it := range items {
		if n := nodes[it.Node]; n != nil {
			n.Items = append(n.Items, pubsub.Item{ID: it.ID, Publisher: it.Publisher, At: it.At, Size: it.Size})
		}
	}
	return nil
}

// payload returns the payload of an item; called with pep.mu held.
func (s *Server) payloadOf(a *account, n *pubsub.Node, it pubsub.Item) ([]byte, error) {
	last, _ := n.Last()
	newest := last.ID == it.ID
	if p := a.pep.last[n.Name]; p != nil && newest {
		return p, nil
	}
	p, err := s.deps.Store.PubsubPayload(s.ctx, a.user, n.Name, it.ID)
	if err == nil && newest && len(p) <= smallPayload {
		a.pep.last[n.Name] = p
	}
	return p, err
}

// payloads reads payloads of a node: a few one by one, and all at once when there are more.
type payloads struct {
	server *Server
	owner  *account
	node   *pubsub.Node
	read   int
	all    map[string][]byte // nil: not read
}

// fewPayloads is how many are read one by one.
const fewPayloads = 8

// of returns the payload of an item; called with pep.mu held.
func (p *payloads) of(it pubsub.Item) (payload []byte, err error) {
	if p.read++; p.read > fewPayloads && p.all == nil {
		if p.all, err = p.server.deps.Store.PubsubPayloads(p.server.ctx, p.owner.user, p.node.Name); err != nil {
			return nil, err
		}
	}
	if p.all != nil {
		return p.all[it.ID], nil
	}
	return p.server.payloadOf(p.owner, p.node, it)
}

// commitNode stores a change of one node and takes it over; now is nil if the node is gone. pep.mu is held.
func (s *Server) commitNode(a *account, name string, now *pubsub.Node, c uc.PubsubChange) error {
	if now != nil {
		return s.commitNodes(a, c, now)
	}
	c.User = a.user
	if err := s.deps.Store.ChangePubsub(s.ctx, c); err != nil {
		return err
	}
	delete(a.pep.last, name)
	delete(a.pep.nodes, name)
	return nil
}

// commitNodes stores a change of nodes and takes them over; nil is for none. pep.mu is held.
func (s *Server) commitNodes(a *account, c uc.PubsubChange, nodes ...*pubsub.Node) error {
	c.User = a.user
	if err := s.deps.Store.ChangePubsub(s.ctx, c); err != nil {
		return err
	}
	for _, now := range nodes {
		if now != nil {
			s.takeOver(a, now, c)
		}
	}
	return nil
}

// takeOver makes a node what others see from now on.
func (s *Server) takeOver(a *account, now *pubsub.Node, c uc.PubsubChange) {
	delete(a.pep.last, now.Name)
	a.pep.nodes[now.Name] = now
	s.publishers.add(a.user)
	if last, ok := now.Last(); ok {
		i := slices.IndexFunc(c.PutItems, func(it uc.PubsubItem) bool { return it.Node == now.Name && it.ID == last.ID })
		if i >= 0 && last.Size <= smallPayload {
			a.pep.last[now.Name] = c.PutItems[i].Payload
		}
	}
}

// commitMirrored is commitNode for a change of items, with what it changes in the other form of bookmarks.
func (s *Server) commitMirrored(a *account, now *pubsub.Node, put []newItem, gone []string, c uc.PubsubChange) (*mirrored, error) {
	m, err := s.mirrorBookmarks(a, now.Name, put, gone, &c)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, s.commitNodes(a, c, now)
	}
	return m, s.commitNodes(a, c, now, m.node)
}

// room tells why a user cannot have a node like this, or nil; called with pep.mu held.
func (s *Server) room(a *account, n *pubsub.Node) error {
	l := &s.cfg.Pubsub
	if a.pep.nodes[n.Name] == nil && len(a.pep.nodes) >= l.Nodes {
		return pubsub.ErrTooManyNodes
	}
	size := n.Size()
	for name, other := range a.pep.nodes {
		if name != n.Name {
			size += other.Size()
		}
	}
	if size > l.Bytes {
		return pubsub.ErrTooMuch
	}
	return nil
}

// newItem is an item that somebody publishes.
type newItem struct {
	id      string // empty: the server chooses
	payload []byte
}

// publication is what somebody publishes to a node.
type publication struct {
	node    string
	by      string // full address
	items   []newItem
	options pubsub.Form    // preconditions, or the configuration of a node that is new
	config  *pubsub.Config // of a node that is new, instead of the default one
}

// publish stores items and tells those who follow the node (XEP-0060 §7.1). It fills in missing IDs.
func (s *Server) publish(b *batch, owner *account, who pubsub.Entity, p publication) error {
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	n, change, err := s.nodeToPublish(owner, who, p)
	if err != nil {
		return err
	}
	if err := p.fits(n.Config.Type); err != nil {
		return err
	}
	now := time.Now()
	stored := make(map[string]bool, len(n.Items))
	for _, it := range n.Items {
		stored[it.ID] = true
	}
	var over []string
	for i := range p.items {
		it := &p.items[i]
		if it.id == "" {
			it.id = randomID()
		}
		for _, gone := range n.Put(pubsub.Item{ID: it.id, Publisher: p.by, At: now, Size: len(it.payload)}) {
			over = append(over, gone.ID)
			if stored[gone.ID] { // not one of this publication
				change.DropItems = append(change.DropItems, uc.PubsubItem{Node: n.Name, ID: gone.ID})
			}
		}
	}
	var kept []newItem
	for _, it := range p.items {
		if _, ok := n.Find(it.id); ok {
			kept = append(kept, it)
			change.PutItems = append(change.PutItems, uc.PubsubItem{Node: n.Name, ID: it.id, Publisher: p.by, At: now, Size: len(it.payload), Payload: it.payload})
		}
	}
	if err := s.room(owner, n); err != nil {
		return err
	}
	m, err := s.commitMirrored(owner, n, kept, over, change)
	if err != nil {
		return err
	}
	s.tellPublished(b, owner, n, p.items)
	s.tellMirror(b, owner, m)
	return nil
}

// fits checks that all payloads have the namespace that a node is configured for, if it is for one (XEP-0060 §7.1.3.6).
func (p *publication) fits(ns string) error {
	if ns == "" {
		return nil
	}
	for _, it := range p.items {
		if n, err := scan.Parse(it.payload); err != nil || n.NS != ns {
			return pubsub.ErrBadPayload
		}
	}
	return nil
}

// nodeToPublish returns a copy of the node, made if there is none, as far as it suits the publication.
func (s *Server) nodeToPublish(owner *account, who pubsub.Entity, p publication) (*pubsub.Node, uc.PubsubChange, error) {
	var change uc.PubsubChange
	nodes, err := s.nodesFor(owner, p.node)
	if err != nil {
		return nil, change, err
	}
	if n := nodes[p.node]; n != nil {
		if !n.MayPublish(who) {
			return nil, change, pubsub.ErrForbidden
		}
		return n.Clone(), change, n.Config.Meets(p.options, s.cfg.Pubsub)
	}
	if !who.Owner {
		return nil, change, pubsub.ErrNotFound
	}
	n := &pubsub.Node{Name: p.node, Config: s.cfg.Pubsub.Default(p.node)}
	if p.config != nil {
		n.Config = *p.config
	}
	// XEP-0060 §7.1.5: the preconditions become the configuration of a node that is made for them.
	if n.Config, err = n.Config.With(p.options, s.cfg.Pubsub); err != nil {
		return nil, change, err
	}
	if err := n.Config.Meets(p.options, s.cfg.Pubsub); err != nil {
		return nil, change, err
	}
	change = nodeChange(n)
	return n, change, nil
}

// retract removes items and tells those who follow the node, if the node is set so or the request says
// so (XEP-0060 §7.2).
func (s *Server) retract(b *batch, owner *account, who pubsub.Entity, node string, ids []string, notify bool) error {
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	n, err := s.nodeToChange(owner, node)
	if err != nil {
		return err
	}
	if !n.MayPublish(who) {
		return pubsub.ErrForbidden
	}
	var change uc.PubsubChange
	for _, id := range ids {
		it, ok := n.Find(id)
		switch {
		case !ok:
			return pubsub.ErrNotFound // §7.2.3.4
		case !who.Owner && string(bareOf([]byte(it.Publisher))) != who.Bare:
			return pubsub.ErrForbidden // §7.2.3.1
		}
		n.Remove(id)
		change.DropItems = append(change.DropItems, uc.PubsubItem{Node: node, ID: id})
	}
	m, err := s.commitMirrored(owner, n, nil, ids, change)
	if err != nil {
		return err
	}
	if notify || n.Config.NotifyRetract {
		s.tellRetracted(b, owner, n, ids)
	}
	s.tellMirror(b, owner, m)
	return nil
}

// nodeToChange returns a copy of a node; called with pep.mu held.
func (s *Server) nodeToChange(a *account, node string) (*pubsub.Node, error) {
	nodes, err := s.nodesFor(a, node)
	if err != nil {
		return nil, err
	}
	if node == "" {
		return nil, pubsub.ErrNeedsNode
	}
	n := nodes[node]
	if n == nil {
		return nil, pubsub.ErrNotFound
	}
	return n.Clone(), nil
}

// entity is what the server knows of somebody who wants something of a user's nodes.
func (s *Server) entity(owner, who *account) pubsub.Entity {
	e := pubsub.Entity{Bare: who.bare, Owner: who == owner}
	if !e.Owner {
		e.Presence = s.sees(who, owner) && s.trusts(owner, who)
		e.Groups = s.groupsIn(owner, who)
	}
	return e
}

// groupsIn lists the groups of the owner's roster that somebody is in, those of roles included.
func (s *Server) groupsIn(owner, who *account) []string {
	owner.rosterMu.Lock()
	defer owner.rosterMu.Unlock()
	item, _ := s.current(owner, who.bare)
	return item.groups
}
