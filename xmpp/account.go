package xmpp

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// account is the server's side of one user: their sessions, roster and presence. It is made when it is
// first needed and stays until the user is deleted or renamed.
type account struct {
	user   uc.UserID
	login  string
	bare   string
	domain string // of a stranger, who is no user of this server; else empty

	sessions   atomic.Pointer[[]*session] // bound, copy-on-write
	sessionsMu sync.Mutex                 // held to replace the list

	rosterMu sync.Mutex
	roster   map[string]*uc.RosterItem // by bare address; nil until loaded
	tally    tally                     // of what is in the roster
	personal atomic.Pointer[viewers]   // who sees the user by subscription, beside the shared groups
	circle   atomic.Pointer[circle]    // who sees the user by shared groups

	presenceMu sync.Mutex
	overlay    overlay       // what the server adds to the presence of every resource
	phone      shown         // the presence of the /phone resource as last sent; nothing if there is none
	noted      []uc.Resource // as last stated on the bus; the notifier's
	reachMu    sync.Mutex    // held while it is told where the user can be reached
	reachTold  []byte        // as last told
	echo       time.Time     // until then a client may repeat the server's "do not disturb"

	pushed atomic.Bool // there are push targets (XEP-0357)

	blocked atomic.Pointer[blocklist]
	blockMu sync.Mutex // held while the list is changed

	passwordTried seldom                  // the user wanted to change the password
	passwordBy    atomic.Pointer[session] // who is changing it, and stays
	flooded       seldom                  // the log was told of too many requests for a subscription

	pep pep // what the user publishes

	storage   storage // of messages for when the user is back
	offlineMu sync.Mutex
	draining  *session // is being sent the offline messages
}

func (s *Server) bareJID(login string) string { return login + "@" + s.cfg.Domain }

// accountByLogin returns the account of a user, or nil if there is no such user.
func (s *Server) accountByLogin(login string) *account {
	u := s.groups.Load().dir.UserByLogin(login)
	if u == nil {
		// The user may be so new that the follower has not come to it.
		if u = s.deps.Directory.Snapshot().UserByLogin(login); u == nil {
			return nil
		}
	}
	return s.accountOf(u)
}

func (s *Server) accountOf(u *uc.User) *account {
	bare := s.bareJID(u.Login)
	return s.router.accountOf(bare, func() *account {
		a := &account{user: u.ID, login: u.Login, bare: bare}
		a.sessions.Store(new([]*session))
		a.blocked.Store(s.blocklists.of(u.ID))
		a.pushed.Store(len(s.pushes.of(u.ID)) > 0)
		return a
	})
}

// accountByID returns the account of a user of the groups' snapshot, or nil.
func (s *Server) accountByID(id uc.UserID) *account {
	if u := s.groups.Load().dir.Users.Get(id); u != nil {
		return s.accountOf(u)
	}
	return nil
}

// add lists a session, unless another one has its resource.
func (a *account) add(s *session) bool {
	a.sessionsMu.Lock()
	defer a.sessionsMu.Unlock()
	if a.byResource(s.resource) != nil {
		return false
	}
	list := append(slices.Clone(*a.sessions.Load()), s)
	a.sessions.Store(&list)
	return true
}

func (a *account) drop(s *session) {
	a.sessionsMu.Lock()
	defer a.sessionsMu.Unlock()
	list := slices.DeleteFunc(slices.Clone(*a.sessions.Load()), func(other *session) bool { return other == s })
	a.sessions.Store(&list)
}

// bound lists the sessions of the account; the list must not be written to.
func (a *account) bound() []*session { return *a.sessions.Load() }

// longestLost returns the session that has waited for longest for its client to come back, or nil if none does.
func (a *account) longestLost() *session {
	var longest *session
	var since time.Time
	for _, s := range a.bound() {
		if lost, ok := s.queue.lostAt(); ok && (longest == nil || lost.Before(since)) {
			longest, since = s, lost
		}
	}
	return longest
}

// byResource returns the session of a resource, or nil.
func (a *account) byResource(resource string) *session {
	for _, s := range a.bound() {
		if s.resource == resource {
			return s
		}
	}
	return nil
}
