package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rolecall/rolecall/internal/uc"
)

// LastSeen returns when a user came and went; zero times where that is not known.
func (s *Store) LastSeen(ctx context.Context, user uc.UserID) (uc.LastSeen, error) {
	seen := uc.LastSeen{User: user}
	err := s.read.QueryRowContext(ctx, `SELECT login, logout, status, told FROM last_seen WHERE user_id = $1`, int64(user)).
		Scan(timeColumn{&seen.Login}, timeColumn{&seen.Logout}, &seen.Status, timeColumn{&seen.Told})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return seen, s.problem("read when a user was seen", err)
}

// PutLastSeen writes when users came and went, in one transaction. Times that are zero stay as they were, and
// the status with that of leaving. Users who are gone are left out.
func (s *Store) PutLastSeen(ctx context.Context, list []uc.LastSeen) error {
	return s.commit(ctx, "write when users were seen", func(ctx context.Context, tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO last_seen (user_id, login, logout, status, told)
			SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT)
			WHERE EXISTS (SELECT 1 FROM users WHERE id = $1)
			ON CONFLICT (user_id) DO UPDATE SET
				login = CASE WHEN excluded.login <> 0 THEN excluded.login ELSE last_seen.login END,
				logout = CASE WHEN excluded.logout <> 0 THEN excluded.logout ELSE last_seen.logout END,
				status = CASE WHEN excluded.logout <> 0 THEN excluded.status ELSE last_seen.status END,
				told = CASE WHEN excluded.told <> 0 THEN excluded.told ELSE last_seen.told END`)
		if err != nil {
			return err
		}
		defer put.Close()
		for i := range list {
			l := &list[i]
			if _, err := put.ExecContext(ctx, int64(l.User), timeColumn{&l.Login}, timeColumn{&l.Logout}, l.Status, timeColumn{&l.Told}); err != nil {
				return err
			}
		}
		return nil
	})
}
