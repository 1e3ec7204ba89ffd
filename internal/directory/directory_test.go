package directory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/uc"
)

var (
	now  = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	root = uc.Actor{Name: "root", Via: "page"}
)

// company is a directory under test with a few people and things in it.
type company struct {
	*directory.Directory
	t      *testing.T
	store  *directory.Memory
	events *bus.Reader

	anna, ben uc.UserID
}

func open(t *testing.T, store directory.Store, b *bus.Bus) *directory.Directory {
	t.Helper()
	d, err := directory.Open(t.Context(), store, b, directory.Options{Now: func() time.Time { return now }, Iterations: 16})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newCompany has Anna (12, softphone and mobile) and Ben (34, no device).
func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, store: &directory.Memory{}}
	b := bus.New()
	c.events = b.Subscribe(10_000, uc.DirectoryChanged{})
	c.Directory = open(t, c.store, b)
	c.anna = c.user(uc.NewUser{
		User:     uc.User{Login: "anna", Name: "Anna Adler", Ext: "12", MobileNumber: "+49 (171) 55-66"},
		Password: "Secret123", PIN: "4711", Softphone: true, Mobile: true,
	})
	c.ben = c.user(uc.NewUser{User: uc.User{Login: "ben", Name: "Ben Bauer", Ext: "34", Auth: uc.AuthNone}})
	return c
}

func (c *company) user(in uc.NewUser) uc.UserID {
	c.t.Helper()
	return added(c.AddUser(c.t.Context(), root, in))(c.t).ID
}

// added returns the value of a command that must succeed: added(command())(t).
func added[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// refused checks the kind and the field of an error.
func refused(t *testing.T, what string, err, kind error, field string) {
	t.Helper()
	var e *uc.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || e.Field != field {
		t.Errorf("%s: got %v (%+v), want %v in field %q", what, err, e, kind, field)
	}
}

// drain returns the events published so far.
func (c *company) drain() []uc.DirectoryChanged {
	var list []uc.DirectoryChanged
	for {
		e, err, more := c.events.TryNext()
		if !more {
			return list
		}
		ok(c.t, err)
		list = append(list, e.(uc.DirectoryChanged))
	}
}

func TestFirstStart(t *testing.T) {
	d := open(t, &directory.Memory{}, bus.New())
	s := d.Snapshot()
	all := s.Roles.Get(uc.RoleAll)
	equal(t, "role All", *all, uc.Role{
		ID: uc.RoleAll, Title: "All", Description: all.Description, Types: []uc.RoleType{uc.TypeXMPPGroup}, AutoUsers: true, AutoTeams: true,
	})
	for id, show := range map[uc.ProfileID]uc.Show{uc.ProfileAvailable: uc.ShowAvailable, uc.ProfileDND: uc.ShowDND} {
		p := s.Profiles.Get(id)
		equal(t, "system profile", [2]any{p.Assigned, p.Show}, [2]any{uc.AssignedSystem, show})
		equal(t, "its action", *p.Enter[0].Enabled, show == uc.ShowAvailable)
	}
}

func TestRestartChangesNothing(t *testing.T) {
	c := newCompany(t)
	again := open(t, c.store, bus.New())
	equal(t, "snapshot after a restart", tables(again.Snapshot()), tables(c.Snapshot()))
	equal(t, "version", again.Snapshot().Version, c.Snapshot().Version)
}

func TestIdentifiersAreNeverUsedTwice(t *testing.T) {
	c := newCompany(t)
	ok(t, c.Delete(t.Context(), root, uc.Ref{Kind: uc.KindUser, ID: int64(c.ben)}))
	again := open(t, c.store, bus.New())
	u := added(again.AddUser(t.Context(), root, uc.NewUser{User: uc.User{Login: "ben", Name: "Ben", Auth: uc.AuthNone}}))(t)
	if u.ID <= c.ben {
		t.Errorf("the new user has ID %d, the deleted one had %d", u.ID, c.ben)
	}
}

func TestEventsLeadFromSnapshotToSnapshot(t *testing.T) {
	c := newCompany(t)
	c.drain()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := c.SetStatusText(t.Context(), root, c.anna, fmt.Sprintf("text %d", i))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	events := c.drain()
	equal(t, "events", len(events), 50)
	before := events[0].Before
	for _, e := range events {
		if e.Before != before || e.After.Version <= before.Version {
			t.Fatalf("the event of version %d does not follow version %d", e.After.Version, before.Version)
		}
		equal(t, "changes", e.Changes, []uc.Ref{{Kind: uc.KindUserState, ID: int64(c.anna)}})
		equal(t, "actor", e.By, root)
		before = e.After
	}
	if before != c.Snapshot() {
		t.Error("the last event does not lead to the snapshot")
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	c := newCompany(t)
	old := c.Snapshot()
	want := tables(old)
	role := uc.Role{Title: "Sales", Users: []uc.UserID{c.ben, c.anna, c.ben}}
	r := added(c.AddRole(t.Context(), root, role))(t)
	role.Users[0] = 99 // the caller's list is not the directory's
	equal(t, "members, sorted and once", c.Snapshot().Roles.Get(r.ID).Users, []uc.UserID{c.anna, c.ben})
	enabled := true
	p := uc.Profile{Name: "Office", Assigned: uc.AssignedAdmin, Show: uc.ShowAvailable, Enter: []uc.Action{{Kind: uc.ActionGSM, Enabled: &enabled}}}
	office := added(c.AddProfile(t.Context(), root, p))(t)
	enabled = false
	equal(t, "action", *c.Snapshot().Profiles.Get(office.ID).Enter[0].Enabled, true)
	ok(t, c.Delete(t.Context(), root, uc.Ref{Kind: uc.KindUser, ID: int64(c.ben)}))
	equal(t, "old snapshot", tables(old), want)
}

func TestCancelledCommandDoesNothing(t *testing.T) {
	c := newCompany(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.SetGSM(ctx, root, c.anna, true); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	equal(t, "GSM", c.Snapshot().State(c.anna).GSM, false)
}

// unsteady is a store whose next write fails, before or after it was done.
type unsteady struct {
	directory.Memory
	failBefore, failAfter bool
}

func (s *unsteady) SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error {
	if s.failBefore {
		s.failBefore = false
		return errors.New("no connection")
	}
	if err := s.Memory.SaveDirectory(ctx, base, commits); err != nil || !s.failAfter {
		return err
	}
	s.failAfter = false
	return errors.New("the connection broke")
}

func TestFailedCommitIsNotSeen(t *testing.T) {
	s := &unsteady{}
	d := open(t, s, bus.New())
	s.failBefore = true
	in := uc.NewUser{User: uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthNone}}
	if _, err := d.AddUser(t.Context(), root, in); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("got %v", err)
	}
	equal(t, "users after the failure", d.Snapshot().Users.Len(), 0)
	added(d.AddUser(t.Context(), root, in))(t)
}

// A commit whose answer was lost has happened: the directory must take over what the store has.
func TestLostAnswerIsMadeUpFor(t *testing.T) {
	s := &unsteady{}
	b := bus.New()
	events := b.Subscribe(100, uc.DirectoryChanged{})
	d := open(t, s, b)
	_, _, _ = events.TryNext() // the first start
	s.failAfter = true
	in := uc.NewUser{User: uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthNone}}
	if _, err := d.AddUser(t.Context(), root, in); err == nil {
		t.Fatal("the failed command succeeded")
	}
	_, err := d.AddUser(t.Context(), root, in)
	refused(t, "adding her again", err, uc.ErrConflict, "login")
	e, _, more := events.TryNext()
	if !more {
		t.Fatal("the change that was lost was not published")
	}
	equal(t, "changes", e.(uc.DirectoryChanged).Changes, []uc.Ref{{Kind: uc.KindUser, ID: 1}})
	if e.(uc.DirectoryChanged).After != d.Snapshot() {
		t.Error("the event does not lead to the snapshot")
	}
}

