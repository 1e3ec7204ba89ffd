package directory

import (
	"cmp"
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

var (
	forwardKinds   = []uc.ForwardKind{uc.ForwardAlways, uc.ForwardBusy, uc.ForwardNoAnswer, uc.ForwardUnreachable}
	forwardClasses = []uc.ForwardClass{uc.ForwardInternal, uc.ForwardExternal, uc.ForwardBoth}
)

// AddForwarding adds a forwarding to a user, who has at most one of each kind and class.
func (d *Directory) AddForwarding(ctx context.Context, by uc.Actor, f uc.Forwarding) (uc.Forwarding, error) {
	err := d.do(ctx, by, func(e *edit) error {
		f.ID, f.SetBy = 0, e.stamp()
		if err := e.checkForwarding(&f); err != nil {
			return err
		}
		f.ID = uc.ForwardingID(e.nextID(uc.KindForwarding))
		e.put.Forwardings = append(e.put.Forwardings, f)
		e.note("added forwarding %s of %s to %s", f.Kind, userName(e.dir, f.User), f.Target)
		return nil
	})
	if err != nil {
		return uc.Forwarding{}, err
	}
	return f, nil
}

// UpdateForwarding changes a forwarding.
func (d *Directory) UpdateForwarding(ctx context.Context, by uc.Actor, f uc.Forwarding) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Forwardings, f.ID, uc.KindForwarding)
		if err != nil {
			return err
		}
		f.SetBy = old.SetBy
		if err := e.checkForwarding(&f); err != nil {
			return err
		}
		if old == f {
			return nil
		}
		f.SetBy = e.stamp()
		e.put.Forwardings = append(e.put.Forwardings, f)
		e.note("changed forwarding %s of %s: %s", f.Kind, userName(e.dir, f.User), diff(old, f))
		return nil
	})
}

// checkForwarding brings a forwarding into its stored form and checks it.
func (e *edit) checkForwarding(f *uc.Forwarding) error {
	var c checks
	f.Kind, f.Class = cmp.Or(f.Kind, uc.ForwardAlways), cmp.Or(f.Class, uc.ForwardBoth)
	oneOf(&c, "kind", f.Kind, forwardKinds...)
	oneOf(&c, "class", f.Class, forwardClasses...)
	known(&c, "user", &e.dir.Users, f.User)
	c.target("target", &f.Target)
	if u := e.dir.Users.Get(f.User); u != nil {
		c.that(u.Ext == "" || u.Ext != f.Target, "target", "%s is the user's own extension", f.Target)
	}
	other := forwardingOf(e.dir, f.User, f.Kind, f.Class)
	c.free(other == nil || other.ID == f.ID, "kind", "%s has such a forwarding already", userName(e.dir, f.User))
	return c.err
}

// forwardingOf finds a user's forwarding of a kind and class, on or off.
func forwardingOf(dir *uc.Directory, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) *uc.Forwarding {
	for _, f := range dir.UserForwardings(user) {
		if f.Kind == kind && f.Class == class {
			return f
		}
	}
	return nil
}
