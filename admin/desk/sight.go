package desk

import "github.com/rolecall/rolecall/internal/uc"

// Sees lists whom a user sees, and why.
func (d *Deps) Sees(user uc.UserID) []uc.Sight {
	to, _ := d.subscriptions(user)
	return d.Directory.Snapshot().Sees(user, to)
}

// SeenBy lists who sees a user, and why.
func (d *Deps) SeenBy(user uc.UserID) []uc.Sight {
	_, from := d.subscriptions(user)
	return d.Directory.Snapshot().SeenBy(user, from)
}

func (d *Deps) subscriptions(user uc.UserID) (to, from []uc.UserID) {
	if d.Subscriptions == nil {
		return nil, nil
	}
	return d.Subscriptions(user)
}
