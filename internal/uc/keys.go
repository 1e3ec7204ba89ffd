package uc

import "bytes"

// HashSet is a set of the hashes that SCRAM is used with.
type HashSet uint8

// The hashes, and the set of all.
const (
	SHA1 HashSet = 1 << iota
	SHA256
	SHA512
	AllHashes = SHA1 | SHA256 | SHA512
)

// HashCensus counts accounts by the hashes that they have keys for.
type HashCensus [AllHashes + 1]int

// Accounts returns how many accounts have keys for any hash.
func (c *HashCensus) Accounts() int {
	n := 0
	for _, count := range c[1:] {
		n += count
	}
	return n
}

// Complete reports whether all of them have keys for all hashes.
func (c *HashCensus) Complete() bool { return c.Accounts() == c[AllHashes] }

// Of returns where the keys of one hash are; nil for anything that is not one hash.
func (k *PasswordKeys) Of(hash HashSet) *ScramKeys {
	switch hash {
	case SHA1:
		return &k.SHA1
	case SHA256:
		return &k.SHA256
	case SHA512:
		return &k.SHA512
	}
	return nil
}

// Hashes returns for which hashes there are keys.
func (k *PasswordKeys) Hashes() HashSet {
	var set HashSet
	for h := SHA1; h < AllHashes; h <<= 1 {
		if len(k.Of(h).StoredKey) > 0 {
			set |= h
		}
	}
	return set
}

// Same reports whether both are keys of a password that was set once. Keys that were added since, for hashes that one
// of them lacks, make no difference; keys of the same password set again do, because of their salt.
func (k *PasswordKeys) Same(other *PasswordKeys) bool {
	common := k.Hashes() & other.Hashes()
	for h := SHA1; h < AllHashes; h <<= 1 {
		if common&h != 0 && !bytes.Equal(k.Of(h).StoredKey, other.Of(h).StoredKey) {
			return false
		}
	}
	return common != 0
}

// With returns the keys, and those of more for the hashes that they lack.
func (k *PasswordKeys) With(more *PasswordKeys) PasswordKeys {
	sum := *k
	for h := SHA1; h < AllHashes; h <<= 1 {
		if len(sum.Of(h).StoredKey) == 0 {
			*sum.Of(h) = *more.Of(h)
		}
	}
	return sum
}
