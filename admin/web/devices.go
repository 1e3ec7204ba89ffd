package web

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// deviceRow is one line of the list of devices.
type deviceRow struct {
	*uc.Device
	Holders []holder
	Phone   *uc.Registration // nil if it is not registered
}

// holder is a user or location that has a device.
type holder struct{ Name, Path string }

func (q *request) devices() error {
	phones := q.registrations()
	list := desk.List(&q.dir.Devices, desk.DeviceName, func(d *uc.Device) bool {
		texts := []string{d.Name, d.Number, d.SIPUser, words(d.Kind)}
		for _, h := range holders(q.dir, d.ID) {
			texts = append(texts, h.Name)
		}
		return q.search(texts...)
	})
	rows := make([]deviceRow, len(list))
	for i, d := range list {
		rows[i] = deviceRow{Device: d, Holders: holders(q.dir, d.ID), Phone: phones[d.ID]}
	}
	return q.ok("devices", "Devices", listOf(q, rows))
}

func holders(d *uc.Directory, device uc.DeviceID) []holder {
	var list []holder
	for _, a := range d.DeviceAssignments(device) {
		if u := d.Users.Get(a.User); u != nil {
			list = append(list, holder{u.Name, pathOf("/users", u.ID) + "/devices"})
		}
		if l := d.Locations.Get(a.Location); l != nil {
			list = append(list, holder{l.Name, pathOf("/locations", l.ID)})
		}
	}
	return list
}

func (q *request) registrations() map[uc.DeviceID]*uc.Registration {
	found := make(map[uc.DeviceID]*uc.Registration)
	for _, r := range q.web.Phones.Registrations() {
		if r.Contacts > 0 {
			found[r.Device] = &r
		}
	}
	return found
}

// deviceExtra is what the page of a device shows beside its form.
type deviceExtra struct {
	deviceRow
	Credentials bool // shown on request
}

func (web *Web) deviceEditor() editor[uc.Device] {
	return editor[uc.Device]{
		path: "/devices", page: "device", noun: "device", read: access.ReadDevices, write: access.WriteDevices,
		blank:  func(*request) uc.Device { return uc.Device{Kind: uc.DeviceDesk} },
		get:    func(d *uc.Directory, id int64) *uc.Device { return d.Devices.Get(uc.DeviceID(id)) },
		setID:  func(v *uc.Device, id int64) { v.ID = uc.DeviceID(id) },
		title:  func(v *uc.Device) string { return v.Name },
		add:    web.Directory.AddDevice,
		update: web.Directory.UpdateDevice,
		next:   func(v *uc.Device) string { return pathOf("/devices", v.ID) },
		extra: func(q *request, v *uc.Device, id int64) any {
			return deviceExtra{deviceRow: q.deviceRow(uc.DeviceID(id), v)}
		},
	}
}

func (q *request) deviceRow(id uc.DeviceID, v *uc.Device) deviceRow {
	return deviceRow{Device: v, Holders: holders(q.dir, id), Phone: q.registrations()[id]}
}

// credentials shows what a phone registers with: on request, never in a list.
func (q *request) credentials() error {
	d := q.dir.Devices.Get(uc.DeviceID(q.id()))
	if d == nil {
		return notFound("device")
	}
	q.web.Log.InfoContext(q.Context(), "SIP credentials were read", "device", d.ID, "by", q.actor().String())
	return q.ok("device", d.Name, edited[uc.Device]{
		Form: form.Of(d), Value: d, ID: int64(d.ID), Path: "/devices",
		Extra: deviceExtra{deviceRow: q.deviceRow(d.ID, d), Credentials: true},
	})
}

func (q *request) renewCredentials() error {
	d, err := q.web.Directory.RegenerateSecret(q.Context(), q.actor(), uc.DeviceID(q.id()))
	if err != nil {
		return err
	}
	return q.done(pathOf("/devices", d.ID), "renewed")
}

