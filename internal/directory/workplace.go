package directory

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rolecall/rolecall/internal/uc"
)

// SetWorkplace logs a user in at a location. Whoever is logged in there is logged out; a user is logged
// in at no more than one.
func (d *Directory) SetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID, loc uc.LocationID) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		if _, err := find(&e.dir.Locations, loc, uc.KindLocation); err != nil {
			return err
		}
		if e.dir.State(user).Workplace == loc {
			return nil
		}
		if may, why := e.dir.MayUseLocation(user, loc); !may {
			return uc.Errorf(uc.ErrForbidden, "%s", why)
		}
		if present := e.dir.LocationUser(loc); present != 0 {
			e.moveTo(present, 0, fmt.Sprintf(" (%s logged in there)", userName(e.dir, user)))
		}
		e.moveTo(user, loc, "")
		return nil
	})
}

// UnsetWorkplace logs a user out of the location that they are logged in at.
func (d *Directory) UnsetWorkplace(ctx context.Context, by uc.Actor, user uc.UserID) ([]uc.Change, error) {
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		e.moveTo(user, 0, "")
		return nil
	})
}

// moveTo changes where a user is logged in, 0 for nowhere.
func (e *edit) moveTo(user uc.UserID, loc uc.LocationID, why string) {
	dir := e.view()
	s := dir.State(user)
	if s.Workplace == loc {
		return
	}
	e.changed(fmt.Sprintf("workplace:%d", user), s.Workplace, loc, "Workplace of %s: %s → %s%s", userName(dir, user),
		cmp.Or(locationName(dir, s.Workplace), "none"), cmp.Or(locationName(dir, loc), "none"), why)
	s.Workplace = loc
	e.putState(s)
}
