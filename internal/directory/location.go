package directory

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// AddLocation adds a workplace.
func (d *Directory) AddLocation(ctx context.Context, by uc.Actor, l uc.Location) (uc.Location, error) {
	err := d.do(ctx, by, func(e *edit) error {
		l.ID = 0
		if err := e.checkLocation(&l); err != nil {
			return err
		}
		l.ID = uc.LocationID(e.nextID(uc.KindLocation))
		e.put.Locations = append(e.put.Locations, l)
		e.note("added location %s", l.Name)
		return nil
	})
	if err != nil {
		return uc.Location{}, err
	}
	return l, nil
}

// UpdateLocation changes a workplace. Who is logged in there stays logged in.
func (d *Directory) UpdateLocation(ctx context.Context, by uc.Actor, l uc.Location) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Locations, l.ID, uc.KindLocation)
		if err != nil {
			return err
		}
		if err := e.checkLocation(&l); err != nil {
			return err
		}
		if reflect.DeepEqual(old, l) {
			return nil
		}
		e.put.Locations = append(e.put.Locations, l)
		e.note("changed location %s: %s", old.Name, diff(old, l))
		return nil
	})
}

func (e *edit) checkLocation(l *uc.Location) error {
	var c checks
	c.name("name", &l.Name)
	for id, other := range e.dir.Locations.All() {
		c.free(id == l.ID || !strings.EqualFold(other.Name, l.Name), "name", "there is a location %s already", other.Name)
	}
	l.Users = set(l.Users)
	old := e.dir.Locations.Get(l.ID)
	for _, u := range l.Users {
		if old == nil || !slices.Contains(old.Users, u) { // see releaseLocation: the last one stays on the list
			known(&c, "users", &e.dir.Users, u)
		}
	}
	return c.err
}
