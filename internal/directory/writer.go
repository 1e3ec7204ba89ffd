package directory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// commitTimeout limits how long one transaction may take.
const commitTimeout = 30 * time.Second

// writer puts commands into one order. Whoever holds the turn carries out all commands that wait.
type writer struct {
	mu    sync.Mutex
	queue []*command

	turn  chan struct{} // holds one token while nobody writes
	seq   uc.Sequences  // owned by the holder of the turn
	stale bool          // a commit failed: the store may be ahead of the snapshot; owned likewise
}

func (w *writer) init() {
	w.turn = make(chan struct{}, 1)
	w.turn <- struct{}{}
}

func (w *writer) enqueue(c *command) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, c)
}

func (w *writer) takeAll() []*command {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.queue
	w.queue = nil
	return batch
}

// command is one change that waits for its turn.
type command struct {
	by   uc.Actor
	plan func(*edit) error
	edit *edit
	done bool
	err  error // errAbandoned until done
}

// errAbandoned is the result of a command whose batch ended in a panic.
var errAbandoned = uc.Errorf(uc.ErrUnavailable, "the change was not carried out")

func (c *command) finish(err error) { c.done, c.err = true, err }

// do carries out one command: plan checks it against the newest snapshot and says what it changes. A
// command that waits for its turn is carried out even when ctx ends meanwhile.
func (d *Directory) do(ctx context.Context, by uc.Actor, plan func(*edit) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &command{by: by, plan: plan, err: errAbandoned}
	d.writer.enqueue(c)
	<-d.writer.turn
	defer func() { d.writer.turn <- struct{}{} }()
	if !c.done {
		d.carryOut(ctx, d.writer.takeAll())
	}
	return c.err
}

// carryOut plans, commits and publishes a batch of commands. The turn is the caller's.
func (d *Directory) carryOut(ctx context.Context, batch []*command) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := d.resync(ctx); err != nil {
		failAll(batch, err)
		return
	}
	base := d.Snapshot()
	changed, commits := d.planAll(base, batch)
	if len(commits) == 0 {
		return
	}
	if err := d.store.SaveDirectory(ctx, base.Version, commits); err != nil {
		d.writer.stale = true
		d.log.Error("directory: commit failed", "commands", len(commits), "err", err)
		failAll(changed, fmt.Errorf("directory: commit: %w", err))
		return
	}
	d.snapshot.Store(changed[len(changed)-1].edit.dir)
	for _, c := range changed {
		c.finish(nil)
		d.bus.Publish(c.edit.event())
	}
}

// planAll plans the commands one upon the other. It returns those that change something.
func (d *Directory) planAll(base *uc.Directory, batch []*command) (changed []*command, commits []uc.Commit) {
	for _, c := range batch {
		c.edit = newEdit(base, d.writer.seq, c.by, d.now())
		if err := c.plan(c.edit); err != nil {
			c.finish(err)
			continue
		}
		if c.edit.empty() {
			c.finish(nil)
			continue
		}
		base = c.edit.dir
		changed = append(changed, c)
		commits = append(commits, c.edit.commit())
	}
	return changed, commits
}

func failAll(batch []*command, err error) {
	for _, c := range batch {
		c.finish(err)
	}
}
