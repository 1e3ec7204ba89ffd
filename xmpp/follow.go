package xmpp

import (
	"errors"
	"slices"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// followLimit is how many events may wait for the follower before it reads everything anew.
const followLimit = 4096

// follow is the goroutine that carries changes of the directory and of computed presence to the clients.
func (s *Server) follow() {
	for {
		e, err := s.nextEvent()
		switch {
		case errors.Is(err, bus.ErrOverflow):
			s.guard(s.resync)
		case err != nil:
			return
		default:
			s.guard(func() { s.onEvent(e) })
		}
	}
}

// postponed is an event that was taken from the bus while a change of the directory was being pushed, and has to wait for it.
type postponed struct {
	event uc.Event
	err   error
	waits bool
}

func (s *Server) nextEvent() (uc.Event, error) {
	if p := s.postponed; p.waits {
		s.postponed = postponed{}
		return p.event, p.err
	}
	return s.events.Next(s.ctx)
}

// meanwhile deals with what has happened since the follower began to push a change of the directory, which may be some
// seconds' work, up to the next change.
func (s *Server) meanwhile() {
	for !s.postponed.waits {
		e, err, ok := s.events.TryNext()
		if !ok {
			return
		}
		if _, changes := e.(uc.DirectoryChanged); changes || err != nil {
			s.postponed = postponed{e, err, true}
			return
		}
		s.guard(func() { s.onEvent(e) })
	}
}

func (s *Server) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("xmpp: handler panicked", "panic", p, "stack", stackOf())
		}
	}()
	f()
}

func (s *Server) onEvent(e uc.Event) {
	b := s.newBatch()
	defer b.done()
	switch e := e.(type) {
	case uc.DirectoryChanged:
		if e.After.Version > s.groups.Load().dir.Version {
			s.changeDirectory(b, e.After, e.Changes)
			s.changeProfiles(b, e.Changes)
		}
	case uc.PresenceChanged:
		s.changePresence(b, e.Presence)
	case uc.CallChanged:
		s.changeCall(b, e.Call)
		s.tellDialled(b, e.Call)
	case uc.ProfileSwitched:
		if a := s.accountByID(e.State.User); a != nil {
			s.tellProfiles(b, a)
		}
	}
}

// resync takes over all that may have changed while events were lost.
func (s *Server) resync() {
	b := s.newBatch()
	defer b.done()
	now := s.deps.Directory.Snapshot()
	s.changeDirectory(b, now, everything(s.groups.Load().dir, now))
	s.recount(b)
	for _, a := range s.router.allAccounts() {
		s.changePresence(b, s.deps.Presences.Get(a.user))
		s.tellProfiles(b, a)
		b.flush()
	}
}

// everything lists what two snapshots may differ in, as far as rosters and presence depend on it.
func everything(before, after *uc.Directory) []uc.Ref {
	seen := make(map[uc.Ref]bool)
	for _, d := range []*uc.Directory{before, after} {
		for id := range d.Users.All() {
			seen[uc.Ref{Kind: uc.KindUser, ID: int64(id)}] = true
			seen[uc.Ref{Kind: uc.KindUserState, ID: int64(id)}] = true
		}
		for id := range d.Teams.All() {
			seen[uc.Ref{Kind: uc.KindTeam, ID: int64(id)}] = true
		}
		for id := range d.Roles.All() {
			seen[uc.Ref{Kind: uc.KindRole, ID: int64(id)}] = true
		}
	}
	refs := make([]uc.Ref, 0, len(seen))
	for ref := range seen {
		refs = append(refs, ref)
	}
	return refs
}

func (s *Server) changePresence(b *batch, p uc.Presence) {
	if a := s.accountByID(p.User); a != nil {
		s.changeOverlay(b, a, makeOverlay(p))
		s.changeReach(b, a)
	}
}

