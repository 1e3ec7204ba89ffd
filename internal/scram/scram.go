// Package scram makes what is kept of passwords: keys from which nobody gets the password back, and by which a
// login is checked (RFC 5802 §3).
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // SCRAM-SHA-1 is mandatory in RFC 6120 §13.8.1
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/rolecall/rolecall/internal/uc"
)

// SaltSize is how long the salt of new keys is, in bytes.
const SaltSize = 16

// Hash is a hash that SCRAM is used with.
type Hash struct {
	Name string // as in the name of the mechanism
	New  func() hash.Hash
	Set  uc.HashSet // that has this hash only
}

// The hashes.
var (
	SHA1   = &Hash{"SHA-1", sha1.New, uc.SHA1}
	SHA256 = &Hash{"SHA-256", sha256.New, uc.SHA256}
	SHA512 = &Hash{"SHA-512", sha512.New, uc.SHA512}
)

// Hashes lists them, the strongest first.
func Hashes() []*Hash { return []*Hash{SHA512, SHA256, SHA1} }

// CheckedBy chooses the hash that a password is checked by where there are keys for some: SHA-256 if it is one of
// them, else the strongest. Where there are none it is SHA-256, too, so that a check takes as long.
func CheckedBy(have uc.HashSet) *Hash {
	for _, h := range []*Hash{SHA256, SHA512, SHA1} {
		if have&h.Set != 0 {
			return h
		}
	}
	return SHA256
}

// NewSalt makes the salt of new keys.
func NewSalt() []byte {
	salt := make([]byte, SaltSize)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	return salt
}

// MAC is the HMAC of a message.
func (h *Hash) MAC(key, message []byte) []byte {
	m := hmac.New(h.New, key)
	m.Write(message)
	return m.Sum(nil)
}

// Sum is the hash of a message.
func (h *Hash) Sum(message []byte) []byte {
	s := h.New()
	s.Write(message)
	return s.Sum(nil)
}

// Keys makes the keys of a salted password.
func (h *Hash) Keys(salted, salt []byte, iterations int) uc.ScramKeys {
	return uc.ScramKeys{
		Salt: salt, Iterations: iterations,
		StoredKey: h.Sum(h.MAC(salted, []byte("Client Key"))), ServerKey: h.MAC(salted, []byte("Server Key")),
	}
}

// Derive makes the keys of a prepared password. Salts and iteration counts that the standard library refuses are errors.
func (h *Hash) Derive(password string, salt []byte, iterations int) (uc.ScramKeys, error) {
	salted, err := pbkdf2.Key(h.New, password, salt, iterations, h.New().Size())
	if err != nil {
		return uc.ScramKeys{}, err
	}
	return h.Keys(salted, salt, iterations), nil
}
