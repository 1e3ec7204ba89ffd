package xmpp

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
)

// Sessions lists the sessions of all users by their addresses.
func (s *Server) Sessions() []uc.ChatSession {
	var list []uc.ChatSession
	for _, c := range s.router.allSessions() {
		if c.attached.Load() { // otherwise it is still being negotiated
			list = append(list, c.describe())
		}
	}
	slices.SortFunc(list, func(a, b uc.ChatSession) int { return cmp.Or(cmp.Compare(a.JID, b.JID), cmp.Compare(a.ID, b.ID)) })
	return list
}

// describe tells of a session what administrators may know.
func (c *session) describe() uc.ChatSession {
	d := uc.ChatSession{
		ID: c.number, JID: c.jid, User: c.account.user, Since: c.since, Online: c.available.Load(), Priority: int8(c.priority.Load()),
		Inactive: c.held.Load() != nil, Carbons: c.carbons.Load(), LastIn: c.trace.quiet(),
	}
	c.queue.mu.Lock()
	d.Queued, d.Detached, d.Managed = c.queue.length(), c.queue.detached(), c.queue.acks != nil
	c.queue.mu.Unlock()
	c.linkMu.Lock()
	d.Address, d.TLS = c.wire.RemoteAddr().String(), c.encrypted()
	c.linkMu.Unlock()
	c.account.presenceMu.Lock()
	d.Show, d.Client = c.presence.show, c.presence.caps.node
	c.account.presenceMu.Unlock()
	return d
}

// EndSession ends a session for an administrator. The client is told, and may sign in again.
func (s *Server) EndSession(ctx context.Context, by uc.Actor, id uint64) error {
	for _, c := range s.router.allSessions() {
		if c.number == id {
			return s.kick(ctx, by, c)
		}
	}
	return uc.Errorf(uc.ErrNotFound, "There is no such session.")
}

// kick ends a session, once it is written down who wanted it.
func (s *Server) kick(ctx context.Context, by uc.Actor, c *session) error {
	entry := uc.AuditEntry{
		Time: time.Now(), By: by, Text: "ended the session " + c.jid, Refs: []uc.Ref{{Kind: uc.KindUser, ID: int64(c.account.user)}},
	}
	if err := s.deps.Store.AddAudit(ctx, entry); err != nil {
		return err
	}
	c.end(errKicked)
	return nil
}

// Trace lists the last stanzas of a user's sessions, or of one if the address is a full one, oldest first.
func (s *Server) Trace(address string) ([]uc.TracedStanza, error) {
	f, err := s.newFollower(address)
	if err != nil {
		return nil, err
	}
	list := f.read(f.sessions())
	if len(list) == 0 {
		return nil, uc.Errorf(uc.ErrNotFound, "%s is not connected.", address)
	}
	return list, nil
}

// FollowTrace returns a function that lists the stanzas of a user's sessions, or of one, that have passed
// since it was last called: first all that are remembered, oldest first. It is to be called several times a second,
// from one goroutine, until stop.
func (s *Server) FollowTrace(address string) (next func() []uc.TracedStanza, stop func(), err error) {
	f, err := s.newFollower(address)
	if err != nil {
		return nil, nil, err
	}
	return f.next, f.stop, nil
}

// newFollower checks an address, or a login name. Whoever has it may be told whether there is such a user.
func (s *Server) newFollower(address string) (*follower, error) {
	if !strings.ContainsAny(address, "@/") {
		address += "@" + s.cfg.Domain
	}
	parsed, err := jid.Parse(address)
	if err != nil || parsed.Localpart() == "" || parsed.Domainpart() != s.cfg.Domain {
		return nil, uc.FieldError(uc.ErrInvalid, "jid", "%q is not the address of a user of this server.", address)
	}
	if s.deps.Directory.Snapshot().UserByLogin(parsed.Localpart()) == nil {
		return nil, uc.Errorf(uc.ErrNotFound, "There is no user %s.", parsed.Bare())
	}
	return &follower{server: s, address: parsed, seen: make(map[*session]uint64)}, nil
}

// follower follows what passes through sessions.
type follower struct {
	server  *Server
	address jid.JID
	seen    map[*session]uint64 // the number of the last stanza
}

// sessions lists what is followed now.
func (f *follower) sessions() []*session {
	if f.address.Resourcepart() != "" {
		if c := f.server.router.session([]byte(f.address.String())); c != nil {
			return []*session{c}
		}
		return nil
	}
	if a := f.server.accountByLogin(f.address.Localpart()); a != nil {
		return a.bound()
	}
	return nil
}

func (f *follower) next() []uc.TracedStanza {
	now := f.sessions()
	for _, c := range now {
		if _, known := f.seen[c]; !known {
			c.trace.watch()
			f.seen[c] = 0
		}
	}
	list := f.read(slices.Collect(maps.Keys(f.seen)))
	maps.DeleteFunc(f.seen, func(c *session, _ uint64) bool { return !slices.Contains(now, c) }) // they have ended
	return list
}

// read lists what is new in sessions.
func (f *follower) read(sessions []*session) []uc.TracedStanza {
	var list []uc.TracedStanza
	for _, c := range sessions {
		for _, r := range c.trace.after(f.seen[c]) {
			list = append(list, r.decode(c, f.server.cfg.TraceBodies))
			f.seen[c] = r.number
		}
	}
	slices.SortStableFunc(list, func(a, b uc.TracedStanza) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Number, b.Number))
	})
	return list
}

func (f *follower) stop() {
	for c := range f.seen {
		c.trace.unwatch()
	}
	clear(f.seen)
}