// changeDirectory takes over a new snapshot: rosters, who sees whom, telephones, accounts that are gone.
func (s *Server) changeDirectory(b *batch, dir *uc.Directory, changes []uc.Ref) {
	before := s.groups.Load()
	after, changed := before.update(dir, changes)
	before.was.Store(nil) // it is still set if that change was cut off by a fault
	if changed {
		after.was.Store(before)
	} else {
		after.settled.Store(before.settled.Load())
	}
	s.groups.Store(after)
	if changed {
		s.generation.Add(1)
		s.changeGroups(b, before, after, changes)
		after.was.Store(nil)
		s.endAccounts(before, after, changes)
	}
	for _, id := range phonesTouched(before.dir, dir, changes) {
		if a := s.accountByID(id); a != nil {
			s.refreshPhone(b, a)
		}
	}
	for _, id := range reachTouched(before.dir, dir, changes) {
		if a := s.accountByID(id); a != nil {
			s.changeReach(b, a)
		}
	}
	s.changeTeams(b, before, after, changes)
	after.settled.Store(before.settled.Load())
}

// endAccounts ends the sessions of users who were deleted, renamed or may no longer sign in, and those that were opened
// by a password that was changed.
func (s *Server) endAccounts(before, after *groups, changes []uc.Ref) {
	for _, ref := range changes {
		if ref.Kind != uc.KindUser {
			continue
		}
		was, is := before.dir.Users.Get(uc.UserID(ref.ID)), after.dir.Users.Get(uc.UserID(ref.ID))
		switch {
		case was == nil:
		case is == nil, is.Login != was.Login, is.Auth == uc.AuthNone:
			s.endAccount(was, is)
		case replaced(&was.Password, &is.Password):
			s.endOldPassword(s.router.account([]byte(s.bareJID(is.Login))))
		}
	}
}

// endAccount ends the sessions of a user who may no longer sign in as before; is is nil if the user was deleted.
func (s *Server) endAccount(was, is *uc.User) {
	reason := errDeleted
	if is != nil && is.Login != was.Login {
		reason = stream.Reset // the client may come back under the new name
	}
	s.renameInRooms(was, is)
	if a := s.router.account([]byte(s.bareJID(was.Login))); a != nil {
		if is == nil || is.Login != was.Login {
			s.router.dropAccount(a.bare)
		}
		if is == nil {
			s.pushes.dropUser(a)
		}
		for _, c := range a.bound() {
			c.end(reason)
		}
	}
}

// replaced reports whether there was a password, and another has been set since.
func replaced(was, now *uc.PasswordKeys) bool { return was.Hashes() != 0 && !now.Same(was) }

// endOldPassword ends the sessions of a user whose password was changed: whoever else knew the old one is gone with it.
// The session that changed it stays.
func (s *Server) endOldPassword(a *account) {
	if a == nil {
		return
	}
	changer := a.passwordBy.Swap(nil)
	for _, c := range a.bound() {
		if c != changer {
			c.end(errPassword)
		}
	}
}

// phonesTouched lists the users whose set of telephones a change may have changed.
func phonesTouched(before, after *uc.Directory, changes []uc.Ref) []uc.UserID {
	var list []uc.UserID
	assigned := func(d *uc.Directory, a *uc.Assignment) {
		switch {
		case a == nil:
		case a.User != 0:
			list = append(list, a.User)
		default:
			list = append(list, d.LocationUser(a.Location))
		}
	}
	for _, ref := range changes {
		switch ref.Kind {
		case uc.KindUserState:
			id := uc.UserID(ref.ID)
			if before.State(id).Workplace != after.State(id).Workplace {
				list = append(list, id)
			}
		case uc.KindAssignment:
			for _, d := range []*uc.Directory{before, after} {
				assigned(d, d.Assignments.Get(uc.AssignmentID(ref.ID)))
			}
		case uc.KindDevice:
			for _, d := range []*uc.Directory{before, after} {
				for _, a := range d.DeviceAssignments(uc.DeviceID(ref.ID)) {
					assigned(d, a)
				}
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > 0 && list[0] == 0 {
		list = list[1:] // nobody is logged in at the location
	}
	return list
}
