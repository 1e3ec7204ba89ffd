package scram

import (
	"crypto/hmac"
	"encoding/base64"
	"testing"
)

// TestKeysAgainstStandard plays the server's part of the examples of RFC 5802 §5 and RFC 7677 §3.
func TestKeysAgainstStandard(t *testing.T) {
	for _, test := range []struct {
		name, salt, auth, proof, signature string
		hash                               *Hash
	}{{
		name: "SCRAM-SHA-1", hash: SHA1, salt: "QSXCR+Q6sek8bf92",
		auth: "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
		proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	}, {
		name: "SCRAM-SHA-256", hash: SHA256, salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
		auth: "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := test.hash.Derive("pencil", decode(t, test.salt), 4096)
			if err != nil {
				t.Fatal(err)
			}
			if got := base64.StdEncoding.EncodeToString(test.hash.MAC(keys.ServerKey, []byte(test.auth))); got != test.signature {
				t.Errorf("server signature %s, want %s", got, test.signature)
			}
			clientKey := test.hash.MAC(keys.StoredKey, []byte(test.auth))
			for i, b := range decode(t, test.proof) {
				clientKey[i] ^= b
			}
			if !hmac.Equal(test.hash.Sum(clientKey), keys.StoredKey) {
				t.Error("the stored key does not accept the client's proof")
			}
		})
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