// assigned is one device of a user or location with its FollowMe.
type assigned struct {
	*uc.Assignment
	Device *uc.Device
	Form   *form.Form
	Phone  *uc.Registration
	Back   string
}

// assignments is what the list of a user's or location's devices gets.
type assignments struct {
	Rows []assigned
	Free []option // devices that can be assigned
	User uc.UserID
	At   uc.LocationID
	Back string
	Form *form.Form
}

func (q *request) assignments(list []*uc.Assignment, back string) assignments {
	has := make(map[uc.DeviceID]bool)
	phones := q.registrations()
	out := assignments{Back: back, Form: &form.Form{}}
	for _, a := range list {
		has[a.Device] = true
		if d := q.dir.Devices.Get(a.Device); d != nil {
			out.Rows = append(out.Rows, assigned{a, d, form.Of(a), phones[a.Device], back})
		}
	}
	free := desk.List(&q.dir.Devices, desk.DeviceName, func(d *uc.Device) bool { return !has[d.ID] })
	for _, d := range free {
		label := deviceLabel(d)
		if len(q.dir.DeviceAssignments(d.ID)) > 0 {
			label += " (assigned elsewhere too)"
		}
		out.Free = append(out.Free, idOption(d.ID, label))
	}
	return out
}

func (q *request) userDevices() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	list := q.assignments(q.dir.UserAssignments(u.ID), pathOf("/users", u.ID)+"/devices")
	list.User = u.ID
	return q.showUser(http.StatusOK, "user_devices", "/devices", nil, list)
}

// assignForm gives a device that exists, or a new one, to a user or a location.
type assignForm struct {
	Device   uc.DeviceID   `json:"device"`
	User     uc.UserID     `json:"user"`
	Location uc.LocationID `json:"location"`
	Name     string        `json:"name"` // of a new device
	Kind     uc.DeviceKind `json:"kind"`
	Number   string        `json:"number"`
}

func (q *request) assign() error {
	var in assignForm
	if wrong := form.Decode(q.PostForm, &in); len(wrong) > 0 {
		return uc.Errorf(uc.ErrInvalid, "The form could not be read.")
	}
	if in.Device == 0 {
		d, err := q.web.Directory.AddDevice(q.Context(), q.actor(), uc.Device{Name: in.Name, Kind: in.Kind, Number: in.Number})
		if err != nil {
			return err
		}
		in.Device = d.ID
	}
	dev := q.web.Directory.Snapshot().Devices.Get(in.Device)
	if dev == nil {
		return notFound("device")
	}
	_, err := q.web.Directory.Assign(q.Context(), q.actor(), uc.Assignment{
		Device: in.Device, User: in.User, Location: in.Location,
		UserConfigurable: dev.Kind == uc.DeviceSoftphone || dev.Kind == uc.DeviceMobile,
		Internal:         uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing,
	})
	if err != nil {
		return err
	}
	return q.done(q.back("/devices"), "assigned")
}

func (web *Web) assignmentEditor() editor[uc.Assignment] {
	return editor[uc.Assignment]{
		path: "/assignments", page: "assignment", noun: "assignment", read: access.ReadDevices, write: access.WriteDevices,
		blank: func(*request) uc.Assignment {
			return uc.Assignment{Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing}
		},
		get:    func(d *uc.Directory, id int64) *uc.Assignment { return d.Assignments.Get(uc.AssignmentID(id)) },
		setID:  func(v *uc.Assignment, id int64) { v.ID = uc.AssignmentID(id) },
		title:  func(*uc.Assignment) string { return "FollowMe" },
		add:    web.Directory.Assign,
		update: web.Directory.UpdateAssignment,
		next:   func(v *uc.Assignment) string { return pathOf("/assignments", v.ID) },
		extra: func(q *request, v *uc.Assignment, _ int64) any {
			return assigned{v, q.dir.Devices.Get(v.Device), nil, q.registrations()[v.Device], q.back("")}
		},
	}
}
