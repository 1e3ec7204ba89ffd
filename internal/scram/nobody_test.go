package scram

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestNobody: logins that there are not look like accounts, in the proportion of the accounts, and the same each time.
func TestNobody(t *testing.T) {
	n := Nobody{Secret: []byte("of the server"), Iterations: 16}
	var none uc.PasswordKeys
	census := &uc.HashCensus{0: 1000, uc.AllHashes: 10, uc.SHA1: 20, uc.SHA1 | uc.SHA256: 30}
	seen := uc.HashCensus{}
	for i := range 6000 {
		seen[n.Hashes(fmt.Sprint("nobody", i), &none, census)]++
	}
	for set, count := range seen {
		if want := 100 * census[set]; set != 0 && (count < want*8/10 || count > want*12/10) || set == 0 && count > 0 {
			t.Errorf("%d seem to have keys for %b, want about %d", count, set, want)
		}
	}
	if n.Hashes("nobody", &none, &uc.HashCensus{uc.AllHashes: 3}) != uc.AllHashes || n.Hashes("nobody", &none, &uc.HashCensus{}) != uc.AllHashes {
		t.Error("where nobody lacks keys somebody seems to")
	}
	for _, h := range Hashes() {
		one, genuine := n.Keys("nobody", &none, h)
		again, _ := n.Keys("nobody", &none, h)
		other, _ := n.Keys("somebody", &none, h)
		elsewhere, _ := (&Nobody{Secret: []byte("of another"), Iterations: 16}).Keys("nobody", &none, h)
		if genuine || !reflect.DeepEqual(one, again) || len(one.Salt) != SaltSize || one.Iterations != 16 || len(one.StoredKey) != h.New().Size() {
			t.Errorf("%s: %+v", h.Name, one)
		}
		if reflect.DeepEqual(one.Salt, other.Salt) || reflect.DeepEqual(one.Salt, elsewhere.Salt) {
			t.Errorf("%s: a salt of two", h.Name)
		}
	}
}

// TestCheck checks passwords by whichever keys there are.
func TestCheck(t *testing.T) {
	n, census := Nobody{Secret: []byte("of the server"), Iterations: 16}, &uc.HashCensus{uc.SHA1: 1, uc.AllHashes: 1}
	for set := uc.HashSet(0); set <= uc.AllHashes; set++ {
		var kept uc.PasswordKeys
		for _, h := range Hashes() {
			if set&h.Set != 0 {
				var err error
				if *kept.Of(h.Set), err = h.Derive("Secret123", NewSalt(), 8); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n.Hashes("anna", &kept, census) != set && set != 0 {
			t.Errorf("%b: other hashes", set)
		}
		for password, right := range map[string]bool{"Secret123": set != 0, "Secret124": false, "": false} {
			if n.Check("anna", password, &kept, census) != right {
				t.Errorf("%b, %q: not %v", set, password, right)
			}
		}
	}
	broken := uc.PasswordKeys{SHA256: uc.ScramKeys{StoredKey: []byte("x"), Iterations: -1}}
	if n.Check("anna", "", &broken, census) {
		t.Error("a password was checked by keys that nobody can make")
	}
}
