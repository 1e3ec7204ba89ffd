package xmpp

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
)

// Service administration (XEP-0133) is for those who have an admin level, and each command for the level that does
// the same on the admin page. What changes is done by the owner of the accounts, who checks that nobody reaches above
// their own level and writes down who did it.

// Accounts adds, changes and deletes users for administrators.
type Accounts interface {
	AddUser(ctx context.Context, by uc.Actor, in uc.NewUser) (uc.User, error)
	UpdateUser(ctx context.Context, by uc.Actor, u uc.User) error
	SetPassword(ctx context.Context, by uc.Actor, user uc.UserID, password string) error
	Delete(ctx context.Context, by uc.Actor, ref uc.Ref) error
}

const (
	nsAdmin     = "http://jabber.org/protocol/admin"
	adminPrefix = nsAdmin + "#"
)

// adminCommands are the commands of XEP-0133 §4. Left out are those that would show what is a user's own (roster,
// password) and those for states that users do not have here (disabled).
var adminCommands = []command{
	{adminPrefix + "add-user", "Add user", mayManage(uc.LevelPBX), addUser},
	{adminPrefix + "delete-user", "Delete users", mayManage(uc.LevelPBX), deleteUsers},
	{adminPrefix + "change-user-password", "Change a user's password", mayManage(uc.LevelPBX), changeUserPassword},
	{adminPrefix + "get-user-lastlogin", "When a user last signed in", administers(uc.LevelAdmin), userLastLogin},
	{adminPrefix + "user-stats", "Sessions and contacts of a user", administers(uc.LevelAdmin), userStats},
	{adminPrefix + "end-user-session", "End sessions of users", administers(uc.LevelAdmin), endUserSessions},
	{adminPrefix + "get-registered-users-num", "Number of users", administers(uc.LevelAdmin), countPeople("registered", registered)},
	{adminPrefix + "get-online-users-num", "Number of users who are online", administers(uc.LevelAdmin), countPeople("online", online)},
	{adminPrefix + "get-active-users-num", "Number of users who are active", administers(uc.LevelAdmin), countPeople("active", active)},
	{adminPrefix + "get-idle-users-num", "Number of users who are idle", administers(uc.LevelAdmin), countPeople("idle", idle)},
	{adminPrefix + "get-registered-users-list", "List of users", administers(uc.LevelAdmin), listPeople("registered", registered)},
	{adminPrefix + "get-online-users-list", "List of users who are online", administers(uc.LevelAdmin), listPeople("online", online)},
	{adminPrefix + "get-active-users", "List of users who are active", administers(uc.LevelAdmin), listPeople("active", active)},
	{adminPrefix + "get-idle-users", "List of users who are idle", administers(uc.LevelAdmin), listPeople("idle", idle)},
	{adminPrefix + "announce", "Send an announcement to who is online", administers(uc.LevelAdmin), announce},
	{adminPrefix + "set-motd", "Set the message of the day, and send it", administers(uc.LevelAdmin), setMOTD},
	{adminPrefix + "edit-motd", "Edit the message of the day", administers(uc.LevelAdmin), editMOTD},
	{adminPrefix + "delete-motd", "Delete the message of the day", administers(uc.LevelAdmin), deleteMOTD},
	{adminPrefix + "edit-admin", "Edit the list of administrators", mayManage(uc.LevelAdmin), editAdmins},
	{adminPrefix + "restart", "Restart the server", mayStop, func(c *call) (*page, error) { return stopServer(c, true) }},
	{adminPrefix + "shutdown", "Stop the server", mayStop, func(c *call) (*page, error) { return stopServer(c, false) }},
}

// administers says that a command is for who has the level. Who must change the password first has to do so, as
// on the admin page.
func administers(level uc.AdminLevel) func(*call) bool {
	return func(c *call) bool { return c.user.AdminLevel.AtLeast(level) && !c.user.MustChangePassword }
}

// mayManage is administers for what changes accounts.
func mayManage(level uc.AdminLevel) func(*call) bool {
	return func(c *call) bool { return c.server.deps.Accounts != nil && administers(level)(c) }
}

