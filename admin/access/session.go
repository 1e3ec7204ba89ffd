package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// sessions are the signed-in browsers. Only hashes of their tokens are kept, so that a copy of the
// memory or a log of the keys opens no session.
type sessions struct {
	idle, absolute time.Duration

	mu   sync.Mutex
	open map[[sha256.Size]byte]*session
}

type session struct {
	user     uc.UserID
	password uc.PasswordKeys // at sign-in: another password ends the session
	began    time.Time
	lastUsed time.Time
}

func newSessions(idle, absolute time.Duration) *sessions {
	return &sessions{idle: idle, absolute: absolute, open: make(map[[sha256.Size]byte]*session)}
}

// begin opens a session and returns its token, 256 random bits.
func (s *sessions) begin(u *uc.User, now time.Time) string {
	raw := make([]byte, 32)
	rand.Read(raw)
	token := base64.RawURLEncoding.EncodeToString(raw)
	s.put(token, u, now)
	return token
}

// put opens a session under a token of the caller's, and drops those that have expired.
func (s *sessions) put(token string, u *uc.User, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, old := range s.open {
		if s.expired(old, now) {
			delete(s.open, hash)
		}
	}
	s.open[sha256.Sum256([]byte(token))] = &session{user: u.ID, password: u.Password, began: now, lastUsed: now}
}

// user returns whose session the token opens, or nil. With touch the session counts as used.
func (s *sessions) user(token string, d *uc.Directory, now time.Time, touch bool) *uc.User {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.open[hash]
	if found == nil {
		return nil
	}
	u := d.Users.Get(found.user)
	if s.expired(found, now) || u == nil || u.AdminLevel == uc.LevelNone || !u.Password.Same(&found.password) {
		delete(s.open, hash)
		return nil
	}
	if touch {
		found.lastUsed = now
	}
	return u
}

func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(token)))
}

func (s *sessions) expired(one *session, now time.Time) bool {
	return now.Sub(one.lastUsed) >= s.idle || now.Sub(one.began) >= s.absolute
}
