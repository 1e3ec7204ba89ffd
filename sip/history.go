package sip

import (
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// history is what agents did for their teams since the server began: the strategies of teams go by it.
type history struct {
	mu     sync.Mutex
	agents map[teamMember]record
}

// teamMember is a user as a member of a team.
type teamMember struct {
	team uc.TeamID
	user uc.UserID
}

// record is an agent's, with the day that the number of calls is of.
type record struct {
	uc.AgentRecord
	day string
}

func newHistory() *history { return &history{agents: make(map[teamMember]record)} }

// AgentRecord implements uc.Live.
func (s *Server) AgentRecord(t uc.TeamID, u uc.UserID) uc.AgentRecord {
	return s.history.of(teamMember{t, u}, s.deps.Now())
}

func (h *history) of(a teamMember, now time.Time) uc.AgentRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.agents[a]
	if r.day != now.Format(time.DateOnly) {
		r.Answered = 0
	}
	return r.AgentRecord
}

// answered notes that an agent took a call of the team.
func (h *history) answered(a teamMember, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.agents[a]
	if day := now.Format(time.DateOnly); r.day != day {
		r.day, r.Answered = day, 0
	}
	r.Answered++
	r.LastAnswer, r.LastEnd = now, now // in the call nobody is idle
	h.agents[a] = r
}

// ended notes that the call is over.
func (h *history) ended(a teamMember, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.agents[a]
	r.LastEnd = now
	h.agents[a] = r
}
