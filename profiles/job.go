package profiles

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// command runs something on a user's turn, in the goroutine of the caller, after the user was brought up
// to date.
func (e *Engine) command(ctx context.Context, id uc.UserID, do func(context.Context, *user, *facts) (uc.JournalEntry, error)) (uc.JournalEntry, error) {
	e.mu.Lock()
	u := e.users[id]
	if u == nil && e.directory.Snapshot().Users.Get(id) != nil {
		u = e.add(id)
	}
	e.mu.Unlock()
	if u == nil {
		return uc.JournalEntry{}, errNoUser
	}
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return uc.JournalEntry{}, ctx.Err()
	}
	defer e.release(u)
	ctx = context.WithoutCancel(ctx)
	if err := e.update(ctx, u); err != nil {
		return uc.JournalEntry{}, err
	}
	f := e.facts(u)
	if f == nil {
		return uc.JournalEntry{}, errNoUser
	}
	entry, err := do(ctx, u, f)
	e.schedule(u, f)
	if len(u.unfinished) > 0 {
		e.retry(u, err)
	}
	return entry, err
}

var errNoUser = uc.Errorf(uc.ErrNotFound, "there is no such user")

// update brings a user into the state that the facts ask for. The caller has the turn.
func (e *Engine) update(ctx context.Context, u *user) error {
	if err := e.finish(ctx, u); err != nil {
		return err
	}
	f := e.facts(u)
	if f == nil {
		return e.drop(u)
	}
	if _, err := e.apply(ctx, u, f, desired(u.state, f)); err != nil {
		return err
	}
	e.schedule(u, f)
	return nil
}

// apply commits an outcome, tells it, and does what it asks for.
func (e *Engine) apply(ctx context.Context, u *user, f *facts, o outcome) (uc.JournalEntry, error) {
	if o.cause.Kind == "" {
		return uc.JournalEntry{}, e.keep(ctx, u, o)
	}
	next := o.state
	next.Before = &before{u.state.Base, u.state.Overlays, u.state.Visit}
	next.Steps = nil
	if next.Effective != u.state.Effective {
		to := f.offer(next.Effective).profile
		next.Steps = f.steps(u.state.Visit, u.state.Effective, to)
		next.Visit = visiting(to)
	}
	entry := f.entry(&u.state, &next, o.cause)
	if err := e.commit(ctx, u, next, entry); err != nil {
		return uc.JournalEntry{}, err
	}
	return e.finished(ctx, u, entry)
}

// entry writes the journal entry of a switch, with its actions pending.
func (f *facts) entry(was, next *state, cause uc.Cause) *uc.JournalEntry {
	entry := &uc.JournalEntry{Time: f.now, User: f.user, From: was.Effective, FromName: f.nameIn(was, was.Effective),
		To: next.Effective, ToName: f.name(next.Effective), Cause: cause, Reason: next.Reason}
	for _, s := range next.Steps {
		entry.Actions = append(entry.Actions, uc.ActionResult{Action: s.Words})
	}
	return entry
}

// keep commits what changed while the profile in effect stays the same. Only what would be lost
// otherwise is written.
func (e *Engine) keep(ctx context.Context, u *user, o outcome) error {
	next := o.state
	visible := !sameVisible(&u.state, &next)
	noted := slices.EqualFunc(u.state.Held, next.Held, sameHeld) && maps.EqualFunc(u.state.Left, next.Left, time.Time.Equal)
	if !visible && noted {
		e.set(u, next)
		return nil
	}
	if !visible {
		return e.save(ctx, u, next, nil)
	}
	return e.commit(ctx, u, next, nil)
}

// commit saves a visible change and publishes it.
func (e *Engine) commit(ctx context.Context, u *user, next state, entry *uc.JournalEntry) error {
	next.Version++
	if err := e.save(ctx, u, next, entry); err != nil {
		return err
	}
	if entry != nil {
		e.log.Info("profile switched", "user", entry.User, "from", entry.FromName, "to", entry.ToName, "cause", entry.Cause.Kind, "entry", entry.ID)
	}
	if entry == nil || len(entry.Actions) == 0 {
		e.publish(u, entry)
	}
	return nil
}

// save stores a state and, if not nil, an entry, and lets the engine go on from there.
func (e *Engine) save(ctx context.Context, u *user, next state, entry *uc.JournalEntry) error {
	st, err := next.stored()
	if err != nil {
		return err
	}
	// A transaction is not cut off by a shutdown: whether it happened must be known.
	id, err := e.store.SaveProfileState(context.WithoutCancel(ctx), st, entry)
	if err != nil {
		return err
	}
	if entry != nil {
		entry.ID = id
	}
	e.set(u, next)
	return nil
}

func (e *Engine) set(u *user, next state) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u.state = next
}

