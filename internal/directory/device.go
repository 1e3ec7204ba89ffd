package directory

import (
	"cmp"
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

// AddDevice adds a device. SIP devices are given a secret, and a SIP user name unless they bring one.
func (d *Directory) AddDevice(ctx context.Context, by uc.Actor, dev uc.Device) (uc.Device, error) {
	err := d.do(ctx, by, func(e *edit) error {
		dev.ID, dev.SIPSecret = 0, ""
		if err := e.checkDevice(&dev); err != nil {
			return err
		}
		dev = e.addDevice(dev)
		e.note("added device %s (%s)", dev.Name, dev.Kind)
		return nil
	})
	if err != nil {
		return uc.Device{}, err
	}
	return dev, nil
}

// UpdateDevice changes everything of a device but its secret. Its kind may change while that leaves
// open whether it speaks SIP.
func (d *Directory) UpdateDevice(ctx context.Context, by uc.Actor, dev uc.Device) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := find(&e.dir.Devices, dev.ID, uc.KindDevice)
		if err != nil {
			return err
		}
		dev.SIPSecret, dev.SIPUser = old.SIPSecret, cmp.Or(dev.SIPUser, old.SIPUser)
		if err := e.checkDevice(&dev); err != nil {
			return err
		}
		switch {
		case old == dev:
			return nil
		case old.Kind.SIP() != dev.Kind.SIP():
			return uc.FieldError(uc.ErrConflict, "kind", "%s cannot become %s: delete it and add another", old.Kind, dev.Kind)
		case e.isUserFax(&old) && (old.Number != dev.Number || old.Kind != dev.Kind):
			return uc.FieldError(uc.ErrConflict, "number", "the number of this fax is the fax extension of its user")
		}
		e.put.Devices = append(e.put.Devices, dev)
		e.note("changed device %s: %s", old.Name, diff(old, dev))
		return nil
	})
}

// RegenerateSecret gives a SIP device a new secret; what registers with the old one is refused from then on.
func (d *Directory) RegenerateSecret(ctx context.Context, by uc.Actor, id uc.DeviceID) (uc.Device, error) {
	var dev uc.Device
	err := d.do(ctx, by, func(e *edit) (err error) {
		if dev, err = find(&e.dir.Devices, id, uc.KindDevice); err != nil {
			return err
		}
		if !dev.Kind.SIP() {
			return uc.Errorf(uc.ErrConflict, "%s is no SIP device and has no secret", dev.Name)
		}
		dev.SIPSecret = newSecret()
		e.put.Devices = append(e.put.Devices, dev)
		e.note("made a new secret for device %s", dev.Name)
		return nil
	})
	if err != nil {
		return uc.Device{}, err
	}
	return dev, nil
}

// checkDevice brings a device into its stored form and checks it.
func (e *edit) checkDevice(dev *uc.Device) error {
	var c checks
	c.name("name", &dev.Name)
	oneOf(&c, "kind", dev.Kind, uc.DeviceDesk, uc.DeviceSoftphone, uc.DeviceMobile, uc.DeviceFax, uc.DeviceExternal)
	c.number("number", &dev.Number)
	switch dev.Kind {
	case uc.DeviceExternal:
		c.that(dev.Number != "", "number", "an external number is missing")
	case uc.DeviceFax:
		c.that(dev.Number != "", "number", "a fax needs an extension")
		if old := e.dir.Devices.Get(dev.ID); old == nil || old.Number != dev.Number {
			e.checkExtension(&c, "number", dev.Number, uc.Ref{Kind: uc.KindDevice, ID: int64(dev.ID)})
		}
	}
	if !dev.Kind.SIP() {
		c.that(dev.SIPUser == "", "sipUser", "a device of kind %s does not register by SIP", dev.Kind)
		return c.err
	}
	if dev.SIPUser != "" {
		c.that(sipUserForm.MatchString(dev.SIPUser), "sipUser", "%q is not a SIP user name", dev.SIPUser)
		other := e.dir.DeviceBySIPUser(dev.SIPUser)
		c.free(other == nil || other.ID == dev.ID, "sipUser", "another device has the SIP user name %s", dev.SIPUser)
	}
	return c.err
}

// addDevice gives a checked device its identifier and credentials.
func (e *edit) addDevice(dev uc.Device) uc.Device {
	dev.ID = uc.DeviceID(e.nextID(uc.KindDevice))
	if dev.Kind.SIP() {
		dev.SIPUser = cmp.Or(dev.SIPUser, newSIPUser(e.dir))
		dev.SIPSecret = newSecret()
	}
	e.put.Devices = append(e.put.Devices, dev)
	return dev
}

// addDeviceOf adds a device that belongs to a user from the start.
func (e *edit) addDeviceOf(u *uc.User, dev uc.Device) {
	dev = e.addDevice(dev)
	ring := defaultRing(dev.Kind)
	e.put.Assignments = append(e.put.Assignments, uc.Assignment{
		ID: uc.AssignmentID(e.nextID(uc.KindAssignment)), Device: dev.ID, User: u.ID,
		UserConfigurable: dev.Kind == uc.DeviceSoftphone || dev.Kind == uc.DeviceMobile,
		Internal:         ring, External: ring, Queue: ring,
	})
}

// isUserFax reports whether the device stands for the fax extension of its user.
func (e *edit) isUserFax(dev *uc.Device) bool {
	u := e.dir.Users.Get(e.dir.DeviceUser(dev.ID))
	return dev.Kind == uc.DeviceFax && u != nil && u.FaxExt == dev.Number
}
