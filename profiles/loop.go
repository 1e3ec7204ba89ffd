package profiles

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

const (
	// maxSleep bounds how late the engine can be after the machine slept or its clock was set.
	maxSleep = time.Minute
	// maxSetBack is how far the clock may be set back without everything being considered anew.
	maxSetBack = time.Minute
	// maxEvents is how many changes of the directory may wait.
	maxEvents = 4096
	// retryAfter is when a job is tried again that could not be committed.
	retryAfter = 5 * time.Second
	// beatEvery is how often it is noted that the clock is being followed.
	beatEvery = time.Minute
	// beatName is the setting where it is noted.
	beatName = "profiles.followed"
)

// Run follows the clock, the directory and Teams until ctx ends. Jobs that run then stop after the
// action that they are at; the next start goes on with them.
func (e *Engine) Run(ctx context.Context) error {
	defer e.changes.Close()
	var workers sync.WaitGroup
	for range e.opts.Workers {
		workers.Go(func() { e.worker(ctx) })
	}
	defer workers.Wait()
	defer e.stop()

	timer := time.NewTimer(0)
	defer timer.Stop()
	var beaten time.Time
	for {
		timer.Reset(e.pass())
		e.follow()
		if now := e.now(); now.Sub(beaten).Abs() >= beatEvery && e.beat(ctx) {
			beaten = now
		}
		select {
		case <-timer.C:
		case <-e.wake:
		case <-e.changes.Ready():
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	e.work.Broadcast()
}

// pass queues everybody whose edge has come and returns how long to sleep.
func (e *Engine) pass() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if e.passed.Sub(now) > maxSetBack {
		for _, u := range e.users {
			e.enqueue(u)
		}
	}
	for len(e.edges) > 0 && !e.edges[0].edge.After(now) {
		u := heap.Pop(&e.edges).(*user)
		if u.due.IsZero() {
			u.due = u.edge
		}
		e.enqueue(u)
	}
	e.passed = now
	if len(e.edges) == 0 {
		return maxSleep
	}
	return min(maxSleep, e.edges[0].edge.Sub(now))
}

// schedule notes when a user who was brought up to date must be looked at again.
func (e *Engine) schedule(u *user, f *facts) {
	next := f.next(&u.state)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !u.due.After(f.now) {
		u.due = time.Time{}
	}
	e.setFailed(u, false)
	e.setEdge(u, next)
}

// setEdge files a user under the next edge; the zero time means none.
func (e *Engine) setEdge(u *user, at time.Time) {
	u.edge = at
	switch {
	case at.IsZero() && u.index >= 0:
		heap.Remove(&e.edges, u.index)
	case at.IsZero():
	case u.index >= 0:
		heap.Fix(&e.edges, u.index)
	default:
		heap.Push(&e.edges, u)
	}
	if u.index == 0 {
		e.Poke()
	}
}

func (e *Engine) setFailed(u *user, failed bool) {
	switch {
	case failed && !u.failed:
		e.failing++
	case !failed && u.failed:
		e.failing--
	}
	u.failed = failed
}

// enqueue has a user looked at by a worker; e.mu is held.
func (e *Engine) enqueue(u *user) {
	if !u.queued {
		u.queued = true
		e.ready = append(e.ready, u)
		e.work.Signal()
	}
}

// worker runs jobs until the engine stops.
func (e *Engine) worker(ctx context.Context) {
	for u := e.next(); u != nil; u = e.next() {
		if err := e.update(ctx, u); err != nil {
			e.retry(u, err)
		}
		e.release(u)
		e.mu.Lock()
		e.running--
		e.mu.Unlock()
	}
}

// next waits for a user who is ready and takes the turn; nil means that the engine stops. A user whose
// turn another has is put back in the queue when that turn ends.
func (e *Engine) next() *user {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		for len(e.ready) == 0 && !e.stopped {
			e.work.Wait()
		}
		if e.stopped {
			return nil
		}
		u := e.ready[0]
		e.ready[0] = nil
		e.ready = e.ready[1:]
		u.queued = false
		select {
		case u.turn <- struct{}{}:
			e.running++
			return u
		default:
			u.again = true
		}
	}
}