// adminForm is a form of XEP-0133.
func adminForm(title, instructions string, fields ...field) *form {
	kind := field{typ: "hidden", name: "FORM_TYPE", values: []string{nsAdmin}}
	return &form{title: title, instructions: instructions, fields: append([]field{kind}, fields...)}
}

// asks makes a page with a form of one step.
func asks(f *form, next func(*call, values) (*page, error)) *page {
	return &page{form: f, next: next, last: true}
}

func accountField() field {
	return field{typ: "jid-single", name: "accountjid", label: "Address", required: true}
}

// localUser finds the user whose address a form has.
func (c *call) localUser(name, address string) (*uc.User, error) {
	login, err := c.localpart(name, address)
	if err != nil {
		return nil, err
	}
	u := c.dir.UserByLogin(login)
	if u == nil {
		return nil, uc.FieldError(uc.ErrNotFound, name, "there is no user %s", address)
	}
	return u, nil
}

// localpart returns the login name of an address of this server, which nobody need have.
func (c *call) localpart(name, address string) (string, error) {
	parsed, err := jid.Parse(strings.TrimSpace(address))
	if err != nil || parsed.Localpart() == "" || parsed.Domainpart() != c.server.cfg.Domain {
		return "", uc.FieldError(uc.ErrInvalid, name, "%q is not an address user@%s", address, c.server.cfg.Domain)
	}
	return parsed.Localpart(), nil
}

// lines splits what a field of several values has, which some clients send as one.
func (v values) lines(name string) []string {
	return strings.Fields(strings.Join(v[name], "\n"))
}

// text returns a field of several lines.
func (v values) text(name string) string { return strings.TrimSpace(strings.Join(v[name], "\n")) }

func addUser(*call) (*page, error) { // XEP-0133 §4.1
	return asks(adminForm("Add user", "The extension and all else can be set on the admin page.",
		accountField(),
		field{typ: "text-private", name: "password", label: "Password", required: true},
		field{typ: "text-private", name: "password-verify", label: "Password again", required: true},
		field{typ: "text-single", name: "email", label: "E-mail"},
		field{typ: "text-single", name: "given_name", label: "Given name"},
		field{typ: "text-single", name: "surname", label: "Surname"},
	), func(c *call, in values) (*page, error) {
		login, err := c.localpart("accountjid", in.one("accountjid"))
		if err != nil {
			return nil, err
		}
		if in.one("password") != in.one("password-verify") {
			return nil, uc.FieldError(uc.ErrInvalid, "password-verify", "the passwords differ")
		}
		u, err := c.server.deps.Accounts.AddUser(c.ctx, c.by(), uc.NewUser{Password: in.one("password"), User: uc.User{
			Login: login, Name: cmp.Or(strings.TrimSpace(in.one("given_name")+" "+in.one("surname")), login), Email: in.one("email"),
			Auth: uc.AuthLocal, CallWaiting: true, Voicemail: uc.VoicemailOff,
		}})
		if err != nil {
			return nil, err
		}
		return &page{note: "Added " + c.server.bareJID(u.Login) + "."}, nil
	}), nil
}

func deleteUsers(*call) (*page, error) { // XEP-0133 §4.2
	return asks(adminForm("Delete users", "What belongs to them goes with them. This cannot be undone.",
		field{typ: "jid-multi", name: "accountjids", label: "Addresses", required: true},
	), func(c *call, in values) (*page, error) {
		var list []*uc.User
		for _, address := range in.lines("accountjids") { // all are checked before the first is deleted
			u, err := c.localUser("accountjids", address)
			if err != nil {
				return nil, err
			}
			if err := c.mayTouch(u); err != nil {
				return nil, err
			}
			list = append(list, u)
		}
		for _, u := range list {
			if err := c.server.deps.Accounts.Delete(c.ctx, c.by(), uc.Ref{Kind: uc.KindUser, ID: int64(u.ID)}); err != nil {
				return nil, err
			}
		}
		return &page{note: "Deleted users: " + strconv.Itoa(len(list))}, nil
	}), nil
}

