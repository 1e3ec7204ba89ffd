package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/graph/standin"
)

const (
	tenant = "5a11c0de-0000-4000-8000-00000000000a"
	app    = "5a11c0de-0000-4000-8000-00000000000b"
	secret = "correct horse"
)

// direct is a transport that calls a handler, so that nothing waits for a socket in virtual time.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	req := r.Clone(r.Context())
	req.Host = r.URL.Host
	if req.Body == nil {
		req.Body = http.NoBody
	}
	rec, done := httptest.NewRecorder(), make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		d.handler.ServeHTTP(rec, req)
	}()
	select {
	case panicked := <-done:
		if panicked != nil {
			return nil, errors.New("EOF")
		}
		return rec.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// directory is a snapshot that a test can exchange.
type directory struct{ atomic.Pointer[uc.Directory] }

func (d *directory) Snapshot() *uc.Directory { return d.Load() }

// put changes users.
func (d *directory) put(users ...uc.User) {
	d.Store(d.Load().With(uc.ChangeSet{Put: uc.Tables{Users: users}}))
}

const meeting uc.ProfileID = 3

func newDirectory(users ...uc.User) *directory {
	d := &directory{}
	d.Store(uc.NewDirectory(1, uc.Tables{
		Users: users,
		Roles: []uc.Role{{ID: uc.RoleAll, AutoUsers: true}},
		Profiles: []uc.Profile{
			{ID: uc.ProfileAvailable, Name: "Available", Assigned: uc.AssignedSystem},
			{ID: meeting, Name: "Teams Meeting", Assigned: uc.AssignedAdmin, Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}},
		},
	}))
	return d
}

// recorder takes what the poller says.
type recorder struct {
	mu     sync.Mutex
	last   map[uc.UserID]uc.TeamsPresence
	heard  map[uc.UserID]int
	states []string // each state once per change
	told   chan struct{}
}

func newRecorder() *recorder {
	return &recorder{last: map[uc.UserID]uc.TeamsPresence{}, heard: map[uc.UserID]int{}, told: make(chan struct{}, 1)}
}

func (r *recorder) Teams(p uc.TeamsPresence) {
	r.mu.Lock()
	r.last[p.User] = p
	r.heard[p.User]++
	r.mu.Unlock()
	r.tell()
}

func (r *recorder) Publish(e uc.Event) {
	r.mu.Lock()
	state := e.(uc.TeamsSyncChanged).Status.State
	if len(r.states) == 0 || r.states[len(r.states)-1] != state {
		r.states = append(r.states, state)
	}
	r.mu.Unlock()
	r.tell()
}

func (r *recorder) tell() {
	select {
	case r.told <- struct{}{}:
	default:
	}
}

func (r *recorder) activity(u uc.UserID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[u].Activity
}

func (r *recorder) times(u uc.UserID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard[u]
}

// sequence returns the states that were published, in order.
func (r *recorder) sequence() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states)
}

// world is a poller at work in virtual time.
type world struct {
	*testing.T
	*recorder
	cloud     *standin.Cloud
	directory *directory
	poller    *Poller
}

// virtually runs a poller against a stand-in in virtual time. Anna and Ben are users 1 and 2 with
// stored object ids; more are numbered from 3.
func virtually(t *testing.T, opts standin.Options, more int, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts.TenantID, opts.ClientID, opts.ClientSecret = tenant, app, secret
		w := &world{T: t, recorder: newRecorder(), cloud: standin.New(opts)}
		w.directory = newDirectory(people(w.cloud, 2+more)...)
		var err error
		w.poller, err = New(Config{TenantID: tenant, ClientID: app, ClientSecret: secret,
			AuthorityHost: "https://entra.test", GraphURL: "https://graph.test", transport: direct{w.cloud.Handler()}},
			w.directory, w.recorder, w.recorder, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		running.Go(func() {
			if err := w.poller.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		synctest.Wait()
		test(w)
	})
}

// people adds n accounts to a cloud and returns the users that they belong to.
func people(cloud interface {
	AddUser(standin.User) string
}, n int) []uc.User {
	users := make([]uc.User, 0, n)
	for i := 1; i <= n; i++ {
		login := fmt.Sprintf("user%d", i)
		id := cloud.AddUser(standin.User{UPN: login + "@example.com", Enabled: true})
		users = append(users, uc.User{ID: uc.UserID(i), Login: login, TeamsID: id})
	}
	return users
}

const (
	anna uc.UserID = 1
	ben  uc.UserID = 2
)

// pass lets virtual time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) set(u uc.UserID, availability, activity string) {
	w.Helper()
	if err := w.cloud.SetPresence(fmt.Sprintf("user%d@example.com", u), availability, activity); err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantState(state string) {
	w.Helper()
	if s := w.poller.Status(); s.State != state {
		w.Fatalf("state %q (%s), want %q", s.State, s.Error, state)
	}
}

func (w *world) wantActivity(u uc.UserID, activity string) {
	w.Helper()
	if got := w.activity(u); got != activity {
		w.Fatalf("user %d is %q, want %q", u, got, activity)
	}
}

// since returns the requests to an endpoint from a time on.
func (w *world) since(e standin.Endpoint, from time.Time) []standin.Request {
	return slices.DeleteFunc(w.cloud.Requests(), func(r standin.Request) bool { return r.Endpoint != e || r.Time.Before(from) })
}
