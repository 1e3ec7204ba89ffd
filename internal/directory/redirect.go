package directory

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rolecall/rolecall/internal/uc"
)

// forwardValue is what a forwarding slot holds; a nil pointer is no forwarding at all.
type forwardValue struct {
	Target string `json:"target"`
	Active bool   `json:"active"`
}

func (v *forwardValue) String() string {
	if v == nil || !v.Active {
		return "off"
	}
	return "to " + v.Target
}

// SetForwarding switches a user's forwarding of a kind (always if empty) and class (both if empty) on.
// Without a target the last one counts. A forwarding for both classes ends those for one class.
func (d *Directory) SetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) ([]uc.Change, error) {
	kind, class = cmp.Or(kind, uc.ForwardAlways), cmp.Or(class, uc.ForwardBoth)
	return d.live(ctx, by, func(e *edit) error {
		f := uc.Forwarding{User: user, Kind: kind, Class: class, Target: target}
		if old := forwardingOf(e.dir, user, kind, class); old != nil {
			f.ID, f.Target = old.ID, cmp.Or(target, old.Target)
		}
		if err := e.checkForwarding(&f); err != nil {
			return err
		}
		if class == uc.ForwardBoth {
			e.endForwarding(user, kind, uc.ForwardInternal)
			e.endForwarding(user, kind, uc.ForwardExternal)
		}
		e.setForwarding(user, kind, class, &forwardValue{Target: f.Target, Active: true})
		return nil
	})
}

// UnsetForwarding switches a user's forwarding of a kind and class off and keeps its target. For both
// classes all of the kind end; for one class a forwarding for both goes on for the other class.
func (d *Directory) UnsetForwarding(ctx context.Context, by uc.Actor, user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) ([]uc.Change, error) {
	kind, class = cmp.Or(kind, uc.ForwardAlways), cmp.Or(class, uc.ForwardBoth)
	var c checks
	oneOf(&c, "kind", kind, forwardKinds...)
	oneOf(&c, "class", class, forwardClasses...)
	if c.err != nil {
		return nil, c.err
	}
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		if class == uc.ForwardBoth {
			for _, each := range forwardClasses {
				e.endForwarding(user, kind, each)
			}
			return nil
		}
		if both := forwardingOf(e.dir, user, kind, uc.ForwardBoth); both != nil && both.Active {
			e.endForwarding(user, kind, uc.ForwardBoth)
			e.keepForwarding(user, kind, otherClass(class), both.Target)
		}
		e.endForwarding(user, kind, class)
		return nil
	})
}

func otherClass(class uc.ForwardClass) uc.ForwardClass {
	if class == uc.ForwardInternal {
		return uc.ForwardExternal
	}
	return uc.ForwardInternal
}

// keepForwarding goes on forwarding one class, unless the class has an active forwarding of its own.
func (e *edit) keepForwarding(user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) {
	if own := forwardingOf(e.dir, user, kind, class); own == nil || !own.Active {
		e.setForwarding(user, kind, class, &forwardValue{Target: target, Active: true})
	}
}

// endForwarding switches one forwarding off if it is there and on.
func (e *edit) endForwarding(user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) {
	if f := forwardingOf(e.view(), user, kind, class); f != nil {
		e.setForwarding(user, kind, class, &forwardValue{Target: f.Target, Active: false})
	}
}

// setForwarding changes one slot; nil removes the forwarding.
func (e *edit) setForwarding(user uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, to *forwardValue) {
	dir := e.view()
	f := uc.Forwarding{User: user, Kind: kind, Class: class}
	var was *forwardValue
	if old := forwardingOf(dir, user, kind, class); old != nil {
		f = *old
		was = &forwardValue{old.Target, old.Active}
	}
	if to == nil && was == nil || to != nil && was != nil && *to == *was {
		return
	}
	e.changed(fmt.Sprintf("forwarding:%d:%s:%s", user, kind, class), was, to,
		"Forwarding of %s, %s, %s calls: %s → %s", userName(dir, user), kind, class, was, to)
	if to == nil {
		dropRow(e, uc.KindForwarding, f.ID)
		return
	}
	if f.ID == 0 {
		f.ID = uc.ForwardingID(e.nextID(uc.KindForwarding))
	}
	f.Target, f.Active, f.SetBy = to.Target, to.Active, e.stamp()
	e.put.Forwardings = append(e.put.Forwardings, f)
}