// release ends a turn.
func (e *Engine) release(u *user) {
	e.mu.Lock()
	defer e.mu.Unlock()
	<-u.turn
	if u.again {
		u.again = false
		e.enqueue(u)
	}
}

// retry lets a job that failed run again soon.
func (e *Engine) retry(u *user, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	at := e.now().Add(retryAfter)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !u.failed {
		e.log.Error("a profile could not be updated, it is tried again", "user", u.id, "cause", err)
	}
	e.setFailed(u, true)
	e.setEdge(u, at)
}

// drop forgets a user who was deleted.
func (e *Engine) drop(u *user) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setFailed(u, false)
	e.setEdge(u, time.Time{})
	delete(e.users, u.id)
	return nil
}

// follow takes in what changed in the directory.
func (e *Engine) follow() {
	for {
		event, err, ok := e.changes.TryNext()
		if !ok {
			return
		}
		if changed, is := event.(uc.DirectoryChanged); is {
			e.changed(changed)
		}
		if errors.Is(err, bus.ErrOverflow) {
			e.everybody()
		}
	}
}

// changed queues whom a change of the directory may concern.
func (e *Engine) changed(c uc.DirectoryChanged) {
	for _, ref := range c.Changes {
		switch ref.Kind {
		case uc.KindUser:
			e.look(uc.UserID(ref.ID))
		case uc.KindRole:
			e.everybody()
		case uc.KindProfile:
			id := uc.ProfileID(ref.ID)
			if c.After.Profiles.Get(id) == nil {
				e.library.forget(id)
			}
			if owner := ownerOf(c, id); owner != 0 {
				e.look(owner)
			} else {
				e.everybody()
			}
		}
	}
}

// ownerOf returns the owner of a profile that was and is personal, else 0.
func ownerOf(c uc.DirectoryChanged, id uc.ProfileID) uc.UserID {
	was, is := c.Before.Profiles.Get(id), c.After.Profiles.Get(id)
	if was == nil {
		was = is
	}
	if is == nil {
		is = was
	}
	if is == nil || was.Owner != is.Owner || was.Assigned != is.Assigned {
		return 0
	}
	return is.Owner
}

// look queues one user, who may be new.
func (e *Engine) look(id uc.UserID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.users[id]
	switch {
	case u != nil:
		e.enqueue(u)
	case e.directory.Snapshot().Users.Get(id) != nil:
		e.add(id)
	}
}

// everybody queues all users, also those who are new.
func (e *Engine) everybody() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.directory.Snapshot().Users.All() {
		if e.users[id] == nil {
			e.add(id)
		}
	}
	for _, u := range e.users {
		e.enqueue(u)
	}
}

// beat notes until when the clock has been followed, so that the next start knows what was missed. While
// jobs run or fail it does not: what they shall do is not done yet.
func (e *Engine) beat(ctx context.Context) bool {
	e.mu.Lock()
	busy := len(e.ready) > 0 || e.running > 0 || e.failing > 0
	passed := e.passed
	e.mu.Unlock()
	if busy {
		return false
	}
	if err := e.store.PutSetting(ctx, beatName, []byte(passed.UTC().Format(time.RFC3339Nano))); err != nil {
		e.log.Error("cannot note how far the clock was followed", "cause", err)
		return false
	}
	return true
}

// lastBeat returns until when the clock was followed before the last stop; the zero time if never.
func (e *Engine) lastBeat(ctx context.Context) (time.Time, error) {
	text, err := e.store.Setting(ctx, beatName)
	if err != nil || len(text) == 0 {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, string(text))
}

// edgeHeap is a container/heap of the users that have a next edge, soonest first.
type edgeHeap []*user

func (h edgeHeap) Len() int           { return len(h) }
func (h edgeHeap) Less(i, j int) bool { return h[i].edge.Before(h[j].edge) }
func (h edgeHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *edgeHeap) Push(x any) {
	u := x.(*user)
	u.index = len(*h)
	*h = append(*h, u)
}

// Pop implements heap.Interface.
func (h *edgeHeap) Pop() any {
	old := *h
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	u.index = -1
	return u
}
