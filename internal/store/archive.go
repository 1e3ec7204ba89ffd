package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// archiveRows is how many messages one statement writes.
const archiveRows = 50

// AddArchived keeps messages of users, in one transaction.
func (s *Store) AddArchived(ctx context.Context, list []uc.ArchivedMessage) error {
	return s.commit(ctx, "archive messages", func(ctx context.Context, tx *sql.Tx) error {
		args := make([]any, 0, archiveRows*5)
		for chunk := range slices.Chunk(list, archiveRows) {
			args = args[:0]
			for i := range chunk {
				m := &chunk[i]
				args = append(args, int64(m.User), m.ID, m.Peer, m.Resource, m.Stanza)
			}
			if _, err := tx.ExecContext(ctx, insertRows("archive (user_id, id, peer, resource, stanza)", 5, len(chunk)), args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// ImportArchived adds messages of users that are not there already, in one transaction, and returns how many. One that
// has the ID of another message gets the next ID that is free.
func (s *Store) ImportArchived(ctx context.Context, list []uc.ArchivedMessage) (added int, err error) {
	err = s.commit(ctx, "import messages", func(ctx context.Context, tx *sql.Tx) error {
		added = 0
		var before, last int64 // ID of the message before, as it was and as it became
		for i := range list {
			m := list[i]
			asked := m.ID
			if i > 0 && asked == before && list[i-1].User == m.User {
				m.ID = last + 1
			}
			fresh, err := importArchived(ctx, tx, &m)
			if err != nil {
				return err
			}
			if fresh {
				added++
			}
			before, last = asked, m.ID
		}
		return nil
	})
	return added, err
}

// importArchived finds the place of a message, and reports whether it was not there.
func importArchived(ctx context.Context, tx *sql.Tx, m *uc.ArchivedMessage) (fresh bool, err error) {
	for ; ; m.ID++ {
		r, err := tx.ExecContext(ctx, `INSERT INTO archive (user_id, id, peer, resource, stanza) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id, id) DO NOTHING`, int64(m.User), m.ID, m.Peer, m.Resource, m.Stanza)
		if err != nil {
			return false, err
		}
		if n, err := r.RowsAffected(); n > 0 || err != nil {
			return true, err
		}
		var there []byte
		if err := tx.QueryRowContext(ctx, `SELECT stanza FROM archive WHERE user_id = $1 AND id = $2`, int64(m.User), m.ID).Scan(&there); err != nil {
			return false, err
		}
		if bytes.Equal(there, m.Stanza) {
			return false, nil
		}
	}
}

// insertRows is a statement that adds rows of so many columns.
func insertRows(into string, columns, rows int) string {
	b := append(make([]byte, 0, 64+6*columns*rows), "INSERT INTO "+into+" VALUES "...)
	for i := range columns * rows {
		switch {
		case i == 0:
			b = append(b, "($"...)
		case i%columns == 0:
			b = append(b, "),($"...)
		default:
			b = append(b, ",$"...)
		}
		b = strconv.AppendInt(b, int64(i+1), 10)
	}
	return string(append(b, ')'))
}

// addRoomMessage keeps a message of a room.
func addRoomMessage(ctx context.Context, tx *sql.Tx, m *uc.ArchivedMessage) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO room_archive (room, id, peer, resource, seen, stanza) VALUES ($1, $2, $3, $4, $5, $6)`,
		m.Room, m.ID, m.Peer, m.Resource, m.Open, m.Stanza)
	return err
}

// LastArchived returns the highest ID in all archives; 0 if they are empty.
func (s *Store) LastArchived(ctx context.Context) (id int64, err error) {
	var rooms int64
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0), (SELECT COALESCE(MAX(id), 0) FROM room_archive) FROM archive`).Scan(&id, &rooms)
	return max(id, rooms), s.problem("read the archive", err)
}

// RemoveArchived removes one message, if it is there.
func (s *Store) RemoveArchived(ctx context.Context, of uc.Archive, id int64) error {
	f := newArchiveFilter(of)
	f.and("id = ", id)
	return s.exec(ctx, "remove a message", "DELETE FROM "+f.from, f.args...)
}

// DeleteArchived removes messages that are older than the ID from all archives, at most limit each from those of
// users and of rooms, and returns how many.
func (s *Store) DeleteArchived(ctx context.Context, before int64, limit int) (n int64, err error) {
	err = s.commit(ctx, "remove old messages", func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		for _, table := range [][2]string{{"archive", "user_id"}, {"room_archive", "room"}} {
			r, err := tx.ExecContext(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE (%[2]s, id) IN
				(SELECT %[2]s, id FROM %[1]s WHERE id < $1 ORDER BY id LIMIT $2)`, table[0], table[1]), before, limit)
			if err != nil {
				return err
			}
			removed, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += removed
		}
		return nil
	})
	return n, err
}

// ArchivesBeyond lists the archives that have more messages than the quota.
func (s *Store) ArchivesBeyond(ctx context.Context, quota int) ([]uc.Archive, error) {
	users, err := selectAll(ctx, s.read, `SELECT user_id FROM archive GROUP BY user_id HAVING COUNT(*) > $1 ORDER BY user_id`,
		func(a *uc.Archive) []any { return []any{&a.User} }, quota)
	if err != nil {
		return nil, s.problem("measure archives", err)
	}
	rooms, err := selectAll(ctx, s.read, `SELECT room FROM room_archive GROUP BY room HAVING COUNT(*) > $1 ORDER BY room`,
		func(a *uc.Archive) []any { return []any{&a.Room} }, quota)
	return append(users, rooms...), s.problem("measure archives", err)
}

// TrimArchive removes the oldest messages of an archive that are more than it may keep, at most limit, and
// returns how many.
func (s *Store) TrimArchive(ctx context.Context, of uc.Archive, keep, limit int) (n int64, err error) {
	f := newArchiveFilter(of)
	var newest int64 // of those that are too many
	err = s.read.QueryRowContext(ctx, fmt.Sprintf("SELECT id FROM %s ORDER BY id DESC LIMIT 1 OFFSET %d", f.from, keep), f.args...).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, s.problem("measure an archive", err)
	}
	f.and("id <= ", newest)
	err = s.commit(ctx, "remove old messages", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s AND id IN (SELECT id FROM %s ORDER BY id LIMIT %d)", f.from, f.from, limit), f.args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, err
}

// archiveFilter is the table and the conditions of a query.
type archiveFilter struct {
	from string // as in SELECT … FROM
	args []any
}

func newArchiveFilter(of uc.Archive) *archiveFilter {
	if of.Room != "" {
		return &archiveFilter{"room_archive WHERE room = $1", []any{of.Room}}
	}
	return &archiveFilter{"archive WHERE user_id = $1", []any{int64(of.User)}}
}

// archiveSelection is the filter of a query, without where its page begins and ends.
func archiveSelection(q uc.ArchiveQuery) *archiveFilter {
	f := newArchiveFilter(q.Archive)
	if q.Peer != "" {
		f.and("peer = ", q.Peer)
	}
	if q.Resource != "" {
		f.and("resource = ", q.Resource)
	}
	if q.From != 0 {
		f.and("id >= ", q.From)
	}
	if q.To != 0 {
		f.and("id < ", q.To)
	}
	if len(q.IDs) > 0 {
		places := make([]string, len(q.IDs))
		for i, id := range q.IDs {
			f.args = append(f.args, id)
			places[i] = fmt.Sprintf("$%d", len(f.args))
		}
		f.from += " AND id IN (" + strings.Join(places, ", ") + ")"
	}
	return f
}

// and adds a condition; its argument follows the text.
func (f *archiveFilter) and(text string, arg any) {
	f.args = append(f.args, arg)
	f.from += fmt.Sprintf(" AND %s$%d", text, len(f.args))
}

// Archived returns one page of an archive. If a known ID of the query is not in the archive the error
// is of kind uc.ErrNotFound.
func (s *Store) Archived(ctx context.Context, q uc.ArchiveQuery) (page uc.ArchivePage, err error) {
	tx, err := s.read.BeginTx(ctx, &s.dialect.snapshot)
	if err != nil {
		return page, s.problem("read the archive", err)
	}
	defer func() { err = rollback(tx, err) }()
	if err := s.archivePage(ctx, tx, q, &page); err != nil {
		return uc.ArchivePage{}, s.problem("read the archive", err)
	}
	return page, nil
}

// ArchivedAfter returns the messages of an archive behind an ID, the oldest first: at most limit, of about so many
// bytes, but one at least if there is one.
func (s *Store) ArchivedAfter(ctx context.Context, of uc.Archive, after int64, limit, size int) (list []uc.ArchivedMessage, err error) {
	tx, err := s.read.BeginTx(ctx, &s.dialect.snapshot)
	if err != nil {
		return nil, s.problem("read the archive", err)
	}
	defer func() { err = rollback(tx, err) }()
	f := newArchiveFilter(of)
	f.and("id > ", after)
	var page uc.ArchivePage
	err = readArchived(ctx, tx, f, uc.ArchiveQuery{Archive: of, Max: limit, Bytes: size}, &page)
	return page.Messages, s.problem("read the archive", err)
}

func (s *Store) archivePage(ctx context.Context, tx *sql.Tx, q uc.ArchiveQuery, page *uc.ArchivePage) error {
	if err := knownArchived(ctx, tx, q); err != nil {
		return err
	}
	f := archiveSelection(q)
	var err error
	if page.Count, err = countArchived(ctx, tx, f); err != nil {
		return err
	}
	if q.After != 0 {
		f.and("id > ", q.After)
	}
	if q.Before != 0 {
		f.and("id < ", q.Before)
	}
	if err := readArchived(ctx, tx, f, q, page); err != nil || len(page.Messages) == 0 || q.Last {
		return err
	}
	older := archiveSelection(q)
	older.and("id < ", page.Messages[0].ID)
	page.Index, err = countArchived(ctx, tx, older)
	return err
}

// knownArchived checks that the archive has the messages that a query names.
func knownArchived(ctx context.Context, tx *sql.Tx, q uc.ArchiveQuery) error {
	known := slices.Compact(slices.Sorted(slices.Values(q.Known)))
	if len(known) == 0 {
		return nil
	}
	n, err := countArchived(ctx, tx, archiveSelection(uc.ArchiveQuery{Archive: q.Archive, IDs: known}))
	if err == nil && n < len(known) {
		err = uc.Errorf(uc.ErrNotFound, "there is no such message in the archive")
	}
	return err
}

func countArchived(ctx context.Context, tx *sql.Tx, f *archiveFilter) (n int, err error) {
	err = tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+f.from, f.args...).Scan(&n)
	return n, err
}

// readArchived reads the messages of a page and one more, to know whether there is one.
func readArchived(ctx context.Context, tx *sql.Tx, f *archiveFilter, q uc.ArchiveQuery, page *uc.ArchivePage) (err error) {
	order := " ORDER BY id"
	if q.Last {
		order += " DESC"
	}
	seen := "FALSE"
	if q.Room != "" {
		seen = "seen"
	}
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT id, peer, resource, %s, stanza FROM %s%s LIMIT %d OFFSET %d", seen, f.from, order, q.Max+1, q.Skip), f.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	page.Complete = true
	for size := 0; rows.Next(); {
		if len(page.Messages) >= q.Max || q.Bytes > 0 && size >= q.Bytes {
			page.Complete = false
			break
		}
		m := uc.ArchivedMessage{Archive: q.Archive}
		if err := rows.Scan(&m.ID, &m.Peer, &m.Resource, &m.Open, &m.Stanza); err != nil {
			return err
		}
		size += len(m.Stanza)
		page.Messages = append(page.Messages, m)
	}
	if q.Last {
		slices.Reverse(page.Messages)
	}
	return rows.Err()
}

// ArchivePreferences returns the preferences of all users who have set some, by user.
func (s *Store) ArchivePreferences(ctx context.Context) ([]uc.ArchivePreferences, error) {
	list, err := selectAll(ctx, s.read, archivePreferences.load, archivePreferences.fields)
	return list, s.problem("read archive preferences", err)
}

// PutArchivePreferences replaces a user's preferences.
func (s *Store) PutArchivePreferences(ctx context.Context, p uc.ArchivePreferences) error {
	return s.exec(ctx, "write archive preferences", archivePreferences.upsert, archivePreferences.fields(&p)...)
}

var archivePreferences = newTable("archive_preferences", `user_id standard always never`,
	func(p *uc.ArchivePreferences) []any {
		return []any{&p.User, &p.Standard, jsonColumn{&p.Always}, jsonColumn{&p.Never}}
	})
