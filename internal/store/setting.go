package store

import "context"

// Setting returns a small named value, or nil.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	return s.blob(ctx, "read a setting", `SELECT value FROM settings WHERE name = $1`, name)
}

// PutSetting writes a small named value.
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	if value == nil {
		value = []byte{} // nil would read as no setting
	}
	return s.exec(ctx, "write a setting", `INSERT INTO settings (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
}
