package negotiate

import (
	"context"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
)

// account is what a login is checked against. One that is not known looks like any other.
type account struct {
	login  string // normalised
	user   uc.UserID
	keys   uc.PasswordKeys
	hashes uc.HashSet // that its password can be proved with
	exists bool       // there is such an account
	known  bool       // and it has a password

	elsewhere bool // the password is not kept here: only PLAIN can tell whether it is right
}

// name is how the log calls an account: people type their password into the wrong field.
func (a *account) name() string {
	if !a.exists {
		return "unknown"
	}
	return a.login
}

// External checks passwords that are not kept here.
type External interface {
	// Whose returns the user of a login whose password is kept elsewhere.
	Whose(login string) (uc.UserID, bool)
	// Check reports whether the password is the login's. An error means that nobody could tell.
	Check(ctx context.Context, login, password string) (bool, error)
}

// account finds the account of a login.
func (n *negotiation) account(name string) *account {
	a := &account{login: name}
	j, err := jid.New(name, n.cfg.Domain, "")
	if err != nil {
		a.hashes = n.hashesOf(a)
		return a
	}
	a.login = j.Localpart()
	a.keys, a.user, a.exists = n.cfg.Accounts.Keys(a.login)
	a.hashes = n.hashesOf(a)
	a.known = a.keys.Hashes() != 0
	n.lookElsewhere(a)
	return a
}

// hashesOf returns for which hashes an account has keys; they are made up if it has none.
func (n *negotiation) hashesOf(a *account) uc.HashSet {
	census := n.cfg.Accounts.Hashes()
	return n.shared.nobody.Hashes(a.login, &a.keys, &census)
}

// keysOf returns an account's keys for a hash; they are made up if it has none, and then kept is false.
func (n *negotiation) keysOf(a *account, h *scram.Hash) (keys uc.ScramKeys, kept bool) {
	return n.shared.nobody.Keys(a.login, &a.keys, h)
}

// lookElsewhere finds out whether the password of a login is kept elsewhere. Of the logins that there are
// not that is said of one half, always the same: it does not tell which there are (XEP-0388 §3).
func (n *negotiation) lookElsewhere(a *account) {
	if n.cfg.External == nil {
		return
	}
	if user, ok := n.cfg.External.Whose(a.login); ok {
		a.user, a.exists, a.known, a.elsewhere = user, true, true, true
	} else if !a.known {
		a.elsewhere = scram.SHA256.MAC(n.shared.nobody.Secret, []byte("elsewhere "+a.login))[0]&1 == 1
	}
}

// claimed returns what is known of the account that the client began the stream as; any account if it named none.
func (n *negotiation) claimed() *account {
	if n.claim == nil {
		n.claim = &account{hashes: uc.AllHashes}
		census := n.cfg.Accounts.Hashes()
		if n.cfg.External == nil && census.Complete() {
			return n.claim // all are the same
		}
		if from, err := jid.Parse(n.gate.claimed); err == nil && from.Localpart() != "" {
			n.claim = n.account(from.Localpart())
		}
	}
	return n.claim
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
