package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testFastTokens(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	token := func(client, key string, issued time.Duration) uc.FastToken {
		return uc.FastToken{
			User: 1, Client: client, Fresh: true, Mechanism: "HT-SHA-256-NONE", Key: []byte(key), Password: []byte("p"),
			Issued: began.Add(issued), Expires: began.Add(issued + time.Hour),
		}
	}
	use := func(tk uc.FastToken, count int64, ok bool) {
		t.Helper()
		want(t, fmt.Sprintf("use %s with %d", tk.Key, count), must1(s.UseFastToken(ctx, tk, count))(t), ok)
	}
	of := func(client string) []uc.FastToken { return must1(s.FastTokens(ctx, 1, client))(t) }

	first, second, third, other := token("a", "1", 0), token("a", "2", 1), token("a", "3", 2), token("b", "4", 3)
	for _, tk := range []uc.FastToken{first, other} {
		must(t, s.AddFastToken(ctx, tk))
	}
	want(t, "tokens", of("a"), []uc.FastToken{first})
	use(first, 0, true)
	first.Fresh = false

	must(t, s.AddFastToken(ctx, second))
	want(t, "with a successor", of("a"), []uc.FastToken{second, first})
	must(t, s.AddFastToken(ctx, third))
	want(t, "the successor that was not used is replaced", of("a"), []uc.FastToken{third, first})
	use(second, 0, false)
	use(first, 5, true)
	use(first, 5, false)
	use(first, 4, false)
	use(first, 0, true)
	first.Count = 5
	want(t, "use of the one before leaves its successor", of("a"), []uc.FastToken{third, first})
	use(third, 1, true)
	third.Fresh, third.Count = false, 1
	want(t, "use of the successor ends the one before", of("a"), []uc.FastToken{third})
	use(first, 9, false)

	must(t, s.DeleteFastToken(ctx, first))
	must(t, s.DeleteFastToken(ctx, third))
	want(t, "removed", of("a"), nil)
	want(t, "the other client's", of("b"), []uc.FastToken{other})

	must(t, s.AddFastToken(ctx, token("c", "5", 2*time.Hour)))
	want(t, "what has expired is gone", of("b"), nil)
	for i := range 50 {
		must(t, s.AddFastToken(ctx, token(fmt.Sprint("d", i), "k", 2*time.Hour+time.Duration(i+1))))
	}
	want(t, "the oldest makes room", len(of("c"))+len(of("d0")), 1)
	wantKind(t, "token of a stranger", s.AddFastToken(ctx, uc.FastToken{User: 999, Client: "a", Key: []byte("k"), Password: []byte("p")}), uc.ErrNotFound)
}
