package muc

// View is what somebody may see of a room's archive.
type View struct {
	Address   string // of the room
	Open      bool   // all occupants see who the others are
	Moderator bool   // sees who has sent a message even if others do not
}

// View tells what somebody may see of what was said in a room. That is for those who may enter now (XEP-0313
// §5.1.2): a password only occupants and owners are known to have.
func (s *Service) View(name, bare, full string) (View, error) {
	s.mu.RLock()
	l := s.rooms[name]
	s.mu.RUnlock()
	if l == nil {
		return View{}, errNotFound
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.room
	a, there := r.affiliation(bare), r.seats[full]
	switch {
	case r.numbers == nil:
		return View{}, errNotImplemented
	case a == outcast:
		return View{}, errForbidden
	case r.locked && a != owner:
		return View{}, errNotFound
	case r.settings.MembersOnly && a < member, r.settings.Password != "" && there == nil && a < owner:
		return View{}, errForbidden
	}
	return View{r.address, r.settings.NonAnonymous, a >= admin || there != nil && there.occupant.role == moderator}, nil
}
