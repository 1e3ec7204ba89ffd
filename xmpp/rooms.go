package xmpp

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/muc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// startRooms makes the service for chat rooms, with those that are stored.
func (s *Server) startRooms(ctx context.Context) (err error) {
	parsed, err := jid.Parse(s.cfg.RoomsDomain)
	if err != nil || parsed.Domainpart() != s.cfg.RoomsDomain || s.cfg.RoomsDomain == s.cfg.Domain {
		return uc.FieldError(uc.ErrInvalid, "rooms", "%q is not the normal form of a domain of its own", s.cfg.RoomsDomain)
	}
	cfg := muc.Config{
		Domain: s.cfg.RoomsDomain, Limits: muc.DefaultLimits, Store: s.deps.Store, MayCreate: s.mayCreateRoom,
		VCard: s.occupantCard, NewID: randomID, Held: s.deliverHeld, OccupantID: s.occupantID, Now: time.Now, Log: s.log,
	}
	if s.archive != nil {
		cfg.Numbers = roomNumbers{s.archive}
	}
	if s.rooms, err = muc.NewService(ctx, cfg); err != nil {
		return err
	}
	rooms := s.rooms
	s.workers.Go(func() { rooms.Run(s.ctx) })
	return nil
}

// occupantID names a person in a room without telling who that is.
func (s *Server) occupantID(room, bare string) string {
	m := hmac.New(sha256.New, s.cfg.Secret)
	for _, part := range []string{"occupant", room, bare} {
		m.Write(append([]byte(part), 0)) // never fails (package hash)
	}
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// deliverHeld delivers what waited until something was stored. by is the address of who caused it.
func (s *Server) deliverHeld(by string, list []muc.Delivery) {
	b := s.newBatch()
	defer b.done()
	a := s.accountByLogin(s.loginOf(by))
	if domain := domainOf([]byte(by)); by != "" && domain != s.cfg.Domain {
		a = s.stranger(by, "", domain).account
	}
	for _, d := range list {
		s.deliverRoom(b, a, d)
	}
}

// mayCreateRoom reports whether a user may make rooms: everybody, unless roles are named that may.
func (s *Server) mayCreateRoom(bare string) bool {
	dir := s.deps.Directory.Snapshot()
	u := dir.UserByLogin(s.loginOf(bare))
	if u == nil || len(s.cfg.RoomCreators) == 0 {
		return u != nil
	}
	return slices.ContainsFunc(dir.UserRoles(u.ID), func(r *uc.Role) bool { return slices.Contains(s.cfg.RoomCreators, r.Title) })
}

// occupantCard returns the vCard of a user who is in a room.
func (s *Server) occupantCard(ctx context.Context, bare string) ([]byte, error) {
	a := s.accountByLogin(s.loginOf(bare))
	if a == nil {
		return nil, nil
	}
	return s.deps.Store.VCard(ctx, a.user)
}

// forRooms reports whether the stanza is addressed to the rooms.
func (r *request) forRooms() bool {
	domain, _, _ := bytes.Cut(r.head.To, []byte("/")) // RFC 7622 §3.1: first the resource is cut off
	if at := bytes.IndexByte(domain, '@'); at >= 0 {
		domain = domain[at+1:]
	}
	return len(domain) == len(r.server.cfg.RoomsDomain) && strings.EqualFold(string(domain), r.server.cfg.RoomsDomain)
}

// inRooms hands the stanza to the rooms.
func (r *request) inRooms() error {
	if r.head.Kind == scan.IQ {
		if _, _, err := typeOfIQ(&r.head); err != nil {
			return err
		}
	}
	to, err := jid.Parse(string(r.head.To))
	if err != nil {
		return stanza.Error{Type: stanza.Modify, Condition: stanza.JIDMalformed}
	}
	if l := r.from.account.blocked.Load(); l != nil && r.head.Kind == scan.Message && l.blocks(to.Bare().String(), to.Resourcepart()) {
		return errBlocked
	}
	if r.forRoomArchive(to) {
		return r.roomArchive(to.Localpart())
	}
	if r.head.Kind == scan.IQ {
		r.awaitStored() // an answer says that what was sent before was handled
	}
	in := &muc.In{Head: r.head, Raw: r.raw, From: r.from.jid, Bare: r.from.account.bare, Abroad: r.from.account.foreign()}
	if r.head.Kind == scan.Presence && len(r.head.Type) == 0 && !r.from.account.foreign() {
		if r.pretends() {
			return errForbidden
		}
		in.Raw = r.server.addPhoto(r.from.account, r.raw)
	}
	err = r.server.rooms.Handle(r.server.ctx, in, to, func(d muc.Delivery) { r.server.deliverRoom(r.batch, r.from.account, d) })
	if in.Ticket != 0 {
		r.from.roomed = in.Ticket
	}
	switch {
	case err != nil && r.head.Kind == scan.Presence:
		r.failEntering(err)
		return nil
	case err == nil && r.head.Kind == scan.Message && to.Resourcepart() != "":
		r.copySentInRoom(to.Localpart())
	}
	return err
}

// failEntering answers presence with an error by which clients know that it is about a room (XEP-0045 §7.2).
func (r *request) failEntering(err error) {
	e := newElement("presence").attr("type", "error").attrIf("id", string(r.head.ID)).
		attr("to", r.from.jid).attr("from", string(r.head.To))
	e.start("x").attr("xmlns", muc.NS).close("x").raw(errorXML(r.server.stanzaError(err, r.from))).close("presence")
	r.batch.push(r.from, e.bytes())
}

// leaveRooms takes a client that is not available any more out of its rooms.
func (s *Server) leaveRooms(b *batch, c *session) {
	s.rooms.Gone(c.jid, func(d muc.Delivery) { s.deliverRoom(b, c.account, d) })
}

// deliverRoom sends what a user's stanza has led to in a room: the same bytes to all its addressees, but for
// the address.
func (s *Server) deliverRoom(b *batch, by *account, d muc.Delivery) {
	before, behind := d.Cut()
	for _, to := range d.To {
		b.scratch = append(scan.AppendEscaped(append(b.scratch[:0], " to='"...), to), '\'')
		if c := s.router.sessionOf(to); c != nil {
			if c.account.unwanted(&d) {
				continue
			}
			if w := c.behind.Load(); w == nil || !b.holdInRoom(w, c, &d, before, b.scratch, behind) {
				b.push(c, before, b.scratch, behind)
			}
			continue
		}
		if domain := domainOf([]byte(to)); domain != s.cfg.Domain {
			s.carry(to, domain, slices.Concat(before, b.scratch, behind))
			continue
		}
		if strings.Contains(to, "/") {
			continue // it will be taken out of the room as soon as its session has ended
		}
		if a := s.accountByLogin(s.loginOf(to)); a != nil {
			s.deliverInvitation(b, by, a, slices.Concat(before, b.scratch, behind))
		}
	}
}

// unwanted reports whether a message comes from a room or an occupant whom the user has blocked (XEP-0191 §3.3). Presence
// is passed on: without it the client would not know who is in the room, nor that it has left.
func (a *account) unwanted(d *muc.Delivery) bool {
	l := a.blocked.Load()
	if l == nil || !bytes.HasPrefix(d.Stanza, []byte("<message")) {
		return false
	}
	head, _, _, err := scan.New(unlimited).Next(d.Stanza)
	return err == nil && l.blocks(string(bareOf(head.From)), resourceOf(head.From))
}

// deliverInvitation gives a room's message to a user who is not in the room, and keeps it if need be. Who
// has blocked the room or the one who invites hears nothing of it.
func (s *Server) deliverInvitation(b *batch, by, to *account, raw []byte) {
	head, _, _, err := scan.New(unlimited).Next(raw)
	if blocked := to.blocked.Load(); err != nil || blocked.blocks(string(bareOf(head.From)), "") || by != nil && blocked.blocks(by.bare, "") {
		return
	}
	if err := s.deliverBare(s.ctx, b, to, raw, filed{}); err != nil {
		s.log.Info("xmpp: an invitation is lost", "jid", to.bare, "cause", err)
	}
}

// renameInRooms moves what belongs to a user in rooms to a new name; without one it is gone.
func (s *Server) renameInRooms(was, is *uc.User) {
	switch {
	case is == nil:
		s.rooms.Rename(s.bareJID(was.Login), "")
	case is.Login != was.Login:
		s.rooms.Rename(s.bareJID(was.Login), s.bareJID(is.Login))
	}
}

// shutDownRooms tells everybody that the rooms are closed.
func (s *Server) shutDownRooms() {
	b := s.newBatch()
	defer b.done()
	s.rooms.Shutdown(func(d muc.Delivery) { s.deliverRoom(b, nil, d) })
}

// sessionOf finds a session by its canonical full address.
func (r *router) sessionOf(full string) *session {
	sh := r.shardOf(full)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.sessions[full]
}
