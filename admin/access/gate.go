package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Accounts is what the gate asks of the directory.
type Accounts interface {
	Snapshot() *uc.Directory
	CheckPassword(ctx context.Context, login, password string) (user uc.UserID, right bool)
}

// Config sets how long sessions last and which peers are believed.
type Config struct {
	Idle         time.Duration  // a session that is not used for so long ends; 0 means 2 hours
	Absolute     time.Duration  // a session ends after so long; 0 means 12 hours
	FailureDelay time.Duration  // a refused sign-in is answered no earlier; 0 means 500 ms
	Proxies      []netip.Prefix // reverse proxies whose X-Forwarded-For and -Proto are believed
}

// Reasons for not letting somebody in, beside uc.ErrForbidden.
var (
	ErrSignIn         = errors.New("sign in first")
	ErrCredentials    = errors.New("login name or password is wrong, or the account has no admin level")
	ErrChangePassword = errors.New("the password must be changed on the admin page first")
)

// Throttled says that a try to sign in came too early after failed ones.
type Throttled struct{ Wait time.Duration }

// Error implements error.
func (t *Throttled) Error() string {
	return fmt.Sprintf("too many failed tries; try again in %d s", t.Seconds())
}

// Seconds returns the wait in whole seconds, rounded up.
func (t *Throttled) Seconds() int { return int((t.Wait + time.Second - 1) / time.Second) }

// Identity is who sent a request.
type Identity struct {
	User *uc.User
}

// Actor is the identity as it stands in audits and beside what it changed.
func (i Identity) Actor(via string) uc.Actor {
	return uc.Actor{User: i.User.ID, Name: i.User.Login, Via: via}
}

// Allows reports whether the identity may do the operation.
func (i Identity) Allows(op Operation) bool { return i.User != nil && Allows(i.User.AdminLevel, op) }

// checks bounds how many passwords are checked at once: each costs milliseconds of a core.
const checks = 2

// Gate lets people in.
type Gate struct {
	cfg      Config
	accounts Accounts
	now      func() time.Time
	log      *slog.Logger

	sessions *sessions
	throttle *throttle
	checking chan struct{}
	proven   *proven
}

// NewGate makes a gate without sessions.
func NewGate(cfg Config, accounts Accounts, now func() time.Time, log *slog.Logger) *Gate {
	setDefault(&cfg.Idle, 2*time.Hour)
	setDefault(&cfg.Absolute, 12*time.Hour)
	setDefault(&cfg.FailureDelay, 500*time.Millisecond)
	return &Gate{
		cfg: cfg, accounts: accounts, now: now, log: log,
		sessions: newSessions(cfg.Idle, cfg.Absolute),
		throttle: newThrottle(),
		checking: make(chan struct{}, checks),
		proven:   newProven(),
	}
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// AdmitPage reports who sent a request for a page, by its session, and whether they may do the operation.
func (g *Gate) AdmitPage(r *http.Request, op Operation) (Identity, error) {
	return g.admit(g.bySession(r, true), op)
}

// AdmitREST is AdmitPage for REST, which also takes HTTP Basic (RFC 7617).
func (g *Gate) AdmitREST(r *http.Request, op Operation) (Identity, error) {
	if byOwner(r) {
		return g.admit(g.owner(), op)
	}
	login, password, basic := r.BasicAuth()
	if !basic || op == Public {
		return g.AdmitPage(r, op)
	}
	if u := g.proven.user(g.accounts.Snapshot(), login, password, g.now()); u != nil {
		return g.admit(u, op)
	}
	u, err := g.check(r, login, password)
	if err != nil {
		return Identity{}, err
	}
	g.proven.add(u, password, g.now())
	return g.admit(u, op)
}

// StillAdmits reports whether who was admitted to an operation would be again, without counting as use.
// Long answers ask it from time to time.
func (g *Gate) StillAdmits(r *http.Request, who Identity, op Operation) bool {
	if byOwner(r) {
		return true
	}
	u := g.accounts.Snapshot().Users.Get(who.User.ID)
	if u == nil || !u.Password.Same(&who.User.Password) {
		return false
	}
	if _, _, basic := r.BasicAuth(); !basic {
		u = g.bySession(r, false)
	}
	_, err := g.admit(u, op)
	return err == nil
}

// admit is the one place where a level is held against an operation.
func (g *Gate) admit(u *uc.User, op Operation) (Identity, error) {
	who := Identity{User: u}
	switch {
	case op == Public:
		return who, nil
	case u == nil:
		return who, ErrSignIn
	case u.MustChangePassword && op != SignedIn:
		return who, ErrChangePassword
	case !Allows(u.AdminLevel, op):
		return who, uc.Errorf(uc.ErrForbidden, "Your admin level does not allow this.")
	}
	return who, nil
}

// SignIn checks a login name and password that were typed in, opens a session and sets its cookie.
func (g *Gate) SignIn(w http.ResponseWriter, r *http.Request, login, password string) (Identity, error) {
	u, err := g.check(r, login, password)
	if err != nil {
		return Identity{}, err
	}
	g.Open(w, r, u)
	return Identity{User: u}, nil
}

// Open opens a session for a user whose password is known to be right, in place of the request's own.
func (g *Gate) Open(w http.ResponseWriter, r *http.Request, u *uc.User) {
	if old, err := r.Cookie(g.cookieName(r)); err == nil {
		g.sessions.end(old.Value)
	}
	g.setCookie(w, r, g.sessions.begin(u, g.now()), 0)
}

// Confirm checks the password of somebody who is signed in already, as slowly as a sign-in.
func (g *Gate) Confirm(r *http.Request, u *uc.User, password string) error {
	_, err := g.check(r, u.Login, password)
	return err
}

// SignOut ends the session of a request.
func (g *Gate) SignOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(g.cookieName(r)); err == nil {
		g.sessions.end(c.Value)
	}
	g.setCookie(w, r, "", -1)
}

