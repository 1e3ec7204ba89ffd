package xmpp

import (
	"context"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// Passwords checks passwords of users whose authentication is LDAP.
type Passwords interface {
	// Check reports whether the password is the login's. An error means that nobody could tell.
	Check(ctx context.Context, login, password string) (bool, error)
}

// external tells the negotiation whose passwords are not kept in the directory.
type external struct {
	Passwords
	directory Directory
}

// external returns nil if there is nobody to ask; users of LDAP cannot sign in then.
func (s *Server) external() negotiate.External {
	if s.deps.Passwords == nil {
		return nil
	}
	return external{s.deps.Passwords, s.deps.Directory}
}

// Whose implements negotiate.External.
func (e external) Whose(login string) (uc.UserID, bool) {
	u := e.directory.Snapshot().UserByLogin(login)
	if u == nil || u.Auth != uc.AuthLDAP {
		return 0, false
	}
	return u.ID, true
}
