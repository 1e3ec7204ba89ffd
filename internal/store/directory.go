package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/rolecall/rolecall/internal/uc"
)

// LoadDirectory reads the whole directory as it was at one moment. Version 0 means that it was never
// written.
func (s *Store) LoadDirectory(ctx context.Context) (t uc.Tables, seq uc.Sequences, version uint64, err error) {
	tx, err := s.read.BeginTx(ctx, &s.dialect.snapshot)
	if err != nil {
		return t, nil, 0, s.problem("load the directory", err)
	}
	defer func() { err = s.problem("load the directory", rollback(tx, err)) }()
	if err = tx.QueryRowContext(ctx, `SELECT version FROM directory_version`).Scan(&version); err != nil {
		return t, nil, 0, err
	}
	if seq, err = loadSequences(ctx, tx); err != nil {
		return t, nil, 0, err
	}
	return t, seq, version, loadTables(ctx, tx, &t)
}

func loadTables(ctx context.Context, tx *sql.Tx, t *uc.Tables) error {
	for _, load := range []func() error{
		func() error { return loadTable(ctx, tx, users, &t.Users) },
		func() error { return loadTable(ctx, tx, userStates, &t.UserStates) },
		func() error { return loadTable(ctx, tx, devices, &t.Devices) },
		func() error { return loadTable(ctx, tx, assignments, &t.Assignments) },
		func() error { return loadTable(ctx, tx, locations, &t.Locations) },
		func() error { return loadTable(ctx, tx, teams, &t.Teams) },
		func() error { return loadTable(ctx, tx, members, &t.Members) },
		func() error { return loadTable(ctx, tx, roles, &t.Roles) },
		func() error { return loadTable(ctx, tx, profiles, &t.Profiles) },
		func() error { return loadTable(ctx, tx, forwardings, &t.Forwardings) },
		func() error { return loadTable(ctx, tx, flowLines, &t.FlowLines) },
		func() error { return loadTable(ctx, tx, phonebook, &t.Phonebook) },
	} {
		if err := load(); err != nil {
			return err
		}
	}
	return nil
}

func loadTable[T any](ctx context.Context, q queryer, t table[T], into *[]T) (err error) {
	*into, err = selectAll(ctx, q, t.load, t.fields)
	return err
}

func loadSequences(ctx context.Context, q queryer) (uc.Sequences, error) {
	type sequence struct {
		kind uc.Kind
		last int64
	}
	list, err := selectAll(ctx, q, `SELECT kind, last FROM sequences`, func(s *sequence) []any { return []any{&s.kind, &s.last} })
	seq := uc.Sequences{}
	for _, s := range list {
		seq[s.kind] = s.last
	}
	return seq, err
}

// SaveDirectory writes commits in order and in one transaction. It fails with uc.ErrConflict, and
// writes nothing, unless the stored version is base. Rows that refer to nothing are the caller's mistake,
// an error of no kind.
func (s *Store) SaveDirectory(ctx context.Context, base uint64, commits []uc.Commit) error {
	err := s.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := raiseVersion(ctx, tx, base, commits[len(commits)-1].Version); err != nil {
			return err
		}
		for i := range commits {
			if err := saveCommit(ctx, tx, &commits[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: save the directory: %w", err)
	}
	return nil
}

func raiseVersion(ctx context.Context, tx *sql.Tx, base, to uint64) error {
	result, err := tx.ExecContext(ctx, `UPDATE directory_version SET version = $1 WHERE version = $2`, to, base)
	if err != nil {
		return err
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return err
	case n != 1:
		return uc.Errorf(uc.ErrConflict, "the stored directory is not at version %d: somebody else has changed it", base)
	}
	return nil
}

func saveCommit(ctx context.Context, tx *sql.Tx, c *uc.Commit) error {
	if err := putTables(ctx, tx, &c.Change.Put); err != nil {
		return err
	}
	for _, ref := range c.Change.Delete {
		query, known := deletions[ref.Kind]
		if !known {
			return fmt.Errorf("a row of kind %q cannot be deleted", ref.Kind)
		}
		if _, err := tx.ExecContext(ctx, query, ref.ID); err != nil {
			return err
		}
	}
	for kind, last := range c.Sequences {
		if _, err := tx.ExecContext(ctx, `INSERT INTO sequences (kind, last) VALUES ($1, $2)
			ON CONFLICT (kind) DO UPDATE SET last = excluded.last`, string(kind), last); err != nil {
			return err
		}
	}
	return addAudit(ctx, tx, &c.Audit)
}

func putTables(ctx context.Context, tx *sql.Tx, t *uc.Tables) error {
	for _, put := range []func() error{
		func() error { return putTable(ctx, tx, users, t.Users) },
		func() error { return putTable(ctx, tx, locations, t.Locations) },
		func() error { return putTable(ctx, tx, userStates, t.UserStates) },
		func() error { return putTable(ctx, tx, devices, t.Devices) },
		func() error { return putTable(ctx, tx, assignments, t.Assignments) },
		func() error { return putTable(ctx, tx, teams, t.Teams) },
		func() error { return putTable(ctx, tx, members, t.Members) },
		func() error { return putTable(ctx, tx, roles, t.Roles) },
		func() error { return putTable(ctx, tx, profiles, t.Profiles) },
		func() error { return putTable(ctx, tx, forwardings, t.Forwardings) },
		func() error { return putTable(ctx, tx, flowLines, t.FlowLines) },
		func() error { return putTable(ctx, tx, phonebook, t.Phonebook) },
	} {
		if err := put(); err != nil {
			return err
		}
	}
	return nil
}

func putTable[T any](ctx context.Context, tx *sql.Tx, t table[T], rows []T) error {
	for i := range rows {
		if _, err := tx.ExecContext(ctx, t.upsert, t.fields(&rows[i])...); err != nil {
			return err
		}
	}
	return nil
}
