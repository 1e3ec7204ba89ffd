package profiles

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// The people of the tests.
const (
	anna uc.UserID = 1
	boss uc.UserID = 2
)

var byAnna = uc.Actor{User: anna, Name: "anna", Via: "xmpp"}

// world is a company with an engine, in virtual time.
type world struct {
	t       testing.TB
	offset  time.Duration // from the bubble's clock to the story's
	people  *people
	store   *memoryStore
	bus     *bus.Bus
	engine  *Engine
	told    *bus.Reader
	halt    func()
	options Options
	news    map[uc.UserID]uc.TeamsPresence // told again after a restart, as the poller does
	chat    Messenger
}

// newWorld makes a world in which it is the given time; call start next.
func newWorld(t testing.TB, now time.Time, profiles ...uc.Profile) *world {
	b := bus.New()
	w := &world{t: t, offset: time.Until(now), bus: b, store: newMemoryStore(), people: newPeople(b, profiles), news: map[uc.UserID]uc.TeamsPresence{}}
	w.told = b.Subscribe(100000, uc.ProfileSwitched{})
	w.options = Options{Now: w.now, Location: now.Location(), Workers: 4}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(w.offset) }

// start begins to run an engine on what the store has.
func (w *world) start() {
	w.t.Helper()
	e, err := New(context.Background(), Deps{Store: w.store, Directory: w.people, Switches: w.people, Bus: w.bus, Messenger: w.chat}, w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	w.engine = e
	w.halt = func() { cancel(); <-done }
	synctest.Wait()
	for _, p := range w.news {
		e.Teams(p)
	}
	synctest.Wait()
}

func (w *world) stop() { w.halt() }

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// until lets the time pass, in which Teams is polled.
func (w *world) until(at time.Time) {
	const poll = time.Minute
	for d := at.Sub(w.now()); d > 0; d = at.Sub(w.now()) {
		time.Sleep(min(d, poll))
		for _, p := range w.news {
			w.engine.Teams(p)
		}
	}
	synctest.Wait()
}

func (w *world) teams(activity string) {
	p := uc.TeamsPresence{User: anna, Activity: activity}
	w.news[anna] = p
	w.engine.Teams(p)
	synctest.Wait()
}

func (w *world) hand(profile uc.ProfileID) uc.JournalEntry {
	w.t.Helper()
	entry, err := w.engine.Switch(w.t.Context(), uc.SwitchRequest{User: anna, Profile: profile, By: byAnna})
	if err != nil {
		w.t.Fatal(err)
	}
	return entry
}

func (w *world) expect(profile uc.ProfileID) uc.ProfileState {
	w.t.Helper()
	synctest.Wait()
	st := w.engine.State(anna)
	if st.Effective != profile {
		w.t.Errorf("%s: in %s, want %s; %s", w.now().Format("Mon 2 Jan 15:04:05"), w.people.name(st.Effective), w.people.name(profile), st.Reason)
	}
	return st
}

func (w *world) journal() []uc.JournalEntry {
	w.t.Helper()
	entries, err := w.engine.Journal(w.t.Context(), uc.JournalQuery{User: anna})
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// people is a directory whose live switches are a status text, GSM and the FollowMe of all devices.
type people struct {
	bus *bus.Bus

	mu    sync.Mutex
	dir   *uc.Directory
	ring  map[uc.UserID]bool
	calls []string // what the actions did, in order
	fail  error    // what the next switches answer
	block chan struct{}
}

func newPeople(b *bus.Bus, profiles []uc.Profile) *people {
	t := uc.Tables{
		Users: []uc.User{{ID: anna, Login: "anna", Name: "Anna"}, {ID: boss, Login: "boss", Name: "Boss"}},
		Roles: []uc.Role{{ID: uc.RoleAll, Title: "All", AutoUsers: true}, {ID: 2, Title: "Own profiles", Types: []uc.RoleType{uc.TypePersonal}, AutoUsers: true}},
		Teams: []uc.Team{{ID: 3, Name: "Support"}},
		Profiles: append([]uc.Profile{
			{ID: uc.ProfileAvailable, Name: "Available", Assigned: uc.AssignedSystem},
			{ID: uc.ProfileDND, Name: "DND", Assigned: uc.AssignedSystem, Show: uc.ShowDND},
		}, profiles...),
	}
	return &people{bus: b, dir: uc.NewDirectory(1, t), ring: map[uc.UserID]bool{anna: true, boss: true}}
}

func (p *people) Snapshot() *uc.Directory {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dir
}

func (p *people) name(id uc.ProfileID) string { return profileName(p.Snapshot(), id) }

func (p *people) change(c uc.ChangeSet) {
	p.mu.Lock()
	before := p.dir
	p.dir = before.With(c)
	after := p.dir
	p.mu.Unlock()
	p.bus.Publish(uc.DirectoryChanged{Before: before, After: after, Changes: c.Refs()})
	synctest.Wait()
}

func (p *people) put(profiles ...uc.Profile) {
	p.change(uc.ChangeSet{Put: uc.Tables{Profiles: profiles}})
}

func (p *people) delete(id uc.ProfileID) {
	p.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindProfile, ID: int64(id)}}})
}

