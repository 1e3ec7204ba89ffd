package negotiate

import (
	"cmp"
	"context"
	"encoding/binary"

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
	known  bool       // there is such an account, and it has a password

	elsewhere bool // the password is not kept here: only PLAIN can tell whether it is right
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
		a.hashes = n.hashesOfNobody(name)
		return a
	}
	a.login = j.Localpart()
	invented := n.hashesOfNobody(a.login) // in any case, so that it takes as long for the logins that there are
	a.keys, a.user, _ = n.cfg.Accounts.Keys(a.login)
	a.hashes = a.keys.Hashes()
	a.known = a.hashes != 0
	n.lookElsewhere(a)
	if a.hashes == 0 {
		a.hashes = invented
	}
	return a
}

// hashesOfNobody makes up for which hashes a login has keys that there is not, always the same for one login. Of those
// logins as many lack some as of the accounts, so that it does not tell which there are (XEP-0388 §3).
func (n *negotiation) hashesOfNobody(login string) uc.HashSet {
	census := n.cfg.Accounts.Hashes()
	all := counted(&census)
	if all == census[uc.AllHashes] {
		return uc.AllHashes
	}
	draw := binary.BigEndian.Uint32(scram.SHA256.MAC(n.shared.secret, []byte("hashes "+login)))
	at := int(uint64(draw) * uint64(all) >> 32)
	// The fewest hashes come first: when an account is given more keys, one of the logins that there are not seems to be, too.
	for set := uc.HashSet(1); set < uc.AllHashes; set++ {
		if at -= census[set]; at < 0 {
			return set
		}
	}
	return uc.AllHashes
}

// counted returns how many accounts have any keys.
func counted(census *uc.HashCensus) int {
	all := 0
	for _, count := range census[1:] {
		all += count
	}
	return all
}

// keysOf returns an account's keys for a hash. If it has none it makes up the same keys every time, so that a stranger
// cannot tell (RFC 5802 §9, RFC 6120 §13.11), and kept is false.
func (n *negotiation) keysOf(a *account, h *scram.Hash) (keys uc.ScramKeys, kept bool) {
	// Made in any case, so that it takes as long for the logins that there are.
	invented := uc.ScramKeys{
		Salt:       h.MAC(n.shared.secret, []byte("salt "+a.login))[:scram.SaltSize],
		Iterations: n.iterations(),
		StoredKey:  h.MAC(n.shared.secret, []byte("stored key "+a.login)),
	}
	if keys = *a.keys.Of(h.Set); len(keys.StoredKey) > 0 {
		return keys, true
	}
	return invented, false
}

// iterations is the iteration count of new keys.
func (n *negotiation) iterations() int { return cmp.Or(n.cfg.Iterations, 10000) }

// lookElsewhere finds out whether the password of a login is kept elsewhere. Of the logins that there are
// not that is said of one half, always the same: it does not tell which there are (XEP-0388 §3).
func (n *negotiation) lookElsewhere(a *account) {
	if n.cfg.External == nil {
		return
	}
	if user, ok := n.cfg.External.Whose(a.login); ok {
		a.user, a.known, a.elsewhere = user, true, true
	} else if !a.known {
		a.elsewhere = scram.SHA256.MAC(n.shared.secret, []byte("elsewhere "+a.login))[0]&1 == 1
	}
}

// claimed returns what is known of the account that the client began the stream as; any account if it named none.
func (n *negotiation) claimed() *account {
	if n.claim == nil {
		n.claim = &account{hashes: uc.AllHashes}
		census := n.cfg.Accounts.Hashes()
		if n.cfg.External == nil && counted(&census) == census[uc.AllHashes] {
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
