package directory_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/uc"
)

// slow is a store whose writes wait for the gate.
type slow struct {
	directory.Memory
	gate    chan struct{} // nil is open
	batches []int         // commits of each write
}

func (s *slow) SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error {
	if s.gate != nil {
		<-s.gate
	}
	s.batches = append(s.batches, len(commits))
	return s.Memory.SaveDirectory(ctx, base, commits)
}

// TestCommandsThatWaitShareACommit lets a thousand commands wait for one slow write.
func TestCommandsThatWaitShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		d := open(t, s, bus.New())
		user := added(d.AddUser(t.Context(), root, uc.NewUser{User: uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthNone}}))(t)
		s.gate, s.batches = make(chan struct{}), nil
		var wg sync.WaitGroup
		toggle := func(on bool) {
			wg.Go(func() { added(d.SetGSM(t.Context(), root, user.ID, on))(t) })
		}
		toggle(true)
		synctest.Wait()
		for range 999 {
			toggle(false)
		}
		wg.Go(func() {
			_, err := d.TeamLogin(t.Context(), root, 99, 0)
			refused(t, "a bad command among the good", err, uc.ErrNotFound, "")
		})
		wg.Go(func() { added(d.AddTeam(t.Context(), root, uc.Team{Name: "Support"}))(t) })
		synctest.Wait()
		close(s.gate)
		wg.Wait()
		equal(t, "commits of each write: the first, then the only two of the rest that change anything", s.batches, []int{1, 2})
		equal(t, "last value", d.Snapshot().State(user.ID).GSM, false)
	})
}
