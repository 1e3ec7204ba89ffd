// Package graph reads from Microsoft Graph who is in a Teams call. Every few seconds it asks
// POST /communications/getPresencesByUserId for those users whom some offered profile with a Teams trigger
// concerns, up to 650 in a request, and hands what it hears to the profile engine. It needs the
// application permission Presence.Read.All, and User.Read.All to find accounts by name or e-mail.
//
// Everything the SDK waits or retries for is switched off; this package waits itself. 429 is obeyed and
// stretches the interval, which shrinks slowly after. 5xx and timeouts are tried again, ever more
// slowly. A token that is refused is replaced once. Where only a person can help (secret, consent,
// permission), the state is "needs admin" and one try in some minutes sees whether they have. A 400 halves
// the request until the object id at fault is found. An answer that is older than one before it, by
// Graph's sequence number, is dropped.
//
// msgraph-sdk-go costs 100 s and 4.5 GiB to compile, once; so this is the only package that imports it, and
// only its communications and models. The SDK's root package, users and models.User must not be
// imported: they add minutes to the build and 31 MB to the binary.
//
// [Poller.Run] is the one goroutine that owns a poller's state; it starts another one while it reads the
// list of users, and waits for it before it returns.
package graph

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Directory says who is to be watched.
type Directory interface{ Snapshot() *uc.Directory }

// Sink takes what Graph says; it must not block.
type Sink interface{ Teams(uc.TeamsPresence) }

// Publisher takes uc.TeamsSyncChanged; it must not block.
type Publisher interface{ Publish(uc.Event) }

// Poller reads presence until its Run ends.
type Poller struct {
	client    *client
	directory Directory
	sink      Sink
	domain    string
	log       *slog.Logger
	status    status

	// What follows belongs to the goroutine of Run.
	pace      pace
	list      list
	snapshot  *uc.Directory // that targets were made from
	aimAgain  bool          // something else changed that targets were made from
	targets   targets
	resume    string               // the object id that the last poll did not get to; empty if it got to all
	seen      sequences            // newest sequence numbers
	strangers strangers            // object ids that Graph does not know
	refused   map[string]time.Time // object ids that Graph answers with 400, until when they are left out
	failed    *failure             // what the last poll failed with; nil if it succeeded
	succeeded time.Time            // when a poll last got an answer for everybody
}

// New makes a poller. It fails with uc.ErrInvalid if the configuration is wrong; nothing is sent yet.
func New(cfg Config, directory Directory, sink Sink, bus Publisher, log *slog.Logger) (*Poller, error) {
	client, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	return &Poller{
		client:    client,
		directory: directory,
		sink:      sink,
		domain:    cfg.Domain,
		log:       log,
		status:    status{bus: bus, log: log, now: uc.TeamsSync{State: uc.SyncOff}},
		pace:      pace{base: cfg.Interval},
		seen:      sequences{},
		strangers: strangers{},
		refused:   map[string]time.Time{},
		list:      newList(client),
	}, nil
}

// Run polls until ctx ends, then returns nil.
func (p *Poller) Run(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	for ctx.Err() == nil {
		p.retarget()
		if p.list.due(&p.targets, p.strangers, time.Now()) {
			p.list.read(ctx, &reading)
		}
		began := time.Now()
		p.poll(ctx)
		p.report(ctx)
		p.wait(ctx, p.pace.after(p.failed, time.Since(began)))
	}
	return nil
}

// Status tells how it is going.
func (p *Poller) Status() uc.TeamsSync { return p.status.get() }

// wait ends early when a list of users brings somebody to poll, unless Graph wants to be left alone.
func (p *Poller) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case l := <-p.list.done:
			before := len(p.targets.ids)
			p.list.take(l, time.Now())
			p.aimAgain = true
			p.retarget()
			p.report(ctx)
			if len(p.targets.ids) > before && p.failed == nil {
				return
			}
		}
	}
}

// retarget finds out anew who is to be polled if anything changed that decides it.
func (p *Poller) retarget() {
	d, now := p.directory.Snapshot(), time.Now()
	for id, until := range p.refused {
		if !now.Before(until) {
			delete(p.refused, id)
			p.aimAgain = true
		}
	}
	if d == p.snapshot && !p.aimAgain {
		return
	}
	p.snapshot, p.aimAgain = d, false
	p.targets = aim(d, p.list.book, p.domain, func(id string) bool { return !p.refused[id].IsZero() })
	p.forgetOthers()
}

// forgetOthers drops what was remembered about object ids that are not polled any more.
func (p *Poller) forgetOthers() {
	for id := range p.seen {
		if p.targets.users[id] == nil {
			delete(p.seen, id)
		}
	}
	for id := range p.strangers {
		if p.targets.users[id] == nil {
			delete(p.strangers, id)
		}
	}
}
