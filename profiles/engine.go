package profiles

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// Store keeps states and journal.
type Store interface {
	ProfileStates(ctx context.Context) ([]uc.ProfileState, error)
	// SaveProfileState commits a state and, if entry is not nil, a journal entry in one transaction.
	// An entry with ID 0 is new. It returns the entry's ID.
	SaveProfileState(ctx context.Context, st uc.ProfileState, entry *uc.JournalEntry) (int64, error)
	Journal(ctx context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error)
	// UnfinishedEntries lists the entries that have an action without a result.
	UnfinishedEntries(ctx context.Context) ([]uc.JournalEntry, error)
	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error
}

// Directory tells who exists, and which profiles are offered to them.
type Directory interface {
	Snapshot() *uc.Directory
}

// Deps are what the engine works with.
type Deps struct {
	Store     Store
	Directory Directory
	Switches  Switches
	Bus       *bus.Bus
	Messenger Messenger // may be nil: then message actions fail
}

// Options tune the engine; the zero value is fit for use.
type Options struct {
	Now            func() time.Time // nil means time.Now; after it was set, call [Engine.Poke]
	Location       *time.Location   // of users without a time zone; nil means time.Local
	LeaveDelay     time.Duration    // how long a meeting must be gone before it counts as over; 0 means 15 s
	StaleAfter     time.Duration    // without news from Teams for so long, the reason says so; 0 means 5 min
	WebhookTimeout time.Duration    // 0 means 5 s
	Workers        int              // how many users' jobs run at once; 0 means 32
	Log            *slog.Logger     // nil means none
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.LeaveDelay == 0 {
		o.LeaveDelay = 15 * time.Second
	}
	if o.StaleAfter == 0 {
		o.StaleAfter = 5 * time.Minute
	}
	if o.WebhookTimeout == 0 {
		o.WebhookTimeout = 5 * time.Second
	}
	if o.Workers == 0 {
		o.Workers = 32
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Engine owns the profile state of all users.
type Engine struct {
	store     Store
	directory Directory
	switches  Switches
	messenger Messenger
	webhooks  *webhooks
	bus       *bus.Bus
	changes   *bus.Reader
	library   library
	opts      Options
	log       *slog.Logger
	started   time.Time
	zones     sync.Map      // name → *time.Location
	wake      chan struct{} // holds one token while the loop shall look at the clock

	mu      sync.Mutex
	work    sync.Cond // something became ready, or stopped
	users   map[uc.UserID]*user
	edges   edgeHeap
	ready   []*user
	running int
	failing int
	passed  time.Time // the loop has seen all edges up to here
	stopped bool
}

// user is what the engine holds of one user. The fields below turn are guarded by Engine.mu; state and
// unfinished are written only by whoever has the turn, who may read them without the lock.
type user struct {
	id   uc.UserID
	turn chan struct{} // holds one token while a job of the user runs

	state      state
	unfinished []*uc.JournalEntry // oldest first; the last one's steps are state.Steps
	teams      teams
	due        time.Time // an edge that has come and was not acted upon yet
	edge       time.Time // the next edge
	index      int       // in the heap, -1 if there is no edge
	queued     bool
	again      bool // became ready while a job ran
	failed     bool
}

// New restores the state of all users; nothing happens to them before [Engine.Run].
func New(ctx context.Context, deps Deps, opts Options) (*Engine, error) {
	opts = opts.withDefaults()
	e := &Engine{
		store: deps.Store, directory: deps.Directory, switches: deps.Switches, messenger: deps.Messenger,
		webhooks: newWebhooks(opts.WebhookTimeout),
		bus:      deps.Bus, changes: deps.Bus.Subscribe(maxEvents, uc.DirectoryChanged{}),
		library: library{log: opts.Log, rules: make(map[uc.ProfileID]*rules)},
		opts:    opts, log: opts.Log,
		wake:  make(chan struct{}, 1),
		users: make(map[uc.UserID]*user),
	}
	e.work.L = &e.mu
	e.started = e.now()
	if err := e.load(ctx); err != nil {
		e.changes.Close()
		return nil, fmt.Errorf("profiles: %w", err)
	}
	return e, nil
}

// now returns the time by the wall clock only: a machine that slept has missed something.
func (e *Engine) now() time.Time { return e.opts.Now().Round(0) }

// load restores what the store has of the users that exist.
func (e *Engine) load(ctx context.Context) error {
	states, err := e.store.ProfileStates(ctx)
	if err != nil {
		return err
	}
	alive, err := e.lastBeat(ctx)
	if err != nil {
		return err
	}
	unfinished, err := e.store.UnfinishedEntries(ctx)
	if err != nil {
		return err
	}
	for id := range e.directory.Snapshot().Users.All() {
		e.add(id).resume(alive, e.started)
	}
	for _, st := range states {
		if u := e.users[st.User]; u != nil {
			if u.state, err = restore(st); err != nil {
				return fmt.Errorf("state of user %d: %w", st.User, err)
			}
			u.resume(later(u.state.Checked, alive), e.started)
		}
	}
	for i := range unfinished {
		if u := e.users[unfinished[i].User]; u != nil {
			u.keepUnfinished(&unfinished[i])
		}
	}
	return nil
}

// add makes the record of a user and puts it in the queue.
func (e *Engine) add(id uc.UserID) *user {
	u := &user{id: id, turn: make(chan struct{}, 1), state: initial(id), index: -1}
	u.state.Checked = e.now()
	u.state.Reason = e.view(u).reason(&u.state)
	e.users[id] = u
	e.enqueue(u)
	return u
}

// resume lets the first job look at everything that happened after the clock was last followed. At the
// very first start, when since is zero, nothing was missed; nor if the clock stands earlier now.
func (u *user) resume(since, now time.Time) {
	if since.IsZero() || since.After(now) {
		since = now
	}
	u.state.Checked, u.due = since, since
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keepUnfinished files an entry by age.
func (u *user) keepUnfinished(entry *uc.JournalEntry) {
	i := len(u.unfinished)
	for i > 0 && u.unfinished[i-1].ID > entry.ID {
		i--
	}
	u.unfinished = slices.Insert(u.unfinished, i, entry)
}

// Switch puts a user into a profile by hand. It returns when the actions have run and all is committed;
// a caller who stops waiting meanwhile does not stop that. Errors are of kind [uc.ErrNotFound],
// [uc.ErrForbidden] (the profile is not offered to the user) and [uc.ErrInvalid] (an expiry in the past).
// Whether the actor may do this to the user is for the caller to know.
func (e *Engine) Switch(ctx context.Context, req uc.SwitchRequest) (uc.JournalEntry, error) {
	return e.command(ctx, req.User, func(ctx context.Context, u *user, f *facts) (uc.JournalEntry, error) {
		if err := f.check(req); err != nil {
			return uc.JournalEntry{}, err
		}
		ev := evaluate(u.state, f)
		ev.follow()
		ev.choose(req)
		return e.apply(ctx, u, f, ev.done())
	})
}

// Release ends a choice by hand that was held, for the one who made it: the base before it returns. If
// somebody or something has set another base since, or the choice is another's, the error is of kind
// [uc.ErrConflict].
func (e *Engine) Release(ctx context.Context, id uc.UserID, by uc.Actor) (uc.JournalEntry, error) {
	return e.command(ctx, id, func(ctx context.Context, u *user, f *facts) (uc.JournalEntry, error) {
		ev := evaluate(u.state, f)
		ev.follow()
		if b := ev.s.Base; b.Before == nil || !b.Until.IsZero() || b.Cause.Kind != uc.CauseHand || b.Cause.By != by {
			return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "another choice was made")
		}
		ev.release(by)
		return e.apply(ctx, u, f, ev.done())
	})
}

// check reports what is wrong with a request.
func (f *facts) check(req uc.SwitchRequest) error {
	p := f.dir.Profiles.Get(req.Profile)
	switch {
	case p == nil:
		return uc.Errorf(uc.ErrNotFound, "there is no such profile")
	case f.offer(req.Profile) == nil:
		return uc.Errorf(uc.ErrForbidden, "the profile %s is not offered to %s", p.Name, f.dir.Users.Get(f.user).Login)
	case !req.Until.IsZero() && !req.Until.After(f.now):
		return uc.FieldError(uc.ErrInvalid, "until", "the expiry must be in the future")
	}
	return nil
}

// Undo returns a user to the state before the last switch and puts back what that switch changed,
// unless somebody changed it since. No enter or leave actions run. There is one step: after it, the
// error is of kind [uc.ErrConflict] until the next switch.
func (e *Engine) Undo(ctx context.Context, id uc.UserID, by uc.Actor) (uc.JournalEntry, error) {
	return e.command(ctx, id, func(ctx context.Context, u *user, f *facts) (uc.JournalEntry, error) {
		return e.undo(ctx, u, f, by)
	})
}

// State returns which profile a user is in and why. A user never seen is in Available since the zero time.
func (e *Engine) State(id uc.UserID) uc.ProfileState {
	e.mu.Lock()
	u := e.users[id]
	if u == nil {
		u = &user{id: id, state: initial(id)}
	}
	s, heard := u.state, u.teams
	e.mu.Unlock()
	f := e.view(u)
	f.teams = heard
	s.Reason = f.reason(&s)
	return s.ProfileState
}

// Journal lists switches, newest first.
func (e *Engine) Journal(ctx context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error) {
	return e.store.Journal(ctx, q)
}

// Teams takes in what Microsoft Graph says of a user. It never blocks.
func (e *Engine) Teams(p uc.TeamsPresence) {
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if u := e.users[p.User]; u != nil && u.teams.hear(p, now, e.opts.StaleAfter) {
		e.enqueue(u)
	}
}

// Upcoming lists the next edge of each of a user's timed triggers, soonest first.
func (e *Engine) Upcoming(id uc.UserID) []Edge {
	e.mu.Lock()
	u := e.users[id]
	e.mu.Unlock()
	if u == nil {
		return nil
	}
	f := e.facts(u)
	if f == nil {
		return nil
	}
	e.mu.Lock()
	s := u.state
	e.mu.Unlock()
	return f.edges(&s)
}

// Poke has the clock looked at again at once, for whoever sets it.
func (e *Engine) Poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// view gathers the facts that reasons are worded with.
func (e *Engine) view(u *user) *facts {
	dir := e.directory.Snapshot()
	return &facts{now: e.now(), started: e.started, zone: e.zone(dir.Users.Get(u.id)), dir: dir, user: u.id,
		leaveDelay: e.opts.LeaveDelay, staleAfter: e.opts.StaleAfter}
}

// facts gathers what a decision about a user is made from; nil if the user is gone.
func (e *Engine) facts(u *user) *facts {
	f := e.view(u)
	if f.dir.Users.Get(u.id) == nil {
		return nil
	}
	f.rules = e.library.offered(f.dir, u.id)
	e.mu.Lock()
	defer e.mu.Unlock()
	f.teams = u.teams
	f.from = e.followed(u, f.now)
	return f
}

// followed returns until when the clock has been followed for a user: up to the edge that waits to be
// acted upon, else as far as the loop has come. So a trigger that is new does not strike for a time of
// day that was over before it was made.
func (e *Engine) followed(u *user, now time.Time) time.Time {
	reached := e.passed
	if !u.due.IsZero() {
		reached = u.due.Add(-1)
	}
	from := later(u.state.Checked, reached)
	if from.Sub(now) > maxSetBack {
		return now
	}
	return from
}

// zone returns the time zone that a user lives in.
func (e *Engine) zone(u *uc.User) *time.Location {
	if u == nil || u.TimeZone == "" {
		return e.opts.Location
	}
	if loc, known := e.zones.Load(u.TimeZone); known {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(u.TimeZone)
	if err != nil {
		e.log.Warn("unknown time zone, the server's counts", "user", u.Login, "zone", u.TimeZone, "cause", err)
		loc = e.opts.Location
	}
	e.zones.Store(u.TimeZone, loc)
	return loc
}
