package xmpp

import (
	"sync"
	"sync/atomic"
)

// crewIdle is how many goroutines a crew keeps that have nothing to do.
const crewIdle = 32

// crew runs functions in goroutines. It keeps some of them when their function has returned, because their stacks have
// grown: to copy a new one twice or three times costs more than many a function.
type crew struct {
	jobs chan func()
	idle atomic.Int32
	all  *sync.WaitGroup
	stop <-chan struct{}
}

func newCrew(all *sync.WaitGroup, stop <-chan struct{}) *crew {
	return &crew{jobs: make(chan func()), all: all, stop: stop}
}

// Go calls f in a goroutine. It does not wait.
func (w *crew) Go(f func()) {
	select {
	case w.jobs <- f:
	default:
		w.all.Go(func() { w.work(f) })
	}
}

func (w *crew) work(f func()) {
	for {
		f()
		if w.idle.Add(1) > crewIdle {
			w.idle.Add(-1)
			return
		}
		select {
		case f = <-w.jobs:
			w.idle.Add(-1)
		case <-w.stop:
			return
		}
	}
}