// publish tells the state that was committed. An entry is told as a copy, because its actions still run.
func (e *Engine) publish(u *user, entry *uc.JournalEntry) {
	if entry != nil {
		told := *entry
		told.Actions = slices.Clone(entry.Actions)
		entry = &told
	}
	e.bus.Publish(uc.ProfileSwitched{State: u.state.ProfileState, Entry: entry})
}

// finished runs the actions of a committed entry and returns it with their results. It is published when
// they have run, so that nobody sees a profile whose calls still go the old way. What tells somebody
// outside may take long and is not waited for: then the entry is published before it, and once more
// (the same ID, the same version of the state) with the results.
func (e *Engine) finished(ctx context.Context, u *user, entry *uc.JournalEntry) (uc.JournalEntry, error) {
	if len(entry.Actions) == 0 {
		return *entry, nil
	}
	u.unfinished = append(u.unfinished, entry)
	err := e.finish(ctx, u)
	return *entry, err
}

// finish runs what is left of the actions of the user's unfinished entries.
func (e *Engine) finish(ctx context.Context, u *user) error {
	for len(u.unfinished) > 0 {
		entry := u.unfinished[0]
		steps := u.state.Steps
		if len(u.unfinished) > 1 {
			steps = nil // the state knows the steps of the newest entry only
		}
		if err := e.runSteps(ctx, u, entry, steps); err != nil {
			return err
		}
		u.unfinished = u.unfinished[1:]
		e.publish(u, entry)
	}
	u.unfinished = nil
	return nil
}

// runSteps takes the steps that have no result yet. What has changed something is saved before the
// next, so that after a crash it is still known what to put back. Taking a step a second time is
// harmless: switches are idempotent, webhooks are told the number of the entry.
func (e *Engine) runSteps(ctx context.Context, u *user, entry *uc.JournalEntry, steps []step) error {
	told := false
	for i := range entry.Actions {
		switch {
		case entry.Actions[i].Result != "":
			continue
		case i >= len(steps):
			entry.Actions[i].Result, entry.Actions[i].Error = uc.ResultFailed, "the server stopped before it was done"
			continue
		case ctx.Err() != nil:
			return ctx.Err() // goes on at the next start
		}
		if steps[i].sends() && !told {
			told = true
			e.publish(u, entry)
		}
		r := e.perform(ctx, entry, steps[i])
		if r.Result == uc.ResultFailed && ctx.Err() != nil {
			return ctx.Err()
		}
		entry.Actions[i] = r
		if len(r.Changes) > 0 && i < len(entry.Actions)-1 {
			next := u.state
			next.Visit = next.Visit.entered(steps, entry.Actions)
			if err := e.save(ctx, u, next, entry); err != nil {
				return err
			}
		}
	}
	next := u.state
	if len(steps) > 0 {
		next.Visit = next.Visit.entered(steps, entry.Actions)
		next.Steps = nil
	}
	return e.save(ctx, u, next, entry)
}

// entered notes what must be known of the enter actions when the profile is left.
func (v visit) entered(steps []step, results []uc.ActionResult) visit {
	if !slices.ContainsFunc(steps, func(s step) bool { return s.Enter }) {
		return v
	}
	v.Changes, v.Text = nil, ""
	for i, s := range steps {
		if !s.Enter {
			continue
		}
		v.Changes = append(v.Changes, results[i].Changes...)
		if s.Do.Kind == uc.ActionText && results[i].Result != uc.ResultFailed {
			v.Text = s.Do.Text
		}
	}
	return v
}

// undo returns to the state before the last entry. The caller has the turn.
func (e *Engine) undo(ctx context.Context, u *user, f *facts, by uc.Actor) (uc.JournalEntry, error) {
	entries, err := e.store.Journal(ctx, uc.JournalQuery{User: u.id, Limit: 1})
	if err != nil {
		return uc.JournalEntry{}, err
	}
	if len(entries) == 0 || entries[0].Undone || u.state.Before == nil {
		return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "there is nothing to undo")
	}
	last, to := entries[0], *u.state.Before
	if f.offer(last.From) == nil {
		return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "%s is no longer offered", last.FromName)
	}
	ev := evaluate(u.state, f)
	ev.follow()
	ev.undo(to, last.From, by)
	o := ev.done()
	next := o.state
	next.Visit, next.Before = to.Visit, nil
	next.Steps = undoing(last.Actions, by, last.ToName)
	entry := f.entry(&u.state, &next, o.cause)
	if err := e.commit(ctx, u, next, entry); err != nil {
		return uc.JournalEntry{}, err
	}
	last.Undone = true
	marked := e.save(ctx, u, u.state, &last)
	done, err := e.finished(ctx, u, entry)
	return done, errors.Join(err, marked)
}
