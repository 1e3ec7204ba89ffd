package bus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func presence(user uc.UserID, version uint64) uc.PresenceChanged {
	return uc.PresenceChanged{Presence: uc.Presence{User: user, Version: version}}
}

func TestReaderGetsItsTypesInOrder(t *testing.T) {
	b := New()
	r := b.Subscribe(8, uc.PresenceChanged{})
	b.Publish(uc.CallChanged{})
	b.Publish(presence(1, 1))
	b.Publish(presence(2, 1))
	for _, want := range []uc.UserID{1, 2} {
		e, err := r.Next(t.Context())
		if err != nil || e.(uc.PresenceChanged).Presence.User != want {
			t.Fatalf("got %v, %v, want user %d", e, err, want)
		}
	}
	if e, _, ok := r.TryNext(); ok {
		t.Fatalf("a reader of presence got %v", e)
	}
}

func TestNewerEventReplacesQueuedOneOfTheSameSubject(t *testing.T) {
	b := New()
	r := b.Subscribe(8, uc.PresenceChanged{})
	b.Publish(presence(1, 1))
	b.Publish(presence(2, 1))
	b.Publish(presence(1, 2))
	e, err := r.Next(t.Context())
	if err != nil || e != uc.Event(nil) && e.(uc.PresenceChanged).Presence.Version != 2 {
		t.Fatalf("got %v, %v, want version 2 of user 1", e, err)
	}
	b.Publish(presence(1, 3))
	got := []uint64{}
	for e, _, ok := r.TryNext(); ok; e, _, ok = r.TryNext() {
		got = append(got, e.(uc.PresenceChanged).Presence.Version)
	}
	if len(got) != 2 || got[0] != 1 || got[1] != 3 {
		t.Fatalf("after the first was read: versions %v, want 1 (user 2) and 3 (user 1)", got)
	}
}

func TestOverflowIsToldOnceAndPublishingGoesOn(t *testing.T) {
	b := New()
	r := b.Subscribe(2, uc.DirectoryChanged{})
	for range 3 {
		b.Publish(uc.DirectoryChanged{})
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, ErrOverflow) {
		t.Fatalf("error %v, want overflow", err)
	}
	if _, err := r.Next(t.Context()); err != nil {
		t.Fatalf("after the overflow: %v", err)
	}
	if _, _, ok := r.TryNext(); ok {
		t.Fatal("an event from before the overflow was still queued")
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New()
		r := b.Subscribe(2, uc.CallChanged{})
		go func() {
			time.Sleep(time.Second)
			b.Publish(uc.CallChanged{Call: uc.Call{ID: "late"}})
		}()
		if e, err := r.Next(t.Context()); err != nil || e.(uc.CallChanged).Call.ID != "late" {
			t.Fatalf("got %v, %v", e, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want the context's", err)
		}
		r.Close()
		b.Publish(uc.CallChanged{})
		if _, _, ok := r.TryNext(); ok {
			t.Fatal("a closed reader got an event")
		}
	})
}
