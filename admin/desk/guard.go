package desk

import (
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

// Guard wraps a directory so that nobody gives out, changes or takes over an account with a higher admin
// level than their own, and nobody locks themselves out. Whether they may use a command at all is
// decided before, by package access.
func Guard(d Directory) Directory { return guarded{d} }

type guarded struct{ Directory }

// AddUser implements Directory.
func (g guarded) AddUser(ctx context.Context, by uc.Actor, in uc.NewUser) (uc.User, error) {
	if err := g.mayGrant(by, in.AdminLevel); err != nil {
		return uc.User{}, err
	}
	return g.Directory.AddUser(ctx, by, in)
}

// UpdateUser implements Directory.
func (g guarded) UpdateUser(ctx context.Context, by uc.Actor, u uc.User) error {
	if err := g.mayTouch(by, u.ID); err != nil {
		return err
	}
	before := g.Snapshot().Users.Get(u.ID)
	if before != nil && before.AdminLevel != u.AdminLevel {
		if err := g.mayGrant(by, u.AdminLevel); err != nil {
			return err
		}
		if by.User == u.ID {
			return uc.FieldError(uc.ErrForbidden, "adminLevel", "Nobody can change their own admin level.")
		}
	}
	return g.Directory.UpdateUser(ctx, by, u)
}

// SetPassword implements Directory.
func (g guarded) SetPassword(ctx context.Context, by uc.Actor, user uc.UserID, password string) error {
	if err := g.mayTouch(by, user); err != nil {
		return err
	}
	return g.Directory.SetPassword(ctx, by, user, password)
}

// SetPIN implements Directory.
func (g guarded) SetPIN(ctx context.Context, by uc.Actor, user uc.UserID, pin string) error {
	if err := g.mayTouch(by, user); err != nil {
		return err
	}
	return g.Directory.SetPIN(ctx, by, user, pin)
}

// Delete implements Directory.
func (g guarded) Delete(ctx context.Context, by uc.Actor, ref uc.Ref) error {
	if ref.Kind == uc.KindUser {
		if uc.UserID(ref.ID) == by.User {
			return uc.Errorf(uc.ErrForbidden, "Nobody can delete their own account.")
		}
		if err := g.mayTouch(by, uc.UserID(ref.ID)); err != nil {
			return err
		}
	}
	return g.Directory.Delete(ctx, by, ref)
}

func (g guarded) levelOf(user uc.UserID) uc.AdminLevel {
	if u := g.Snapshot().Users.Get(user); u != nil {
		return u.AdminLevel
	}
	return uc.LevelNone
}

func (g guarded) mayGrant(by uc.Actor, level uc.AdminLevel) error {
	if g.levelOf(by.User).AtLeast(level) {
		return nil
	}
	return uc.FieldError(uc.ErrForbidden, "adminLevel", "This admin level is above your own.")
}

func (g guarded) mayTouch(by uc.Actor, user uc.UserID) error {
	if g.levelOf(by.User).AtLeast(g.levelOf(user)) {
		return nil
	}
	return uc.Errorf(uc.ErrForbidden, "This account has an admin level above your own.")
}
