package graph

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/graph/standin"
)

func TestSeenWithinTenSeconds(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, DelayMS: 1500})
		activities := []string{"InACall", "Available"}
		for i := range 100 {
			w.pass(rand.N(7 * time.Second))
			w.set(anna, "Busy", activities[i%2])
			w.pass(10 * time.Second)
			w.wantActivity(anna, activities[i%2])
		}
		w.wantState(uc.SyncOK)
	})
}

func TestPagesOf650(t *testing.T) {
	virtually(t, standin.Options{}, 1398, func(w *world) {
		w.pass(4 * time.Second)
		var pages []int
		for _, r := range w.since(standin.Presence, time.Time{}) {
			pages = append(pages, r.IDs)
		}
		if !slices.Equal(pages, []int{650, 650, 100}) {
			t.Fatalf("requests of %v ids", pages)
		}
		for u := range uc.UserID(1400) {
			if w.times(u+1) != 1 {
				t.Fatalf("user %d was told of %d times", u+1, w.times(u+1))
			}
		}
		if s := w.poller.Status(); s.Users != 1400 || s.State != uc.SyncOK || s.LastSuccess.IsZero() {
			t.Errorf("status %+v", s)
		}
	})
}

func TestThrottling(t *testing.T) {
	for name, c := range map[string]struct {
		header func() string
		quiet  time.Duration // nothing is asked for so long
		back   time.Duration // and then it is asked again
	}{
		"seconds": {func() string { return "40" }, 40 * time.Second, 45 * time.Second},
		"date": {func() string { return time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat) },
			85 * time.Second, 101 * time.Second},
		"none":   {func() string { return "" }, 5 * time.Second, 6 * time.Second},
		"absurd": {func() string { return "86400" }, 10 * time.Minute, 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, standin.Options{}, 0, func(w *world) {
				w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 429, RetryAfter: c.header()})
				w.pass(6 * time.Second)
				w.wantState(uc.SyncThrottled)
				requests := w.cloud.Requests()
				hit := requests[len(requests)-1]
				if hit.Status != 429 {
					t.Fatalf("last request %+v", hit)
				}
				w.pass(c.back + time.Second)
				after := w.since(standin.Presence, hit.Time.Add(time.Millisecond))
				if len(after) == 0 {
					t.Fatal("never asked again")
				}
				if waited := after[0].Time.Sub(hit.Time); waited < c.quiet || waited > c.back {
					t.Errorf("asked again after %v, want %v to %v", waited, c.quiet, c.back)
				}
				w.wantState(uc.SyncOK)
			})
		})
	}
}

// If Graph counted every object id, 1,000 users could be read every 20 s only. The poller must find that
// out by itself and lose little to 429s.
func TestIntervalAdaptsToTheLimit(t *testing.T) {
	virtually(t, standin.Options{CountIDs: true}, 998, func(w *world) {
		w.pass(10 * time.Minute)
		from, heard := time.Now(), w.times(anna)
		w.pass(time.Hour)
		requests := w.since(standin.Presence, from)
		refused := 0
		for _, r := range requests {
			if r.Status == 429 {
				refused++
			}
		}
		if refused*5 > len(requests) {
			t.Errorf("%d of %d requests were refused", refused, len(requests))
		}
		for _, u := range []uc.UserID{anna, ben, 1000} {
			if n := w.times(u) - heard; n < 60 {
				t.Errorf("user %d was heard of %d times in an hour", u, n)
			}
		}
	})
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 5, Status: 429, RetryAfter: "1"})
		w.pass(20 * time.Minute)
		from := time.Now()
		w.pass(time.Minute)
		if n := len(w.since(standin.Presence, from)); n < 11 {
			t.Errorf("%d polls in a minute: the interval did not shrink again", n)
		}
	})
}

func TestServerErrorsBackOff(t *testing.T) {
	for _, f := range []standin.Fault{
		{Status: 500}, {Status: 502, Body: "<html>Bad Gateway</html>", ContentType: "text/html"}, {Status: 503},
		{Status: 504, Body: `{"error":{}}`}, {Status: 500, Body: `{"error":{"code":7,"innerError":{"date":"soon"}}}`},
		{Status: 500, Body: " "}, {HangUp: true}, {Body: "not JSON"}, {Body: `{"value":7}`}, {Body: `{"value":[7]}`},
		{Body: `{}`}, {Body: "<html>", ContentType: "text/html"}, {Status: 302, Body: " "}, {Status: 404},
		{Body: `{"value":[{"id":5}]}`}, {Body: `{"value":[{"id":null,"activity":null}, null]`},
	} {
		virtually(t, standin.Options{}, 0, func(w *world) {
			f.Endpoint = standin.Presence
			w.pass(time.Second)
			w.cloud.Inject(f)
			from := time.Now()
			w.pass(10 * time.Minute)
			if s := w.poller.Status(); s.State != uc.SyncFailing || s.Error == "" {
				t.Errorf("%+v: status %+v", f, s)
			}
			if n := len(w.since(standin.Presence, from)); n < 10 || n > 17 {
				t.Errorf("%+v: %d tries in 10 min", f, n)
			}
			w.cloud.ClearFaults()
			w.set(anna, "Busy", "InACall")
			w.pass(time.Minute)
			w.wantState(uc.SyncOK)
			w.wantActivity(anna, "InACall")
		})
	}
}

