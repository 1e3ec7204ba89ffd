package xmpp

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

// storeMutex is the lock of a store that forgets. Each of the store's methods takes it, and none may be called by a reader that
// has not said before that it may wait (see (*reader).mayWait): on a slow disk the clients behind it would wait, too.
type storeMutex struct {
	sync.Mutex

	t       testing.TB
	readers sync.Map // by goroutine: *reader
}

// watch notes from now on which goroutines are readers.
func (m *storeMutex) watch(t testing.TB, s *Server) {
	m.t = t
	serve := s.serveSession
	s.serveSession = func(c *session, r *reader) {
		id := goroutine()
		m.readers.Store(id, r)
		defer m.readers.Delete(id)
		serve(c, r)
	}
}

func (m *storeMutex) Lock() {
	if r, ok := m.readers.Load(goroutine()); ok && r.(*reader).pooled {
		m.t.Errorf("a reader asks the store and has not called mayWait before:\n%s", debug.Stack())
	}
	m.Mutex.Lock()
}

// goroutine names the goroutine that calls it.
func goroutine() string {
	var b [64]byte
	head, _, _ := bytes.Cut(b[:runtime.Stack(b[:], false)], []byte(" ["))
	return string(head)
}

// complaints is a test that fails quietly.
type complaints struct {
	testing.TB
	n int
}

func (c *complaints) Errorf(string, ...any) { c.n++ }

// TestStoreMindsReaders sees to it that a handler that forgets to say that it may wait makes a test fail.
func TestStoreMindsReaders(t *testing.T) {
	w := newWorld(t, company1(1))
	defer (&quiet{w}).close()
	told := &complaints{TB: t}
	w.store.mu.t = told
	ask := func(_ *session, r *reader) {
		_, _ = w.store.RosterItems(t.Context(), 1)
		r.mayWait()
		_, _ = w.store.RosterItems(t.Context(), 1)
	}
	w.server.serveSession = ask
	w.store.mu.watch(told, w.server)
	w.server.serveSession(nil, &reader{server: w.server, pooled: true})
	_, _ = w.store.RosterItems(t.Context(), 1)
	if told.n != 1 {
		t.Errorf("it complains %d times", told.n)
	}
}
