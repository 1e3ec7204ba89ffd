package negotiate

import (
	"context"
	"crypto/subtle"
	"strings"

	"github.com/rolecall/rolecall/internal/saslprep"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
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
	if err := n.permit(ctx, a.login); err != nil {
		return nil, nil, err
	}
	password, ok := saslprep.Prepare(parts[2])
	if !ok {
		password = parts[2] // no account here has such a one; elsewhere they may
	}
	right, err := n.passwordRight(ctx, a, password)
	if err != nil {
		return nil, nil, err
	}
	who, err := n.settle(a, right)
	if err != nil {
		return nil, nil, err
	}
	if !a.elsewhere {
		n.completeKeys(ctx, a, password)
	}
	return who, nil, nil
}

// passwordRight checks a password here or elsewhere.
func (n *negotiation) passwordRight(ctx context.Context, a *account, password string) (bool, error) {
	if a.elsewhere {
		right, err := n.cfg.External.Check(ctx, a.login, password)
		if err != nil {
			n.log().Error("xmpp: cannot check a password", "login", a.login, "cause", err)
			return false, refuse("temporary-auth-failure", "try again later") // RFC 6120 §6.5.11
		}
		return right, nil
	}
	h := scram.CheckedBy(a.hashes)
	keys, kept := n.keysOf(a, h)
	made, err := h.Derive(password, keys.Salt, keys.Iterations)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(made.StoredKey, keys.StoredKey) == 1 && kept, nil
}

// completeKeys makes the keys that an account lacks of its password, and stores them. The login does not depend on it.
func (n *negotiation) completeKeys(ctx context.Context, a *account, password string) {
	missing := uc.AllHashes &^ a.keys.Hashes()
	if missing == 0 {
		return
	}
	var add uc.PasswordKeys
	for _, h := range scram.Hashes() {
		if missing&h.Set != 0 {
			keys, err := h.Derive(password, scram.NewSalt(), n.iterations())
			if err != nil {
				n.log().Error("xmpp: cannot make keys", "login", a.login, "cause", err)
				return
			}
			*add.Of(h.Set) = keys
		}
	}
	if err := n.cfg.Accounts.AddKeys(ctx, a.user, a.keys, add); err != nil {
		n.log().Warn("xmpp: keys that a password lacks were not added", "login", a.login, "cause", err)
	}
}
