package sip

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestHistory(t *testing.T) {
	h, at := newHistory(), time.Date(2026, 3, 2, 23, 50, 0, 0, time.UTC)
	anna := teamMember{team: 3, user: 11}
	check := func(what string, a teamMember, now time.Time, want uc.AgentRecord) {
		t.Helper()
		if got := h.of(a, now); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	check("nothing yet", anna, at, uc.AgentRecord{})
	h.answered(anna, at)
	check("in the call", anna, at, uc.AgentRecord{Answered: 1, LastAnswer: at, LastEnd: at})
	later := at.Add(5 * time.Minute)
	h.ended(anna, later)
	check("after it", anna, later, uc.AgentRecord{Answered: 1, LastAnswer: at, LastEnd: later})
	check("for another team", teamMember{team: 4, user: 11}, later, uc.AgentRecord{})
	tomorrow := at.Add(time.Hour)
	check("the next day", anna, tomorrow, uc.AgentRecord{LastAnswer: at, LastEnd: later})
	h.answered(anna, tomorrow)
	check("the first of the day", anna, tomorrow, uc.AgentRecord{Answered: 1, LastAnswer: tomorrow, LastEnd: tomorrow})
}
