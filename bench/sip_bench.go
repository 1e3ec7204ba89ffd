package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// The sizes of a run. The first half of the telephones calls the second.
const (
	sipContacts = 10_000
	sipHeld     = 3_000 // calls at a time, for their memory; each takes four file descriptors of the relay

	sipRegisterRate = 2_000 // a second, when 10,000 register
	sipCallRate     = 600   // a second, when 3,000 calls are built up

	sipHold  = 500 * time.Millisecond // of calls that are counted, not held
	sipT1    = 500 * time.Millisecond // RFC 3261 §17.1.1.1
	sipSteps = 12                     // of a ramp at most
)

// benchSIP runs all phases against Rolecall and Kamailio.
func benchSIP(ctx context.Context, o options) (*table, error) {
	t := &table{over: "UDP", title: fmt.Sprintf("SIP over UDP, digest, %d telephones, one processor", sipContacts)}
	for _, s := range []struct {
		name  string
		begin startSIP
	}{{"rolecall", startRolecallSIP}, {"kamailio", startKamailio}} {
		fmt.Fprintf(os.Stderr, "%s  %s  %s\n", time.Now().Format(time.TimeOnly), s.name, phaseSIP)
		r, told, err := benchSIPServer(ctx, s.begin, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		t.servers, t.notes = append(t.servers, r), append(t.notes, told...)
	}
	t.notes = append(t.notes, `Rolecall is a back-to-back user agent: it opens four media ports for each call, keeps two dialogs,
writes call records and saves registrations to SQLite. Kamailio is a proxy with dialog tracking: it relays
no media and keeps everything in memory.
Memory is what is resident right after the load, with garbage and the transactions of the last five
seconds. A rate counts if nothing failed or was lost and 99 of 100 took less than 500 ms. No media is sent.`)
	return t, nil
}

func benchSIPServer(ctx context.Context, begin startSIP, o options) (_ *results, notes []string, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	s, err := begin(ctx, dir, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		s.stop()
		if err != nil { // its log is complete now
			err = fmt.Errorf("%w\n%s", err, s.log.String())
		}
	}()
	p, err := newSIPPhones(s.address)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	if err := p.alive(ctx); err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(os.Stderr, "%s is up\n", s.name)
	b := &sipRun{sipServer: s, p: p, r: &results{server: s.name}}
	err = errors.Join(b.phases(ctx, o), ctx.Err())
	return b.r, b.notes, err
}

// sipRun is the measurement of one server.
type sipRun struct {
	*sipServer
	p     *sipPhones
	r     *results
	notes []string
	next  int // telephone
}

// phases goes from what leaves nothing behind to what may: calls that fail at the limit.
func (b *sipRun) phases(ctx context.Context, o options) error {
	empty := b.proportional()
	if err := b.registerAll(ctx); err != nil {
		return err
	}
	registered := b.proportional()
	b.r.add("memory per registered contact", float64(registered-empty)/sipContacts/1000, "kB", false)
	if err := b.holdCalls(ctx, registered); err != nil {
		return err
	}
	b.r.add("registrations at most", b.ramp(ctx, "registrations", sipRegisterRate, o.duration*3/10, b.registerNext), "/s", true)
	b.r.add("calls at most", b.ramp(ctx, "calls", sipCallRate, o.duration*3/10, b.callNext), "/s", true)
	return nil
}

func (b *sipRun) registerNext(load *sipLoad) {
	b.p.register(load, b.phones[b.next%sipContacts])
	b.next++
}

func (b *sipRun) callNext(load *sipLoad) { b.callHolding(load, sipHold) }

func (b *sipRun) callHolding(load *sipLoad, hold time.Duration) {
	i := b.next % (sipContacts / 2)
	b.next++
	b.p.call(load, b.phones[i], b.phones[i+sipContacts/2], hold)
}

func (b *sipRun) registerAll(ctx context.Context) error {
	used := b.cpu()
	load := b.p.newLoad()
	pace(ctx, sipRegisterRate, sipContacts, func() { b.registerNext(load) })
	b.p.until(ctx, sipPatience, func() bool { return load.over() >= sipContacts })
	if err := load.verdict(b.p); err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	b.r.add("processor time per registration", perUnit(b.cpu()-used, sipContacts), "µs", false)
	b.r.add("registration, p99", quantile(load.setup, 0.99).Seconds()*1000, "ms", false)
	return nil
}

// holdCalls builds up calls, has them all in progress for a moment, and hangs up.
func (b *sipRun) holdCalls(ctx context.Context, registered int64) error {
	load, used := b.p.newLoad(), b.cpu()
	building := sipHeld * time.Second / sipCallRate
	pace(ctx, sipCallRate, sipHeld, func() { b.callHolding(load, building+2*time.Second) })
	b.p.until(ctx, sipPatience, func() bool { return load.up+len(load.failures) >= sipHeld })
	held := b.proportional()
	b.p.until(ctx, building+2*sipPatience, func() bool { return load.over() >= sipHeld })
	if err := load.verdict(b.p); err != nil {
		return fmt.Errorf("calling: %w", err)
	}
	b.r.add("processor time per call", perUnit(b.cpu()-used, sipHeld), "µs", false)
	b.r.add("call set-up, p99", quantile(load.setup, 0.99).Seconds()*1000, "ms", false)
	b.r.add("memory per call in progress", float64(held-registered)/sipHeld/1000, "kB", false)
	b.r.add(fmt.Sprintf("memory with %d calls", sipHeld), float64(held)/1e6, "MB", false)
	return nil
}

// ramp returns the highest rate, in exchanges a second, that the server kept: it rises by half until a
// step fails, and then tries once half-way between the last two.
func (b *sipRun) ramp(ctx context.Context, what string, rate float64, long time.Duration, begin func(*sipLoad)) float64 {
	best, limit := 0.0, 0.0
	for range sipSteps {
		kept, err := b.step(ctx, rate, long, begin)
		switch {
		case err != nil && limit > 0, ctx.Err() != nil:
			return best
		case err != nil:
			b.notes = append(b.notes, fmt.Sprintf("%s at %.0f %s a second: %v", b.name, rate, what, err))
			limit, rate = rate, (best+rate)/2
		case kept < rate*0.95:
			b.notes = append(b.notes, fmt.Sprintf("%s: %.0f %s a second are all that the generator can do", b.name, kept, what))
			return max(best, kept)
		case limit > 0:
			return rate
		default:
			best, rate = rate, rate*1.5
		}
	}
	return best
}

// step loads the server at a rate and returns the one that the generator really kept. Beyond sipT1 a
// telephone would begin to send again and make things worse.
func (b *sipRun) step(ctx context.Context, rate float64, long time.Duration, begin func(*sipLoad)) (float64, error) {
	load := b.p.newLoad()
	n := int(rate * long.Seconds())
	took := pace(ctx, rate, n, func() { begin(load) })
	b.p.until(ctx, sipHold+sipPatience, func() bool { return load.over() >= n })
	if err := load.verdict(b.p); err != nil {
		return 0, err
	}
	if slow := quantile(load.setup, 0.99); slow > sipT1 {
		return 0, fmt.Errorf("p99 is %s", slow.Round(time.Millisecond))
	}
	return float64(n) / took.Seconds(), nil
}

// pace begins n exchanges at a rate and returns how long that took.
func pace(ctx context.Context, rate float64, n int, begin func()) time.Duration {
	began := time.Now()
	for i := 0; i < n && ctx.Err() == nil; {
		for due := min(n, int(time.Since(began).Seconds()*rate)+1); i < due; i++ {
			begin()
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// over is how many exchanges have ended, well or not.
func (l *sipLoad) over() int {
	n := l.done
	for _, failed := range l.failures {
		n += failed
	}
	return n
}

// verdict gives up what is still going on and says what went wrong.
func (l *sipLoad) verdict(p *sipPhones) error {
	p.drop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if missing := l.up - (p.acknowledged - l.acknowledged); missing > 0 {
		l.failures["answer not acknowledged"] = missing
	}
	var problems []string
	for why, n := range l.failures {
		problems = append(problems, fmt.Sprintf("%d × %s", n, why))
	}
	slices.Sort(problems)
	if len(problems) > 0 {
		return fmt.Errorf("of %d: %v", l.over(), problems)
	}
	return nil
}

func perUnit(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(n) }
