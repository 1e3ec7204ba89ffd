package xmpp

import (
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// phoneResource is the resource that stands for a user's telephones. No client can have it.
const phoneResource = "phone"

// bindResource gives a client that has logged in its resource and puts its session into the router,
// before the client is told: what it is sent from then on is not lost. A client that asks for a resource
// in use gets it and the old session ends (RFC 6120 §7.7.2.2): most often it is the same client on
// another network.
func (s *Server) bindResource(user uc.UserID, login, requested string) (string, error) {
	a := s.accountByLogin(login)
	if a == nil || a.user != user {
		return "", uc.Errorf(uc.ErrNotFound, "the user is gone")
	}
	if requested == "" || requested == phoneResource {
		requested = randomID()[:12] // RFC 6120 §7.7.1: the server may choose another one
	}
	c := s.newSession(a, requested)
	for {
		if err := s.makeRoom(a, requested); err != nil {
			return "", err
		}
		if a.add(c) {
			break
		}
	}
	s.router.addSession(c)
	if s.stopped.Load() {
		c.end(errShutdown)
	}
	return requested, nil
}

// makeRoom ends the session that has the resource, or, if the user has too many, the one that has been without a
// connection for longest, and waits until it has left.
func (s *Server) makeRoom(a *account, resource string) error {
	old := a.byResource(resource)
	if old == nil {
		if len(a.bound()) < s.cfg.MaxResources {
			return nil
		}
		if old = a.longestLost(); old == nil {
			return uc.Errorf(uc.ErrUnavailable, "too many resources")
		}
	}
	old.end(errReplaced)
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case <-old.gone:
		return nil
	case <-timer.C:
		return uc.Errorf(uc.ErrConflict, "the resource is in use")
	}
}

// leave takes a session out of the router and tells the others that it is gone (RFC 6121 §4.5.3).
func (s *Server) leave(c *session) {
	s.router.dropSession(c)
	s.resumptions.drop(c)
	b := s.newBatch()
	defer b.done()
	s.becomeUnavailable(b, c, nil)
	c.account.drop(c)
	c.account.stopDraining(c)
	s.commands.drop(c.jid)
}
