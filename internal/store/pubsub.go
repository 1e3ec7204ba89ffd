package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rolecall/rolecall/internal/uc"
)

// PubsubOwners lists the users who have nodes.
func (s *Store) PubsubOwners(ctx context.Context) ([]uc.UserID, error) {
	list, err := selectAll(ctx, s.read, `SELECT DISTINCT user_id FROM pubsub_nodes ORDER BY user_id`,
		func(id *uc.UserID) []any { return []any{id} })
	return list, s.problem("read the owners of nodes", err)
}

// PubsubNodes returns the nodes of a user, by name.
func (s *Store) PubsubNodes(ctx context.Context, user uc.UserID) ([]uc.PubsubNode, error) {
	list, err := selectAll(ctx, s.read, `SELECT user_id, name, settings FROM pubsub_nodes WHERE user_id = $1 ORDER BY name`,
		func(n *uc.PubsubNode) []any { return []any{&n.User, &n.Name, &n.Settings} }, int64(user))
	return list, s.problem("read nodes", err)
}

// PubsubItems lists the items of all nodes of a user, oldest first, without their payloads.
func (s *Store) PubsubItems(ctx context.Context, user uc.UserID) ([]uc.PubsubItem, error) {
	list, err := selectAll(ctx, s.read, `SELECT user_id, node, id, publisher, at, LENGTH(payload)
		FROM pubsub_items WHERE user_id = $1 ORDER BY seq`,
		func(it *uc.PubsubItem) []any {
			return []any{&it.User, &it.Node, &it.ID, &it.Publisher, timeColumn{&it.At}, &it.Size}
		}, int64(user))
	return list, s.problem("list items", err)
}

// PubsubPayload returns the payload of an item, or nil.
func (s *Store) PubsubPayload(ctx context.Context, user uc.UserID, node, id string) (payload []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT payload FROM pubsub_items WHERE user_id = $1 AND node = $2 AND id = $3`,
		int64(user), node, id).Scan(&payload)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return payload, s.problem("read an item", err)
}

// PubsubPayloads returns the payloads of all items of a node, by ID.
func (s *Store) PubsubPayloads(ctx context.Context, user uc.UserID, node string) (map[string][]byte, error) {
	list, err := selectAll(ctx, s.read, `SELECT id, payload FROM pubsub_items WHERE user_id = $1 AND node = $2`,
		func(it *uc.PubsubItem) []any { return []any{&it.ID, &it.Payload} }, int64(user), node)
	if err != nil {
		return nil, s.problem("read items", err)
	}
	payloads := make(map[string][]byte, len(list))
	for _, it := range list {
		payloads[it.ID] = it.Payload
	}
	return payloads, nil
}

// ChangePubsub changes the nodes of a user.
func (s *Store) ChangePubsub(ctx context.Context, c uc.PubsubChange) error {
	return s.commit(ctx, "write nodes", func(ctx context.Context, tx *sql.Tx) error {
		for _, name := range c.DropNodes {
			if _, err := tx.ExecContext(ctx, `DELETE FROM pubsub_nodes WHERE user_id = $1 AND name = $2`, int64(c.User), name); err != nil {
				return err
			}
		}
		for _, n := range c.PutNodes {
			if _, err := tx.ExecContext(ctx, `INSERT INTO pubsub_nodes (user_id, name, settings) VALUES ($1, $2, $3)
				ON CONFLICT (user_id, name) DO UPDATE SET settings = excluded.settings`, int64(c.User), n.Name, n.Settings); err != nil {
				return err
			}
		}
		for _, it := range c.DropItems {
			if err := dropPubsubItem(ctx, tx, c.User, it); err != nil {
				return err
			}
		}
		for _, it := range c.PutItems {
			if err := putPubsubItem(ctx, tx, c.User, it); err != nil {
				return err
			}
		}
		return nil
	})
}

func dropPubsubItem(ctx context.Context, tx *sql.Tx, user uc.UserID, it uc.PubsubItem) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM pubsub_items WHERE user_id = $1 AND node = $2 AND id = $3`, int64(user), it.Node, it.ID)
	return err
}

// putPubsubItem writes an item with a new place in the order.
func putPubsubItem(ctx context.Context, tx *sql.Tx, user uc.UserID, it uc.PubsubItem) error {
	if err := dropPubsubItem(ctx, tx, user, it); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO pubsub_items (user_id, node, id, publisher, at, payload) VALUES ($1, $2, $3, $4, $5, $6)`,
		int64(user), it.Node, it.ID, it.Publisher, timeColumn{&it.At}, it.Payload)
	return err
}
