package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rolecall/rolecall/internal/uc"
)

// Blocked returns what all users have blocked, by user and JID.
func (s *Store) Blocked(ctx context.Context) ([]uc.Blocked, error) {
	list, err := selectAll(ctx, s.read, `SELECT user_id, jid FROM blocked ORDER BY user_id, jid`,
		func(b *uc.Blocked) []any { return []any{&b.User, &b.JID} })
	return list, s.problem("read block lists", err)
}

// ChangeBlocked adds addresses to a user's block list and removes others, in one transaction.
func (s *Store) ChangeBlocked(ctx context.Context, user uc.UserID, add, remove []string) error {
	return s.commit(ctx, "change a block list", func(ctx context.Context, tx *sql.Tx) error {
		for _, jid := range remove {
			if _, err := tx.ExecContext(ctx, `DELETE FROM blocked WHERE user_id = $1 AND jid = $2`, int64(user), jid); err != nil {
				return err
			}
		}
		for _, jid := range add {
			if _, err := tx.ExecContext(ctx, `INSERT INTO blocked (user_id, jid) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
				int64(user), jid); err != nil {
				return err
			}
		}
		return nil
	})
}

// Private returns what a user's clients keep under a name; nil if nothing.
func (s *Store) Private(ctx context.Context, user uc.UserID, namespace, name string) (xml []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT xml FROM private_xml WHERE user_id = $1 AND namespace = $2 AND name = $3`,
		int64(user), namespace, name).Scan(&xml)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return xml, s.problem("read private data", err)
}

// AllPrivate returns all that a user's clients keep for themselves.
func (s *Store) AllPrivate(ctx context.Context, user uc.UserID) ([]uc.PrivateXML, error) {
	list, err := selectAll(ctx, s.read, `SELECT user_id, namespace, name, xml FROM private_xml WHERE user_id = $1 ORDER BY namespace, name`,
		func(p *uc.PrivateXML) []any { return []any{&p.User, &p.Namespace, &p.Name, &p.XML} }, int64(user))
	return list, s.problem("read private data", err)
}

// PutPrivate keeps an element in the place of the one with its name. If the user then had more than limit
// elements nothing is changed and the error is of kind uc.ErrConflict.
func (s *Store) PutPrivate(ctx context.Context, p uc.PrivateXML, limit int) error {
	return s.commit(ctx, "write private data", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO private_xml (user_id, namespace, name, xml) VALUES ($1, $2, $3, $4)
			ON CONFLICT (user_id, namespace, name) DO UPDATE SET xml = excluded.xml`,
			int64(p.User), p.Namespace, p.Name, p.XML); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM private_xml WHERE user_id = $1`, int64(p.User)).Scan(&n); err != nil {
			return err
		}
		if n > limit {
			return uc.Errorf(uc.ErrConflict, "there is no room for more than %d kinds of private data", limit)
		}
		return nil
	})
}