func TestRetryAfterOfServerErrorIsObeyed(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 503, RetryAfter: "120"})
		w.pass(6 * time.Second)
		from := time.Now()
		w.pass(110 * time.Second)
		if n := len(w.since(standin.Presence, from)); n != 0 {
			t.Errorf("%d requests in spite of Retry-After", n)
		}
		w.pass(20 * time.Second)
		w.wantState(uc.SyncOK)
	})
}

func TestOneFailedPageDoesNotStarveTheOthers(t *testing.T) {
	virtually(t, standin.Options{}, 1998, func(w *world) {
		w.pass(time.Second)
		heard := w.times(2000)
		// One request in three fails.
		for range 200 {
			w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 503})
			w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 2, DelayMS: 1})
		}
		w.pass(5 * time.Minute)
		w.wantState(uc.SyncFailing)
		for u := range uc.UserID(2000) {
			if n := w.times(u+1) - heard; n < 20 {
				t.Fatalf("user %d was told of %d times in 60 polls", u+1, n)
			}
		}
	})
}

// Graph throttles each third request, so that no poll ever gets to the end.
func TestPollGoesOnWhereItWasCutShort(t *testing.T) {
	virtually(t, standin.Options{}, 1998, func(w *world) {
		w.pass(4 * time.Second)
		heard := w.times(1)
		for range 100 {
			w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 2, DelayMS: 1})
			w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 429, RetryAfter: "1"})
		}
		w.pass(time.Minute)
		for u := range uc.UserID(2000) {
			if n := w.times(u+1) - heard; n < 10 {
				t.Fatalf("user %d was told of %d times in a minute", u+1, n)
			}
		}
	})
}

func TestSlowGraphTimesOut(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, DelayMS: 60_000})
		w.pass(30 * time.Second)
		w.wantState(uc.SyncFailing)
		if s := w.poller.Status(); !strings.Contains(s.Error, "no answer within 20s") {
			t.Errorf("error %q", s.Error)
		}
		w.cloud.ClearFaults()
		w.pass(30 * time.Second)
		w.wantState(uc.SyncOK)
	})
}

func TestRefusedTokenIsReplaced(t *testing.T) {
	for name, strike := range map[string]func(*standin.Cloud){
		"revoked":   (*standin.Cloud).RevokeTokens,
		"plain 401": func(c *standin.Cloud) { c.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 401}) },
		"401 without JSON": func(c *standin.Cloud) {
			c.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 401, Body: "no"})
		},
	} {
		virtually(t, standin.Options{}, 0, func(w *world) {
			w.pass(time.Second)
			strike(w.cloud)
			w.pass(6 * time.Second)
			if got := w.sequence(); !slices.Equal(got, []string{uc.SyncOK}) {
				t.Errorf("%s: states %v, want ok throughout", name, got)
			}
			if n := w.cloud.Count(standin.Token); n != 2 {
				t.Errorf("%s: %d tokens were fetched, want 2", name, n)
			}
		})
	}
}

func TestClaimsChallenge(t *testing.T) {
	for _, quoted := range []bool{true, false} {
		virtually(t, standin.Options{}, 0, func(w *world) {
			w.pass(time.Second)
			w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 1, Status: 401, Challenge: standin.ClaimsChallenge(quoted)})
			from := time.Now()
			w.pass(6 * time.Second)
			tokens := w.since(standin.Token, from)
			if len(tokens) != 1 || !strings.Contains(tokens[0].Claims, `"nbf"`) {
				t.Errorf("quoted %v: token requests %+v, want one with the claims", quoted, tokens)
			}
			w.wantState(uc.SyncOK)
		})
	}
	// What makes the SDK panic must not end the poller.
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 3, Status: 401, Challenge: `Bearer claims="{"a":1,"b":2}"`})
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Times: 3, Status: 401, Challenge: `Bearer claims=`})
		w.pass(10 * time.Minute)
		w.wantState(uc.SyncOK)
	})
}

