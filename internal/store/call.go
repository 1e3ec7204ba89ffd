package store

import (
	"cmp"
	"context"
	"database/sql"

	"github.com/rolecall/rolecall/internal/uc"
)

const bindingColumns = `device_id, contact, transport, source, agent, call_id, cseq, path, instance, expires`

func bindingFields(b *uc.Binding) []any {
	return []any{&b.Device, &b.Contact, &b.Transport, &b.Source, &b.Agent, &b.CallID, &b.CSeq, jsonColumn{&b.Path},
		&b.Instance, timeColumn{&b.Expires}}
}

// Bindings returns all SIP registrations, also those that have expired.
func (s *Store) Bindings(ctx context.Context) ([]uc.Binding, error) {
	list, err := selectAll(ctx, s.read, `SELECT `+bindingColumns+` FROM bindings ORDER BY device_id, contact`, bindingFields)
	return list, s.problem("read bindings", err)
}

// SaveBindings drops and then puts registrations, in one transaction. Device and Contact identify them.
func (s *Store) SaveBindings(ctx context.Context, put, drop []uc.Binding) error {
	return s.commit(ctx, "save bindings", func(ctx context.Context, tx *sql.Tx) error {
		for i := range drop {
			if _, err := tx.ExecContext(ctx, `DELETE FROM bindings WHERE device_id = $1 AND contact = $2`,
				int64(drop[i].Device), drop[i].Contact); err != nil {
				return err
			}
		}
		if len(put) == 0 {
			return nil
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO bindings (`+bindingColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (device_id, contact) DO UPDATE SET transport = excluded.transport, source = excluded.source,
				agent = excluded.agent, call_id = excluded.call_id, cseq = excluded.cseq, path = excluded.path,
				instance = excluded.instance, expires = excluded.expires`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i := range put {
			if _, err := insert.ExecContext(ctx, bindingFields(&put[i])...); err != nil {
				return err
			}
		}
		return nil
	})
}

var callRecords = newTable("call_records",
	`call_id state class caller_user caller_team caller_device caller_number caller_name
	called_user called_team called_device called_number called_name legs began answered ended cause path version`,
	func(c *uc.Call) []any {
		fields := []any{&c.ID, &c.State, &c.Class}
		for _, p := range []*uc.Party{&c.Caller, &c.Called} {
			fields = append(fields, optional(&p.User), optional(&p.Team), optional(&p.Device), &p.Number, &p.Name)
		}
		return append(fields, jsonColumn{&c.Legs}, timeColumn{&c.Began}, timeColumn{&c.Answered}, timeColumn{&c.Ended},
			&c.Cause, jsonColumn{&c.Path}, &c.Version)
	})

// AddCallRecords keeps calls, in one transaction. Those that were kept before are replaced.
func (s *Store) AddCallRecords(ctx context.Context, calls []uc.Call) error {
	return s.commit(ctx, "keep calls", func(ctx context.Context, tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, callRecords.upsert)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i := range calls {
			if _, err := insert.ExecContext(ctx, callRecords.fields(&calls[i])...); err != nil {
				return err
			}
		}
		return nil
	})
}

// CallRecords returns at most limit (100 if 0) calls, the one that began last first.
func (s *Store) CallRecords(ctx context.Context, limit int) ([]uc.Call, error) {
	list, err := selectAll(ctx, s.read, callRecords.selection+` ORDER BY began DESC, call_id LIMIT $1`, callRecords.fields, cmp.Or(limit, defaultLimit))
	return list, s.problem("read calls", err)
}
