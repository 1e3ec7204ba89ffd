package xmpp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func (m *memory) LastSeen(_ context.Context, user uc.UserID) (uc.LastSeen, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen[user]
	seen.User = user
	return seen, nil
}

func (m *memory) PutLastSeen(_ context.Context, list []uc.LastSeen) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seenWrites++
	for _, seen := range list {
		m.seen[seen.User] = laterSeen(m.seen[seen.User], seen)
	}
	return nil
}

// However many come and go, it is written once a second, and all of it before the server ends.
func TestComingAndGoingIsWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := newLastSeen(store)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			l.run(ctx, func(err error) { t.Error(err) })
			close(ended)
		}()
		began := time.Now()
		for i := range 500 {
			l.note(uc.LastSeen{User: uc.UserID(1 + i%100), Login: began.Add(time.Duration(i))})
		}
		if seen, _ := l.get(ctx, 7); !seen.Login.Equal(began.Add(406)) {
			t.Errorf("before it is written: %+v", seen)
		}
		time.Sleep(lastSeenDelay + time.Millisecond)
		synctest.Wait()
		if store.seenWrites != 1 || len(store.seen) != 100 || !store.seen[7].Login.Equal(began.Add(406)) {
			t.Errorf("%d writes of %d users, the seventh is %+v", store.seenWrites, len(store.seen), store.seen[7])
		}
		l.note(uc.LastSeen{User: 7, Logout: began.Add(time.Hour), Status: "bye"})
		cancel()
		<-ended
		if got := store.seen[7]; !got.Login.Equal(began.Add(406)) || !got.Logout.Equal(began.Add(time.Hour)) || got.Status != "bye" {
			t.Errorf("at the end: %+v", got)
		}
	})
}
