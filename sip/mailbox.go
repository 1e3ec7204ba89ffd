package sip

import "sync"

// mailbox is the queue of an actor: what others post runs one after the other in the actor's goroutine.
// Posting never blocks.
type mailbox struct {
	mu     sync.Mutex
	queue  []func()
	closed bool
	ready  chan struct{} // one token while something may be queued
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// post queues an act; false means that the actor has ended and the act will not run.
func (m *mailbox) post(act func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.queue = append(m.queue, act)
	poke(m.ready)
	return true
}

// waiting returns how many acts wait.
func (m *mailbox) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue)
}

// take returns what is queued now.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	acts := m.queue
	m.queue = nil
	return acts
}

// close refuses what is posted from now on and returns what was still queued.
func (m *mailbox) close() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	acts := m.queue
	m.queue = nil
	return acts
}
