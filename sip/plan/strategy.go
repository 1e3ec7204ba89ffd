package plan

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// agent is a member of a team with what the member did for it.
type agent struct {
	place *uc.Member
	did   uc.AgentRecord
}

// agents lists a team's members in the order in which they ring, and tells why it is this one. Members for
// whom a strategy makes no difference keep the order of their joining.
func (m *maker) agents(t *uc.Team) []agent {
	var list []agent
	for _, place := range m.dir.TeamMembers(t.ID) {
		list = append(list, agent{place, m.live.AgentRecord(t.ID, place.User)})
	}
	list = ordered(list, t.Strategy, seed(m.req))
	m.strategy(t, list)
	return list
}

// ordered sorts agents for a strategy. It is a pure function: chance comes from the seed.
func ordered(list []agent, s uc.Strategy, seed uint64) []agent {
	list = slices.Clone(list)
	switch s {
	case uc.LongestIdle:
		slices.SortStableFunc(list, byIdle)
	case uc.FewestCalls:
		slices.SortStableFunc(list, func(a, b agent) int { return cmp.Or(cmp.Compare(a.did.Answered, b.did.Answered), byIdle(a, b)) })
	case uc.RandomMember:
		slices.SortStableFunc(list, func(a, b agent) int { return cmp.Compare(chance(seed, a), chance(seed, b)) })
	case uc.RoundRobin:
		last := -1
		for i, a := range list {
			if !a.did.LastAnswer.IsZero() && (last < 0 || a.did.LastAnswer.After(list[last].did.LastAnswer)) {
				last = i
			}
		}
		list = slices.Concat(list[last+1:], list[:last+1])
	case uc.Weighted:
		slices.SortStableFunc(list, func(a, b agent) int { return cmp.Compare(b.place.Weight, a.place.Weight) })
	}
	return list
}

// byIdle puts whoever has had no call for the longest time first, and before them who has had none at all.
func byIdle(a, b agent) int { return a.did.LastEnd.Compare(b.did.LastEnd) }

// seed makes the same plan of the same request, and another one of another call.
func seed(req uc.PlanRequest) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(req.Caller.Number+"\x00"), uint64(req.Now.UnixNano()))) //nolint:gosec // any number will do
	return h.Sum64()
}

// chance is where an agent falls for a seed.
func chance(seed uint64, a agent) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), uint64(a.place.User))) //nolint:gosec // likewise
	x := h.Sum64()
	x ^= x >> 33 // FNV alone leaves seeds that differ little in the same order
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// strategy tells in which order the members ring, and why.
func (m *maker) strategy(t *uc.Team, list []agent) {
	because := "strategy " + string(t.Strategy) + " of team " + t.Name
	switch t.Strategy {
	case uc.RingAll, "":
		m.line(stepRing, "The members ring together", "strategy ring-all of team "+t.Name)
	case uc.LongestIdle:
		m.line(stepRing, "The members ring one after the other, the longest idle first", because+m.each(list, idleWords(m.req.Now)))
	case uc.FewestCalls:
		m.line(stepRing, "The members ring one after the other, who has taken the fewest calls today first", because+
			m.each(list, func(a agent) string { return count(a.did.Answered) }))
	case uc.RandomMember:
		m.line(stepRing, "The members ring one after the other, in an order drawn for this call", because+m.each(list, nil))
	case uc.RoundRobin:
		m.line(stepRing, "The members ring one after the other, beginning behind who took the last call", because+m.each(list, nil))
	case uc.Weighted:
		m.line(stepRing, "The members ring one after the other, the highest weight first", because+
			m.each(list, func(a agent) string { return "weight " + strconv.Itoa(a.place.Weight) }))
	default:
		m.line(stepRing, "The members ring one after the other", because)
	}
}

// each lists the members who may ring in their order, with a word about each.
func (m *maker) each(list []agent, word func(agent) string) string {
	var names []string
	for _, a := range list {
		u := m.dir.Users.Get(a.place.User)
		if u == nil || !a.place.Active() {
			continue
		}
		text := u.Name
		if word != nil {
			text += " (" + word(a) + ")"
		}
		names = append(names, text)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

func count(n int) string {
	if n == 1 {
		return "1 call"
	}
	return strconv.Itoa(n) + " calls"
}

func idleWords(now time.Time) func(agent) string {
	return func(a agent) string {
		if a.did.LastEnd.IsZero() {
			return "no call yet"
		}
		return "idle for " + now.Sub(a.did.LastEnd).Round(time.Second).String()
	}
}
