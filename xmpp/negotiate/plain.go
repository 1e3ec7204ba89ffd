package negotiate

import (
	"context"
	"crypto/pbkdf2"
	"crypto/subtle"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// plain carries out PLAIN (RFC 4616), which is offered under TLS only.
func (n *negotiation) plain(ctx context.Context, message []byte) (*identity, []byte, error) {
	parts := strings.Split(string(message), "\x00")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return nil, nil, refuse("malformed-request", "not a PLAIN message")
	}
	a := n.account(parts[1], sha256Hash)
	if err := n.checkAuthzid(parts[0], a); err != nil {
		return nil, nil, err
	}
	if err := n.permit(ctx, a.login); err != nil {
		return nil, nil, err
	}
	right, err := n.passwordRight(ctx, a, prepared(parts[2]))
	if err != nil {
		return nil, nil, err
	}
	who, err := n.settle(a, right)
	return who, nil, err
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
	h := sha256Hash
	salted, err := pbkdf2.Key(h.new, password, a.keys.Salt, a.keys.Iterations, h.new().Size())
	if err != nil {
		return false, err
	}
	stored := h.sum(h.mac(salted, []byte("Client Key"))) // RFC 5802 §3
	return subtle.ConstantTimeCompare(stored, a.keys.StoredKey) == 1, nil
}

// prepared brings a password into the form in which its keys were made (RFC 4013 §2.1, §2.2).
func prepared(password string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, password))
}