func (g *Gate) bySession(r *http.Request, touch bool) *uc.User {
	c, err := r.Cookie(g.cookieName(r))
	if err != nil {
		return nil
	}
	return g.sessions.user(c.Value, g.accounts.Snapshot(), g.now(), touch)
}

// check checks a password. Whatever is wrong, the answer is the same and comes equally late, so that
// nobody can tell whether an account exists.
func (g *Gate) check(r *http.Request, login, password string) (*uc.User, error) {
	late := time.NewTimer(g.cfg.FailureDelay)
	defer late.Stop()
	u, err := g.tryPassword(r.Context(), g.Address(r), strings.ToLower(login), password)
	if errors.Is(err, ErrCredentials) {
		g.refused(r, login)
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
	}
	return u, err
}

// refused logs a failed try. What was typed in as a name is logged only if it is one: people type their
// password into the wrong field.
func (g *Gate) refused(r *http.Request, login string) {
	known := "unknown"
	if u := g.accounts.Snapshot().UserByLogin(strings.ToLower(login)); u != nil {
		known = u.Login
	}
	g.log.Warn("admin: sign-in refused", "account", known, "address", g.Address(r))
}

func (g *Gate) tryPassword(ctx context.Context, from netip.Addr, login, password string) (*uc.User, error) {
	select {
	case g.checking <- struct{}{}:
		defer func() { <-g.checking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := g.now()
	if u := g.proven.user(g.accounts.Snapshot(), login, password, now); u != nil {
		return u, nil // proven by a request that was checked while this one waited
	}
	if wait := g.throttle.try(from, login, now); wait > 0 {
		return nil, &Throttled{Wait: wait}
	}
	id, right := g.accounts.CheckPassword(ctx, login, password)
	u := g.accounts.Snapshot().Users.Get(id)
	if !right || u == nil || u.AdminLevel == uc.LevelNone {
		return nil, ErrCredentials
	}
	g.throttle.succeeded(from, login)
	return u, nil
}

func (g *Gate) cookieName(r *http.Request) string {
	if g.Secure(r) {
		return "__Host-rolecall" // bound to this host by the browser, RFC 6265bis §4.1.3.2
	}
	return "rolecall"
}

func (g *Gate) setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookieName(r), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: g.Secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// proven remembers for a short while which Basic credentials were right, so that a script does not pay
// for a password check with every request. It keeps no password, only keyed hashes.
type proven struct {
	key  []byte
	seen *sessions
}

const provenFor = 5 * time.Minute

func newProven() *proven {
	key := make([]byte, 32)
	rand.Read(key)
	return &proven{key: key, seen: newSessions(provenFor, provenFor)}
}

func (p *proven) token(login, password string) string {
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "%d:%s%s", len(login), login, password)
	return string(mac.Sum(nil))
}

func (p *proven) user(d *uc.Directory, login, password string, now time.Time) *uc.User {
	return p.seen.user(p.token(strings.ToLower(login), password), d, now, false)
}

func (p *proven) add(u *uc.User, password string, now time.Time) {
	p.seen.put(p.token(u.Login, password), u, now)
}
