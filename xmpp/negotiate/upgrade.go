package negotiate

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
)

const (
	nsUpgrade      = "urn:xmpp:sasl:upgrade:0"
	nsScramUpgrade = "urn:xmpp:scram-upgrade:0"
)

// upgrades lists the hashes for which clients can make the keys that an account lacks.
var upgrades = []*scram.Hash{scram.SHA256, scram.SHA512}

// taskFor is the name of the task that makes keys for the hash (XEP-0480 §2.1).
func taskFor(h *scram.Hash) string { return "UPGR-SCRAM-" + h.Name }

// appendUpgrades tells of the tasks. It is the same for everybody, so that it does not tell who lacks keys.
func appendUpgrades(b []byte) []byte {
	for _, h := range upgrades {
		b = append(b, "<upgrade xmlns='"+nsUpgrade+"'>"+taskFor(h)+"</upgrade>"...)
	}
	return b
}

// upgrade lets the client make the keys that it has offered to make and that the account lacks, one task after the other
// (XEP-0480 §2.2). It returns what of final, which goes with the success, the client has not been told by then.
//
// There are tasks only after SCRAM: who checks a password makes the keys of it, and who has no more than a token, perhaps a
// stolen one, must not make keys that outlive it.
func (n *negotiation) upgrade(ctx context.Context, who *identity, final []byte) ([]byte, error) {
	if !who.scram {
		return final, nil
	}
	for _, h := range n.wantedUpgrades(who.keys.Hashes()) {
		keys, err := n.upgradeTo(h, final)
		if err != nil {
			return nil, err
		}
		final = nil
		var add uc.PasswordKeys
		*add.Of(h.Set) = keys
		if err := n.addKeys(ctx, who, add); err != nil {
			return nil, err
		}
	}
	return final, nil
}

// wantedUpgrades lists what the client asked for and the account lacks. Tasks that were not announced are passed over.
func (n *negotiation) wantedUpgrades(have uc.HashSet) []*scram.Hash {
	if have == uc.AllHashes {
		return nil
	}
	var wanted []*scram.Hash
	for _, child := range n.request.Nodes {
		if child.NS != nsUpgrade || child.Name != "upgrade" {
			continue
		}
		at := slices.IndexFunc(upgrades, func(h *scram.Hash) bool { return taskFor(h) == child.Text })
		if at >= 0 && have&upgrades[at].Set == 0 {
			have |= upgrades[at].Set
			wanted = append(wanted, upgrades[at])
		}
	}
	return wanted
}

// upgradeTo carries out the task for a hash: the client makes the salted password with our salt (XEP-0480 §3). final
// goes with the first task, as it would with the success (XEP-0388 §2.6.3).
func (n *negotiation) upgradeTo(h *scram.Hash, final []byte) (uc.ScramKeys, error) {
	about := "<continue xmlns='" + nsSASL2 + "'>"
	if len(final) > 0 {
		about += "<additional-data>" + base64.StdEncoding.EncodeToString(final) + "</additional-data>"
	}
	next, err := n.ask(about+"<tasks><task>"+taskFor(h)+"</task></tasks></continue>", "next")
	if err != nil {
		return uc.ScramKeys{}, err
	}
	if next.Attr("task") != taskFor(h) {
		return uc.ScramKeys{}, refuse("invalid-mechanism", "this task is not offered now")
	}
	salt := scram.NewSalt()
	data, err := n.ask("<task-data xmlns='"+nsSASL2+"'><salt xmlns='"+nsScramUpgrade+"' iterations='"+strconv.Itoa(n.shared.nobody.Iterations)+"'>"+
		base64.StdEncoding.EncodeToString(salt)+"</salt></task-data>", "task-data")
	if err != nil {
		return uc.ScramKeys{}, err
	}
	// The text is a base64Binary of XML Schema, in which spaces are allowed.
	salted, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(data.ChildText(nsScramUpgrade, "hash")), ""))
	if err != nil {
		return uc.ScramKeys{}, refuse("incorrect-encoding", "not base64")
	}
	if len(salted) != h.New().Size() {
		return uc.ScramKeys{}, refuse("malformed-request", "not a salted password of "+h.Name)
	}
	return h.Keys(salted, salt, n.shared.nobody.Iterations), nil
}

// addKeys stores keys that a client has made beside those that it was checked against.
func (n *negotiation) addKeys(ctx context.Context, who *identity, add uc.PasswordKeys) error {
	err := n.cfg.Accounts.AddKeys(ctx, who.user, *who.keys, add)
	switch {
	case errors.Is(err, uc.ErrConflict), errors.Is(err, uc.ErrNotFound):
		return refuse("not-authorized", "the password has been changed")
	case err != nil:
		n.log().Error("xmpp: cannot store keys", "login", who.login, "cause", err)
		return refuse("temporary-auth-failure", "try again later")
	}
	return nil
}
