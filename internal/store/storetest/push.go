package storetest

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testPushTargets(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	target := func(user uc.UserID, node string, since time.Duration) uc.PushTarget {
		return uc.PushTarget{User: user, Service: "push.example.net", Node: node, Resource: "phone", Options: []byte("<x/>"), Since: began.Add(since)}
	}
	all := func() []uc.PushTarget { return must1(s.PushTargets(ctx))(t) }
	want(t, "targets of an empty store", all(), nil)

	first, second, other := target(1, "z", 0), target(1, "a", 1), target(2, "z", 0)
	for _, p := range []uc.PushTarget{other, second, first} {
		must(t, s.PutPushTarget(ctx, p, nil))
	}
	want(t, "targets", all(), []uc.PushTarget{first, second, other})

	first.Resource, first.Options, first.Since = "tablet", []byte("<y/>"), began.Add(time.Hour)
	must(t, s.PutPushTarget(ctx, first, nil))
	want(t, "one is replaced", all(), []uc.PushTarget{second, first, other})
	third := target(1, "b", 2*time.Hour)
	must(t, s.PutPushTarget(ctx, third, []uc.PushTarget{second, first}))
	want(t, "one takes the place of others", all(), []uc.PushTarget{third, other})

	must(t, s.DeletePushTargets(ctx, []uc.PushTarget{second, other}))
	must(t, s.Close())
	s = open()
	want(t, "after a restart", all(), []uc.PushTarget{third})
	third.Options = nil
	must(t, s.PutPushTarget(ctx, third, nil))
	want(t, "without a form", len(all()[0].Options), 0)
	wantKind(t, "target of a stranger", s.PutPushTarget(ctx, target(999, "z", 0), nil), uc.ErrNotFound)
}
