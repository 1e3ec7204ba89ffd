package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

func presences(clients []*client) (sum int64) {
	for _, c := range clients {
		sum += c.presences.Load()
	}
	return sum
}

// settle waits until so many presences have arrived in all, and then no more for a while. It returns
// when the last one came; a server that stays silent for a minute is not waited for.
func settle(ctx context.Context, clients []*client, atLeast int64) time.Time {
	last, at := presences(clients), time.Now()
	for ctx.Err() == nil && (time.Since(at) < 1500*time.Millisecond || last < atLeast && time.Since(at) < time.Minute) {
		time.Sleep(20 * time.Millisecond)
		if n := presences(clients); n != last {
			last, at = n, time.Now()
		}
	}
	return lastPresence(clients)
}

func lastPresence(clients []*client) time.Time {
	var last int64
	for _, c := range clients {
		last = max(last, c.lastPresence.Load())
	}
	return time.Unix(0, last)
}

// pairsInGroups returns how many presences everybody gets when everybody in their group comes online.
func pairsInGroups(n, group int) (sum int64) {
	for ; n > 0; n -= group {
		g := int64(min(n, group))
		sum += g * (g - 1)
	}
	return sum
}

// available returns the office's sessions when all of them have become available and heard of one another.
func (b *bench) available(ctx context.Context) ([]*client, error) {
	if !b.present {
		if err := initialPresence(ctx, b); err != nil {
			return nil, err
		}
	}
	settle(ctx, b.clients, 0)
	return b.clients, ctx.Err()
}

// initialPresence has everybody become available at once and waits until everybody has heard of it.
func initialPresence(ctx context.Context, b *bench) error {
	clients, err := b.everybody(ctx)
	if err != nil {
		return err
	}
	b.present = true
	began, used := time.Now(), b.cpu()
	if err := sendAll(clients, "<presence/>"); err != nil {
		return err
	}
	want := pairsInGroups(len(clients), b.o.group)
	at := settle(ctx, clients, want)
	if got := presences(clients); got < want {
		return fmt.Errorf("only %d of %d presences came", got, want)
	}
	b.r.add(figInitial, at.Sub(began).Seconds(), "s", false)
	b.r.add(figInitial+": processor time", (b.cpu() - used).Seconds(), "s", false)
	return ctx.Err()
}

// gather brings a group online and waits until it has come to rest.
func (b *bench) gather(ctx context.Context, first, n int) ([]*client, error) {
	clients, err := b.open(ctx, first, n)
	if err != nil {
		return nil, err
	}
	count(clients)
	if err := sendAll(clients, "<presence/>"); err != nil {
		return clients, err
	}
	settle(ctx, clients, pairsInGroups(n, n))
	return clients, ctx.Err()
}

// oneChange has one member of a group change, again and again, and takes the time until all others know.
func oneChange(ctx context.Context, b *bench) (err error) {
	if b.clients, err = b.gather(ctx, 0, b.o.group); err != nil {
		return err
	}
	times, _, err := b.changes(ctx, b.clients, 500)
	if err != nil {
		return err
	}
	b.r.add("one change, until all viewers have it, p50", milliseconds(quantile(times, 0.5)), "ms", false)
	b.r.add(figChange, milliseconds(quantile(times, 0.99)), "ms", false)
	return nil
}

// changes has the first of a group change n times, and takes how long it is until all others know it each
// time, and the server's processor time for all.
func (b *bench) changes(ctx context.Context, group []*client, n int) (times []time.Duration, cpu time.Duration, err error) {
	t := &tally{reached: make(chan struct{}, 1)}
	for _, c := range group[1:] {
		c.tally.Store(t)
	}
	used := b.cpu()
	for i := range n {
		t.enough.Store(t.n.Load() + int64(len(group)-1))
		began := time.Now()
		if err := group[0].send(fmt.Sprintf("<presence><show>away</show><status>%d</status></presence>", i)); err != nil {
			return nil, 0, err
		}
		for late := time.After(10 * time.Second); t.n.Load() < t.enough.Load(); {
			select {
			case <-t.reached:
			case <-late:
				return nil, 0, fmt.Errorf("a change of presence missed %d of %d viewers", t.enough.Load()-t.n.Load(), len(group)-1)
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
		}
		times = append(times, time.Since(began))
	}
	return times, b.cpu() - used, nil
}

// storms is how often the storm is repeated: one lasts so short that whatever else the machine does then decides.
const storms = 5

// storm has many change at once, each before the eyes of their group, and takes the median of some.
func storm(ctx context.Context, b *bench) error {
	clients, err := b.available(ctx)
	if err != nil {
		return err
	}
	want := int64(b.o.storm) * int64(b.o.group-1)
	var rates []float64
	var all int64
	var used time.Duration
	for i := range storms {
		before, began, cpu := presences(clients), time.Now(), b.cpu()
		if err := sendAll(clients[:b.o.storm], fmt.Sprintf("<presence><show>dnd</show><status>storm %d</status></presence>", i)); err != nil {
			return err
		}
		at := settle(ctx, clients, before+want)
		delivered := presences(clients) - before
		if err := ctx.Err(); err != nil {
			return err
		}
		if delivered < want {
			return fmt.Errorf("only %d of %d presences came", delivered, want)
		}
		rates = append(rates, float64(delivered)/at.Sub(began).Seconds())
		all, used = all+delivered, used+b.cpu()-cpu
	}
	slices.Sort(rates)
	b.r.add(figStorm, rates[storms/2], "/s", true)
	b.r.add("presence storm: processor time per delivery", microseconds(used, all), "µs", false)
	return nil
}
