package sip

import (
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
	"pgregory.net/rapid"
)

// TestDigest checks what is taken and what is not.
func TestDigest(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	d := newDigestServer("example.org", []string{"SHA-256", "MD5"}, []byte("key"), func() time.Time { return now })
	answer := func(edit func(*digest.Challenge, *digest.Options, *digest.Credentials)) *digest.Credentials {
		c, err := digest.ParseChallenge(d.challenges(false)[0])
		if err != nil {
			t.Fatal(err)
		}
		o := digest.Options{Method: "REGISTER", URI: "sip:example.org", Username: "anna", Password: "secret", Count: 1}
		edit(c, &o, nil)
		cred, err := digest.Digest(c, o)
		if err != nil {
			t.Fatal(err)
		}
		edit(c, &o, cred)
		return cred
	}
	type edit = func(*digest.Challenge, *digest.Options, *digest.Credentials)
	after := func(act func(*digest.Credentials)) edit {
		return func(_ *digest.Challenge, _ *digest.Options, c *digest.Credentials) {
			if c != nil {
				act(c)
			}
		}
	}
	for _, test := range []struct {
		name  string
		edit  edit
		known bool
		want  verdict
	}{
		{"right", after(func(*digest.Credentials) {}), true, verdictGood},
		{"MD5", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.Algorithm = "MD5" }, true, verdictGood},
		{"no algorithm means MD5", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.Algorithm = "" }, true, verdictGood},
		{"without qop", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.QOP = nil }, true, verdictGood},
		{"capital letters", after(func(c *digest.Credentials) { c.Response = strings.ToUpper(c.Response) }), true, verdictGood},
		{"algorithm that was not offered", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.Algorithm = "SHA-512" }, true, verdictWrong},
		{"wrong secret", func(_ *digest.Challenge, o *digest.Options, _ *digest.Credentials) { o.Password = "other" }, true, verdictWrong},
		{"other method", func(_ *digest.Challenge, o *digest.Options, _ *digest.Credentials) { o.Method = "INVITE" }, true, verdictWrong},
		{"nobody", after(func(*digest.Credentials) {}), false, verdictWrong},
		{"other realm", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.Realm = "example.com" }, true, verdictWrong},
		{"nonce of another server", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) {
			c.Nonce = newDigestServer("example.org", []string{"MD5"}, []byte("other"), d.now).nonce()
		}, true, verdictWrong},
		{"no nonce", func(c *digest.Challenge, _ *digest.Options, _ *digest.Credentials) { c.Nonce = "" }, true, verdictWrong},
		{"too old", after(func(*digest.Credentials) { now = now.Add(nonceLife) }), true, verdictStale},
		{"too old and wrong", func(_ *digest.Challenge, o *digest.Options, c *digest.Credentials) {
			if o.Password = "other"; c != nil {
				now = now.Add(nonceLife)
			}
		}, true, verdictWrong},
	} {
		t.Run(test.name, func(t *testing.T) {
			cred := answer(test.edit)
			if got := d.check(cred, "REGISTER", "secret", test.known); got != test.want {
				t.Errorf("verdict %d, want %d", got, test.want)
			}
			if test.want == verdictGood {
				if got := d.check(cred, "REGISTER", "secret", true); got != verdictStale {
					t.Errorf("the same again: verdict %d, want stale", got)
				}
			}
		})
	}
}

// TestNonceCounts: whatever the order, no count of a nonce is ever taken twice, and none is refused that
// is new and not far behind.
func TestNonceCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n nonceCounts
		now := time.Unix(1_800_000_000, 0)
		nonce := [nonceHead]byte{1}
		taken := map[uint32]bool{}
		highest := uint32(0)
		for _, count := range rapid.SliceOf(rapid.Uint32Range(1, 200)).Draw(t, "counts") {
			now = now.Add(time.Second)
			got := n.take(nonce, count, now)
			want := !taken[count] && (count > highest || highest-count < 64)
			if got && taken[count] {
				t.Fatalf("count %d taken twice", count)
			}
			if got != want {
				t.Fatalf("count %d (highest %d): %v, want %v", count, highest, got, want)
			}
			taken[count] = taken[count] || got
			highest = max(highest, count)
		}
	})
}
