package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

const rosterColumns = `user_id, jid, name, groups, subscription, ask, approved, pending_in`

func rosterFields(r *uc.RosterItem) []any {
	return []any{&r.User, &r.JID, &r.Name, jsonColumn{&r.Groups}, &r.Subscription, &r.Ask, &r.Approved, &r.PendingIn}
}

// RosterItems returns the contacts that a user added, by JID.
func (s *Store) RosterItems(ctx context.Context, user uc.UserID) ([]uc.RosterItem, error) {
	list, err := selectAll(ctx, s.read, `SELECT `+rosterColumns+` FROM roster_items WHERE user_id = $1 ORDER BY jid`,
		rosterFields, int64(user))
	return list, s.problem("read a roster", err)
}

// PutRosterItem adds or replaces one contact of a user.
func (s *Store) PutRosterItem(ctx context.Context, item uc.RosterItem) error {
	return s.exec(ctx, "write a roster", `INSERT INTO roster_items (`+rosterColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (user_id, jid) DO UPDATE SET name = excluded.name, groups = excluded.groups,
		subscription = excluded.subscription, ask = excluded.ask, approved = excluded.approved, pending_in = excluded.pending_in`,
		rosterFields(&item)...)
}

// DeleteRosterItem removes one contact of a user, if it is there.
func (s *Store) DeleteRosterItem(ctx context.Context, user uc.UserID, jid string) error {
	return s.exec(ctx, "write a roster", `DELETE FROM roster_items WHERE user_id = $1 AND jid = $2`, int64(user), jid)
}

// offlineRows is how many messages one statement writes.
const offlineRows = 50

// AddOffline keeps messages for users who have no client online, in one transaction, and returns their IDs. These
// rise.
func (s *Store) AddOffline(ctx context.Context, list []uc.OfflineMessage) (ids []int64, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	err = s.commit(ctx, "keep offline messages", func(ctx context.Context, tx *sql.Tx) error {
		ids = ids[:0]
		for chunk := range slices.Chunk(list, offlineRows) {
			args := make([]any, 0, 3*len(chunk))
			for i := range chunk {
				m := &chunk[i]
				args = append(args, int64(m.User), timeColumn{&m.At}, m.Stanza)
			}
			fresh, err := selectAll(ctx, tx, insertRows("offline_messages (user_id, at, stanza)", 3, len(chunk))+" RETURNING id",
				func(id *int64) []any { return []any{id} }, args...)
			if err != nil {
				return err
			}
			slices.Sort(fresh) // numbers are given in the order of the rows, but need not be returned in it
			ids = append(ids, fresh...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Offline returns the messages kept for a user, oldest first.
func (s *Store) Offline(ctx context.Context, user uc.UserID) ([]uc.OfflineMessage, error) {
	list, err := selectAll(ctx, s.read, `SELECT id, user_id, at, stanza FROM offline_messages WHERE user_id = $1 ORDER BY id`,
		func(m *uc.OfflineMessage) []any { return []any{&m.ID, &m.User, timeColumn{&m.At}, &m.Stanza} }, int64(user))
	return list, s.problem("read offline messages", err)
}

// DeleteOffline removes messages that were delivered.
func (s *Store) DeleteOffline(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	return s.commit(ctx, "remove offline messages", func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM offline_messages WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// CountOffline returns how many messages are kept for a user, and how many bytes they have.
func (s *Store) CountOffline(ctx context.Context, user uc.UserID) (n int, size int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(LENGTH(stanza)), 0) FROM offline_messages WHERE user_id = $1`,
		int64(user)).Scan(&n, &size)
	return n, size, s.problem("count offline messages", err)
}

// VCard returns the vCard that a user published, or nil.
func (s *Store) VCard(ctx context.Context, user uc.UserID) ([]byte, error) {
	return s.blob(ctx, "read a vCard", `SELECT xml FROM vcards WHERE user_id = $1`, int64(user))
}

// PutVCard replaces a user's vCard; nil removes it.
func (s *Store) PutVCard(ctx context.Context, user uc.UserID, xml []byte) error {
	if xml == nil {
		return s.exec(ctx, "remove a vCard", `DELETE FROM vcards WHERE user_id = $1`, int64(user))
	}
	return s.exec(ctx, "write a vCard", `INSERT INTO vcards (user_id, xml) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET xml = excluded.xml`, int64(user), xml)
}

// blob reads one value; nil if there is no row.
func (s *Store) blob(ctx context.Context, what, query string, key any) (value []byte, err error) {
	err = s.read.QueryRowContext(ctx, query, key).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, s.problem(what, err)
	case value == nil: // SQLite reads an empty value as nil
		value = []byte{}
	}
	return value, nil
}
