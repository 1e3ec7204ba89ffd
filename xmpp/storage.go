package xmpp

import (
	"context"
	"sync"
)

// storage knows how full a user's offline storage is, so that asking the database is not needed for every
// message: a storage that is full may be sent thousands a second.
type storage struct {
	mu      sync.Mutex // a leaf
	known   bool       // n and size are right
	n       int        // messages stored
	size    int64      // bytes of them
	inLine  int        // messages that are to be stored
	toStore int64      // bytes of them
	place   uint64     // up to where they are in line
	changes uint64     // rises with each change of what is stored
}

// reserve makes sure that there is room for one more message of so many bytes, and takes it until the message is
// stored, or has failed to be.
func (a *account) reserve(ctx context.Context, s *Server, size int) error {
	st := &a.storage
	if err := st.count(ctx, s, a); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.n+st.inLine >= s.cfg.MaxOffline || st.size+st.toStore+int64(size) > int64(s.cfg.MaxOfflineSize) {
		return errServiceUnavailable // XEP-0160 §3: the storage is full
	}
	st.inLine++
	st.toStore += int64(size)
	return nil
}

// count asks the database unless it is known how much is stored. If that changes at the same time, the next one
// asks again.
func (st *storage) count(ctx context.Context, s *Server, a *account) error {
	st.mu.Lock()
	known, changes, place := st.known, st.changes, st.place
	st.mu.Unlock()
	if known {
		return nil
	}
	s.keeping.await(place) // what is in line would be counted twice
	n, size, err := s.deps.Store.CountOffline(ctx, a.user)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.known {
		st.n, st.size, st.known = n, size, st.changes == changes && st.inLine == 0
	}
	return nil
}

func (st *storage) putInLine(place uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.place = max(st.place, place)
}

// awaited is up to where the line must be written for all messages to be stored.
func (st *storage) awaited() uint64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.place
}

// stored says that a message has got from the line into the database.
func (st *storage) stored(size int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.inLine--
	st.toStore -= int64(size)
	st.n++
	st.size += int64(size)
	st.changes++
}

// failed says that a message could not be stored. Whether it was, the database may not know either.
func (st *storage) failed(size int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.inLine--
	st.toStore -= int64(size)
	st.changed()
}

// emptied says that messages were deleted.
func (st *storage) emptied() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.changed()
}

func (st *storage) changed() {
	st.known = false
	st.changes++
}
