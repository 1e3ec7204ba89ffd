package sip

import (
	"context"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The pace of saving bindings.
const (
	saveEvery = 100 * time.Millisecond // changes of this time go into one transaction
	saveRetry = time.Second            // after the store has failed
)

// save writes changed bindings to the store in batches until ctx ends, then once more.
func (g *registrar) save(ctx context.Context) {
	for {
		select {
		case <-g.dirty:
		case <-ctx.Done():
			g.flush(context.WithoutCancel(ctx))
			return
		}
		if !pause(ctx, saveEvery) {
			continue
		}
		if !g.flush(ctx) {
			pause(ctx, saveRetry)
			poke(g.dirty)
		}
	}
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// flush saves what has changed. What could not be saved stays to be saved, unless it has changed since.
func (g *registrar) flush(ctx context.Context) bool {
	g.mu.Lock()
	batch := g.unsaved
	g.unsaved = make(map[bindingKey]savedState)
	g.mu.Unlock()
	if len(batch) == 0 {
		return true
	}
	var put, drop []uc.Binding
	for _, b := range batch {
		if b.gone {
			drop = append(drop, b.Binding)
		} else {
			put = append(put, b.Binding)
		}
	}
	err := g.store.SaveBindings(ctx, put, drop)
	if err == nil {
		return true
	}
	g.log.Error("bindings not saved", "count", len(batch), "cause", err)
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, b := range batch {
		if _, newer := g.unsaved[key]; !newer {
			g.unsaved[key] = b
		}
	}
	return false
}
