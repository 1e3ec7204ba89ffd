package uc

import (
	"reflect"
	"testing"
)

// keysFor makes keys that have the given text in them, for some hashes.
func keysFor(set HashSet, text string) PasswordKeys {
	var k PasswordKeys
	for h := SHA1; h < AllHashes; h <<= 1 {
		if set&h != 0 {
			*k.Of(h) = ScramKeys{Salt: []byte(text), Iterations: 1, StoredKey: []byte(text), ServerKey: []byte(text)}
		}
	}
	return k
}

func TestKeysOfHashes(t *testing.T) {
	for set := HashSet(0); set <= AllHashes; set++ {
		k := keysFor(set, "old")
		if got := k.Hashes(); got != set {
			t.Errorf("keys for %b are said to be for %b", set, got)
		}
		all := keysFor(AllHashes, "new")
		sum := k.With(&all)
		for h := SHA1; h < AllHashes; h <<= 1 {
			want := "new"
			if set&h != 0 {
				want = "old"
			}
			if got := string(sum.Of(h).StoredKey); got != want {
				t.Errorf("keys for %b, with those that were missing: %b is %s", set, h, got)
			}
		}
		if !reflect.DeepEqual(k, keysFor(set, "old")) {
			t.Errorf("keys for %b were changed", set)
		}
		if got := sum.Same(&k); got != (set != 0) {
			t.Errorf("keys for %b, and with those that were missing, are the same: %v", set, got)
		}
	}
	if k := keysFor(SHA1, "x"); k.Of(SHA1|SHA256) != nil || k.Of(0) != nil {
		t.Error("no single hash has keys")
	}
}

func TestSameKeys(t *testing.T) {
	join := func(list ...PasswordKeys) (all PasswordKeys) {
		for _, k := range list {
			all = all.With(&k)
		}
		return all
	}
	for _, c := range []struct {
		what string
		a, b PasswordKeys
		want bool
	}{
		{"the same", keysFor(AllHashes, "x"), keysFor(AllHashes, "x"), true},
		{"set anew", keysFor(AllHashes, "x"), keysFor(AllHashes, "y"), false},
		{"one differs", keysFor(AllHashes, "x"), join(keysFor(SHA1|SHA256, "x"), keysFor(SHA512, "y")), false},
		{"more were added", keysFor(SHA1, "x"), join(keysFor(SHA1, "x"), keysFor(SHA512, "y")), true},
		{"different ones were added", join(keysFor(SHA1, "x"), keysFor(SHA256, "y")), join(keysFor(SHA1, "x"), keysFor(SHA512, "z")), true},
		{"nothing in common", keysFor(SHA1, "x"), keysFor(SHA256, "x"), false},
		{"none", PasswordKeys{}, PasswordKeys{}, false},
	} {
		if c.a.Same(&c.b) != c.want || c.b.Same(&c.a) != c.want {
			t.Errorf("%s: want %v", c.what, c.want)
		}
	}
}
