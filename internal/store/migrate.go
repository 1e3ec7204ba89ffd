package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// migrations holds the numbered steps of the schema, 0001_….sql first. A step that was released is never
// changed; the next one changes what it made. Each step that a database lacks is run, so that steps
// made side by side may be released in any order. {serial} and {bytes} stand for the dialect's types.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrationPatience is how long a start waits for another process that has just made the database.
const migrationPatience = 10 * time.Second

// migrate brings the schema up to date. A schema newer than this program is refused. SQLite does not wait
// while another process switches a new file to WAL, so the start does.
func (s *Store) migrate(ctx context.Context) error {
	for began := time.Now(); ; {
		err := s.migrateOnce(ctx)
		if sqliteCode(err)&0xff != sqlite3.SQLITE_BUSY || time.Since(began) > migrationPatience {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// migrateOnce brings the schema up to date in one transaction.
func (s *Store) migrateOnce(ctx context.Context) (err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = rollback(tx, err) }()
	if s.dialect.lockMigrations != "" {
		if _, err := tx.ExecContext(ctx, s.dialect.lockMigrations); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)`); err != nil {
		return err
	}
	have, err := stepsDone(ctx, tx)
	if err != nil {
		return err
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	known := 0
	for _, file := range files {
		number, err := numberOf(file)
		if err != nil {
			return err
		}
		known = number
		if have[number] {
			continue
		}
		if err := s.step(ctx, tx, file, number); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for number := range have {
		if number > known {
			return fmt.Errorf("the database has schema %d, this program knows only %d: it was written by a newer version", number, known)
		}
	}
	return tx.Commit()
}

// stepsDone lists the steps that a database has behind it.
func stepsDone(ctx context.Context, tx *sql.Tx) (map[int]bool, error) {
	list, err := selectAll(ctx, tx, `SELECT version FROM schema_version`, func(n *int) []any { return []any{n} })
	done := make(map[int]bool, len(list))
	for _, n := range list {
		done[n] = true
	}
	return done, err
}

// numberOf returns the number that the name of a step begins with.
func numberOf(file string) (int, error) {
	return strconv.Atoi(strings.TrimPrefix(file, "migrations/")[:4])
}

// step runs one migration and remembers that it ran.
func (s *Store) step(ctx context.Context, tx *sql.Tx, file string, number int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.dialect.types.Replace(string(text))); err != nil {
		return err
	}
	s.log.Info("store: schema migrated", "version", number)
	_, err = tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES ($1)`, number)
	return err
}

// rollback ends a transaction that was not committed.
func rollback(tx *sql.Tx, err error) error {
	if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
		return errors.Join(err, rerr)
	}
	return err
}