// mayTouch refuses what would reach above the administrator's own level, or take their own account from them.
func (c *call) mayTouch(u *uc.User) error {
	switch {
	case u.ID == c.user.ID:
		return uc.Errorf(uc.ErrForbidden, "nobody can do this to their own account")
	case !c.user.AdminLevel.AtLeast(u.AdminLevel):
		return uc.Errorf(uc.ErrForbidden, "%s has an admin level above your own", u.Login)
	}
	return nil
}

func changeUserPassword(*call) (*page, error) { // XEP-0133 §4.7
	return asks(adminForm("Change a user's password", "",
		accountField(),
		field{typ: "text-private", name: "password", label: "New password", required: true},
	), func(c *call, in values) (*page, error) {
		u, err := c.localUser("accountjid", in.one("accountjid"))
		if err != nil {
			return nil, err
		}
		if err := c.mayTouch(u); err != nil {
			return nil, err
		}
		if err := c.server.deps.Accounts.SetPassword(c.ctx, c.by(), u.ID, in.one("password")); err != nil {
			return nil, err
		}
		return &page{note: "The password of " + u.Login + " was changed."}, nil
	}), nil
}

func userLastLogin(*call) (*page, error) { // XEP-0133 §4.9
	return asks(adminForm("When a user last signed in", "", accountField()), func(c *call, in values) (*page, error) {
		u, err := c.localUser("accountjid", in.one("accountjid"))
		if err != nil {
			return nil, err
		}
		seen, err := c.server.lastSeen.get(c.ctx, u.ID)
		if err != nil {
			return nil, err
		}
		last := "never"
		if !seen.Login.IsZero() {
			last = seen.Login.UTC().Format("2006-01-02T15:04:05Z") // XEP-0082
		}
		return &page{form: adminForm("", "", field{typ: "jid-single", name: "accountjid", values: []string{c.server.bareJID(u.Login)}},
			field{typ: "text-single", name: "lastlogin", label: "Last sign-in", values: []string{last}})}, nil
	}), nil
}

func userStats(*call) (*page, error) { // XEP-0133 §4.10
	return asks(adminForm("Sessions and contacts of a user", "", accountField()), func(c *call, in values) (*page, error) {
		u, err := c.localUser("accountjid", in.one("accountjid"))
		if err != nil {
			return nil, err
		}
		a := c.server.accountOf(u)
		roster, err := c.server.rosterSize(a)
		if err != nil {
			return nil, err
		}
		var addresses, resources []string
		for _, s := range a.bound() {
			if s.attached.Load() {
				d := s.describe()
				addresses, resources = append(addresses, d.Address), append(resources, s.resource)
			}
		}
		return &page{form: adminForm("", "", field{typ: "jid-single", name: "accountjid", values: []string{a.bare}},
			field{typ: "text-multi", name: "ipaddresses", label: "Connected from", values: addresses},
			field{typ: "text-single", name: "rostersize", label: "Contacts, those of shared groups not counted", values: []string{strconv.Itoa(roster)}},
			field{typ: "text-multi", name: "onlineresources", label: "Sessions", values: resources})}, nil
	}), nil
}

// rosterSize counts a user's own contacts.
func (s *Server) rosterSize(a *account) (int, error) {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	items, err := s.rosterOf(a)
	return len(items), err
}

func endUserSessions(*call) (*page, error) { // XEP-0133 §4.5
	return asks(adminForm("End sessions of users", "A full address ends one session, a bare one all of the user's.",
		field{typ: "jid-multi", name: "accountjids", label: "Addresses", required: true},
	), func(c *call, in values) (*page, error) {
		var list []*session
		for _, address := range in.lines("accountjids") {
			u, err := c.localUser("accountjids", address)
			if err != nil {
				return nil, err
			}
			if u.ID != c.user.ID {
				if err := c.mayTouch(u); err != nil {
					return nil, err
				}
			}
			_, resource, full := strings.Cut(address, "/")
			for _, s := range c.server.accountOf(u).bound() {
				if !full || s.resource == resource {
					list = append(list, s)
				}
			}
		}
		for _, s := range list {
			if err := c.server.kick(c.ctx, c.by(), s); err != nil {
				return nil, err
			}
		}
		return &page{note: "Ended sessions: " + strconv.Itoa(len(list))}, nil
	}), nil
}

