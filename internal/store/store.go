// Package store keeps everything that must survive a restart in an SQL database: SQLite in one file by
// default, PostgreSQL by URL. Both are given the same SQL; what differs stands in dialect.go.
//
// All writes go through one connection. Writes that arrive together are committed together, and each
// call returns after its commit: what is acknowledged is not lost by a kill -9 nor, with the database's
// default settings, by a power failure. Reads go through a pool of their own and see committed data only.
//
// The package starts no goroutine: of the callers that wait to write, one writes for all.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/rolecall/rolecall/internal/uc"
)

// Store is an open database. Its methods may be called from any goroutine. Their errors are of kind
// uc.ErrNotFound if the user or device that a row belongs to does not exist, and of no kind if the
// database failed.
type Store struct {
	log     *slog.Logger
	dialect dialect
	write   *sql.DB // one connection
	read    *sql.DB
	writer  writer
}

// Open opens the database at a URL and brings its schema up to date:
//
//	sqlite:///var/lib/rolecall/rolecall.db   a file; its folder is made if missing
//	sqlite://data/rolecall.db                a file in a relative folder
//	postgres://user:password@host/database   as in the PostgreSQL manual, "Connection URIs"
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: log}
	if err := s.connect(url); err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	s.writer.init()
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: open: %w", err), s.closePools())
	}
	return s, nil
}

// Close closes the database. Writes that wait are carried out first.
func (s *Store) Close() error {
	s.finishWrites()
	return s.closePools()
}

func (s *Store) closePools() error { return errors.Join(s.write.Close(), s.read.Close()) }

// problem makes the error of an operation: a kind where one fits, else with its cause for the log.
func (s *Store) problem(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.dialect.missingReference(err):
		return uc.Errorf(uc.ErrNotFound, "%s: the user or device does not exist", what)
	}
	var known *uc.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("store: %s: %w", what, err)
}

// selectAll reads all rows of a query.
func selectAll[T any](ctx context.Context, q queryer, query string, fields func(*T) []any, args ...any) (list []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v T
		if err := rows.Scan(fields(&v)...); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// queryer is what reads: a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
