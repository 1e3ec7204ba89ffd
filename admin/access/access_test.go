package access

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestLevels(t *testing.T) {
	all := []uc.AdminLevel{uc.LevelSystem, uc.LevelAdmin, uc.LevelPBX, uc.LevelPhonebook, uc.LevelMetrics, uc.LevelNone}
	for _, tt := range []struct {
		op   Operation
		want string // one letter for each of all
	}{
		{Public, "yyyyyy"},
		{SignedIn, "yyyyyn"},
		{WriteUsers, "yyynnn"},
		{ReadSecrets, "yyynnn"},
		{ReadBoard, "yyynnn"},
		{WritePhonebook, "yyyynn"},
		{ReadConnectors, "yynnnn"},
		{ReadMetrics, "yynnyn"},
		{"no such operation", "nnnnnn"},
	} {
		got := ""
		for _, l := range all {
			got += map[bool]string{true: "y", false: "n"}[Allows(l, tt.op)]
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.op, got, tt.want)
		}
	}
}

// accounts has anna (an admin), ben (none) and mia, who must change her password. All have the password "right".
type accounts struct {
	dir    *uc.Directory
	checks int
}

func newAccounts() *accounts {
	user := func(id uc.UserID, login string, level uc.AdminLevel) uc.User {
		u := uc.User{ID: id, Login: login, AdminLevel: level}
		u.Password.SHA256.StoredKey = []byte(login)
		return u
	}
	mia := user(3, "mia", uc.LevelPBX)
	mia.MustChangePassword = true
	return &accounts{dir: uc.NewDirectory(1, uc.Tables{Users: []uc.User{user(1, "anna", uc.LevelPBX), user(2, "ben", uc.LevelNone), mia}})}
}

func (a *accounts) Snapshot() *uc.Directory { return a.dir }

func (a *accounts) CheckPassword(_ context.Context, login, password string) (uc.UserID, bool) {
	a.checks++
	u := a.dir.UserByLogin(login)
	if u == nil || password != "right" {
		return 0, false
	}
	return u.ID, true
}

func (a *accounts) change(u uc.User) {
	a.dir = a.dir.With(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
}

func newGate(a *accounts, cfg Config) *Gate {
	return NewGate(cfg, a, time.Now, slog.New(slog.DiscardHandler))
}

func request(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = addr
	return r
}

func basic(addr, login, password string) *http.Request {
	r := request(addr)
	r.SetBasicAuth(login, password)
	return r
}

// signedIn signs in and returns a request with the session's cookie.
func signedIn(t *testing.T, g *Gate, login string) *http.Request {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := g.SignIn(w, request("192.0.2.1:1"), login, "right"); err != nil {
		t.Fatal(err)
	}
	r := request("192.0.2.1:1")
	for _, c := range w.Result().Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("cookie %+v is not protected", c)
		}
		r.AddCookie(c)
	}
	return r
}

// Whoever must not come in learns nothing: the error and the time are the same.
func TestRefusalsAreAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(newAccounts(), Config{})
		for _, tt := range []struct{ login, password string }{{"anna", "wrong"}, {"nobody", "right"}, {"ben", "right"}} {
			before := time.Now()
			_, err := g.SignIn(httptest.NewRecorder(), request("192.0.2.1:1"), tt.login, tt.password)
			if !errors.Is(err, ErrCredentials) {
				t.Errorf("%s: %v", tt.login, err)
			}
			if took := time.Since(before); took != 500*time.Millisecond {
				t.Errorf("%s: answered after %v", tt.login, took)
			}
		}
	})
}

func TestSessionEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(g *Gate, a *accounts, r *http.Request)
		want error
	}{
		{"used often", func(g *Gate, _ *accounts, r *http.Request) {
			for range 11 {
				time.Sleep(time.Hour)
				_, _ = g.AdmitPage(r, ReadBoard)
			}
		}, nil},
		{"idle", func(*Gate, *accounts, *http.Request) { time.Sleep(2 * time.Hour) }, ErrSignIn},
		{"watched only", func(g *Gate, a *accounts, r *http.Request) {
			for range 3 {
				time.Sleep(time.Hour)
				g.StillAdmits(r, Identity{a.dir.UserByLogin("anna")}, ReadBoard)
			}
		}, ErrSignIn},
		{"too old", func(g *Gate, _ *accounts, r *http.Request) {
			for range 12 {
				time.Sleep(time.Hour)
				_, _ = g.AdmitPage(r, ReadBoard)
			}
		}, ErrSignIn},
		{"signed out", func(g *Gate, _ *accounts, r *http.Request) { g.SignOut(httptest.NewRecorder(), r) }, ErrSignIn},
		{"another password", func(_ *Gate, a *accounts, _ *http.Request) {
			u := *a.dir.UserByLogin("anna")
			u.Password.SHA256.StoredKey = []byte("another")
			a.change(u)
		}, ErrSignIn},
		{"keys for more hashes", func(g *Gate, a *accounts, r *http.Request) {
			was := *a.dir.UserByLogin("anna")
			u := was
			u.Password.SHA512.StoredKey = []byte("more")
			a.change(u)
			if !g.StillAdmits(r, Identity{&was}, ReadBoard) {
				t.Error("a long answer was cut off")
			}
		}, nil},
		{"no level any more", func(_ *Gate, a *accounts, _ *http.Request) {
			u := *a.dir.UserByLogin("anna")
			u.AdminLevel = uc.LevelNone
			a.change(u)
		}, ErrSignIn},
		{"a lower level", func(_ *Gate, a *accounts, _ *http.Request) {
			u := *a.dir.UserByLogin("anna")
			u.AdminLevel = uc.LevelPhonebook
			a.change(u)
		}, uc.ErrForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAccounts()
				g := newGate(a, Config{})
				r := signedIn(t, g, "anna")
				if _, err := g.AdmitPage(r, ReadBoard); err != nil {
					t.Fatal(err)
				}
				tt.do(g, a, r)
				if _, err := g.AdmitPage(r, ReadBoard); !errors.Is(err, tt.want) {
					t.Errorf("admitted with %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestMustChangePassword(t *testing.T) {
	g := newGate(newAccounts(), Config{})
	r := signedIn(t, g, "mia")
	if _, err := g.AdmitPage(r, ReadBoard); !errors.Is(err, ErrChangePassword) {
		t.Errorf("a page: %v", err)
	}
	if _, err := g.AdmitPage(r, SignedIn); err != nil {
		t.Errorf("the own account: %v", err)
	}
	if _, err := g.AdmitREST(basic("192.0.2.1:1", "mia", "right"), ReadBoard); !errors.Is(err, ErrChangePassword) {
		t.Errorf("REST: %v", err)
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		g := newGate(a, Config{FailureDelay: time.Microsecond})
		guess := func(addr, login, password string) error {
			_, err := g.AdmitREST(basic(addr, login, password), ReadBoard)
			return err
		}
		for i := range pairLimit.free {
			if err := guess("192.0.2.1:1", "anna", "wrong"); !errors.Is(err, ErrCredentials) {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		var early *Throttled
		if err := guess("192.0.2.1:1", "anna", "right"); !errors.As(err, &early) || early.Seconds() != 1 {
			t.Errorf("a guess too early: %v", err)
		}
		checks := a.checks
		if guess("192.0.2.1:2", "anna", "right"); a.checks != checks {
			t.Error("a throttled guess was checked")
		}
		if err := guess("198.51.100.7:1", "anna", "right"); err != nil {
			t.Errorf("the owner from elsewhere: %v", err)
		}
		time.Sleep(time.Second)
		if err := guess("192.0.2.1:1", "anna", "wrong"); !errors.Is(err, ErrCredentials) {
			t.Errorf("after the wait: %v", err)
		}
		if err := guess("192.0.2.1:1", "anna", "wrong"); !errors.As(err, &early) || early.Seconds() != 2 {
			t.Errorf("the wait doubles: %v", err)
		}
	})
}

// Somebody who tries many accounts from many addresses must not shut out an owner who was here before.
func TestOwnerIsNotShutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		home := netip.MustParseAddr("2001:db8:1::5")
		th.try(home, "anna", time.Now())
		th.succeeded(home, "anna")
		for i := range 500 {
			bot := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			th.try(bot, "anna", time.Now())
			th.try(home, "other", time.Now())
		}
		if wait := th.try(netip.MustParseAddr("2001:db8:1::6"), "anna", time.Now()); wait != 0 {
			t.Errorf("the owner waits %v", wait)
		}
		if wait := th.try(netip.MustParseAddr("203.0.113.9"), "anna", time.Now()); wait <= 0 || wait > accountLimit.longest {
			t.Errorf("a stranger waits %v", wait)
		}
	})
}

func TestThrottleForgets(t *testing.T) {
	th := newThrottle()
	for i := range 3 * maxTracked {
		th.try(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x", clock.Add(time.Duration(i)*time.Minute))
	}
	if len(th.tracked) > maxTracked+3 {
		t.Errorf("%d failures are kept", len(th.tracked))
	}
}

var clock = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// A script that sends the same credentials again and again pays for one check only.
func TestBasicIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccounts()
		g := newGate(a, Config{})
		for range 20 {
			if _, err := g.AdmitREST(basic("192.0.2.1:1", "Anna", "right"), ReadBoard); err != nil {
				t.Fatal(err)
			}
		}
		if a.checks != 1 {
			t.Errorf("%d passwords were checked", a.checks)
		}
		if _, err := g.AdmitREST(basic("192.0.2.1:1", "anna", "wrong"), ReadBoard); !errors.Is(err, ErrCredentials) {
			t.Errorf("another password: %v", err)
		}
		u := *a.dir.UserByLogin("anna")
		u.Password.SHA256.StoredKey = []byte("another")
		a.change(u)
		if g.proven.user(a.dir, "anna", "right", time.Now()) != nil {
			t.Error("the old password is still remembered")
		}
	})
}