// editAdmins shows who is an administrator or a system administrator (XEP-0133 §4.29). Who is added becomes an
// administrator, who is taken out loses the admin level.
func editAdmins(c *call) (*page, error) {
	return asks(adminForm("Administrators", "Lower and higher levels are given on the admin page.",
		field{typ: "jid-multi", name: "adminjids", label: "Administrators", values: c.admins()},
	), func(c *call, in values) (*page, error) {
		wanted := make(map[uc.UserID]bool)
		for _, address := range in.lines("adminjids") {
			u, err := c.localUser("adminjids", address)
			if err != nil {
				return nil, err
			}
			wanted[u.ID] = true
		}
		var changed []uc.User
		for _, u := range c.dir.Users.All() {
			is := u.AdminLevel.AtLeast(uc.LevelAdmin)
			if is == wanted[u.ID] {
				continue
			}
			if err := c.mayTouch(u); err != nil {
				return nil, err
			}
			next := *u
			next.AdminLevel = uc.LevelNone
			if !is {
				next.AdminLevel = uc.LevelAdmin
			}
			changed = append(changed, next)
		}
		for _, u := range changed {
			if err := c.server.deps.Accounts.UpdateUser(c.ctx, c.by(), u); err != nil {
				return nil, err
			}
		}
		return &page{note: "Changed users: " + strconv.Itoa(len(changed))}, nil
	}), nil
}

func (c *call) admins() []string {
	var list []string
	for _, u := range c.dir.Users.All() {
		if u.AdminLevel.AtLeast(uc.LevelAdmin) {
			list = append(list, c.server.bareJID(u.Login))
		}
	}
	slices.Sort(list)
	return list
}

// idleAfter is how long a client has sent nothing when its user counts as idle.
const idleAfter = 10 * time.Minute

// The groups of users that can be counted and listed (XEP-0133 §4.13 to §4.23).
func registered(c *call) (list []string) {
	for _, u := range c.dir.Users.All() {
		if u.Auth != uc.AuthNone { // the others cannot sign in
			list = append(list, c.server.bareJID(u.Login))
		}
	}
	return list
}

func online(c *call) []string { return c.online(func(bool) bool { return true }) }

func active(c *call) []string { return c.online(func(idle bool) bool { return !idle }) }

func idle(c *call) []string { return c.online(func(idle bool) bool { return idle }) }

func (c *call) online(wanted func(idle bool) bool) (list []string) {
	for _, a := range c.server.router.allAccounts() {
		if a.isAvailable() && wanted(a.isIdle(c.now)) {
			list = append(list, a.bare)
		}
	}
	return list
}

// isIdle reports whether nobody seems to be at any of the user's clients.
func (a *account) isIdle(now time.Time) bool {
	for _, s := range a.bound() {
		if s.available.Load() && s.held.Load() == nil && now.Sub(s.trace.quiet()) < idleAfter {
			return false
		}
	}
	return true
}

func countPeople(what string, of func(*call) []string) func(*call) (*page, error) {
	return func(c *call) (*page, error) {
		return &page{form: adminForm("", "", field{typ: "text-single", name: what + "usersnum", label: "Number", values: []string{strconv.Itoa(len(of(c)))}})}, nil
	}
}

func listPeople(what string, of func(*call) []string) func(*call) (*page, error) {
	return func(*call) (*page, error) {
		limit := field{typ: "list-single", name: "max_items", label: "How many", values: []string{"100"}}
		for _, n := range []string{"25", "50", "75", "100", "150", "200"} {
			limit.options = append(limit.options, option{n, n})
		}
		limit.options = append(limit.options, option{"none", "all"})
		return asks(adminForm("", "", limit), func(c *call, in values) (*page, error) {
			list := of(c)
			slices.Sort(list)
			if n, err := strconv.Atoi(in.one("max_items")); err == nil && n > 0 && n < len(list) {
				list = list[:n]
			}
			return &page{form: adminForm("", "", field{typ: "jid-multi", name: what + "userjids", label: "Users", values: list})}, nil
		}), nil
	}
}
