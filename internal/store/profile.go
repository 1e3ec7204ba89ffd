package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

var profileStates = newTable("profile_states",
	`user_id effective_id since reason base overlays memory version`,
	func(p *uc.ProfileState) []any {
		return []any{&p.User, &p.Effective, timeColumn{&p.Since}, &p.Reason, jsonColumn{&p.Base}, jsonColumn{&p.Overlays},
			(*[]byte)(&p.Memory), &p.Version}
	})

// ProfileStates returns the state of every user who ever left the initial one.
func (s *Store) ProfileStates(ctx context.Context) ([]uc.ProfileState, error) {
	list, err := selectAll(ctx, s.read, profileStates.load, profileStates.fields)
	return list, s.problem("read profile states", err)
}

// SaveProfileState writes a user's state and, in the same transaction, the journal entry that tells of
// it; nil is none. An entry without an ID is added, one with an ID replaced; its ID is returned.
func (s *Store) SaveProfileState(ctx context.Context, st uc.ProfileState, entry *uc.JournalEntry) (id int64, err error) {
	err = s.commit(ctx, "save a profile state", func(ctx context.Context, tx *sql.Tx) (err error) {
		if _, err := tx.ExecContext(ctx, profileStates.upsert, profileStates.fields(&st)...); err != nil {
			return err
		}
		if entry != nil {
			id, err = saveEntry(ctx, tx, *entry)
		}
		return err
	})
	return id, err
}

const journalColumns = `at, user_id, from_id, from_name, to_id, to_name, cause, cause_text, by_user, by_name, by_via,
	reason, actions, undone`

func journalFields(e *uc.JournalEntry) []any {
	return []any{timeColumn{&e.Time}, &e.User, &e.From, &e.FromName, &e.To, &e.ToName, &e.Cause.Kind, &e.Cause.Text,
		optional(&e.Cause.By.User), &e.Cause.By.Name, &e.Cause.By.Via, &e.Reason, jsonColumn{&e.Actions}, &e.Undone}
}

func journalRow(e *uc.JournalEntry) []any { return append(journalFields(e), &e.ID) }

func saveEntry(ctx context.Context, tx *sql.Tx, e uc.JournalEntry) (int64, error) {
	args := append(journalFields(&e), unfinished(&e))
	if e.ID == 0 {
		err := tx.QueryRowContext(ctx, `INSERT INTO journal (`+journalColumns+`, unfinished)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id`, args...).Scan(&e.ID)
		return e.ID, err
	}
	result, err := tx.ExecContext(ctx, `UPDATE journal SET (`+journalColumns+`, unfinished)
		= ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) WHERE id = $16`, append(args, e.ID)...)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, cmp.Or(err, uc.Errorf(uc.ErrNotFound, "there is no journal entry %d", e.ID))
	}
	return e.ID, nil
}

// unfinished reports whether an action of the entry has no result yet.
func unfinished(e *uc.JournalEntry) bool {
	return slices.ContainsFunc(e.Actions, func(a uc.ActionResult) bool { return a.Result == "" })
}

// defaultLimit is how many rows a page has if the question does not say.
const defaultLimit = 100

// Journal returns the entries that the query selects, newest first.
func (s *Store) Journal(ctx context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error) {
	where, args := `id < $1`, []any{cmp.Or(q.Before, math.MaxInt64), cmp.Or(q.Limit, defaultLimit)}
	if q.User != 0 {
		where, args = where+` AND user_id = $3`, append(args, int64(q.User))
	}
	list, err := selectAll(ctx, s.read, `SELECT `+journalColumns+`, id FROM journal WHERE `+where+` ORDER BY id DESC LIMIT $2`,
		journalRow, args...)
	return list, s.problem("read the journal", err)
}

// UnfinishedEntries returns the entries, oldest first, of which an action has no result: the process
// ended while it acted.
func (s *Store) UnfinishedEntries(ctx context.Context) ([]uc.JournalEntry, error) {
	list, err := selectAll(ctx, s.read, `SELECT `+journalColumns+`, id FROM journal WHERE unfinished ORDER BY id`, journalRow)
	return list, s.problem("read the journal", err)
}
