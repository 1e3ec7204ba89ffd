package negotiate

import (
	"context"
	"strings"

	"github.com/rolecall/rolecall/internal/saslprep"
)

// plain carries out PLAIN (RFC 4616), which is offered under TLS only.
func (n *negotiation) plain(ctx context.Context, message []byte) (*identity, []byte, error) {
	parts := strings.Split(string(message), "\x00")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return nil, nil, refuse("malformed-request", "not a PLAIN message")
	}
	a := n.account(parts[1])
	if err := n.checkAuthzid(parts[0], a); err != nil {
		return nil, nil, err
	}
	if err := n.permit(ctx, a); err != nil {
		return nil, nil, err
	}
	right, err := n.passwordRight(ctx, a, parts[2])
	if err != nil {
		return nil, nil, err
	}
	who, err := n.settle(a, right)
	return who, nil, err
}

// passwordRight checks a password here or elsewhere.
func (n *negotiation) passwordRight(ctx context.Context, a *account, password string) (bool, error) {
	if !a.elsewhere {
		user, right := n.cfg.Accounts.CheckPassword(ctx, a.login, password)
		return right && user == a.user, nil // the login may have been given to somebody else
	}
	if prepared, ok := saslprep.Prepare(password); ok {
		password = prepared
	}
	right, err := n.cfg.External.Check(ctx, a.login, password)
	if err != nil {
		n.log().Error("xmpp: cannot check a password", "account", a.name(), "cause", err)
		return false, refuse("temporary-auth-failure", "try again later") // RFC 6120 §6.5.11
	}
	return right, nil
}
