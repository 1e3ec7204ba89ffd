package store

import (
	"context"
	"database/sql"

	"github.com/rolecall/rolecall/internal/uc"
)

// Rooms returns all rooms by name, with their members by address.
func (s *Store) Rooms(ctx context.Context) ([]uc.Room, error) {
	rooms, err := selectAll(ctx, s.read, `SELECT name, created, settings, subject, hats, card FROM rooms ORDER BY name`,
		func(r *uc.Room) []any { return append(roomFields(r), jsonColumn{&r.Hats}, &r.Card) })
	if err != nil {
		return nil, s.problem("read rooms", err)
	}
	members, err := selectAll(ctx, s.read, `SELECT room, jid, affiliation, nick, reason FROM room_members ORDER BY room, jid`, roomMemberFields)
	if err != nil {
		return nil, s.problem("read members of rooms", err)
	}
	byName := make(map[string]*uc.Room, len(rooms))
	for i := range rooms {
		byName[rooms[i].Name] = &rooms[i]
	}
	for _, m := range members {
		if r := byName[m.room]; r != nil { // nil: the room was made between the two queries
			r.Members = append(r.Members, m.RoomMember)
		}
	}
	return rooms, nil
}

func roomFields(r *uc.Room) []any {
	return []any{&r.Name, timeColumn{&r.Created}, jsonColumn{&r.Settings}, jsonColumn{&r.Subject}}
}

// roomMember is a row of room_members.
type roomMember struct {
	room string
	uc.RoomMember
}

func roomMemberFields(m *roomMember) []any {
	return []any{&m.room, &m.JID, &m.Affiliation, &m.Nick, &m.Reason}
}

// ChangeRooms makes changes of rooms and their archives, in their order: all or none.
func (s *Store) ChangeRooms(ctx context.Context, list []uc.RoomChange) error {
	return s.commit(ctx, "write rooms", func(ctx context.Context, tx *sql.Tx) error {
		for i := range list {
			if err := changeRoom(ctx, tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func changeRoom(ctx context.Context, tx *sql.Tx, c *uc.RoomChange) error {
	switch {
	case c.Put != nil:
		return putRoom(ctx, tx, c)
	case c.Add != nil:
		return addRoomMessage(ctx, tx, c.Add)
	case c.Replace != nil:
		_, err := tx.ExecContext(ctx, `UPDATE room_archive SET stanza = $3 WHERE room = $1 AND id = $2`, c.Replace.Room, c.Replace.ID, c.Replace.Stanza)
		return err
	}
	if c.Forget != "" {
		if _, err := tx.ExecContext(ctx, `DELETE FROM room_archive WHERE room = $1`, c.Forget); err != nil {
			return err
		}
	}
	if c.Delete == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM rooms WHERE name = $1`, c.Delete)
	return err
}

func putRoom(ctx context.Context, tx *sql.Tx, c *uc.RoomChange) error {
	r := c.Put
	if _, err := tx.ExecContext(ctx, `INSERT INTO rooms (name, created, settings, subject) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET created = excluded.created, settings = excluded.settings, subject = excluded.subject`,
		roomFields(r)...); err != nil {
		return err
	}
	if c.Card {
		if _, err := tx.ExecContext(ctx, `UPDATE rooms SET card = $2 WHERE name = $1`, r.Name, r.Card); err != nil {
			return err
		}
	}
	if c.Hats {
		if _, err := tx.ExecContext(ctx, `UPDATE rooms SET hats = $2 WHERE name = $1`, r.Name, jsonColumn{&r.Hats}); err != nil {
			return err
		}
	}
	put := c.Changed
	if c.Members {
		put = r.Members
		if _, err := tx.ExecContext(ctx, `DELETE FROM room_members WHERE room = $1`, r.Name); err != nil {
			return err
		}
	}
	for _, m := range put {
		if err := putRoomMember(ctx, tx, &roomMember{r.Name, m}); err != nil {
			return err
		}
	}
	return nil
}

func putRoomMember(ctx context.Context, tx *sql.Tx, m *roomMember) error {
	if m.Affiliation == "" {
		_, err := tx.ExecContext(ctx, `DELETE FROM room_members WHERE room = $1 AND jid = $2`, m.room, m.JID)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO room_members (room, jid, affiliation, nick, reason) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (room, jid) DO UPDATE SET affiliation = excluded.affiliation, nick = excluded.nick, reason = excluded.reason`, roomMemberFields(m)...)
	return err
}

// ForgetLostRooms removes the archives of rooms that are not stored: of temporary ones, which ended with the
// process that had them.
func (s *Store) ForgetLostRooms(ctx context.Context) error {
	return s.exec(ctx, "remove archives of rooms", `DELETE FROM room_archive WHERE room NOT IN (SELECT name FROM rooms)`)
}