func TestOutrunAnswersAreDropped(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.pass(time.Second)
		w.set(anna, "Busy", "InACall")
		w.pass(6 * time.Second)
		w.wantActivity(anna, "InACall")
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Stale: true})
		heard := w.times(anna)
		w.pass(time.Minute)
		w.wantActivity(anna, "InACall")
		if w.times(anna) != heard {
			t.Error("an answer that was outrun was handed on")
		}
		if w.times(ben) == 0 {
			t.Error("Ben's answer, whose number is the same, was dropped too")
		}
		// If Graph insists for long, it means it.
		w.pass(10 * time.Minute)
		w.wantActivity(anna, "Offline")
	})
}

func TestAnswersWithoutSequenceCount(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, NoSequence: true})
		w.set(anna, "Busy", "InACall")
		w.pass(6 * time.Second)
		w.wantActivity(anna, "InACall")
	})
}

func TestPartialAnswersSayNothingOfTheRest(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.pass(time.Second)
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Omit: 1})
		a, b := w.times(anna), w.times(ben)
		w.pass(20 * time.Second)
		if da, db := w.times(anna)-a, w.times(ben)-b; (da == 0) == (db == 0) {
			t.Errorf("Anna was told of %d times and Ben %d times; one of them was left out", da, db)
		}
		if s := w.poller.Status(); s.State != uc.SyncOK || len(s.Unmatched) != 1 {
			t.Errorf("status %+v", s)
		}
		w.cloud.ClearFaults()
		w.pass(6 * time.Second)
		if s := w.poller.Status(); len(s.Unmatched) != 0 {
			t.Errorf("with whole answers again: %+v", s)
		}
	})
}

func TestNeedsAdminAndRecovers(t *testing.T) {
	type change struct{ breaks, mends func(*standin.Cloud) }
	for name, c := range map[string]change{
		"secret": {func(c *standin.Cloud) { c.SetSecret("another"); c.RevokeTokens() }, func(c *standin.Cloud) { c.SetSecret(secret) }},
		"permission": {func(c *standin.Cloud) { c.Inject(standin.Fault{Endpoint: standin.Presence, Status: 403}) },
			(*standin.Cloud).ClearFaults},
		"token not taken": {func(c *standin.Cloud) { c.Inject(standin.Fault{Endpoint: standin.Presence, Status: 401}) },
			(*standin.Cloud).ClearFaults},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, standin.Options{}, 0, func(w *world) {
				w.pass(time.Second)
				c.breaks(w.cloud)
				w.pass(10 * time.Second)
				w.wantState(uc.SyncNeedsAdmin)
				if s := w.poller.Status(); s.Error == "" || s.LastSuccess.IsZero() || strings.Contains(s.Error, secret) {
					t.Errorf("status %+v", s)
				}
				from := time.Now()
				w.pass(2 * time.Hour)
				if n := len(w.since(standin.Token, from)) + len(w.since(standin.Presence, from)); n < 8 || n > 60 {
					t.Errorf("%d requests in two hours", n)
				}
				c.mends(w.cloud)
				w.pass(15 * time.Minute)
				w.wantState(uc.SyncOK)
			})
		})
	}
}

func TestWrongSecretIsNamed(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.cloud.SetSecret("another")
		w.cloud.RevokeTokens()
		w.pass(6 * time.Second)
		if got, want := w.poller.Status().Error, "Entra answered 401: AADSTS7000215: Invalid client secret provided."; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	})
}

func TestEntraFailures(t *testing.T) {
	for _, c := range []struct {
		fault standin.Fault
		state string
	}{
		{standin.Fault{Status: 503}, uc.SyncFailing},
		{standin.Fault{Status: 429, RetryAfter: "30"}, uc.SyncThrottled},
		{standin.Fault{Status: 400}, uc.SyncFailing}, // temporarily_unavailable
		{standin.Fault{HangUp: true}, uc.SyncFailing},
		{standin.Fault{Body: "not JSON"}, uc.SyncFailing},
		{standin.Fault{Status: 403, Body: "<html>"}, uc.SyncNeedsAdmin},
		{standin.Fault{DelayMS: 30_000}, uc.SyncFailing},
	} {
		virtually(t, standin.Options{}, 0, func(w *world) {
			c.fault.Endpoint = standin.Token
			w.cloud.Inject(c.fault)
			w.cloud.RevokeTokens()
			w.pass(40 * time.Second)
			if s := w.poller.Status(); s.State != c.state {
				t.Errorf("%+v: %s (%s), want %s", c.fault, s.State, s.Error, c.state)
			}
			w.cloud.ClearFaults()
			w.pass(5 * time.Minute)
			w.wantState(uc.SyncOK)
		})
	}
}