func TestAddressAndSecure(t *testing.T) {
	g := newGate(newAccounts(), Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, tt := range []struct {
		name, peer, forwarded, proto string
		tls                          bool
		want                         string
		secure                       bool
	}{
		{"direct", "192.0.2.1:5", "", "", false, "192.0.2.1", false},
		{"a stranger lies", "192.0.2.1:5", "203.0.113.1", "https", false, "192.0.2.1", false},
		{"through the proxy", "10.0.0.1:5", "203.0.113.1", "https", false, "203.0.113.1", true},
		{"a client lies through the proxy", "10.0.0.1:5", "198.51.100.1, 203.0.113.1", "http", false, "203.0.113.1", false},
		{"two proxies", "10.0.0.1:5", "203.0.113.1, 10.0.0.2", "", false, "203.0.113.1", false},
		{"nonsense", "10.0.0.1:5", "you", "", false, "10.0.0.1", false},
		{"own TLS", "[::ffff:192.0.2.1]:5", "", "", true, "192.0.2.1", true},
	} {
		r := request(tt.peer)
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		r.Header.Set("X-Forwarded-Proto", tt.proto)
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := g.Address(r).String(); got != tt.want || g.Secure(r) != tt.secure {
			t.Errorf("%s: %s secure %v, want %s %v", tt.name, got, g.Secure(r), tt.want, tt.secure)
		}
	}
}

func TestCookieIsSecureUnderTLS(t *testing.T) {
	g := newGate(newAccounts(), Config{})
	r := request("192.0.2.1:1")
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	if _, err := g.SignIn(w, r, "anna", "right"); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if !c.Secure || c.Name != "__Host-rolecall" || len(c.Value) != 43 {
		t.Errorf("cookie is %+v", c)
	}
}
