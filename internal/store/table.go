package store

import (
	"fmt"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// table maps one kind of row to a table of the database.
type table[T any] struct {
	fields    func(*T) []any // where the columns of a row are, in the same order
	upsert    string         // SQL
	selection string         // SQL of all rows, without an order
	load      string         // SQL
}

// newTable describes a table; columns are separated by blanks, the key first.
func newTable[T any](name, columns string, fields func(*T) []any) table[T] {
	list := strings.Fields(columns)
	places, updates := make([]string, len(list)), make([]string, len(list))
	for i, column := range list {
		places[i] = fmt.Sprintf("$%d", i+1)
		updates[i] = column + " = excluded." + column
	}
	names := strings.Join(list, ", ")
	return table[T]{
		fields: fields,
		upsert: fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s",
			name, names, strings.Join(places, ", "), list[0], strings.Join(updates[1:], ", ")),
		selection: fmt.Sprintf("SELECT %s FROM %s", names, name),
		load:      fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", names, name, list[0]),
	}
}

// deletions is the SQL that deletes a row of each kind.
var deletions = map[uc.Kind]string{
	uc.KindUser:       "DELETE FROM users WHERE id = $1",
	uc.KindUserState:  "DELETE FROM user_states WHERE user_id = $1",
	uc.KindDevice:     "DELETE FROM devices WHERE id = $1",
	uc.KindAssignment: "DELETE FROM assignments WHERE id = $1",
	uc.KindLocation:   "DELETE FROM locations WHERE id = $1",
	uc.KindTeam:       "DELETE FROM teams WHERE id = $1",
	uc.KindMember:     "DELETE FROM members WHERE id = $1",
	uc.KindRole:       "DELETE FROM roles WHERE id = $1",
	uc.KindProfile:    "DELETE FROM profiles WHERE id = $1",
	uc.KindForwarding: "DELETE FROM forwardings WHERE id = $1",
	uc.KindFlowLine:   "DELETE FROM flow_lines WHERE id = $1",
	uc.KindPhonebook:  "DELETE FROM phonebook WHERE id = $1",
}

var users = newTable("users",
	`id login name ext auth password pin_hash must_change_password call_waiting fax_ext email language voicemail
	mobile_number caller_id time_zone phonebook_hidden monitored_boxes admin_level teams_id teams_upn client_dnd`,
	func(u *uc.User) []any {
		return []any{&u.ID, &u.Login, &u.Name, &u.Ext, &u.Auth, jsonColumn{&u.Password}, &u.PINHash, &u.MustChangePassword,
			&u.CallWaiting, &u.FaxExt, &u.Email, &u.Language, &u.Voicemail, &u.MobileNumber, &u.CallerID, &u.TimeZone,
			&u.PhonebookHidden, jsonColumn{&u.MonitoredBoxes}, &u.AdminLevel, &u.TeamsID, &u.TeamsUPN, &u.ClientDND}
	})

var userStates = newTable("user_states", `user_id gsm workplace_id status_text set_by`,
	func(s *uc.UserState) []any {
		return []any{&s.User, &s.GSM, optional(&s.Workplace), &s.StatusText, &s.SetBy}
	})

var devices = newTable("devices", `id name kind number sip_user sip_secret`,
	func(d *uc.Device) []any {
		return []any{&d.ID, &d.Name, &d.Kind, &d.Number, &d.SIPUser, &d.SIPSecret}
	})

var assignments = newTable("assignments",
	`id device_id user_id location_id user_configurable
	internal_enabled internal_delay internal_timeout internal_set_by
	external_enabled external_delay external_timeout external_set_by
	queue_enabled queue_delay queue_timeout queue_set_by`,
	func(a *uc.Assignment) []any {
		fields := []any{&a.ID, &a.Device, optional(&a.User), optional(&a.Location), &a.UserConfigurable}
		for _, r := range []*uc.Ring{&a.Internal, &a.External, &a.Queue} {
			fields = append(fields, &r.Enabled, &r.Delay, &r.Timeout, &r.SetBy)
		}
		return fields
	})

var locations = newTable("locations", `id name users`,
	func(l *uc.Location) []any { return []any{&l.ID, &l.Name, jsonColumn{&l.Users}} })

var teams = newTable("teams", `id name ext prefix strategy member_timeout wrap_up max_waiting overflow`,
	func(t *uc.Team) []any {
		return []any{&t.ID, &t.Name, &t.Ext, &t.Prefix, &t.Strategy, &t.MemberTimeout, &t.WrapUp, &t.MaxWaiting, &t.Overflow}
	})

var members = newTable("members", `id team_id user_id static logged_in paused reason weight set_by`,
	func(m *uc.Member) []any {
		return []any{&m.ID, &m.Team, &m.User, &m.Static, &m.LoggedIn, &m.Paused, &m.Reason, &m.Weight, &m.SetBy}
	})

var roles = newTable("roles",
	`id title description types users devices locations teams auto_users auto_devices auto_locations auto_teams supervises`,
	func(r *uc.Role) []any {
		return []any{&r.ID, &r.Title, &r.Description, jsonColumn{&r.Types}, jsonColumn{&r.Users}, jsonColumn{&r.Devices},
			jsonColumn{&r.Locations}, jsonColumn{&r.Teams}, &r.AutoUsers, &r.AutoDevices, &r.AutoLocations, &r.AutoTeams,
			jsonColumn{&r.Supervises}}
	})

var profiles = newTable("profiles",
	`id name color icon icon_visible sticky roles shown status_text triggers enter_actions leave_actions undo_on_leave assigned owner_id`,
	func(p *uc.Profile) []any {
		return []any{&p.ID, &p.Name, &p.Color, &p.Icon, &p.IconVisible, &p.Sticky, jsonColumn{&p.Roles}, textColumn{&p.Show},
			&p.Text, jsonColumn{&p.Triggers}, jsonColumn{&p.Enter}, jsonColumn{&p.Leave}, &p.UndoOnLeave, &p.Assigned,
			optional(&p.Owner)}
	})

var forwardings = newTable("forwardings", `id user_id kind class target active set_by`,
	func(f *uc.Forwarding) []any {
		return []any{&f.ID, &f.User, &f.Kind, &f.Class, &f.Target, &f.Active, &f.SetBy}
	})

var flowLines = newTable("flow_lines", `id user_id team_id list position status action target`,
	func(l *uc.FlowLine) []any {
		return []any{&l.ID, optional(&l.User), optional(&l.Team), &l.List, &l.Position, &l.Status, &l.Action, &l.Target}
	})

var phonebook = newTable("phonebook", `id owner_id name organisation numbers email notes`,
	func(p *uc.PhonebookEntry) []any {
		return []any{&p.ID, optional(&p.Owner), &p.Name, &p.Organisation, jsonColumn{&p.Numbers}, &p.Email, &p.Notes}
	})