func TestOneBadObjectIDIsIsolated(t *testing.T) {
	virtually(t, standin.Options{}, 998, func(w *world) {
		bad := []uc.UserID{17, 18, 900}
		for _, u := range bad {
			w.directory.put(uc.User{ID: u, Login: "bad", TeamsID: "no object id"[:5+int(u)%3]})
		}
		w.pass(10 * time.Second)
		w.set(anna, "Busy", "InACall")
		w.set(999, "Busy", "InACall")
		from := time.Now()
		w.pass(10 * time.Second)
		w.wantActivity(anna, "InACall")
		w.wantActivity(999, "InACall")
		if requests := w.since(standin.Presence, from); len(requests) > 2*3 {
			t.Errorf("%d requests in 10 s: the bad ids are asked for again and again", len(requests))
		}
		s := w.poller.Status()
		if s.State != uc.SyncOK || s.Users != 997 || len(s.Unmatched) != 3 || !strings.Contains(s.Unmatched[0], "refuses") {
			t.Errorf("status %+v", s)
		}
		// A corrected id counts at once.
		w.directory.put(uc.User{ID: 17, Login: "good", TeamsID: w.cloud.People()[16].ID})
		w.pass(6 * time.Second)
		if s := w.poller.Status(); len(s.Unmatched) != 2 || w.activity(17) == "" {
			t.Errorf("after the correction: %+v", s)
		}
	})
}

func TestRefusalOfEverythingIsNotBlamedOnTheIDs(t *testing.T) {
	virtually(t, standin.Options{}, 998, func(w *world) {
		w.cloud.Inject(standin.Fault{Endpoint: standin.Presence, Status: 400})
		w.pass(10 * time.Second)
		from := time.Now()
		w.pass(10 * time.Minute)
		w.wantState(uc.SyncFailing)
		if s := w.poller.Status(); len(s.Unmatched) != 0 || s.Users != 1000 {
			t.Errorf("status %+v", s)
		}
		if n := len(w.since(standin.Presence, from)); n > 1000 {
			t.Errorf("%d requests in 10 min", n)
		}
		w.cloud.ClearFaults()
		w.pass(2 * time.Minute)
		w.wantState(uc.SyncOK)
	})
}

func TestTokensAreRenewedInTime(t *testing.T) {
	virtually(t, standin.Options{TokenLife: time.Hour}, 0, func(w *world) {
		w.pass(6 * time.Hour)
		if n := w.cloud.Count(standin.Token); n < 6 || n > 8 {
			t.Errorf("%d tokens in six hours", n)
		}
		for _, r := range w.cloud.Requests() {
			if r.Status != 200 {
				t.Fatalf("a request failed: %+v", r)
			}
		}
		if got := w.sequence(); !slices.Equal(got, []string{uc.SyncOK}) {
			t.Errorf("states %v", got)
		}
	})
}

func TestOnlyThoseWithATriggerArePolled(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.pass(time.Second)
		only := func(roles ...uc.RoleID) {
			p := *w.directory.Load().Profiles.Get(meeting)
			p.Roles = roles
			w.directory.Store(w.directory.Load().With(uc.ChangeSet{Put: uc.Tables{
				Roles: []uc.Role{{ID: 5, Users: []uc.UserID{ben}}, {ID: 6}}, Profiles: []uc.Profile{p}}}))
		}
		only(5)
		w.pass(6 * time.Second)
		a, b := w.times(anna), w.times(ben)
		w.pass(20 * time.Second)
		if w.times(anna) != a || w.times(ben) == b {
			t.Errorf("Anna, who is offered no such profile: %d → %d; Ben: %d → %d", a, w.times(anna), b, w.times(ben))
		}
		only(6)
		w.pass(6 * time.Second)
		from := time.Now()
		w.pass(time.Minute)
		if n := len(w.since(standin.Presence, from)); n != 0 {
			t.Errorf("%d requests about nobody", n)
		}
		w.wantState(uc.SyncOff)
	})
}

func TestAccountSharedByTwoUsers(t *testing.T) {
	virtually(t, standin.Options{}, 0, func(w *world) {
		w.directory.put(uc.User{ID: 3, Login: "annas-second", TeamsID: strings.ToUpper(w.cloud.People()[0].ID)})
		w.set(anna, "Busy", "InACall")
		w.pass(6 * time.Second)
		w.wantActivity(anna, "InACall")
		w.wantActivity(3, "InACall")
		if s := w.poller.Status(); s.Users != 3 {
			t.Errorf("status %+v", s)
		}
	})
}
