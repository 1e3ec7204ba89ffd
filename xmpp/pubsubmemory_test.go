package xmpp

import (
	"context"
	"maps"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// published is what the memory keeps of all users' nodes.
type published struct {
	nodes []uc.PubsubNode
	items []uc.PubsubItem
	drops int // how often it was told to drop an item
	reads int // of payloads
}

func (m *memory) PubsubOwners(context.Context) ([]uc.UserID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	owners := make(map[uc.UserID]bool)
	for _, n := range m.published.nodes {
		owners[n.User] = true
	}
	return slices.Collect(maps.Keys(owners)), nil
}

func (m *memory) PubsubNodes(_ context.Context, u uc.UserID) ([]uc.PubsubNode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.published.nodes), func(n uc.PubsubNode) bool { return n.User != u }), nil
}

func (m *memory) PubsubItems(_ context.Context, u uc.UserID) ([]uc.PubsubItem, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(m.published.items), func(it uc.PubsubItem) bool { return it.User != u })
	for i := range list {
		list[i].Payload = nil
	}
	return list, nil
}

func (m *memory) PubsubPayload(_ context.Context, u uc.UserID, node, id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.published.reads++
	for _, it := range m.published.items {
		if it.User == u && it.Node == node && it.ID == id {
			return it.Payload, nil
		}
	}
	return nil, nil
}

func (m *memory) PubsubPayloads(_ context.Context, u uc.UserID, node string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.published.reads++
	payloads := make(map[string][]byte)
	for _, it := range m.published.items {
		if it.User == u && it.Node == node {
			payloads[it.ID] = it.Payload
		}
	}
	return payloads, nil
}

func (m *memory) ChangePubsub(_ context.Context, c uc.PubsubChange) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &m.published
	p.drops += len(c.DropItems)
	for _, name := range c.DropNodes {
		p.nodes = slices.DeleteFunc(p.nodes, func(n uc.PubsubNode) bool { return n.User == c.User && n.Name == name })
		p.items = slices.DeleteFunc(p.items, func(it uc.PubsubItem) bool { return it.User == c.User && it.Node == name })
	}
	for _, n := range c.PutNodes {
		n.User = c.User
		p.nodes = slices.DeleteFunc(p.nodes, func(o uc.PubsubNode) bool { return o.User == c.User && o.Name == n.Name })
		p.nodes = append(p.nodes, n)
	}
	drop := func(it uc.PubsubItem) {
		p.items = slices.DeleteFunc(p.items, func(o uc.PubsubItem) bool { return o.User == c.User && o.Node == it.Node && o.ID == it.ID })
	}
	for _, it := range c.DropItems {
		drop(it)
	}
	for _, it := range c.PutItems {
		drop(it)
		it.User = c.User
		p.items = append(p.items, it)
	}
	return nil
}
