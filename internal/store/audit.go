package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"

	"github.com/rolecall/rolecall/internal/uc"
)

const auditColumns = `at, by_user, by_name, by_via, text, refs`

func auditFields(a *uc.AuditEntry) []any {
	return []any{timeColumn{&a.Time}, optional(&a.By.User), &a.By.Name, &a.By.Via, &a.Text, jsonColumn{&a.Refs}}
}

func addAudit(ctx context.Context, tx *sql.Tx, a *uc.AuditEntry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`, auditFields(a)...)
	return err
}

// Audit returns changes of the directory, newest first: at most limit (100 if 0) with an ID below before,
// or the newest if before is 0.
func (s *Store) Audit(ctx context.Context, before int64, limit int) ([]uc.AuditEntry, error) {
	list, err := selectAll(ctx, s.read, `SELECT id, `+auditColumns+` FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2`,
		func(a *uc.AuditEntry) []any { return append([]any{&a.ID}, auditFields(a)...) },
		cmp.Or(before, math.MaxInt64), cmp.Or(limit, defaultLimit))
	return list, s.problem("read the audit", err)
}

// AddAudit notes something that was done and is no change of the directory, as the end of somebody's session.
func (s *Store) AddAudit(ctx context.Context, a uc.AuditEntry) error {
	return s.commit(ctx, "write the audit", func(ctx context.Context, tx *sql.Tx) error { return addAudit(ctx, tx, &a) })
}
