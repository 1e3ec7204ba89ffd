package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// ringValue is what a FollowMe slot holds: a Ring without who set it.
type ringValue struct {
	Enabled bool `json:"enabled"`
	Delay   int  `json:"delay"`
	Timeout int  `json:"timeout"`
}

func valueOf(r uc.Ring) ringValue { return ringValue{r.Enabled, r.Delay, r.Timeout} }

func (v ringValue) String() string {
	if !v.Enabled {
		return "off"
	}
	text := "on"
	if v.Delay != 0 {
		text += fmt.Sprintf(" after %d s", v.Delay)
	}
	if v.Timeout != uc.DefaultRing.Timeout {
		text += fmt.Sprintf(" for %d s", v.Timeout)
	}
	return text
}

// SetFollowMe changes FollowMe of the endpoints of a user that sel names, for some classes (none means
// all). Users may change what is user configurable; when several endpoints are meant, the others are
// left as they are, and only if nothing remains the command is forbidden.
func (d *Directory) SetFollowMe(ctx context.Context, by uc.Actor, user uc.UserID, sel uc.DeviceSelect, classes []uc.Class, patch uc.RingPatch) ([]uc.Change, error) {
	selected, err := parseSelect(sel)
	if err != nil {
		return nil, err
	}
	if err := checkPatch(classes, patch); err != nil {
		return nil, err
	}
	if len(classes) == 0 {
		classes = uc.Classes
	}
	return d.live(ctx, by, func(e *edit) error {
		if _, err := e.user(user); err != nil {
			return err
		}
		list, err := e.selectEndpoints(user, selected)
		if err != nil {
			return err
		}
		for _, a := range list {
			e.patchRings(*a, classes, patch)
		}
		return nil
	})
}

func checkPatch(classes []uc.Class, p uc.RingPatch) error {
	var c checks
	for _, class := range classes {
		oneOf(&c, "classes", class, uc.Classes...)
	}
	c.that(p.Enabled != nil || p.Delay != nil || p.Timeout != nil, "enabled", "say what is changed: enabled, delay or timeout")
	if p.Delay != nil {
		c.within("delay", *p.Delay, 0, maxRing)
	}
	if p.Timeout != nil {
		c.within("timeout", *p.Timeout, 1, maxRing)
	}
	return c.err
}

// selection is a parsed uc.DeviceSelect; the zero selection is all.
type selection struct {
	kind   uc.DeviceKind
	device uc.DeviceID
}

func parseSelect(s uc.DeviceSelect) (selection, error) {
	kind, value, _ := strings.Cut(string(s), ":")
	switch {
	case s == "" || s == "all":
		return selection{}, nil
	case kind == "kind" && slices.Contains([]uc.DeviceKind{
		uc.DeviceDesk, uc.DeviceSoftphone, uc.DeviceMobile, uc.DeviceFax, uc.DeviceExternal}, uc.DeviceKind(value)):
		return selection{kind: uc.DeviceKind(value)}, nil
	case kind == "device":
		if id, err := strconv.ParseInt(value, 10, 64); err == nil && id > 0 {
			return selection{device: uc.DeviceID(id)}, nil
		}
	}
	return selection{}, uc.FieldError(uc.ErrInvalid, "devices", "%q selects no devices: all, kind:<kind> or device:<id>", string(s))
}

// matches reports whether a device is selected. All leaves virtual faxes out: they never ring for a call.
func (s selection) matches(dev *uc.Device) bool {
	switch {
	case s.device != 0:
		return dev.ID == s.device
	case s.kind != "":
		return dev.Kind == s.kind
	}
	return dev.Kind != uc.DeviceFax
}

// selectEndpoints lists the assignments that the selection names and the actor may change.
func (e *edit) selectEndpoints(user uc.UserID, s selection) ([]*uc.Assignment, error) {
	byUser := e.by.User == user && e.by.Via != "profile"
	var may []*uc.Assignment
	found := false
	for _, a := range e.dir.Endpoints(user) {
		dev := e.dir.Devices.Get(a.Device)
		if dev == nil || !s.matches(dev) {
			continue
		}
		found = true
		if a.UserConfigurable || !byUser {
			may = append(may, a)
		}
	}
	switch {
	case !found && s.device != 0:
		return nil, uc.Errorf(uc.ErrNotFound, "device %d is no endpoint of %s now", s.device, userName(e.dir, user))
	case found && len(may) == 0:
		return nil, uc.Errorf(uc.ErrForbidden, "FollowMe of these devices is not for users to change")
	}
	return may, nil
}

// patchRings changes one assignment.
func (e *edit) patchRings(a uc.Assignment, classes []uc.Class, p uc.RingPatch) {
	touched := false
	for _, class := range classes {
		before := valueOf(a.Ring(class))
		after := before
		patchValue(&after.Enabled, p.Enabled)
		patchValue(&after.Delay, p.Delay)
		patchValue(&after.Timeout, p.Timeout)
		touched = e.setRing(&a, class, after) || touched
	}
	if touched {
		e.put.Assignments = append(e.put.Assignments, a)
	}
}

func patchValue[T any](v, patch *T) {
	if patch != nil {
		*v = *patch
	}
}

// setRing changes one class of a, which the caller puts. It reports whether that changed anything.
func (e *edit) setRing(a *uc.Assignment, class uc.Class, after ringValue) bool {
	before := valueOf(a.Ring(class))
	if before == after {
		return false
	}
	a.SetRing(class, uc.Ring{Enabled: after.Enabled, Delay: after.Delay, Timeout: after.Timeout, SetBy: e.stamp()})
	e.changed(fmt.Sprintf("followme:%d:%s", a.ID, class), before, after,
		"%s, %s: %s → %s", deviceName(e.dir, a.Device), class, before, after)
	return true
}
