package directory

import (
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

// maxRing is the longest delay or timeout in seconds.
const maxRing = 999

// defaultRing is the FollowMe that a new assignment starts with. A virtual fax answers its own extension
// and never rings for its user's.
func defaultRing(kind uc.DeviceKind) uc.Ring {
	r := uc.DefaultRing
	r.Enabled = kind != uc.DeviceFax
	return r
}

// Assign gives a device to a user or a location. A class whose FollowMe is left empty gets the default.
func (d *Directory) Assign(ctx context.Context, by uc.Actor, a uc.Assignment) (uc.Assignment, error) {
	err := d.do(ctx, by, func(e *edit) error {
		a.ID = 0
		if dev := e.dir.Devices.Get(a.Device); dev != nil {
			for _, class := range uc.Classes {
				if a.Ring(class) == (uc.Ring{}) {
					a.SetRing(class, defaultRing(dev.Kind))
				}
			}
		}
		if err := e.checkAssignment(&a); err != nil {
			return err
		}
		a.ID = uc.AssignmentID(e.nextID(uc.KindAssignment))
		e.put.Assignments = append(e.put.Assignments, a)
		e.note("assigned %s to %s", deviceName(e.dir, a.Device), e.assignee(&a))
		return nil
	})
	if err != nil {
		return uc.Assignment{}, err
	}
	return a, nil
}

// UpdateAssignment changes an assignment and its FollowMe; classes that change are stamped.
func (d *Directory) UpdateAssignment(ctx context.Context, by uc.Actor, a uc.Assignment) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Assignments, a.ID, uc.KindAssignment)
		if err != nil {
			return err
		}
		for _, class := range uc.Classes {
			r, was := a.Ring(class), old.Ring(class)
			r.SetBy = was.SetBy
			if r != was {
				r.SetBy = e.stamp()
			}
			a.SetRing(class, r)
		}
		if err := e.checkAssignment(&a); err != nil {
			return err
		}
		if old == a {
			return nil
		}
		e.put.Assignments = append(e.put.Assignments, a)
		e.note("changed %s at %s: %s", deviceName(e.dir, a.Device), e.assignee(&a), diff(old, a))
		return nil
	})
}

func (e *edit) checkAssignment(a *uc.Assignment) error {
	var c checks
	known(&c, "device", &e.dir.Devices, a.Device)
	c.that((a.User == 0) != (a.Location == 0), "user", "a device is assigned to a user or to a location, to one of the two")
	if a.User != 0 {
		known(&c, "user", &e.dir.Users, a.User)
	}
	if a.Location != 0 {
		known(&c, "location", &e.dir.Locations, a.Location)
	}
	for _, class := range uc.Classes {
		r := a.Ring(class)
		checkRing(&c, string(class)+".", r.Delay, r.Timeout)
	}
	for _, other := range e.dir.DeviceAssignments(a.Device) {
		if other.ID == a.ID {
			continue
		}
		c.free(other.User != a.User || other.Location != a.Location, "device", "the device is assigned there already")
		c.free((other.User == 0) == (a.User == 0), "device", "the device is assigned to %s", e.assignee(other))
	}
	return c.err
}

// checkRing checks the times of one FollowMe setting, in seconds.
func checkRing(c *checks, prefix string, delay, timeout int) {
	c.within(prefix+"delay", delay, 0, maxRing)
	c.within(prefix+"timeout", timeout, 1, maxRing)
}

// assignee names whom an assignment gives the device to.
func (e *edit) assignee(a *uc.Assignment) string {
	if a.User != 0 {
		return label(e.dir, uc.Ref{Kind: uc.KindUser, ID: int64(a.User)})
	}
	return label(e.dir, uc.Ref{Kind: uc.KindLocation, ID: int64(a.Location)})
}
