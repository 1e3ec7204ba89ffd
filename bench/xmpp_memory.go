package main

import (
	"context"
	"slices"
	"time"
)

// rosterReaders is how many members of the big group read their roster.
const rosterReaders = 40

// bigRoster takes how long a member of a big group waits for the first roster, from the request to its
// last byte, and what the server keeps of it.
func bigRoster(ctx context.Context, b *bench) error {
	clients := make([]*client, rosterReaders)
	defer func() { closeAll(clients) }()
	for i := range clients {
		c, err := signIn(ctx, b.address, userName(i), b.o.tls)
		if err != nil {
			return err
		}
		clients[i] = c
	}
	var times []time.Duration
	var before, most float64
	var used time.Duration
	for i, c := range clients {
		if i == rosterReaders/4 { // the first ones pay for what all others share
			before = b.settledMemory(ctx)
			used = b.cpu()
		}
		began := time.Now()
		if err := c.askRoster(); err != nil {
			return err
		}
		times = append(times, time.Since(began))
		most = max(most, float64(b.memory()))
	}
	used = b.cpu() - used
	b.r.add(figRoster, times[0].Seconds()*1000, "ms", false)
	b.r.add("roster of a big group, p50", quantile(times, 0.5).Seconds()*1000, "ms", false)
	b.r.add("roster of a big group: processor time", microseconds(used, int64(len(clients)-rosterReaders/4)), "µs", false)
	b.r.add("memory while others read theirs, at most", (most-before)/1e6, "MB", false)
	b.r.add(figRosterGrowth, (b.settledMemory(ctx)-before)/1e6, "MB", false)
	return ctx.Err()
}

// settling is how long a server may take to come to rest before its memory counts.
const settling = 25 * time.Second

func (p *process) settledMemory(ctx context.Context) float64 {
	sleep(ctx, settling)
	return float64(p.memory())
}

// idle takes the memory of people who are online and do nothing: of our own server at rising numbers of them,
// of peers at one.
func idle(ctx context.Context, b *bench) error {
	m := memoryGrowth{over: overName(b.o.tls), sessions: []int{0}, bytes: []float64{b.settledMemory(ctx)}}
	for _, n := range idleSizes(b.o, b.name) {
		more, err := b.open(ctx, len(b.clients), n-len(b.clients))
		if err != nil {
			return err
		}
		b.clients = append(b.clients, more...)
		if err := sendAll(more, "<presence/>"); err != nil {
			return err
		}
		m.sessions, m.bytes = append(m.sessions, n), append(m.bytes, b.settledMemory(ctx))
		if n == b.o.idle {
			b.r.add(figIdle, (m.bytes[len(m.bytes)-1]-m.bytes[0])/float64(n)/1000, "kB", false)
		}
	}
	if len(m.sessions) > 2 {
		b.grown.memory = append(b.grown.memory, m)
	}
	return ctx.Err()
}

// idleSizes are the numbers of sessions, rising, as far as this process and a server have file descriptors.
func idleSizes(o options, server string) []int {
	sizes := []int{o.idle}
	if server == o.servers[0] {
		sizes = append(sizes, o.growth...)
	}
	slices.Sort(sizes)
	for i := range sizes {
		sizes[i] = sessionsPossible(sizes[i])
	}
	return sizes
}

func overName(overTLS bool) string {
	if overTLS {
		return "TLS 1.3"
	}
	return "plain TCP"
}
