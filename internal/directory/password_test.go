package directory

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // SCRAM-SHA-1
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"testing"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// TestKeysAgainstStandard plays the server's part of the examples of RFC 5802 §5 and RFC 7677 §3.
func TestKeysAgainstStandard(t *testing.T) {
	for _, test := range []struct {
		name, salt, auth, proof, signature string
		hash                               func() hash.Hash
	}{{
		name: "SCRAM-SHA-1", hash: sha1.New, salt: "QSXCR+Q6sek8bf92",
		auth: "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
		proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	}, {
		name: "SCRAM-SHA-256", hash: sha256.New, salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
		auth: "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := deriveKeys(test.hash, "pencil", decode(t, test.salt), 4096)
			if err != nil {
				t.Fatal(err)
			}
			if got := base64.StdEncoding.EncodeToString(mac(test.hash, keys.ServerKey, test.auth)); got != test.signature {
				t.Errorf("server signature %s, want %s", got, test.signature)
			}
			clientKey := mac(test.hash, keys.StoredKey, test.auth)
			for i, b := range decode(t, test.proof) {
				clientKey[i] ^= b
			}
			h := test.hash()
			h.Write(clientKey)
			if !hmac.Equal(h.Sum(nil), keys.StoredKey) {
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

func TestSASLprep(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX", // RFC 4013 §3
		"a\u00a0b\u3000c": "a b c", "e\u0301": "é",
	} {
		if got, err := saslprep(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"\u0007", "a\xff", "\ufffd", "a\u2028b", "\u200e", "\ue000"} {
		if got, err := saslprep(in); !errors.Is(err, uc.ErrInvalid) {
			t.Errorf("%q: got %q, %v; want it refused", in, got, err)
		}
	}
}

func TestPasswordRule(t *testing.T) {
	for password, good := range map[string]bool{
		"Secret12": true, "Änderung1": true, "sECRET 99": true,
		"": false, "Secret1": false, "secret12": false, "SECRET12": false, "Secretary": false,
	} {
		if err := checkPasswordRule(password); (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	d, err := Open(t.Context(), &Memory{}, bus.New(), Options{Iterations: 16})
	if err != nil {
		t.Fatal(err)
	}
	u, err := d.AddUser(t.Context(), uc.System, uc.NewUser{
		User: uc.User{Login: "anna", Name: "Anna", MustChangePassword: true}, Password: "Se\u00adcret123", PIN: "0815"})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"Secret123": true, "Secret124": false, "": false, "\x00": false} {
		if got := d.CheckPassword(u.ID, password); got != want {
			t.Errorf("%q: got %v", password, got)
		}
	}
	if d.CheckPassword(99, "Secret123") {
		t.Error("a user who does not exist has a password")
	}
	for pin, want := range map[string]bool{"0815": true, "815": false, "0816": false, "": false} {
		if got := d.CheckPIN(u.ID, pin); got != want {
			t.Errorf("PIN %q: got %v", pin, got)
		}
	}
	if err := d.SetPassword(t.Context(), uc.Actor{User: u.ID, Name: "anna"}, u.ID, "Changed456"); err != nil {
		t.Fatal(err)
	}
	if d.CheckPassword(u.ID, "Secret123") || !d.CheckPassword(u.ID, "Changed456") {
		t.Error("the password was not changed")
	}
	now := d.Snapshot().Users.Get(u.ID)
	if now.MustChangePassword {
		t.Error("she must change her password again")
	}
	keys := now.Password
	if len(keys.SHA1.StoredKey) != 20 || len(keys.SHA256.StoredKey) != 32 || len(keys.SHA512.ServerKey) != 64 || keys.SHA512.Iterations != 16 {
		t.Errorf("keys %+v", keys)
	}
	if err := d.SetPIN(t.Context(), uc.System, u.ID, "123"); !errors.Is(err, uc.ErrInvalid) {
		t.Errorf("a PIN of three digits: %v", err)
	}
	if err := d.SetPIN(t.Context(), uc.System, u.ID, "9999"); err != nil || !d.CheckPIN(u.ID, "9999") || d.CheckPIN(u.ID, "0815") {
		t.Errorf("the PIN was not changed: %v", err)
	}
}
