package graph

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := make([]string, rapid.IntRange(0, 2000).Draw(t, "n"))
		for i := range ids {
			ids[i] = fmt.Sprintf("%04d", i)
		}
		from := rapid.SampledFrom(append(slices.Clone(ids), "", "0007x", "z")).Draw(t, "from")
		var all []string
		for _, c := range chunks(ids, from) {
			if len(c) == 0 || len(c) > maxIDs {
				t.Fatalf("a request of %d ids", len(c))
			}
			all = append(all, c...)
		}
		if slices.Contains(ids, from) && all[0] != from {
			t.Errorf("begins at %s, not at %s", all[0], from)
		}
		slices.Sort(all)
		if !slices.Equal(all, ids) {
			t.Error("not everybody is asked for exactly once")
		}
	})
	if n := len(chunks(make([]string, 1400), "")); n != 3 {
		t.Errorf("1,400 ids make %d requests", n)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"-5", "", 0},
		{"soon", "", 0},
		{"NaN", "", 0},
		{"30", "", 30 * time.Second},
		{"1.5", "", 1500 * time.Millisecond},
		{"1e300", "", maxRetryAfter},
		{"99999999999999999999", "", maxRetryAfter},
		{"Fri, 01 May 2026 12:01:30 GMT", "", 90 * time.Second},
		{"Friday, 01-May-26 12:01:30 GMT", "", 90 * time.Second}, // RFC 9110 §5.6.7: obsolete, yet to be read
		{"Fri, 01 May 2026 11:00:00 GMT", "", 0},
		{"Fri, 01 May 2026 12:01:30 GMT", "Fri, 01 May 2026 12:01:00 GMT", 30 * time.Second},
		{"Sat, 01 May 2027 12:00:00 GMT", "", maxRetryAfter},
	} {
		if got := retryAfter(c.value, c.date, now); got != c.want {
			t.Errorf("Retry-After %q, Date %q: %v, want %v", c.value, c.date, got, c.want)
		}
	}
}

func TestPaceAfterSuccess(t *testing.T) {
	p := pace{base: 5 * time.Second}
	for range 1000 {
		if wait := p.after(nil, 0); wait > 5*time.Second || wait < 4500*time.Millisecond {
			t.Fatalf("waits %v", wait)
		}
	}
	if wait := p.after(nil, 3*time.Second); wait > 2*time.Second || wait < 1500*time.Millisecond {
		t.Errorf("after a poll of 3 s it waits %v", wait)
	}
	if wait := p.after(nil, time.Minute); wait != minGap {
		t.Errorf("after a poll of a minute it waits %v", wait)
	}
}

func TestPaceStretchesAndShrinks(t *testing.T) {
	p := pace{base: 5 * time.Second}
	for i := 1; i < 10; i++ {
		p.after(&failure{kind: throttled, retryAfter: time.Second}, 0)
	}
	if p.interval != maxInterval {
		t.Errorf("interval %v after nine 429s", p.interval)
	}
	polls := 0
	for ; p.interval > p.base && polls < 1000; polls++ {
		p.after(nil, 0)
	}
	if polls < 12 || polls > 25 {
		t.Errorf("the interval was back after %d polls", polls)
	}
}

func TestPaceRecoversFromABurst(t *testing.T) {
	p := pace{base: 5 * time.Second}
	for range 3 {
		p.after(&failure{kind: throttled, retryAfter: time.Second}, 0)
	}
	var passed time.Duration
	for p.interval > 2*p.base {
		passed += p.after(nil, 0)
	}
	if passed > 2*time.Minute {
		t.Errorf("after three 429s presence is late for %v", passed)
	}
}

func TestPaceBacksOff(t *testing.T) {
	for kind, c := range map[failureKind]struct{ first, most time.Duration }{
		temporary:  {2 * time.Second, time.Minute},
		refused:    {2 * time.Second, time.Minute},
		throttled:  {5 * time.Second, 5 * time.Minute},
		needsAdmin: {time.Minute, 15 * time.Minute},
	} {
		p := pace{base: 5 * time.Second}
		var last time.Duration
		for i := range 200 {
			wait := p.after(&failure{kind: kind}, 0)
			if i == 0 && (wait < c.first*9/10 || wait > c.first*11/10) {
				t.Errorf("kind %d begins with %v, want about %v", kind, wait, c.first)
			}
			if wait <= 0 || wait > c.most*11/10 {
				t.Fatalf("kind %d waits %v after %d failures", kind, wait, i+1)
			}
			last = wait
		}
		if last < c.most*9/10 {
			t.Errorf("kind %d ends with %v, want about %v", kind, last, c.most)
		}
		other := temporary
		if kind == temporary {
			other = needsAdmin
		}
		p.after(&failure{kind: other}, 0)
		if wait := p.after(&failure{kind: kind}, 0); wait > c.first*11/10 {
			t.Errorf("kind %d waits %v after another kind", kind, wait)
		}
	}
}

func TestSequences(t *testing.T) {
	s, now := sequences{}, time.Now()
	for i, c := range []struct {
		number string
		later  time.Duration
		want   bool
	}{
		{"b", 0, true},
		{"b", time.Second, true},
		{"a", 2 * time.Second, false},
		{"", 3 * time.Second, true},
		{"a", 4 * time.Second, false},
		{"c", 5 * time.Second, true},
		{"b", 6 * time.Second, false},
		{"b", 4*time.Second + sequenceLife, false},
		{"b", 5*time.Second + sequenceLife, true},
		{"a", 6*time.Second + sequenceLife, false},
	} {
		if got := s.fresh("anna", c.number, now.Add(c.later)); got != c.want {
			t.Errorf("step %d: %q is fresh: %v, want %v", i, c.number, got, c.want)
		}
	}
	if !s.fresh("ben", "a", now) {
		t.Error("Ben's number is compared with Anna's")
	}
}

