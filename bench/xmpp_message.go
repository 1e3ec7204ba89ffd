package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// signIns signs the same users in and out, again and again. Each does it once before, so that the
// generator knows their salted passwords, as clients do that somebody uses every day.
func signIns(ctx context.Context, b *bench) error {
	n := min(200, b.o.sessions)
	once := func(i int) error {
		c, err := signIn(ctx, b.address, userName(i%n), b.o.tls)
		if err == nil {
			_ = c.conn.Close() // nothing is lost
		}
		return err
	}
	if err := inParallel(ctx, n, once); err != nil {
		return err
	}
	began, used := time.Now(), b.cpu()
	var done atomic.Int64
	err := inParallel(ctx, 1<<30, func(i int) error {
		if time.Since(began) > b.o.duration {
			return errEnough
		}
		done.Add(1)
		return once(i)
	})
	if err != errEnough { //nolint:errorlint // not wrapped
		return err
	}
	b.r.add(figSignIn, float64(done.Load())/time.Since(began).Seconds(), "/s", true)
	b.r.add("processor time per sign-in", microseconds(b.cpu()-used, done.Load()), "µs", false)
	return nil
}

var errEnough = fmt.Errorf("enough")

func window1(ctx context.Context, b *bench) error {
	clients, err := b.everybody(ctx)
	if err != nil {
		return err
	}
	return b.pingPong(ctx, clients, 1, figWindow1, figWindow1CPU)
}

func window16(ctx context.Context, b *bench) error {
	clients, err := b.everybody(ctx)
	if err != nil {
		return err
	}
	return b.pingPong(ctx, clients, 16, figWindow16, figWindow16+": processor time")
}

// archived exchanges messages that are kept, both ways.
func archived(ctx context.Context, b *bench) error {
	clients, err := b.open(ctx, 0, 2*b.o.pairs)
	if err != nil {
		return err
	}
	b.clients = clients
	count(clients)
	return b.pingPong(ctx, clients, 1, figArchived, figArchivedCPU)
}

// pingPong has pairs exchange messages; window messages of each pair are under way at a time.
func (b *bench) pingPong(ctx context.Context, clients []*client, window int, rate, cpu string) error {
	var running atomic.Bool
	running.Store(true)
	for i := range b.o.pairs {
		one, two := clients[i], clients[len(clients)-1-i]
		for _, pair := range [][2]*client{{one, two}, {two, one}} {
			from, text := pair[0], message(pair[1].name)
			from.react(func(n int) {
				if running.Load() {
					_ = from.send(strings.Repeat(text, n)) // a broken connection shows as a lower rate
				}
			})
		}
	}
	for i := range b.o.pairs {
		for range window {
			if err := clients[i].send(message(clients[len(clients)-1-i].name)); err != nil {
				return err
			}
		}
	}
	sleep(ctx, b.o.duration/5) // until the rate is steady
	n, began, used := messages(clients), time.Now(), b.cpu()
	sleep(ctx, b.o.duration)
	delivered, took, spent := messages(clients)-n, time.Since(began), b.cpu()-used
	running.Store(false)
	time.Sleep(300 * time.Millisecond) // what is still under way
	b.r.add(rate, float64(delivered)/took.Seconds(), "/s", true)
	b.r.add(cpu, microseconds(spent, delivered), "µs", false)
	return ctx.Err()
}

func (c *client) react(f func(n int)) { c.onMessage.Store(&f) }

func messages(clients []*client) (sum int64) {
	for _, c := range clients {
		sum += c.messages.Load()
	}
	return sum
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// message is about 200 bytes on the wire.
func message(to string) string {
	return "<message to='" + to + "@" + domain + "/r' type='chat' id='m1234567890'><body>" + strings.Repeat("lorem ipsum ", 9) + "</body></message>"
}

// stalled takes how long messages between pairs are under way while one more client is sent a lot, first
// while that client reads and then while it does not.
func stalled(ctx context.Context, b *bench) error {
	clients, err := b.everybody(ctx)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		reads bool
		name  string
	}{{true, "others' p99, with that client reading"}, {false, figStalled}} {
		before := b.memory()
		p99, err := b.besideVictim(ctx, clients, m.reads)
		if err != nil {
			return err
		}
		b.r.add(m.name, p99.Seconds()*1000, "ms", false)
		if !m.reads {
			b.r.add("memory for the client that does not read", float64(b.memory()-before)/1e6, "MB", false)
		}
	}
	return nil
}

// besideVictim paces messages between pairs, far below what servers can do, while a victim is sent about
// 4 MB a second, and returns how long the messages were under way.
func (b *bench) besideVictim(ctx context.Context, clients []*client, reads bool) (time.Duration, error) {
	last := b.o.sessions // the office's last user, who is not online
	victims, err := b.open(ctx, last, 1)
	if err != nil {
		return 0, err
	}
	defer closeAll(victims)
	if reads {
		count(victims)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	feeder := clients[len(clients)/2]
	wg.Go(func() { feed(ctx, feeder, userName(last), b.o.duration) })
	return paced(ctx, clients, min(b.o.pairs, 50), b.o.duration)
}

// feed sends a thousand messages of 4 kB a second. Each write may take long: servers slow such senders down.
func feed(ctx context.Context, from *client, to string, d time.Duration) {
	text := "<message to='" + to + "@" + domain + "/r' type='chat'><body>" + strings.Repeat("lorem ipsum ", 340) + "</body></message>"
	_ = from.conn.SetWriteDeadline(time.Now().Add(d + 2*time.Second)) // fails as the write does
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if from.send(strings.Repeat(text, 10)) != nil {
			return
		}
	}
}

// paced has each pair exchange a message every 20 ms and returns the p99 of the round trips.
func paced(ctx context.Context, clients []*client, pairs int, d time.Duration) (time.Duration, error) {
	const every = 20 * time.Millisecond
	times := make([][]time.Duration, pairs)
	sent := make([]atomic.Int64, pairs) // when, or 0 while there is no message under way
	for i := range pairs {
		one, two := clients[i], clients[len(clients)-1-i]
		back := message(one.name)
		two.react(func(int) { _ = two.send(back) }) // a broken connection shows as missing answers
		one.react(func(int) {
			if at := sent[i].Swap(0); at != 0 {
				times[i] = append(times[i], time.Duration(time.Now().UnixNano()-at))
			}
		})
	}
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; {
		for i := range pairs {
			if sent[i].CompareAndSwap(0, time.Now().UnixNano()) {
				if err := clients[i].send(message(clients[len(clients)-1-i].name)); err != nil {
					return 0, err
				}
			}
			time.Sleep(every / time.Duration(pairs))
		}
	}
	time.Sleep(time.Second) // what is still under way
	var all []time.Duration
	for i := range times {
		if at := sent[i].Load(); at != 0 {
			all = append(all, time.Duration(time.Now().UnixNano()-at)) // no answer yet
		}
		all = append(all, times[i]...)
	}
	return quantile(all, 0.99), ctx.Err()
}
