package directory

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/saslprep"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
)

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

// passes reports whether a password is the login's.
func passes(d *Directory, login, password string) bool {
	_, right := d.CheckPassword(context.Background(), login, password)
	return right
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
		if got := passes(d, "anna", password); got != want {
			t.Errorf("%q: got %v", password, got)
		}
	}
	if passes(d, "nobody", "Secret123") || passes(d, "nobody", "") {
		t.Error("a user who does not exist has a password")
	}
	if user, right := d.CheckPassword(t.Context(), "anna", "Secret123"); user != u.ID || !right {
		t.Errorf("the password is that of user %d", user)
	}
	for pin, want := range map[string]bool{"0815": true, "815": false, "0816": false, "": false} {
		if got := d.CheckPIN(u.ID, pin); got != want {
			t.Errorf("PIN %q: got %v", pin, got)
		}
	}
	if err := d.SetPassword(t.Context(), uc.Actor{User: u.ID, Name: "anna"}, u.ID, "Changed456"); err != nil {
		t.Fatal(err)
	}
	if passes(d, "anna", "Secret123") || !passes(d, "anna", "Changed456") {
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

// TestUnknownLoginsCostTheSame gives passwords so many iterations that a check takes a time that can be felt: it takes it for
// a login that there is not, too.
func TestUnknownLoginsCostTheSame(t *testing.T) {
	d, err := Open(t.Context(), &Memory{}, bus.New(), Options{Iterations: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"nobody", "", "a@b"} {
		began := time.Now()
		if passes(d, login, "Secret123") {
			t.Errorf("%q has a password", login)
		}
		if took := time.Since(began); took < 5*time.Millisecond {
			t.Errorf("%q took %v", login, took)
		}
	}
}

// TestCompletedKeys signs in users whose keys come from another server and are not all there.
func TestCompletedKeys(t *testing.T) {
	const password = "Se\u00a0cret123"
	all := keysOfAll(t, password)
	for set := uc.HashSet(1); set <= uc.AllHashes; set++ {
		d, err := Open(t.Context(), &Memory{}, bus.New(), Options{Iterations: 16})
		if err != nil {
			t.Fatal(err)
		}
		var had uc.PasswordKeys
		for h := uc.SHA1; h < uc.AllHashes; h <<= 1 {
			if set&h != 0 {
				*had.Of(h) = *all.Of(h)
			}
		}
		u, err := d.ImportUser(t.Context(), uc.System, uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthLocal}, "", had)
		if err != nil {
			t.Fatal(err)
		}
		before := d.Snapshot()
		if passes(d, "anna", "Secret123") || d.Snapshot() != before {
			t.Errorf("hashes %b: a wrong password was taken, or changed something", set)
		}
		if !passes(d, "anna", password) {
			t.Errorf("hashes %b: the right password was refused", set)
		}
		after := d.Snapshot()
		now := after.Users.Get(u.ID).Password
		if now.Hashes() != uc.AllHashes || !now.Same(&had) || (after != before) != (set != uc.AllHashes) {
			t.Errorf("hashes %b: keys %+v", set, now)
		}
		for h := uc.SHA1; h < uc.AllHashes; h <<= 1 { // each of them is the password's
			if set&h == 0 && (now.Of(h).Iterations != 16 || len(now.Of(h).Salt) != scram.SaltSize) {
				t.Errorf("hashes %b: keys for %b are %+v", set, h, now.Of(h))
			}
			alone, err := d.ImportUser(t.Context(), uc.System, uc.User{Login: "b", Name: "B", Auth: uc.AuthLocal}, "", only(now, h))
			if err != nil || !passes(d, "b", password) {
				t.Errorf("hashes %b: the keys for %b are not of the password (%v)", set, h, err)
			}
			if err := d.Delete(t.Context(), uc.System, uc.Ref{Kind: uc.KindUser, ID: int64(alone.ID)}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKeysNotStored: who signs in does so although the keys that are missing cannot be stored.
func TestKeysNotStored(t *testing.T) {
	store := &full{}
	d, err := Open(t.Context(), store, bus.New(), Options{Iterations: 16})
	if err != nil {
		t.Fatal(err)
	}
	all := keysOfAll(t, "Secret123")
	if _, err := d.ImportUser(t.Context(), uc.System, uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthLocal}, "", only(all, uc.SHA1)); err != nil {
		t.Fatal(err)
	}
	store.full = true
	before := d.Snapshot()
	if !passes(d, "anna", "Secret123") || d.Snapshot() != before {
		t.Error("the right password was refused, or keys were added that are not stored")
	}
}

// full is a store that can be full.
type full struct {
	Memory
	full bool
}

func (s *full) SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error {
	if s.full {
		return errors.New("the disk is full")
	}
	return s.Memory.SaveDirectory(ctx, base, commits)
}

func only(keys uc.PasswordKeys, h uc.HashSet) (k uc.PasswordKeys) {
	*k.Of(h) = *keys.Of(h)
	return k
}

// keysOfAll makes keys as another server would, with iterations and a salt of its own.
func keysOfAll(t *testing.T, password string) uc.PasswordKeys {
	t.Helper()
	prepared, ok := saslprep.Prepare(password)
	if !ok {
		t.Fatalf("%q cannot be prepared", password)
	}
	d := &Directory{nobody: scram.Nobody{Iterations: 8}}
	keys, err := d.deriveFor(uc.AllHashes, prepared)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestAddKeys adds keys to a password that may have changed since they were made.
func TestAddKeys(t *testing.T) {
	d, err := Open(t.Context(), &Memory{}, bus.New(), Options{Iterations: 16})
	if err != nil {
		t.Fatal(err)
	}
	all, other := keysOfAll(t, "Secret123"), keysOfAll(t, "Secret123")
	had := only(all, uc.SHA1)
	u, err := d.ImportUser(t.Context(), uc.System, uc.User{Login: "anna", Name: "Anna", Auth: uc.AuthLocal}, "", had)
	if err != nil {
		t.Fatal(err)
	}
	add := func(had, more uc.PasswordKeys) error { return d.AddKeys(t.Context(), uc.System, u.ID, had, more) }
	kept := func() uc.PasswordKeys { return d.Snapshot().Users.Get(u.ID).Password }
	for what, wrong := range map[string]uc.PasswordKeys{"none": {}, "of another salt": only(other, uc.SHA1), "of another hash": only(all, uc.SHA256)} {
		if err := add(wrong, only(all, uc.SHA512)); !errors.Is(err, uc.ErrConflict) {
			t.Errorf("beside keys that are %s: %v", what, err)
		}
	}
	if err := add(had, only(all, uc.SHA256)); err != nil {
		t.Fatal(err)
	}
	// Another session that has seen no more than the first keys adds others, and comes too late for some.
	late := only(all, uc.SHA512)
	late.SHA256 = other.SHA256
	if err := add(had, late); err != nil {
		t.Fatal(err)
	}
	if now := kept(); !now.Same(&all) || now.Hashes() != uc.AllHashes {
		t.Errorf("keys %+v", now)
	}
	before := d.Snapshot()
	if err := add(had, other); err != nil || d.Snapshot() != before {
		t.Errorf("where nothing is missing: %v", err)
	}
	if err := d.SetPassword(t.Context(), uc.System, u.ID, "Changed456"); err != nil {
		t.Fatal(err)
	}
	changed := kept()
	if err := add(had, all); !errors.Is(err, uc.ErrConflict) || !reflect.DeepEqual(kept(), changed) {
		t.Errorf("after the password was changed: %v", err)
	}
	if err := d.AddKeys(t.Context(), uc.System, 99, had, all); !errors.Is(err, uc.ErrNotFound) {
		t.Errorf("for nobody: %v", err)
	}
	is := *d.Snapshot().Users.Get(u.ID)
	is.Auth = uc.AuthLDAP
	if err := d.UpdateUser(t.Context(), uc.System, is); err != nil {
		t.Fatal(err)
	}
	if err := add(changed, all); !errors.Is(err, uc.ErrConflict) || passes(d, "anna", "Changed456") {
		t.Errorf("where the password is elsewhere: %v", err)
	}
}
