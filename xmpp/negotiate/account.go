package negotiate

import (
	"cmp"
	"context"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
)

// account is what a login is checked against with one hash. One that is not known looks like any other.
type account struct {
	login string // normalised
	user  uc.UserID
	keys  uc.ScramKeys
	known bool

	elsewhere bool // the password is not kept here: only PLAIN can tell whether it is right
}

// External checks passwords that are not kept here.
type External interface {
	// Whose returns the user of a login whose password is kept elsewhere.
	Whose(login string) (uc.UserID, bool)
	// Check reports whether the password is the login's. An error means that nobody could tell.
	Check(ctx context.Context, login, password string) (bool, error)
}

// saltSize is that of real accounts, in bytes.
const saltSize = 16

// account finds the keys of a login. For a login that there is not, or that has no keys for the hash, it
// makes up the same keys every time, so that a stranger cannot tell (RFC 5802 §9, RFC 6120 §13.11).
func (n *negotiation) account(name string, h *scramHash) *account {
	a := &account{login: name}
	j, err := jid.New(name, n.cfg.Domain, "")
	if err == nil {
		a.login = j.Localpart()
	}
	// Made in any case, so that it takes as long for the logins that there are.
	invented := uc.ScramKeys{
		Salt:       h.mac(n.shared.secret, []byte("salt "+a.login))[:saltSize],
		Iterations: cmp.Or(n.cfg.Iterations, 10000),
		StoredKey:  h.mac(n.shared.secret, []byte("stored key "+a.login)),
	}
	all, user, known := n.cfg.Accounts.Keys(a.login)
	a.user, a.keys = user, h.keys(&all)
	if a.known = err == nil && known && len(a.keys.StoredKey) > 0; !a.known {
		a.keys = invented
	}
	if err == nil {
		n.lookElsewhere(a)
	}
	return a
}

// lookElsewhere finds out whether the password of a login is kept elsewhere. Of the logins that there are
// not that is said of one half, always the same: it does not tell which there are (XEP-0388 §3).
func (n *negotiation) lookElsewhere(a *account) {
	if n.cfg.External == nil {
		return
	}
	if user, ok := n.cfg.External.Whose(a.login); ok {
		a.user, a.known, a.elsewhere = user, true, true
	} else if _, _, ok := n.cfg.Accounts.Keys(a.login); !ok {
		a.elsewhere = sha256Hash.mac(n.shared.secret, []byte("elsewhere "+a.login))[0]&1 == 1
	}
}

// claimsElsewhere reports whether the client began the stream as a user whose password is kept elsewhere.
func (n *negotiation) claimsElsewhere() bool {
	from, err := jid.Parse(n.gate.claimed)
	if err != nil || n.cfg.External == nil {
		return false
	}
	a := &account{login: from.Localpart()}
	n.lookElsewhere(a)
	return a.elsewhere
}

// checkAuthzid refuses to let a client act for anybody but itself (RFC 6120 §6.3.8).
func (n *negotiation) checkAuthzid(authzid string, a *account) error {
	if authzid == "" {
		return nil
	}
	j, err := jid.Parse(authzid)
	if err != nil || j.Resourcepart() != "" || j.Localpart() != a.login || j.Domainpart() != n.cfg.Domain || n.profile == extensible && !n.claims(j) {
		return refuse("invalid-authzid", "you are someone else") // RFC 6120 §6.5.7
	}
	return nil
}