func TestOlderThan(t *testing.T) {
	for _, c := range []struct{ older, newer string }{
		{"9", "10"}, {"009", "10"}, {"2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"}, {"A1", "A2"}, {"10", "1a"},
		{"18446744073709551615", "18446744073709551616"}, {"0", "1"},
	} {
		if !olderThan(c.older, c.newer) || olderThan(c.newer, c.older) || olderThan(c.older, c.older) {
			t.Errorf("%q is not taken for older than %q", c.older, c.newer)
		}
	}
}

func TestFind(t *testing.T) {
	no, yes := false, true
	b := newBook([]account{
		{ID: "A", UPN: "anna@example.com", Mail: "anna.meier@example.com", Enabled: &yes},
		{ID: "B", UPN: "ben@example.com", Mail: "team@example.com"},
		{ID: "C", UPN: "carol@example.com", Mail: "team@example.com"},
		{ID: "D", UPN: "dan@example.com", Enabled: &no},
		{ID: "E", UPN: "anna.meier@example.org"},
		{ID: "F", UPN: "ben@example.org"},
		{ID: "G"},
	})
	for _, c := range []struct {
		user    uc.User
		domain  string
		id, why string
	}{
		{uc.User{Login: "x", TeamsUPN: "ANNA@example.com"}, "", "a", ""},
		{uc.User{Login: "anna", TeamsUPN: "anna@example.net"}, "", "", "no account anna@example.net"},
		{uc.User{Login: "x", Email: "anna@example.com"}, "", "a", ""},
		{uc.User{Login: "x", Email: "Anna.Meier@example.com"}, "", "a", ""},
		{uc.User{Login: "x", Email: "team@example.com"}, "", "", "no account team@example.com"},
		{uc.User{Login: "carol", Email: "team@example.com"}, "", "c", ""},
		{uc.User{Login: "anna"}, "", "a", ""},
		{uc.User{Login: "ben"}, "", "", "several accounts ben"},
		{uc.User{Login: "ben"}, "example.org", "f", ""},
		{uc.User{Login: "carol"}, "example.org", "", "no account carol@example.org"},
		{uc.User{Login: "dan"}, "", "", "account dan@example.com is disabled"},
		{uc.User{Login: ""}, "", "", "no account "},
	} {
		if id, why := b.find(&c.user, c.domain); id != c.id || why != c.why {
			t.Errorf("%+v at %q: %q, %q; want %q, %q", c.user, c.domain, id, why, c.id, c.why)
		}
	}
}

func TestAim(t *testing.T) {
	d := newDirectory(
		uc.User{ID: 1, Login: "anna", TeamsID: "AA"},
		uc.User{ID: 2, Login: "ben"},
		uc.User{ID: 3, Login: "carol"},
		uc.User{ID: 4, Login: "dan", TeamsID: "bad"},
		uc.User{ID: 5, Login: "eve", TeamsID: "aa"},
	).Snapshot()
	refused := func(id string) bool { return id == "bad" }
	without := aim(d, nil, "", refused)
	if !slices.Equal(without.ids, []string{"aa"}) || without.listed != 2 || len(without.unmatched) != 1 {
		t.Errorf("without a list: %+v", without)
	}
	with := aim(d, newBook([]account{{ID: "BB", UPN: "ben@example.com"}}), "", refused)
	if !slices.Equal(with.ids, []string{"aa", "bb"}) || !slices.Equal(with.users["aa"], []uc.UserID{1, 5}) || with.count() != 3 {
		t.Errorf("with a list: %+v", with)
	}
	if want := []string{"carol: no account carol", "dan: Graph refuses object id bad"}; !slices.Equal(with.unmatched, want) {
		t.Errorf("unmatched %q, want %q", with.unmatched, want)
	}
	if !with.fromList["bb"] || with.fromList["aa"] {
		t.Errorf("found in the list: %v", with.fromList)
	}
}

func TestQuoteClaims(t *testing.T) {
	for in, want := range map[string]string{
		`Bearer error="x", claims=abc==`:      `Bearer error="x", claims="abc=="`,
		`Bearer claims=abc, error="x"`:        `Bearer claims="abc", error="x"`,
		`Bearer error="x", claims="abc=="`:    `Bearer error="x", claims="abc=="`,
		`Bearer realm="", error="no_claims="`: `Bearer realm="", error="no_claims="`,
	} {
		h := map[string][]string{"Www-Authenticate": {in}}
		quoteClaims(h)
		if got := h["Www-Authenticate"][0]; got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", in, got, want)
		}
	}
}

func FuzzODataError(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"TooManyRequests","message":"slow down","innerError":{"date":"x"}}}`))
	f.Add([]byte(`{"error":null}`))
	f.Add([]byte(`<html>`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		once := odataError(raw)
		if twice := odataError(once); string(twice) != string(once) {
			t.Errorf("%q becomes %q", once, twice)
		}
		if !strings.HasPrefix(string(once), `{"error":{"code":"`) {
			t.Errorf("%q has no code", once)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("30", "")
	f.Add("Fri, 01 May 2026 12:01:30 GMT", "Fri, 01 May 2026 12:01:00 GMT")
	f.Add(fmt.Sprint(math.Inf(1)), "x")
	f.Fuzz(func(t *testing.T, value, date string) {
		if d := retryAfter(value, date, time.Now()); d < 0 || d > maxRetryAfter {
			t.Errorf("Retry-After %q, Date %q: %v", value, date, d)
		}
	})
}
