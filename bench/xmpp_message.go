package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// signIns signs the same users in and out, again and again. Each does it once before, so that the
// generator knows their salted passwords, as clients do that somebody uses every day.
func signIns(ctx context.Context, b *bench) error {
	n := 2 * b.o.pairs
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

// stalled takes how long messages between pairs are under way while one more client is sent 4 MB a second, first
// while that client reads, which is the control, and then while it does not. Of a server that does not slow the sender,
// the second takes in all that happens to a client that stops reading: its queue fills, its session ends, what it did
// not take is stored, and so is what it is sent from then on until the storage is full and the sender is refused.
//
// The generator has only one processor for all its clients, so a pause of its own counts as the server's. How late
// its pacing goroutine wakes up is therefore taken beside: a figure below it says nothing. A server may slow who
// sends too much, and who is slowed disturbs less, so what was sent is told as well. Each part lasts twice as long as
// other phases: a sender that is slowed needs its time to fill a queue.
func stalled(ctx context.Context, b *bench) error {
	duration := 2 * b.o.duration
	clients, err := b.everybody(ctx)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		reads     bool
		name, too string
	}{{true, figReading, ", with that client reading"}, {false, figStalled, ", with a client that stops reading"}} {
		before := b.memory()
		d, err := b.besideVictim(ctx, clients, m.reads, duration)
		if err != nil {
			return err
		}
		b.r.add(m.name, milliseconds(quantile(d.trips, 0.99)), "ms", false)
		b.r.add("generator's own delay, p99"+m.too, milliseconds(quantile(d.late, 0.99)), "ms", false)
		b.r.add("what is sent to one"+m.too, float64(d.fed)/1e6/duration.Seconds(), "MB/s", true)
		if !m.reads {
			b.r.add("memory for the client that does not read", float64(b.memory()-before)/1e6, "MB", false)
		}
	}
	return nil
}

// delays is what was taken beside a client that is sent a lot.
type delays struct {
	trips []time.Duration // of the messages of pairs, there and back
	late  []time.Duration // how much later than planned the generator sent them
	fed   int             // bytes that were sent to the client
}

// besideVictim paces messages between pairs, far below what servers can do, while a victim is sent about
// 4 MB a second.
func (b *bench) besideVictim(ctx context.Context, clients []*client, reads bool, duration time.Duration) (d delays, err error) {
	last := b.o.sessions // the office's last user, who is not online
	victims, err := b.open(ctx, last, 1)
	if err != nil {
		return d, err
	}
	defer closeAll(victims)
	if reads {
		count(victims)
	} else if err := victims[0].narrow(); err != nil {
		return d, err
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.fed = feed(ctx, clients[len(clients)/2], userName(last), duration) })
	trips, late, err := paced(ctx, clients, min(b.o.pairs, 50), duration)
	stop()
	wg.Wait()
	d.trips, d.late = trips, late
	return d, err
}

// narrow lets the kernel hold little of what the client does not read, so that the server notices soon.
func (c *client) narrow() error {
	conn := c.conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		return t.SetReadBuffer(64 << 10)
	}
	return nil
}

// feed sends a thousand messages of 4 kB a second and returns how many bytes went out. Each write may take long:
// servers slow such senders down.
func feed(ctx context.Context, from *client, to string, d time.Duration) (sent int) {
	text := strings.Repeat("<message to='"+to+"@"+domain+"/r' type='chat'><body>"+strings.Repeat("lorem ipsum ", 340)+"</body></message>", 10)
	began := time.Now()
	_ = from.conn.SetWriteDeadline(began.Add(d + 2*time.Second)) // fails as the write does
	for time.Since(began) < d && ctx.Err() == nil {
		if from.send(text) != nil {
			return sent // and the phases behind this one do without the sender
		}
		sent += len(text)
		time.Sleep(time.Until(began.Add(time.Duration(sent/len(text)) * 10 * time.Millisecond))) // not at all if it is late
	}
	_ = from.conn.SetWriteDeadline(time.Time{})
	return sent
}

// paced has each pair exchange a message every 20 ms and returns how long the round trips took, and how much
// later than planned this goroutine woke up to send.
func paced(ctx context.Context, clients []*client, pairs int, d time.Duration) (trips, late []time.Duration, err error) {
	pause := 20 * time.Millisecond / time.Duration(pairs)
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
					return nil, nil, err
				}
			}
			asleep := time.Now()
			time.Sleep(pause)
			late = append(late, time.Since(asleep)-pause)
		}
	}
	time.Sleep(time.Second) // what is still under way
	for i := range times {
		if at := sent[i].Load(); at != 0 {
			trips = append(trips, time.Duration(time.Now().UnixNano()-at)) // no answer yet
		}
		trips = append(trips, times[i]...)
	}
	return trips, late, ctx.Err()
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
