package xmpp

import (
	"context"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// lastSeenDelay is how long it may take until it is written that somebody came or went. A crash within it costs
// that knowledge; coming and going does not wait for the database.
const lastSeenDelay = time.Second

// lastSeen notes when users come and go, and writes it in batches. Its goroutine is run.
type lastSeen struct {
	store   Store
	mu      sync.Mutex
	pending map[uc.UserID]uc.LastSeen // not written yet
	writing map[uc.UserID]uc.LastSeen // being written
	wake    chan struct{}             // holds one token while pending may not be empty
}

func newLastSeen(store Store) *lastSeen {
	return &lastSeen{store: store, pending: make(map[uc.UserID]uc.LastSeen), wake: make(chan struct{}, 1)}
}

// note adds what is new of a user: times that are not zero.
func (l *lastSeen) note(seen uc.LastSeen) {
	l.mu.Lock()
	l.pending[seen.User] = laterSeen(l.pending[seen.User], seen)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// laterSeen puts what is new over what was known.
func laterSeen(known, seen uc.LastSeen) uc.LastSeen {
	known.User = seen.User
	if !seen.Login.IsZero() {
		known.Login = seen.Login
	}
	if !seen.Logout.IsZero() {
		known.Logout, known.Status = seen.Logout, seen.Status
	}
	if !seen.Told.IsZero() {
		known.Told = seen.Told
	}
	return known
}

// get tells when a user was seen.
func (l *lastSeen) get(ctx context.Context, user uc.UserID) (uc.LastSeen, error) {
	l.mu.Lock()
	pending, writing := l.pending[user], l.writing[user]
	l.mu.Unlock()
	seen, err := l.store.LastSeen(ctx, user)
	writing.User, pending.User = user, user
	return laterSeen(laterSeen(seen, writing), pending), err
}

// run writes what was noted until ctx ends, and then the rest.
func (l *lastSeen) run(ctx context.Context, failed func(error)) {
	for ctx.Err() == nil {
		select {
		case <-l.wake:
			select {
			case <-time.After(lastSeenDelay): // others may come and go meanwhile
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		if err := l.write(limited); err != nil {
			failed(err)
		}
		cancel()
	}
}

// write writes what was noted. It is lost if the database fails: it is not worth keeping.
func (l *lastSeen) write(ctx context.Context) error {
	l.mu.Lock()
	list := make([]uc.LastSeen, 0, len(l.pending))
	for _, seen := range l.pending {
		list = append(list, seen)
	}
	l.pending, l.writing = make(map[uc.UserID]uc.LastSeen), l.pending
	l.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := l.store.PutLastSeen(ctx, list)
	l.mu.Lock()
	l.writing = nil
	l.mu.Unlock()
	return err
}
