package graph

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/rolecall/rolecall/internal/uc"
)

// status tells the rest of the server how reading goes.
type status struct {
	bus Publisher
	log *slog.Logger

	mu  sync.Mutex
	now uc.TeamsSync
}

func (s *status) get() uc.TeamsSync {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// set publishes the status if more than the time of the last success changed.
func (s *status) set(next uc.TeamsSync) {
	s.mu.Lock()
	before := s.now
	s.now = next
	s.mu.Unlock()
	if before.State != next.State {
		s.log.Info("reading presence from Microsoft Graph", "state", next.State, "before", before.State, "users", next.Users, "cause", next.Error)
	}
	if before.State != next.State || before.Error != next.Error || before.Users != next.Users || !slices.Equal(before.Unmatched, next.Unmatched) {
		s.bus.Publish(uc.TeamsSyncChanged{Status: next})
	}
}

// report brings the status up to date after a poll or a list of users.
func (p *Poller) report(ctx context.Context) {
	if ctx.Err() != nil {
		return // what failed because of the shutdown is no news
	}
	s := uc.TeamsSync{State: uc.SyncOK, LastSuccess: p.succeeded, Users: p.targets.count(), Unmatched: p.unmatched()}
	if s.Users == 0 || p.succeeded.IsZero() {
		s.State = uc.SyncOff
	}
	switch l := p.list.failed; {
	case p.failed != nil:
		s.State, s.Error = stateOf(p.failed.kind), p.failed.text
	case l != nil && p.targets.listed > 0:
		s.Error = "list of users: " + l.text
		if l.kind == needsAdmin || s.Users == 0 {
			s.State = stateOf(l.kind)
		}
	}
	p.status.set(s)
}

func stateOf(k failureKind) string {
	switch k {
	case throttled:
		return uc.SyncThrottled
	case needsAdmin:
		return uc.SyncNeedsAdmin
	}
	return uc.SyncFailing
}

// unmatched lists who has no account, and whose account Teams does not know, each with the reason.
func (p *Poller) unmatched() []string {
	unknown := p.strangers.list()
	if len(unknown) == 0 {
		return p.targets.unmatched
	}
	all := slices.Clone(p.targets.unmatched)
	for _, id := range unknown {
		for _, user := range p.targets.users[id] {
			if u := p.snapshot.Users.Get(user); u != nil {
				all = append(all, u.Login+": Teams does not know object id "+id)
			}
		}
	}
	slices.Sort(all)
	return all
}
