package sip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// The company of the tests: Anna (12) has a desk phone and a softphone, the others a desk phone each.
// Cleo has call waiting off, Dora may see with whom others talk, Erik's phone was never registered.
const (
	anna uc.UserID = iota + 1
	ben
	cleo
	dora
	erik
)

const (
	annaDesk uc.DeviceID = iota + 1
	annaSoft
	benDesk
	cleoDesk
	doraDesk
	erikDesk
)

func company() uc.Tables {
	t := uc.Tables{
		Users: []uc.User{
			{ID: anna, Login: "anna", Name: "Anna Äpfel", Ext: "12", CallWaiting: true},
			{ID: ben, Login: "ben", Name: "Ben", Ext: "34", CallWaiting: true},
			{ID: cleo, Login: "cleo", Name: "Cleo", Ext: "56"},
			{ID: dora, Login: "dora", Name: "Dora", Ext: "78", CallWaiting: true},
			{ID: erik, Login: "erik", Name: "Erik", Ext: "90", CallWaiting: true},
		},
		Devices: []uc.Device{
			{ID: annaDesk, Name: "Desk phone", Kind: uc.DeviceDesk, SIPUser: "anna-desk", SIPSecret: "s-anna-desk"},
			{ID: annaSoft, Name: "Softphone", Kind: uc.DeviceSoftphone, SIPUser: "anna-soft", SIPSecret: "s-anna-soft"},
			{ID: benDesk, Name: "Desk phone", Kind: uc.DeviceDesk, SIPUser: "ben-desk", SIPSecret: "s-ben-desk"},
			{ID: cleoDesk, Name: "Desk phone", Kind: uc.DeviceDesk, SIPUser: "cleo-desk", SIPSecret: "s-cleo-desk"},
			{ID: doraDesk, Name: "Desk phone", Kind: uc.DeviceDesk, SIPUser: "dora-desk", SIPSecret: "s-dora-desk"},
			{ID: erikDesk, Name: "Desk phone", Kind: uc.DeviceDesk, SIPUser: "erik-desk", SIPSecret: "s-erik-desk"},
		},
		Roles: []uc.Role{
			{ID: uc.RoleAll, Title: "All", AutoUsers: true},
			{ID: 2, Title: "Assistants", Types: []uc.RoleType{uc.TypePresenceDetails}, Users: []uc.UserID{dora}},
		},
	}
	for i, user := range []uc.UserID{anna, anna, ben, cleo, dora, erik} {
		t.Assignments = append(t.Assignments, uc.Assignment{ID: uc.AssignmentID(i + 1), Device: uc.DeviceID(i + 1), User: user,
			Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing})
	}
	return t
}

// fakeDirectory is a directory that tests change.
type fakeDirectory struct {
	now atomic.Pointer[uc.Directory]
	bus *bus.Bus
}

func (d *fakeDirectory) Snapshot() *uc.Directory { return d.now.Load() }

func (d *fakeDirectory) change(set uc.ChangeSet) {
	before := d.now.Load()
	after := before.With(set)
	d.now.Store(after)
	d.bus.Publish(uc.DirectoryChanged{Before: before, After: after, Changes: set.Refs(), By: uc.System})
}

// memoryStore keeps what the engine saves.
type memoryStore struct {
	mu       sync.Mutex
	bindings map[bindingKey]uc.Binding
	records  []uc.Call
	audit    []string
	fail     error
	saved    chan struct{} // a token for each successful save
}

func newMemoryStore() *memoryStore {
	return &memoryStore{bindings: make(map[bindingKey]uc.Binding), saved: make(chan struct{}, 1000)}
}

func (m *memoryStore) Bindings(context.Context) ([]uc.Binding, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uc.Binding
	for _, b := range m.bindings {
		list = append(list, b)
	}
	return list, nil
}

func (m *memoryStore) SaveBindings(_ context.Context, put, drop []uc.Binding) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, b := range drop {
		delete(m.bindings, bindingKey{b.Device, b.Contact})
	}
	for _, b := range put {
		m.bindings[bindingKey{b.Device, b.Contact}] = b
	}
	poke(m.saved)
	return nil
}

func (m *memoryStore) AddCallRecords(_ context.Context, calls []uc.Call) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, calls...)
	return nil
}

func (m *memoryStore) AddAudit(_ context.Context, e uc.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, e.By.String()+": "+e.Text)
	return nil
}

func (m *memoryStore) savedBindings() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.bindings)
}

func (m *memoryStore) callRecords() []uc.Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]uc.Call(nil), m.records...)
}

// world is an engine with everything around it.
type world struct {
	*Server
	dir   *fakeDirectory
	store *memoryStore
	bus   *bus.Bus
	stop  func() // ends Run and waits for it
}

func testConfig() Config {
	return Config{
		Domain: "example.org", UDP: "127.0.0.1:0", TCP: "127.0.0.1:0",
		Media: media.Config{IP: netip.MustParseAddr("127.0.0.1"), Min: 30000, Max: 45999},
	}
}

// newWorld runs an engine until the test ends. edit may change its configuration and directory first.
func newWorld(t testing.TB, edit func(*Config, *uc.Tables)) *world {
	t.Helper()
	cfg, tables := testConfig(), company()
	if edit != nil {
		edit(&cfg, &tables)
	}
	w := &world{store: newMemoryStore(), bus: bus.New()}
	w.dir = &fakeDirectory{bus: w.bus}
	w.dir.now.Store(uc.NewDirectory(1, tables))
	w.start(t, cfg)
	return w
}

func (w *world) start(t testing.TB, cfg Config) {
	t.Helper()
	server, err := New(cfg, Deps{Directory: w.dir, Store: w.store, Bus: w.bus, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.Server = server
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the engine does not end")
		}
	})
	t.Cleanup(w.stop)
}

// testLog writes to the test's own log while the test runs.
func testLog(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.t = nil
	})
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil && testing.Verbose() {
		w.t.Log(string(p[:len(p)-1]))
	}
	return len(p), nil
}

// await reads events until one satisfies want.
func await[E uc.Event](t testing.TB, r *bus.Reader, want func(E) bool) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %T: %v", *new(E), err)
		}
		if e, ok := e.(E); ok && want(e) {
			return e
		}
	}
}
