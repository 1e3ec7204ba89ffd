package profiles

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// crowd is an engine with n users and 20 profiles, ten of them timed; it does not run.
func crowd(b *testing.B, n int) *Engine {
	events := bus.New()
	var list []uc.Profile
	for i := range 20 {
		p := uc.Profile{ID: uc.ProfileID(10 + i), Name: fmt.Sprint("P", i), Assigned: uc.AssignedAdmin}
		if i < 10 {
			p.Triggers = []uc.Trigger{{Kind: uc.TriggerTimed, At: fmt.Sprintf("%02d:00", 8+i), End: fmt.Sprintf("%02d:30", 8+i)}}
		}
		list = append(list, p)
	}
	p := newPeople(events, list)
	users := make([]uc.User, n)
	for i := range users {
		users[i] = uc.User{ID: uc.UserID(100 + i), Login: fmt.Sprint("u", i)}
	}
	p.dir = p.dir.With(uc.ChangeSet{Put: uc.Tables{Users: users}})
	now := monday(b, 7, 0)
	e, err := New(context.Background(), Deps{Store: newMemoryStore(), Directory: p, Switches: p, Bus: events},
		Options{Location: now.Location(), Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// BenchmarkLook is what it costs to look at a user for whom nothing changes.
func BenchmarkLook(b *testing.B) {
	e := crowd(b, 1)
	u := e.users[100]
	b.ReportAllocs()
	for b.Loop() {
		if err := e.update(context.Background(), u); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSwitch is a switch by hand without actions, on a store in memory.
func BenchmarkSwitch(b *testing.B) {
	e := crowd(b, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := e.Switch(context.Background(), uc.SwitchRequest{User: 100, Profile: uc.ProfileID(20 + i%10), By: byAnna}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTeams is news that say nothing new, as most do.
func BenchmarkTeams(b *testing.B) {
	e := crowd(b, 1)
	p := uc.TeamsPresence{User: 100, Activity: "Available"}
	for b.Loop() {
		e.Teams(p)
	}
}

// BenchmarkNew restores ten thousand users.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		crowd(b, 10000)
	}
}
