package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The phases that can be chosen.
const (
	phaseSignIn   = "signin"
	phasePresence = "presence"
	phaseWindow1  = "window1"
	phaseWindow16 = "window16"
	phaseStalled  = "stalled"
	phaseChange   = "change"
	phaseStorm    = "storm"
	phaseArchive  = "archive"
	phaseRoster   = "roster"
	phaseIdle     = "idle"
	phaseViewers  = "viewers"
	phaseSIP      = "sip"
)

// phase is one measurement. It begins when the one before has come to rest.
type phase struct {
	name    string
	measure func(context.Context, *bench) error
}

// stage is a start of each server with the phases that it serves.
type stage struct {
	company func(options) company
	phases  []phase
	rounds  int // how many times each server has its turn, if more than once
	archive bool
	own     bool // of our own server only, and over plain TCP only
}

var stages = []stage{
	// A machine's speed changes from one minute to the next, by more than these ratios are away from their goals.
	{company: pairsOnly, rounds: 7, phases: []phase{{phaseSignIn, signIns}}},
	{company: office, rounds: 5, phases: []phase{
		{phaseWindow1, window1},
		{phaseWindow16, window16},
	}},
	{company: office, rounds: 5, phases: []phase{{phaseStalled, stalled}}},
	{company: oneGroup, rounds: 5, phases: []phase{{phaseChange, oneChange}}},
	{company: office, phases: []phase{
		{phasePresence, initialPresence},
		{phaseStorm, storm},
	}},
	{company: pairsOnly, archive: true, phases: []phase{{phaseArchive, archived}}},
	{company: bigGroup, own: true, phases: []phase{{phaseRoster, bigRoster}}},
	{company: strangers, phases: []phase{{phaseIdle, idle}}},
	{company: crowds, own: true, phases: []phase{{phaseViewers, viewers}}},
}

func phaseNames() []string {
	var names []string
	for _, s := range stages {
		for _, p := range s.phases {
			names = append(names, p.name)
		}
	}
	return append(names, phaseSIP)
}

// office is a company in groups, with one more user who is sent a lot.
func office(o options) company {
	c := company{users: o.sessions + 1, accounts: o.sessions + 1}
	for range o.sessions / o.group {
		c.groups = append(c.groups, o.group)
	}
	return c
}

// oneGroup is a company in which everybody sees everybody.
func oneGroup(o options) company {
	return company{groups: []int{o.group}, users: o.group, accounts: o.group}
}

func pairsOnly(o options) company { return company{users: 2 * o.pairs, accounts: 2 * o.pairs} }

func bigGroup(o options) company {
	return company{groups: []int{o.roster}, users: o.roster, accounts: rosterReaders}
}

func strangers(o options) company {
	n := slices.Max(append(o.growth, o.idle))
	return company{users: n, accounts: o.idle}
}

// crowds are groups of rising size.
func crowds(o options) company {
	var c company
	for _, n := range o.watching {
		c.groups = append(c.groups, n+1)
		c.users += n + 1
	}
	return c
}

// bench is what the phases of one start of one server share.
type bench struct {
	*xmppServer
	o       options
	r       *results
	grown   *growth
	clients []*client // of the office: who is online from the first phase to the last
	present bool      // they are available
}

// benchXMPP runs all phases that are wanted, each against every server; nil if none is. After an error the
// table has what was measured before.
func benchXMPP(ctx context.Context, o options, grown *growth) (*table, error) {
	t := &table{over: overName(o.tls), goals: goalsPlain}
	if o.tls {
		t.goals = goalsTLS
	}
	t.title = fmt.Sprintf("XMPP over %s; %d sessions in groups of %d, %d pairs, one processor", t.over, o.sessions, o.group, o.pairs)
	for _, name := range o.servers {
		if starts[name] == nil {
			return nil, fmt.Errorf("%s is no server that can be compared", name)
		}
		t.servers = append(t.servers, &results{server: name})
	}
	for _, s := range stages {
		if !slices.ContainsFunc(s.phases, func(p phase) bool { return o.wants(p.name) }) {
			continue
		}
		for range max(s.rounds, 1) {
			if err := s.round(ctx, t, o, grown); err != nil {
				return t, err
			}
		}
	}
	if len(t.servers[0].figures) == 0 {
		return nil, nil
	}
	return t, nil
}

// round has each server run the stage's phases. A peer that gives up is no reason to; its note is in the table.
func (s *stage) round(ctx context.Context, t *table, o options, grown *growth) error {
	for i, r := range t.servers {
		if s.own && (i > 0 || o.tls) {
			break
		}
		if err := s.run(ctx, r, o, grown); err != nil {
			if i == 0 || ctx.Err() != nil {
				return err
			}
			t.notes = append(t.notes, fmt.Sprintf("%s: %s", r.server, firstLine(err)))
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// run starts a server, runs the stage's phases against it and stops it.
func (s *stage) run(ctx context.Context, r *results, o options, grown *growth) error {
	o.archive = s.archive
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := starts[r.server](ctx, dir, s.company(o), o)
	if server == nil {
		return err
	}
	defer server.stop()
	b := &bench{xmppServer: server, o: o, r: r, grown: grown}
	defer func() { closeAll(b.clients) }()
	for _, p := range s.phases {
		if err != nil || ctx.Err() != nil {
			break
		}
		if o.wants(p.name) {
			fmt.Fprintf(os.Stderr, "%s  %s  %s\n", time.Now().Format(time.TimeOnly), r.server, p.name)
			if err = p.measure(ctx, b); err != nil {
				err = fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	if err = firstOf(err, ctx.Err()); err != nil {
		return fmt.Errorf("%s: %w\n%s", r.server, err, server.log.String())
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		if c != nil {
			c.conn.Close()
		}
	}
}

// open signs users in, some at a time, and reads their rosters. Nobody is available yet.
func (b *bench) open(ctx context.Context, first, n int) ([]*client, error) {
	clients := make([]*client, n)
	err := inParallel(ctx, n, func(i int) error {
		c, err := signIn(ctx, b.address, userName(first+i), b.o.tls)
		if err != nil {
			return err
		}
		clients[i] = c
		return c.askRoster()
	})
	if err != nil {
		closeAll(clients)
		return nil, err
	}
	return clients, nil
}

// inParallel calls f with 0 to n-1, with sixteen goroutines, until one call fails.
func inParallel(ctx context.Context, n int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1) - 1); i < n && failed.Load() == nil && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := f(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// count has the clients count what they get, each in a goroutine that ends with its connection.
func count(clients []*client) {
	for _, c := range clients {
		go c.count()
	}
}

// everybody returns the office's sessions and signs them in first if no phase has.
func (b *bench) everybody(ctx context.Context) ([]*client, error) {
	if b.clients == nil {
		clients, err := b.open(ctx, 0, b.o.sessions)
		if err != nil {
			return nil, err
		}
		b.clients = clients
		count(clients)
	}
	return b.clients, nil
}

// sendAll has all clients send the same.
func sendAll(clients []*client, text string) error {
	for _, c := range clients {
		if err := c.send(text); err != nil {
			return err
		}
	}
	return nil
}

// microseconds returns how long each of n took, in microseconds.
func microseconds(d time.Duration, n int64) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(max(n, 1))
}
