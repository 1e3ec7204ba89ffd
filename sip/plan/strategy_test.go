package plan

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

func drawAgents(t *rapid.T) []agent {
	var list []agent
	for i := range rapid.IntRange(0, 8).Draw(t, "members") {
		a := agent{place: &uc.Member{User: uc.UserID(i + 1), Weight: rapid.IntRange(0, 3).Draw(t, "weight")}}
		if calls := rapid.IntRange(0, 3).Draw(t, "calls"); calls > 0 {
			end := time.Unix(int64(rapid.IntRange(1, 5).Draw(t, "end")), 0)
			a.did = uc.AgentRecord{Answered: calls, LastAnswer: end.Add(-time.Second), LastEnd: end}
		}
		list = append(list, a)
	}
	return list
}

// TestEveryStrategyRingsEverybodyOnce holds what is common to all, and the order that each promises.
func TestEveryStrategyRingsEverybodyOnce(t *testing.T) {
	inOrder := map[uc.Strategy]func(a, b agent) bool{
		uc.LongestIdle: func(a, b agent) bool { return !a.did.LastEnd.After(b.did.LastEnd) },
		uc.FewestCalls: func(a, b agent) bool {
			return a.did.Answered < b.did.Answered || a.did.Answered == b.did.Answered && !a.did.LastEnd.After(b.did.LastEnd)
		},
		uc.Weighted: func(a, b agent) bool { return a.place.Weight >= b.place.Weight },
		uc.Linear:   func(a, b agent) bool { return a.place.User < b.place.User },
	}
	rapid.Check(t, func(t *rapid.T) {
		list := drawAgents(t)
		before := slices.Clone(list)
		s := rapid.SampledFrom([]uc.Strategy{uc.RingAll, uc.Linear, uc.LongestIdle, uc.FewestCalls, uc.RandomMember, uc.RoundRobin, uc.Weighted}).Draw(t, "strategy")
		seed := rapid.Uint64().Draw(t, "seed")
		got := ordered(list, s, seed)
		if !slices.Equal(list, before) {
			t.Fatal("it changed what it was given")
		}
		if !slices.Equal(got, ordered(list, s, seed)) {
			t.Fatal("the same question has two answers")
		}
		users := map[uc.UserID]bool{}
		for i, a := range got {
			users[a.place.User] = true
			if better := inOrder[s]; better != nil && i > 0 && !better(got[i-1], a) {
				t.Fatalf("%s: %+v before %+v", s, got[i-1].did, a.did)
			}
		}
		if len(users) != len(list) || len(got) != len(list) {
			t.Fatalf("%d of %d ring", len(users), len(list))
		}
	})
}

// TestRoundRobinComesRound lets whoever rings first take the call: everybody has a turn before anybody has two.
func TestRoundRobinComesRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawAgents(t)
		if len(list) == 0 {
			return
		}
		at := time.Unix(100, 0)
		turns := map[uc.UserID]int{}
		for range 3 * len(list) {
			first := ordered(list, uc.RoundRobin, 0)[0].place.User
			turns[first]++
			at = at.Add(time.Second)
			list[first-1].did.LastAnswer = at
		}
		for u, n := range turns {
			if n != 3 {
				t.Fatalf("user %d had %d turns out of 3", u, n)
			}
		}
	})
}

// TestChanceIsFair draws for many calls: everybody is first about as often.
func TestChanceIsFair(t *testing.T) {
	var list []agent
	for i := range 5 {
		list = append(list, agent{place: &uc.Member{User: uc.UserID(i + 1)}})
	}
	first := map[uc.UserID]int{}
	began := time.Unix(1_000_000, 0)
	for i := range 5000 {
		req := uc.PlanRequest{Caller: uc.Party{Number: "0899"}, Now: began.Add(time.Duration(i) * time.Second)}
		first[ordered(list, uc.RandomMember, seed(req))[0].place.User]++
	}
	for u := range list {
		if n := first[uc.UserID(u+1)]; n < 800 || n > 1200 {
			t.Errorf("user %d was first %d times of 5000", u+1, n)
		}
	}
}
