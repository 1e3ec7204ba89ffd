package scram

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"

	"github.com/rolecall/rolecall/internal/uc"
)

// Nobody makes up what is kept of the passwords of logins that there are not, always the same for one login, so that a
// stranger cannot tell which there are (RFC 5802 §9, RFC 6120 §13.11, XEP-0388 §3). All that tell the same strangers
// something must have the same Nobody.
//
// What is made up is made for every login, so that it takes as long for those that there are.
type Nobody struct {
	Secret     []byte
	Iterations int // of new keys
}

// defaultIterations is more than RFC 7677 §4 asks for.
const defaultIterations = 10000

// NewNobody makes a Nobody. An empty secret is replaced by a random one, and 0 iterations by 10000.
func NewNobody(secret []byte, iterations int) Nobody {
	if len(secret) == 0 {
		secret = []byte(rand.Text())
	}
	return Nobody{secret, cmp.Or(iterations, defaultIterations)}
}

// Hashes returns for which hashes there are keys of a login. If there are none they are made up: of the logins that
// there are not as many lack some as of the accounts.
func (n *Nobody) Hashes(login string, kept *uc.PasswordKeys, census *uc.HashCensus) uc.HashSet {
	invented := n.drawn(login, census)
	if have := kept.Hashes(); have != 0 {
		return have
	}
	return invented
}

func (n *Nobody) drawn(login string, census *uc.HashCensus) uc.HashSet {
	if census.Complete() {
		return uc.AllHashes
	}
	draw := binary.BigEndian.Uint32(SHA256.MAC(n.Secret, []byte("hashes "+login)))
	at := int(uint64(draw) * uint64(census.Accounts()) >> 32)
	// The fewest hashes come first: when an account is given more keys, one of the logins that there are not seems to be, too.
	for set := uc.HashSet(1); set < uc.AllHashes; set++ {
		if at -= census[set]; at < 0 {
			return set
		}
	}
	return uc.AllHashes
}

// Keys returns a login's keys for a hash. If none are kept they are made up, and genuine is false.
func (n *Nobody) Keys(login string, kept *uc.PasswordKeys, h *Hash) (keys uc.ScramKeys, genuine bool) {
	invented := uc.ScramKeys{
		Salt:       h.MAC(n.Secret, []byte("salt "+login))[:SaltSize],
		Iterations: n.Iterations,
		StoredKey:  h.MAC(n.Secret, []byte("stored key "+login)),
	}
	if keys = *kept.Of(h.Set); len(keys.StoredKey) > 0 {
		return keys, true
	}
	return invented, false
}

// Check reports whether a prepared password is the one that the keys of a login are kept of.
func (n *Nobody) Check(login, password string, kept *uc.PasswordKeys, census *uc.HashCensus) bool {
	h := CheckedBy(n.Hashes(login, kept, census))
	keys, genuine := n.Keys(login, kept, h)
	made, err := h.Derive(password, keys.Salt, keys.Iterations)
	return err == nil && subtle.ConstantTimeCompare(made.StoredKey, keys.StoredKey) == 1 && genuine
}
