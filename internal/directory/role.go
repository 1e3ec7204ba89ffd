package directory

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// AddRole adds a role.
func (d *Directory) AddRole(ctx context.Context, by uc.Actor, r uc.Role) (uc.Role, error) {
	err := d.do(ctx, by, func(e *edit) error {
		r.ID = 0
		if err := e.checkRole(&r); err != nil {
			return err
		}
		r.ID = uc.RoleID(e.nextID(uc.KindRole))
		e.put.Roles = append(e.put.Roles, r)
		e.note("added role %s", r.Title)
		return nil
	})
	if err != nil {
		return uc.Role{}, err
	}
	return r, nil
}

// UpdateRole changes a role. The role All keeps its title.
func (d *Directory) UpdateRole(ctx context.Context, by uc.Actor, r uc.Role) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Roles, r.ID, uc.KindRole)
		if err != nil {
			return err
		}
		if err := e.checkRole(&r); err != nil {
			return err
		}
		if r.ID == uc.RoleAll && r.Title != old.Title {
			return uc.FieldError(uc.ErrForbidden, "title", "the role %s cannot be renamed", old.Title)
		}
		if reflect.DeepEqual(old, r) {
			return nil
		}
		e.put.Roles = append(e.put.Roles, r)
		e.note("changed role %s: %s", old.Title, diff(old, r))
		return nil
	})
}

func (e *edit) checkRole(r *uc.Role) error {
	var c checks
	c.name("title", &r.Title)
	for id, other := range e.dir.Roles.All() {
		c.free(id == r.ID || !strings.EqualFold(other.Title, r.Title), "title", "there is a role %s already", other.Title)
	}
	c.notes("description", &r.Description)
	r.Types = set(r.Types)
	for _, t := range r.Types {
		oneOf(&c, "types", t, uc.RoleTypes...)
	}
	r.Users, r.Devices, r.Locations, r.Teams = set(r.Users), set(r.Devices), set(r.Locations), set(r.Teams)
	known(&c, "users", &e.dir.Users, r.Users...)
	known(&c, "devices", &e.dir.Devices, r.Devices...)
	known(&c, "locations", &e.dir.Locations, r.Locations...)
	known(&c, "teams", &e.dir.Teams, r.Teams...)
	r.Supervises = set(r.Supervises)
	known(&c, "supervises", &e.dir.Roles, r.Supervises...)
	c.that(len(r.Supervises) == 0 || slices.Contains(r.Types, uc.TypeSupervisor), "supervises",
		"only a role with %s can be narrowed to other roles", uc.TypeSupervisor)
	return c.err
}
