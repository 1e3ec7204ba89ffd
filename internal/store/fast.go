package store

import (
	"context"
	"database/sql"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	fastColumns = `user_id, client, fresh, mechanism, token_key, password, issued, expires, count`

	// maxFastTokens is how many a user may have. Those that were issued first make room.
	maxFastTokens = 50
)

func fastFields(t *uc.FastToken) []any {
	return []any{&t.User, &t.Client, &t.Fresh, &t.Mechanism, &t.Key, &t.Password, timeColumn{&t.Issued}, timeColumn{&t.Expires}, &t.Count}
}

// FastTokens returns the tokens of one client of a user, a fresh one first.
func (s *Store) FastTokens(ctx context.Context, user uc.UserID, client string) ([]uc.FastToken, error) {
	list, err := selectAll(ctx, s.read, `SELECT `+fastColumns+` FROM fast_tokens WHERE user_id = $1 AND client = $2 ORDER BY fresh DESC`,
		fastFields, int64(user), client)
	return list, s.problem("read tokens", err)
}

// AddFastToken keeps a fresh token. It takes the place of one that was never used (XEP-0484 §3.5), and
// what has expired by then is removed.
func (s *Store) AddFastToken(ctx context.Context, t uc.FastToken) error {
	t.Fresh = true
	return s.commit(ctx, "keep a token", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM fast_tokens WHERE user_id = $1 AND (expires <= $2 OR client = $3 AND fresh)`,
			int64(t.User), timeColumn{&t.Issued}, t.Client); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM fast_tokens WHERE user_id = $1 AND issued <= (SELECT issued FROM fast_tokens
			WHERE user_id = $1 ORDER BY issued DESC LIMIT 1 OFFSET $2)`, int64(t.User), maxFastTokens-1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO fast_tokens (`+fastColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, fastFields(&t)...)
		return err
	})
}

// UseFastToken notes that a client has logged in by a token: the one before it is removed. count is that
// of the login, 0 if it has none. ok is false if the token is gone or a login of that count or a higher one came before.
func (s *Store) UseFastToken(ctx context.Context, t uc.FastToken, count int64) (ok bool, err error) {
	err = s.commit(ctx, "use a token", func(ctx context.Context, tx *sql.Tx) error {
		found, err := tx.ExecContext(ctx, `UPDATE fast_tokens SET count = CASE WHEN $1 > 0 THEN $1 ELSE count END
			WHERE user_id = $2 AND client = $3 AND token_key = $4 AND ($1 = 0 OR count < $1)`, count, int64(t.User), t.Client, t.Key)
		if err != nil {
			return err
		}
		n, err := found.RowsAffected()
		if ok = n > 0; !ok || err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM fast_tokens WHERE user_id = $1 AND client = $2 AND NOT fresh
			AND EXISTS (SELECT 1 FROM fast_tokens WHERE user_id = $1 AND client = $2 AND fresh AND token_key = $3)`,
			int64(t.User), t.Client, t.Key); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE fast_tokens SET fresh = FALSE WHERE user_id = $1 AND client = $2 AND token_key = $3`,
			int64(t.User), t.Client, t.Key)
		return err
	})
	return ok && err == nil, err
}

// DeleteFastToken removes a token.
func (s *Store) DeleteFastToken(ctx context.Context, t uc.FastToken) error {
	return s.exec(ctx, "remove a token", `DELETE FROM fast_tokens WHERE user_id = $1 AND client = $2 AND token_key = $3`,
		int64(t.User), t.Client, t.Key)
}