func TestPanicLeavesTheDirectoryUsable(t *testing.T) {
	s := &panicking{}
	d := open(t, s, bus.New())
	s.on = true
	func() {
		defer func() { _ = recover() }()
		_, _ = d.AddLocation(t.Context(), root, uc.Location{Name: "Desk"})
	}()
	s.on = false
	added(d.AddLocation(t.Context(), root, uc.Location{Name: "Desk"}))(t)
}

type panicking struct {
	directory.Memory
	on bool
}

func (s *panicking) SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error {
	if s.on {
		panic("test")
	}
	return s.Memory.SaveDirectory(ctx, base, commits)
}

// tables lists all rows of a snapshot by kind and identifier.
func tables(d *uc.Directory) map[uc.Ref]any {
	all := map[uc.Ref]any{}
	collect(all, uc.KindUser, &d.Users)
	collect(all, uc.KindUserState, &d.UserStates)
	collect(all, uc.KindDevice, &d.Devices)
	collect(all, uc.KindAssignment, &d.Assignments)
	collect(all, uc.KindLocation, &d.Locations)
	collect(all, uc.KindTeam, &d.Teams)
	collect(all, uc.KindMember, &d.Members)
	collect(all, uc.KindRole, &d.Roles)
	collect(all, uc.KindProfile, &d.Profiles)
	collect(all, uc.KindForwarding, &d.Forwardings)
	collect(all, uc.KindFlowLine, &d.FlowLines)
	collect(all, uc.KindPhonebook, &d.Phonebook)
	return all
}

func collect[K ~int64, V any](all map[uc.Ref]any, kind uc.Kind, t *uc.Table[K, V]) {
	for id, v := range t.All() {
		all[uc.Ref{Kind: kind, ID: int64(id)}] = *v
	}
}
