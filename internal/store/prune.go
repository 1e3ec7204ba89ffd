package store

import (
	"context"
	"database/sql"
	"time"
)

// pruned says what [Store.Prune] removes: $1 is the time, $2 the limit.
var pruned = []string{
	`DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY id LIMIT $2)`,
	`DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE at < $1 AND NOT unfinished
		AND id NOT IN (SELECT MAX(id) FROM journal GROUP BY user_id) ORDER BY id LIMIT $2)`,
	`DELETE FROM call_records WHERE call_id IN (SELECT call_id FROM call_records WHERE began < $1 ORDER BY began LIMIT $2)`,
}

// Prune removes what tells of the time before: entries of the audit and of the journal, and records of calls.
// It removes at most limit of each, the oldest first, and returns how many in all. Everybody's last entry in
// the journal stays, since it is the one that can be undone, and so do those that have not ended.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = s.commit(ctx, "remove old records", func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		for _, statement := range pruned {
			result, err := tx.ExecContext(ctx, statement, before.UnixNano(), limit)
			if err != nil {
				return err
			}
			removed, err := result.RowsAffected()
			if err != nil {
				return err
			}
			n += removed
		}
		return nil
	})
	return n, err
}
