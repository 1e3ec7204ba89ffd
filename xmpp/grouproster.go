package xmpp

import (
	"maps"
	"slices"
	"sync"
	"weak"

	"github.com/rolecall/rolecall/internal/uc"
)

// groupRoster is a group as it stands in the roster of a member.
type groupRoster struct {
	xml  []byte // item by item, the users, then the teams
	ends []int  // of each item
}

// keptRoster is the roster of a group, kept from its first use until the garbage collector finds that nobody uses it.
// Those who sign in to a company of thousands need a megabyte each, and it is almost the same for all.
type keptRoster struct {
	mu     sync.Mutex
	roster weak.Pointer[groupRoster]
}

// roster returns the group as a roster, which is not to be changed.
func (g *group) roster() *groupRoster {
	g.kept.mu.Lock()
	defer g.kept.mu.Unlock()
	if r := g.kept.roster.Value(); r != nil {
		return r
	}
	members := len(g.users) + len(g.teams)
	r := &groupRoster{ends: make([]int, 0, members)}
	e := &element{b: make([]byte, 0, itemSize*members)}
	titles := []string{g.role.Title}
	for _, list := range [...][]contact{g.users, g.teams} {
		for _, c := range list {
			appendItem(e, mergedItem(nil, &computedItem{contact: c, titles: titles, shared: true}))
			r.ends = append(r.ends, len(e.b))
		}
	}
	r.xml = e.b
	g.kept.roster = weak.Make(r)
	return r
}

// without adds the parts of the group's roster between those contacts that are not to be in it.
func (g *group) without(parts [][]byte, not func(contact) bool) [][]byte {
	r := g.roster()
	n, from, start := 0, 0, 0
	for _, list := range [...][]contact{g.users, g.teams} {
		for _, c := range list {
			if not(c) {
				if start > from {
					parts = append(parts, r.xml[from:start])
				}
				from = r.ends[n]
			}
			start = r.ends[n]
			n++
		}
	}
	return append(parts, r.xml[from:])
}

// biggestOf returns the biggest shared group that a user is in, if any, and the other groups whose members the user sees.
func (g *groups) biggestOf(id uc.UserID) (big *group, others []*group) {
	shared := g.ofUser(id)
	for i, of := range shared {
		if len(of.users) > len(shared[0].users) {
			shared[0], shared[i] = of, shared[0]
		}
	}
	others = g.supervisedBy(id)
	if len(shared) == 0 {
		return nil, others
	}
	return shared[0], append(shared[1:], others...)
}

// appendShared adds the part of a user's roster that all members of the user's biggest group have in common. add is
// called for everybody else whom the user sees, and for members who are something else to the user: because they are in
// another group, too, or because the user has added them.
func (g *groups) appendShared(parts [][]byte, user uc.UserID, personal map[string]*uc.RosterItem, add func(computedItem)) [][]byte {
	big, others := g.biggestOf(user)
	special := make(map[string]contact)
	for _, of := range others {
		for _, list := range [...][]contact{of.users, of.teams} {
			for _, c := range list {
				special[c.bare] = c
			}
		}
	}
	if big != nil {
		parts = big.without(parts, func(c contact) bool {
			if personal[c.bare] != nil {
				special[c.bare] = c
			}
			_, found := special[c.bare]
			return found || c.user == user
		})
	}
	for _, bare := range slices.Sorted(maps.Keys(special)) {
		if c := special[bare]; c.user != user {
			item, _ := g.item(user, c)
			add(item)
		}
	}
	return parts
}
