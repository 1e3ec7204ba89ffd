package graph

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/graph/standin"
)

func TestUsersAreFoundInTheList(t *testing.T) {
	virtually(t, standin.Options{UsersPage: 3}, 7, func(w *world) {
		if n := w.cloud.Count(standin.Users); n != 0 {
			t.Fatalf("the list was read %d times while all object ids are stored", n)
		}
		w.cloud.AddUser(standin.User{UPN: "carol@example.com", Mail: "Carol.Jones@example.com", Enabled: true})
		w.cloud.AddUser(standin.User{UPN: "dan@example.com", Enabled: true})
		w.cloud.AddUser(standin.User{UPN: "eve@example.com", Enabled: false})
		w.directory.put(
			uc.User{ID: 20, Login: "c", Email: "carol.jones@EXAMPLE.com"},
			uc.User{ID: 21, Login: "dan"},
			uc.User{ID: 22, Login: "e", TeamsUPN: "Eve@example.com"},
			uc.User{ID: 23, Login: "frank"},
		)
		for _, upn := range []string{"carol@example.com", "dan@example.com"} {
			if err := w.cloud.SetPresence(upn, "Busy", "InACall"); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(6 * time.Second)
		w.wantActivity(20, "InACall")
		w.wantActivity(21, "InACall")
		s := w.poller.Status()
		if want := []string{"e: account eve@example.com is disabled", "frank: no account frank"}; !slices.Equal(s.Unmatched, want) {
			t.Errorf("unmatched %q, want %q", s.Unmatched, want)
		}
		if s.State != uc.SyncOK || s.Users != 11 {
			t.Errorf("status %+v", s)
		}
		if n := w.cloud.Count(standin.Users); n != 4 {
			t.Errorf("12 accounts in pages of 3 were read with %d requests", n)
		}
	})
}

func TestListIsReadAgain(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.directory.put(uc.User{ID: anna, Login: "user1"})
		w.pass(6 * time.Second)
		reads := func() int { return w.cloud.Count(standin.Users) }
		if reads() != 1 || w.activity(anna) == "" {
			t.Fatalf("read %d times, Anna is %q", reads(), w.activity(anna))
		}
		w.pass(23 * time.Hour)
		if reads() != 1 {
			t.Errorf("read %d times in 23 hours though nobody is missing", reads())
		}
		w.pass(2 * time.Hour)
		if reads() != 2 {
			t.Errorf("read %d times in 25 hours", reads())
		}
		// Somebody new is looked up soon, but not at every poll.
		w.directory.put(uc.User{ID: 9, Login: "grace"})
		w.pass(10 * time.Second)
		if reads() != 3 {
			t.Errorf("read %d times with somebody new", reads())
		}
		w.pass(20 * time.Minute)
		if reads() != 3 {
			t.Errorf("read %d times in the 20 minutes after", reads())
		}
		w.cloud.AddUser(standin.User{UPN: "grace@example.com", Enabled: true})
		w.pass(15 * time.Minute)
		if reads() != 4 || w.activity(9) == "" {
			t.Errorf("read %d times; Grace, whose account was made meanwhile, is %q", reads(), w.activity(9))
		}
	})
}

func TestListRefusedStopsNobodyElse(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Users, Status: 403})
		w.directory.put(uc.User{ID: 9, Login: "grace", TeamsUPN: "user1@example.com"})
		w.pass(6 * time.Second)
		w.wantState(uc.SyncNeedsAdmin)
		if s := w.poller.Status(); !strings.HasPrefix(s.Error, "list of users: Graph answered 403") {
			t.Errorf("error %q", s.Error)
		}
		w.set(anna, "Busy", "InACall")
		w.pass(6 * time.Second)
		w.wantActivity(anna, "InACall")
		from := time.Now()
		w.pass(time.Hour)
		if n := len(w.since(standin.Users, from)); n < 3 || n > 8 {
			t.Errorf("the list was asked for %d times in an hour", n)
		}
		w.cloud.ClearFaults()
		w.pass(16 * time.Minute)
		w.wantState(uc.SyncOK)
		w.wantActivity(9, "InACall")
	})
}

func TestListAtAForeignAddressIsRefused(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Users, Times: 1, Body: `{"value":[],"@odata.nextLink":"https://evil.test/v1.0/users?$skiptoken=x"}`})
		w.directory.put(uc.User{ID: 9, Login: "grace"})
		w.pass(6 * time.Second)
		if s := w.poller.Status(); !strings.Contains(s.Error, "foreign address") {
			t.Errorf("status %+v", s)
		}
	})
}

func TestUnknownObjectIDIsReported(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.directory.put(uc.User{ID: ben, Login: "ben", TeamsID: "5a11c0de-0000-4000-8000-0000000000ff"})
		w.pass(20 * time.Second)
		w.wantActivity(ben, "PresenceUnknown")
		s := w.poller.Status()
		if want := []string{"ben: Teams does not know object id 5a11c0de-0000-4000-8000-0000000000ff"}; !slices.Equal(s.Unmatched, want) {
			t.Errorf("unmatched %q", s.Unmatched)
		}
		w.directory.put(uc.User{ID: ben, Login: "ben", TeamsID: w.cloud.People()[1].ID})
		w.pass(12 * time.Second)
		if s := w.poller.Status(); len(s.Unmatched) != 0 {
			t.Errorf("after the correction: %q", s.Unmatched)
		}
	})
}

func TestAccountMadeAnewIsFoundAgain(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.directory.put(uc.User{ID: 9, Login: "grace"})
		w.cloud.AddUser(standin.User{UPN: "grace@example.com", Enabled: true})
		w.pass(2 * time.Minute)
		w.cloud.RemoveUser("grace@example.com")
		w.cloud.AddUser(standin.User{UPN: "grace@example.com", Enabled: true})
		if err := w.cloud.SetPresence("grace@example.com", "Busy", "InACall"); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Second)
		w.wantActivity(9, "InACall")
		if s := w.poller.Status(); len(s.Unmatched) != 0 {
			t.Errorf("unmatched %q", s.Unmatched)
		}
	})
}
