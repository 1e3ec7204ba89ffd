package storetest

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func testLastSeen(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	of := func(user uc.UserID) uc.LastSeen { return must1(s.LastSeen(ctx, user))(t) }
	want(t, "never seen", of(1), uc.LastSeen{User: 1})
	must(t, s.PutLastSeen(ctx, []uc.LastSeen{
		{User: 1, Login: began}, {User: 99, Login: began}, {User: 2, Login: began, Logout: began.Add(time.Hour), Status: "bye", Told: began},
	}))
	want(t, "came", of(1), uc.LastSeen{User: 1, Login: began})
	want(t, "came and went", of(2), uc.LastSeen{User: 2, Login: began, Logout: began.Add(time.Hour), Status: "bye", Told: began})
	want(t, "a user who does not exist", of(99), uc.LastSeen{User: 99})
	must(t, s.PutLastSeen(ctx, []uc.LastSeen{{User: 1, Logout: began.Add(time.Minute)}, {User: 2, Login: began.Add(2 * time.Hour)}}))
	want(t, "went", of(1), uc.LastSeen{User: 1, Login: began, Logout: began.Add(time.Minute)})
	want(t, "came again", of(2), uc.LastSeen{User: 2, Login: began.Add(2 * time.Hour), Logout: began.Add(time.Hour), Status: "bye", Told: began})
	must(t, s.PutLastSeen(ctx, nil))
}
