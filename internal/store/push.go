package store

import (
	"context"
	"database/sql"

	"github.com/rolecall/rolecall/internal/uc"
)

const pushColumns = `user_id, service, node, resource, options, since`

func pushFields(t *uc.PushTarget) []any {
	return []any{&t.User, &t.Service, &t.Node, &t.Resource, &t.Options, timeColumn{&t.Since}}
}

// PushTargets returns the targets of all users, by user, the oldest first.
func (s *Store) PushTargets(ctx context.Context) ([]uc.PushTarget, error) {
	list, err := selectAll(ctx, s.read, `SELECT `+pushColumns+` FROM push_targets ORDER BY user_id, since, service, node`, pushFields)
	return list, s.problem("read push targets", err)
}

// PutPushTarget keeps a target in the place of the one of the same service and node, and removes those
// that it takes the place of.
func (s *Store) PutPushTarget(ctx context.Context, t uc.PushTarget, remove []uc.PushTarget) error {
	if t.Options == nil {
		t.Options = []byte{}
	}
	return s.commit(ctx, "keep a push target", func(ctx context.Context, tx *sql.Tx) error {
		if err := deletePushTargets(ctx, tx, remove); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO push_targets (`+pushColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (user_id, service, node) DO UPDATE SET resource = excluded.resource, options = excluded.options, since = excluded.since`,
			pushFields(&t)...)
		return err
	})
}

// DeletePushTargets removes targets; those that are gone already are no error.
func (s *Store) DeletePushTargets(ctx context.Context, list []uc.PushTarget) error {
	return s.commit(ctx, "remove push targets", func(ctx context.Context, tx *sql.Tx) error { return deletePushTargets(ctx, tx, list) })
}

func deletePushTargets(ctx context.Context, tx *sql.Tx, list []uc.PushTarget) error {
	for _, t := range list {
		if _, err := tx.ExecContext(ctx, `DELETE FROM push_targets WHERE user_id = $1 AND service = $2 AND node = $3`,
			int64(t.User), t.Service, t.Node); err != nil {
			return err
		}
	}
	return nil
}
