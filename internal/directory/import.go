package directory

import (
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

// ImportUser adds a user who comes from another server, with the password or only its keys, as far as they are known
// there. The rule for passwords does not hold: the user has this one. Without either nobody can sign in.
func (d *Directory) ImportUser(ctx context.Context, by uc.Actor, u uc.User, password string, keys uc.PasswordKeys) (uc.User, error) {
	u.PINHash, u.Password = "", keys
	if password != "" {
		var err error
		if u.Password, err = d.derivePassword(password); err != nil {
			return uc.User{}, err
		}
	}
	err := d.do(ctx, by, func(e *edit) error {
		u.ID = 0
		if err := e.checkUser(&u); err != nil {
			return err
		}
		u.ID = uc.UserID(e.nextID(uc.KindUser))
		e.put.Users = append(e.put.Users, u)
		e.note("added user %s (%s)", u.Login, u.Name)
		return nil
	})
	if err != nil {
		return uc.User{}, err
	}
	return u, nil
}
