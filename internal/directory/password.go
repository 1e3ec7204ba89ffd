package directory

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/rolecall/rolecall/internal/saslprep"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
)

// SetPassword gives a user a new password. If it is the user who changes it, they need not change it again.
func (d *Directory) SetPassword(ctx context.Context, by uc.Actor, user uc.UserID, password string) error {
	keys, err := d.passwordKeys(password)
	if err != nil {
		return err
	}
	return d.do(ctx, by, func(e *edit) error {
		u, err := e.user(user)
		if err != nil {
			return err
		}
		if u.Auth != uc.AuthLocal {
			return uc.FieldError(uc.ErrConflict, "auth", "the password of %s is not kept here (%s)", u.Login, u.Auth)
		}
		u.Password = keys
		u.MustChangePassword = u.MustChangePassword && by.User != user
		e.put.Users = append(e.put.Users, u)
		e.note("set the password of %s", u.Login)
		return nil
	})
}

// CheckPassword reports whether the password is the login's, and whose that is. It takes as long for a login that there is
// not. If the keys of some hashes are not kept, as with accounts of another server, they are made of a password that is right.
func (d *Directory) CheckPassword(ctx context.Context, login, password string) (uc.UserID, bool) {
	var kept uc.PasswordKeys
	dir := d.Snapshot()
	u := dir.UserByLogin(login)
	if u != nil && u.Auth == uc.AuthLocal {
		kept = u.Password
	}
	prepared, ok := saslprep.Prepare(password) // no password that is kept here cannot be prepared
	census := dir.Hashes()
	if !d.nobody.Check(login, prepared, &kept, &census) || !ok {
		return 0, false
	}
	d.completeKeys(ctx, u, prepared)
	return u.ID, true
}

// completeKeys makes and stores the keys that are missing of a password that is the user's.
func (d *Directory) completeKeys(ctx context.Context, u *uc.User, prepared string) {
	missing := uc.AllHashes &^ u.Password.Hashes()
	if missing == 0 {
		return
	}
	keys, err := d.deriveFor(missing, prepared)
	if err == nil {
		err = d.AddKeys(ctx, uc.Actor{User: u.ID, Name: u.Login}, u.ID, u.Password, keys)
	}
	if err != nil {
		d.log.Warn("directory: keys that a password lacks were not added", "login", u.Login, "err", err)
	}
}

// AddKeys stores keys of a user's password for hashes that there were none for, and leaves those that there are as they
// are. had is what they were made beside: if it is not what is kept, but for keys that were added since, then the
// password has been changed, and the error is uc.ErrConflict.
func (d *Directory) AddKeys(ctx context.Context, by uc.Actor, user uc.UserID, had, add uc.PasswordKeys) error {
	return d.do(ctx, by, func(e *edit) error {
		u, err := e.user(user)
		if err != nil {
			return err
		}
		if u.Auth != uc.AuthLocal || !u.Password.Same(&had) {
			return uc.FieldError(uc.ErrConflict, "password", "the password of %s has been changed", u.Login)
		}
		if add.Hashes()&^u.Password.Hashes() == 0 {
			return nil
		}
		u.Password = u.Password.With(&add)
		e.put.Users = append(e.put.Users, u)
		e.note("completed the keys of the password of %s", u.Login)
		return nil
	})
}

// passwordKeys checks a new password against the rule and makes its keys.
func (d *Directory) passwordKeys(password string) (uc.PasswordKeys, error) {
	if err := checkPasswordRule(password); err != nil {
		return uc.PasswordKeys{}, err
	}
	return d.derivePassword(password)
}

// derivePassword makes the keys of a password for all hashes.
func (d *Directory) derivePassword(password string) (uc.PasswordKeys, error) {
	prepared, ok := saslprep.Prepare(password)
	if !ok {
		return uc.PasswordKeys{}, uc.FieldError(uc.ErrInvalid, "password", "the password has characters that cannot be typed everywhere")
	}
	return d.deriveFor(uc.AllHashes, prepared)
}

// deriveFor makes the keys of a prepared password for some hashes, in parallel.
func (d *Directory) deriveFor(hashes uc.HashSet, prepared string) (uc.PasswordKeys, error) {
	var keys uc.PasswordKeys
	var wg sync.WaitGroup
	var errs [3]error
	for i, h := range scram.Hashes() {
		if hashes&h.Set != 0 {
			wg.Go(func() { *keys.Of(h.Set), errs[i] = h.Derive(prepared, scram.NewSalt(), d.nobody.Iterations) })
		}
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return uc.PasswordKeys{}, fmt.Errorf("directory: derive keys: %w", err)
	}
	return keys, nil
}

// checkPasswordRule holds passwords to: at least 8 characters with upper case, lower case and a digit.
func checkPasswordRule(password string) error {
	if utf8.RuneCountInString(password) < 8 ||
		!strings.ContainsFunc(password, unicode.IsUpper) ||
		!strings.ContainsFunc(password, unicode.IsLower) ||
		!strings.ContainsFunc(password, unicode.IsDigit) {
		return uc.FieldError(uc.ErrInvalid, "password",
			"the password needs at least 8 characters, with an upper-case letter, a lower-case letter and a digit")
	}
	if len(password) > maxText {
		return uc.FieldError(uc.ErrInvalid, "password", "the password is longer than %d bytes", maxText)
	}
	return nil
}

// SetPIN gives a user a new PIN of at least 4 digits.
func (d *Directory) SetPIN(ctx context.Context, by uc.Actor, user uc.UserID, pin string) error {
	hashed, err := d.hashPIN(pin)
	if err != nil {
		return err
	}
	return d.do(ctx, by, func(e *edit) error {
		u, err := e.user(user)
		if err != nil {
			return err
		}
		u.PINHash = hashed
		e.put.Users = append(e.put.Users, u)
		e.note("set the PIN of %s", u.Login)
		return nil
	})
}

// CheckPIN reports whether the PIN is the user's.
func (d *Directory) CheckPIN(user uc.UserID, pin string) bool {
	u := d.Snapshot().Users.Get(user)
	if u == nil {
		return false
	}
	iterations, salt, want, err := parsePINHash(u.PINHash)
	if err != nil {
		return false
	}
	got, err := pbkdf2.Key(sha256.New, pin, salt, iterations, len(want))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

func (d *Directory) hashPIN(pin string) (string, error) {
	if len(pin) < 4 || len(pin) > 32 || strings.ContainsFunc(pin, func(r rune) bool { return r < '0' || r > '9' }) {
		return "", uc.FieldError(uc.ErrInvalid, "pin", "the PIN needs at least 4 digits, and nothing else")
	}
	s := scram.NewSalt()
	key, err := pbkdf2.Key(sha256.New, pin, s, d.nobody.Iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("directory: hash PIN: %w", err)
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("pbkdf2-sha256 %d %s %s", d.nobody.Iterations, b64.EncodeToString(s), b64.EncodeToString(key)), nil
}

func parsePINHash(text string) (iterations int, salt, key []byte, err error) {
	var s, k string
	if _, err := fmt.Sscanf(text, "pbkdf2-sha256 %d %s %s", &iterations, &s, &k); err != nil {
		return 0, nil, nil, err
	}
	if salt, err = base64.RawStdEncoding.DecodeString(s); err != nil {
		return 0, nil, nil, err
	}
	key, err = base64.RawStdEncoding.DecodeString(k)
	return iterations, salt, key, err
}
