package plan

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// The plans that a busy server makes: how long they take must not count beside an INVITE.
func BenchmarkMake(b *testing.B) {
	for _, c := range []struct {
		name  string
		req   uc.PlanRequest
		given []fact
	}{
		{"one device", uc.PlanRequest{Caller: from(anna), To: "34"}, nil},
		{"three devices", uc.PlanRequest{Caller: from(ben), To: "12"}, nil},
		{"forwarded", uc.PlanRequest{Caller: from(cleo), To: "12"}, []fact{forward(anna, uc.ForwardAlways, uc.ForwardBoth, "34")}},
		{"team", uc.PlanRequest{Caller: from(dora), To: "80"}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			tables, live := company(), newState()
			for _, f := range c.given {
				f(tables, live)
			}
			dir := uc.NewDirectory(1, *tables)
			b.ReportAllocs()
			for b.Loop() {
				Make(c.req, dir, live)
			}
		})
	}
}
