package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// writeTimeout limits how long one transaction may take.
const writeTimeout = 30 * time.Second

// writer lets writes that wait share a transaction. Whoever holds the turn writes for all.
type writer struct {
	mu     sync.Mutex
	queue  []*job
	closed bool

	turn chan struct{} // holds one token while nobody writes
}

// job is one caller's part of a transaction. do may run again if another job spoiled the transaction.
type job struct {
	do   func(context.Context, *sql.Tx) error
	done bool
	err  error // errNotWritten until done
}

var (
	errClosed     = uc.Errorf(uc.ErrUnavailable, "the store is closed")
	errNotWritten = uc.Errorf(uc.ErrUnavailable, "the write was not carried out") // its batch ended in a panic
)

func (w *writer) init() {
	w.turn = make(chan struct{}, 1)
	w.turn <- struct{}{}
}

// enqueue reports whether the store still takes writes.
func (w *writer) enqueue(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.queue = append(w.queue, j)
	}
	return !w.closed
}

func (w *writer) takeAll() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.queue
	w.queue = nil
	return batch
}

// refuse makes enqueue refuse from now on.
func (w *writer) refuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// finishWrites refuses new writes and carries out those that wait.
func (s *Store) finishWrites() {
	s.writer.refuse()
	<-s.writer.turn
	defer func() { s.writer.turn <- struct{}{} }()
	s.writeAll(context.Background(), s.writer.takeAll())
}

// commit runs do in a transaction and returns after it is committed.
func (s *Store) commit(ctx context.Context, what string, do func(context.Context, *sql.Tx) error) error {
	return s.problem(what, s.transaction(ctx, do))
}

// transaction is commit with the database's own error. A write that waits for its turn is carried out
// even when ctx ends meanwhile.
func (s *Store) transaction(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{do: do, err: errNotWritten}
	if !s.writer.enqueue(j) {
		return errClosed
	}
	<-s.writer.turn
	defer func() { s.writer.turn <- struct{}{} }()
	if !j.done {
		s.writeAll(ctx, s.writer.takeAll())
	}
	return j.err
}

// exec is a commit of one statement.
func (s *Store) exec(ctx context.Context, what, query string, args ...any) error {
	return s.commit(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// writeAll commits a batch. If one of its jobs fails, nothing is written yet, and each gets a transaction
// of its own. The turn is the caller's.
func (s *Store) writeAll(ctx context.Context, batch []*job) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	again, err := s.transact(ctx, batch)
	if again && len(batch) > 1 {
		for _, j := range batch {
			s.writeAll(ctx, []*job{j})
		}
		return
	}
	for _, j := range batch {
		j.done, j.err = true, err
	}
}

// transact runs jobs in one transaction. spoiled says that it failed and surely wrote nothing; an error
// of the commit itself leaves that open.
func (s *Store) transact(ctx context.Context, batch []*job) (spoiled bool, err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	for _, j := range batch {
		if err := j.do(ctx, tx); err != nil {
			return true, rollback(tx, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.dialect.constraint(err), errors.Join(err, rollback(tx, nil))
	}
	return false, nil
}
