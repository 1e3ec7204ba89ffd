package graph

import (
	"context"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	maxSplits   = 40        // further requests that one poll spends on finding refused object ids
	refusedLife = time.Hour // after which a refused object id is tried again
)

// round is one poll.
type round struct {
	splits   int      // how often a request may still be halved
	answered bool     // Graph answered something well
	refused  []string // object ids that Graph refused by themselves
}

// poll asks for everybody once and hands on what Graph says. The first failure is what the poll failed
// with; one that is temporary does not keep the other requests from being tried, two in a row do.
func (p *Poller) poll(ctx context.Context) {
	r, streak := round{splits: maxSplits}, 0
	p.failed = nil
	for _, ids := range chunks(p.targets.ids, p.resume) {
		f := p.read(ctx, &r, ids)
		if f == nil {
			streak = 0
			continue
		}
		if p.failed == nil {
			p.failed, p.resume = f, ids[0]
		}
		if streak++; f.kind != temporary || streak == 2 {
			break
		}
	}
	p.blame(&r)
	switch {
	case p.failed != nil:
		p.failed.fruitless = !r.answered
		p.failed.partial = p.failed.kind == temporary && p.failed.retryAfter == 0 && r.answered
	case r.answered:
		p.succeeded, p.resume = time.Now(), ""
	}
}

// read asks for some accounts. A request that Graph refuses as wrong is halved until the object id is
// found that it is refused for.
func (p *Poller) read(ctx context.Context, r *round, ids []string) *failure {
	list, err := p.client.presences(ctx, ids)
	if err == nil {
		r.answered = true
		p.deliver(ids, list)
		return nil
	}
	f := classify(err)
	switch {
	case f.kind != refused || r.splits == 0:
		return f
	case len(ids) == 1:
		r.refused = append(r.refused, ids[0])
		return nil
	}
	r.splits--
	half := len(ids) / 2
	if f := p.read(ctx, r, ids[:half]); f != nil {
		return f
	}
	return p.read(ctx, r, ids[half:])
}

// blame leaves out refused object ids from now on. If Graph took none at all, the fault is not theirs.
func (p *Poller) blame(r *round) {
	if len(r.refused) == 0 {
		return
	}
	if !r.answered {
		if p.failed == nil {
			p.failed = &failure{kind: refused, text: "Graph refuses object id " + r.refused[0]}
		}
		return
	}
	for _, id := range r.refused {
		p.refused[id] = time.Now().Add(refusedLife)
	}
	p.aimAgain = true
}

// deliver hands on what is new. Those whom the answer lacks are not told of: the engine sees by the
// time of what it heard last that it may be out of date.
func (p *Poller) deliver(asked []string, list []answer) {
	now, known := time.Now(), make(map[string]bool, len(list))
	for _, a := range list {
		known[a.id] = !a.unknown()
		if !p.seen.fresh(a.id, a.sequence, now) {
			continue
		}
		for _, user := range p.targets.users[a.id] {
			p.sink.Teams(uc.TeamsPresence{User: user, Availability: a.availability, Activity: a.activity, SeenAt: now})
		}
	}
	for _, id := range asked {
		p.strangers.note(id, known[id])
	}
}