// did returns and forgets what the actions did.
func (p *people) did() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// note records a call of a switch and gives the answer that was asked for.
func (p *people) note(by uc.Actor, call string) error {
	p.mu.Lock()
	block := p.block
	p.mu.Unlock()
	if block != nil {
		<-block
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, by.Name+": "+call)
	return p.fail
}

func (p *people) SetFollowMe(_ context.Context, by uc.Actor, user uc.UserID, _ uc.DeviceSelect, _ []uc.Class, patch uc.RingPatch) ([]uc.Change, error) {
	if err := p.note(by, "ring "+onOff(*patch.Enabled)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ring[user] == *patch.Enabled {
		return nil, nil
	}
	p.ring[user] = *patch.Enabled
	return []uc.Change{{Key: "ring", Before: onOff(!*patch.Enabled), After: onOff(*patch.Enabled), Text: "ring"}}, nil
}

func (p *people) SetStatusText(_ context.Context, by uc.Actor, user uc.UserID, text string) ([]uc.Change, error) {
	if err := p.note(by, "text "+text); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.dir.State(user)
	if st.StatusText == text {
		return nil, nil
	}
	change := uc.Change{Key: "text", Before: st.StatusText, After: text}
	st.StatusText = text
	p.dir = p.dir.With(uc.ChangeSet{Put: uc.Tables{UserStates: []uc.UserState{st}}})
	return []uc.Change{change}, nil
}

func (p *people) Revert(_ context.Context, by uc.Actor, changes []uc.Change) ([]uc.Change, error) {
	if err := p.note(by, "revert"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var done []uc.Change
	for _, c := range changes {
		st := p.dir.State(anna)
		switch {
		case c.Key == "ring" && onOff(p.ring[anna]) == c.After:
			p.ring[anna] = c.Before == "on"
		case c.Key == "text" && st.StatusText == c.After:
			st.StatusText = c.Before
			p.dir = p.dir.With(uc.ChangeSet{Put: uc.Tables{UserStates: []uc.UserState{st}}})
		default:
			continue
		}
		done = append(done, uc.Change{Key: c.Key, Before: c.After, After: c.Before})
	}
	return done, nil
}

func (p *people) SetGSM(_ context.Context, by uc.Actor, _ uc.UserID, on bool) ([]uc.Change, error) {
	return nil, p.note(by, "gsm "+onOff(on))
}

func (p *people) TeamLogin(_ context.Context, by uc.Actor, _ uc.UserID, _ uc.TeamID) ([]uc.Change, error) {
	return nil, p.note(by, "login")
}

func (p *people) TeamLogout(_ context.Context, by uc.Actor, _ uc.UserID, _ uc.TeamID) ([]uc.Change, error) {
	return nil, p.note(by, "logout")
}

func (p *people) TeamPause(_ context.Context, by uc.Actor, _ uc.UserID, _ uc.TeamID, reason string) ([]uc.Change, error) {
	return nil, p.note(by, "pause "+reason)
}

func (p *people) TeamUnpause(_ context.Context, by uc.Actor, _ uc.UserID, _ uc.TeamID) ([]uc.Change, error) {
	return nil, p.note(by, "unpause")
}

func (p *people) SetWorkplace(_ context.Context, by uc.Actor, _ uc.UserID, _ uc.LocationID) ([]uc.Change, error) {
	return nil, p.note(by, "workplace")
}

func (p *people) UnsetWorkplace(_ context.Context, by uc.Actor, _ uc.UserID) ([]uc.Change, error) {
	return nil, p.note(by, "no workplace")
}

func (p *people) SetForwarding(_ context.Context, by uc.Actor, _ uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) ([]uc.Change, error) {
	return nil, p.note(by, "redirect "+string(kind)+" "+string(class)+" "+target)
}

func (p *people) UnsetForwarding(_ context.Context, by uc.Actor, _ uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) ([]uc.Change, error) {
	return nil, p.note(by, "no redirect "+string(kind)+" "+string(class))
}

// memoryStore keeps JSON, as a database does, so that nothing is shared with the engine.
type memoryStore struct {
	mu       sync.Mutex
	states   map[uc.UserID][]byte
	entries  []json.RawMessage // by ID - 1
	settings map[string][]byte
	saves    int
	crash    func(save int) error // fails saves from outside; nil means none
}

func newMemoryStore() *memoryStore {
	return &memoryStore{states: map[uc.UserID][]byte{}, settings: map[string][]byte{}}
}

// breakWhen lets saves fail; nil mends the store.
func (m *memoryStore) breakWhen(crash func(save int) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crash = crash
}

// writes returns how many saves there were.
func (m *memoryStore) writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

func (m *memoryStore) ProfileStates(context.Context) ([]uc.ProfileState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uc.ProfileState
	for _, b := range m.states {
		var st uc.ProfileState
		if err := json.Unmarshal(b, &st); err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	return list, nil
}

func (m *memoryStore) SaveProfileState(_ context.Context, st uc.ProfileState, entry *uc.JournalEntry) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.crash != nil {
		if err := m.crash(m.saves); err != nil {
			return 0, err
		}
	}
	b, err := json.Marshal(st)
	if err != nil {
		return 0, err
	}
	m.states[st.User] = b
	if entry == nil {
		return 0, nil
	}
	e := *entry
	if e.ID == 0 {
		e.ID = int64(len(m.entries) + 1)
		m.entries = append(m.entries, nil)
	}
	if m.entries[e.ID-1], err = json.Marshal(e); err != nil {
		return 0, err
	}
	return e.ID, nil
}

func (m *memoryStore) Journal(_ context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uc.JournalEntry
	for _, b := range slices.Backward(m.entries) {
		var e uc.JournalEntry
		if err := json.Unmarshal(b, &e); err != nil {
			return nil, err
		}
		if (q.User == 0 || e.User == q.User) && (q.Before == 0 || e.ID < q.Before) && (q.Limit == 0 || len(list) < q.Limit) {
			list = append(list, e)
		}
	}
	return list, nil
}

func (m *memoryStore) UnfinishedEntries(ctx context.Context) ([]uc.JournalEntry, error) {
	all, err := m.Journal(ctx, uc.JournalQuery{})
	return slices.DeleteFunc(all, func(e uc.JournalEntry) bool {
		return !slices.ContainsFunc(e.Actions, func(r uc.ActionResult) bool { return r.Result == "" })
	}), err
}

func (m *memoryStore) Setting(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.settings[name]), nil
}

func (m *memoryStore) PutSetting(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings[name] = bytes.Clone(value)
	return nil
}

func berlin(t testing.TB) *time.Location { return zoneOf(t, "Europe/Berlin") }

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// monday is the day of most tests.
func monday(t testing.TB, hour, minute int) time.Time {
	return time.Date(2026, 11, 23, hour, minute, 0, 0, berlin(t))
}

func ptr[T any](v T) *T { return &v }

var errBroken = errors.New("broken")
