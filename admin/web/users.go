package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// user finds the user that the path names.
func (q *request) user() (*uc.User, error) {
	if u := q.dir.Users.Get(uc.UserID(q.id())); u != nil {
		return u, nil
	}
	return nil, notFound("user")
}

// listPage is what the templates of plain lists get.
type listPage[T any] struct {
	Query string
	Rows  []T
	Total int
	Pages pages
}

// pages leads through a long list.
type pages struct {
	Page, Last int
}

const pageSize = 100

// Prev returns the number of the page before, 0 if there is none.
func (p pages) Prev() int { return p.Page - 1 }

// Next returns the number of the page after, 0 if there is none.
func (p pages) Next() int {
	if p.Page >= p.Last {
		return 0
	}
	return p.Page + 1
}

// listOf makes the page of a list that the request asks for.
func listOf[T any](q *request, all []T) listPage[T] {
	last := max(1, (len(all)+pageSize-1)/pageSize)
	at := min(max(1, int(number(q.FormValue("page")))), last)
	from := (at - 1) * pageSize
	return listPage[T]{
		Query: strings.TrimSpace(q.FormValue("q")), Total: len(all), Pages: pages{at, last},
		Rows: all[from:min(from+pageSize, len(all))],
	}
}

// search reports whether one of the texts contains what the request searches for.
func (q *request) search(texts ...string) bool {
	wanted := strings.ToLower(strings.TrimSpace(q.FormValue("q")))
	return wanted == "" || slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), wanted) })
}

func (q *request) users() error {
	list := desk.List(&q.dir.Users, desk.UserName, func(u *uc.User) bool { return q.search(u.Name, u.Login, u.Ext, u.Email) })
	return q.ok("users", "Users", listOf(q, list))
}

// blankUser is what the quick-add form starts with.
func blankUser() uc.NewUser {
	return uc.NewUser{User: uc.User{Auth: uc.AuthLocal, CallWaiting: true, Voicemail: uc.VoicemailOff}, Softphone: true}
}

// newUserPage is what the quick-add form gets.
type newUserPage struct {
	Form  *form.Form
	Added *uc.User // by "Save and next"
}

func (q *request) newUser() error {
	return q.ok("user_new", "New user", newUserPage{
		Form: form.Of(blankUser()), Added: q.dir.Users.Get(uc.UserID(number(q.FormValue("added")))),
	})
}

func (q *request) addUser() error {
	in := blankUser()
	f := &form.Form{Values: q.PostForm, Errors: form.Decode(q.PostForm, &in)}
	if len(f.Errors) > 0 {
		return q.show(http.StatusUnprocessableEntity, "user_new", "New user", newUserPage{Form: f})
	}
	in.ID = 0
	in.Login = strings.ToLower(in.Login)
	in.Password = q.PostFormValue("password") // with the spaces that Decode takes off
	u, err := q.web.Directory.AddUser(q.Context(), q.actor(), in)
	if err != nil {
		status, err := reject(f, err)
		if err != nil {
			return err
		}
		return q.show(status, "user_new", "New user", newUserPage{Form: f})
	}
	switch q.PostFormValue("then") {
	case "details":
		return q.done(pathOf("/users", u.ID), "added")
	case "next":
		q.redirect("/users/new?added=" + strings.TrimPrefix(pathOf("", u.ID), "/"))
		return nil
	}
	return q.done("/users", "added")
}

func (web *Web) userEditor() editor[uc.User] {
	return editor[uc.User]{
		path: "/users", page: "user", noun: "user", read: access.ReadUsers, write: access.WriteUsers,
		get:    func(d *uc.Directory, id int64) *uc.User { return d.Users.Get(uc.UserID(id)) },
		setID:  func(u *uc.User, id int64) { u.ID = uc.UserID(id) },
		title:  func(u *uc.User) string { return u.Name },
		update: web.Directory.UpdateUser,
		next:   func(u *uc.User) string { return pathOf("/users", u.ID) },
		extra:  func(q *request, _ *uc.User, id int64) any { return q.tabs(q.dir.Users.Get(uc.UserID(id)), "") },
	}
}

// userTabs is what every page about one user gets.
type userTabs struct {
	User *uc.User
	Tabs []navItem
}

func (q *request) tabs(u *uc.User, current string) userTabs {
	t := userTabs{User: u}
	for _, item := range []navItem{
		{Path: "", Title: "Base data", op: access.ReadUsers},
		{Path: "/security", Title: "Password and PIN", op: access.ReadUsers},
		{Path: "/devices", Title: "Devices and FollowMe", op: access.ReadDevices},
		{Path: "/forwardings", Title: "Forwarding", op: access.ReadCallFlow},
		{Path: "/flow", Title: "Call flow", op: access.ReadCallFlow},
		{Path: "/roles", Title: "Roles", op: access.ReadRoles},
		{Path: "/sees", Title: "Sees", op: access.ReadRoles},
		{Path: "/seen-by", Title: "Seen by", op: access.ReadRoles},
		{Path: "/profile", Title: "Profile", op: access.ReadBoard},
	} {
		item.Current = item.Path == current
		item.Path = pathOf("/users", u.ID) + item.Path
		if q.who.Allows(item.op) {
			t.Tabs = append(t.Tabs, item)
		}
	}
	return t
}

// userPage is what the other pages about one user get.
type userPage struct {
	userTabs
	Form *form.Form
	Data any
}

// showUser shows one of the pages about a user.
func (q *request) showUser(status int, name, tab string, f *form.Form, data any) error {
	u, err := q.user()
	if err != nil {
		return err
	}
	return q.show(status, name, u.Name, userPage{userTabs: q.tabs(u, tab), Form: f, Data: data})
}

func (q *request) security() error {
	return q.showUser(http.StatusOK, "user_security", "/security", &form.Form{}, nil)
}

// setPassword gives a user a new password, which they may have to change when they sign in.
func (q *request) setPassword() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	if u.ID == q.who.User.ID {
		q.redirect("/password") // one's own takes the present one
		return nil
	}
	if err := q.web.Directory.SetPassword(q.Context(), q.actor(), u.ID, q.PostFormValue("password")); err != nil {
		return q.refuseSecret(err)
	}
	if must := q.PostFormValue("must") == "true"; must != u.MustChangePassword {
		changed := *q.web.Directory.Snapshot().Users.Get(u.ID)
		changed.MustChangePassword = must
		if err := q.web.Directory.UpdateUser(q.Context(), q.actor(), changed); err != nil {
			return err
		}
	}
	return q.done(pathOf("/users", u.ID)+"/security", "password")
}

func (q *request) setPIN() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	if err := q.web.Directory.SetPIN(q.Context(), q.actor(), u.ID, q.PostFormValue("pin")); err != nil {
		return q.refuseSecret(err)
	}
	return q.done(pathOf("/users", u.ID)+"/security", "pin")
}

func (q *request) refuseSecret(err error) error {
	f := &form.Form{}
	status, err := reject(f, err)
	if err != nil {
		return err
	}
	return q.showUser(status, "user_security", "/security", f, nil)
}

func (q *request) userForwardings() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	return q.showUser(http.StatusOK, "user_forwardings", "/forwardings", nil, q.dir.UserForwardings(u.ID))
}

// flowLists are a user's or team's four lists of call-flow actions.
type flowLists struct {
	List  uc.FlowList
	Lines []*uc.FlowLine
}

func (q *request) userFlow() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	return q.showUser(http.StatusOK, "user_flow", "/flow", nil,
		flowOf(func(list uc.FlowList) []*uc.FlowLine { return q.dir.UserFlow(u.ID, list) }))
}

func flowOf(lines func(uc.FlowList) []*uc.FlowLine) []flowLists {
	var lists []flowLists
	for _, list := range []uc.FlowList{uc.InternalBefore, uc.InternalAfter, uc.ExternalBefore, uc.ExternalAfter} {
		lists = append(lists, flowLists{list, lines(list)})
	}
	return lists
}

// rolesForm is the form with the roles that a user has by hand.
type rolesForm struct {
	Roles []uc.RoleID `json:"roles"`
}

func (q *request) userRoles() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	var in rolesForm
	for _, r := range q.dir.UserRoles(u.ID) {
		in.Roles = append(in.Roles, r.ID)
	}
	return q.showUser(http.StatusOK, "user_roles", "/roles", form.Of(in), desk.List(&q.dir.Roles, desk.RoleTitle, nil))
}

// saveUserRoles puts the user into the roles that are ticked and takes them out of the others. Roles that
// have everybody are left alone.
func (q *request) saveUserRoles() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	var in rolesForm
	form.Decode(q.PostForm, &in)
	for _, r := range desk.List(&q.dir.Roles, desk.RoleTitle, func(r *uc.Role) bool { return !r.AutoUsers }) {
		has, wanted := slices.Contains(r.Users, u.ID), slices.Contains(in.Roles, r.ID)
		if has == wanted {
			continue
		}
		changed := *r
		changed.Users = slices.DeleteFunc(slices.Clone(r.Users), func(id uc.UserID) bool { return id == u.ID })
		if wanted {
			changed.Users = append(changed.Users, u.ID)
		}
		if err := q.web.Directory.UpdateRole(q.Context(), q.actor(), changed); err != nil {
			return err
		}
	}
	return q.done(pathOf("/users", u.ID)+"/roles", "saved")
}

// profilePage is what a user's profile page shows beside the form.
type profilePage struct {
	State    uc.ProfileState
	Profile  *uc.Profile
	Switch   switchPage
	Presence uc.Presence
	Entries  []uc.JournalEntry
	Live     uc.UserState
}

func (q *request) userProfile() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	entries, err := q.web.Profiles.Journal(q.Context(), uc.JournalQuery{User: u.ID, Limit: 20})
	if err != nil {
		return err
	}
	state := q.web.Profiles.State(u.ID)
	return q.showUser(http.StatusOK, "user_profile", "/profile", nil, profilePage{
		State: state, Profile: q.dir.Profiles.Get(state.Effective),
		Switch:   switchPage{Form: form.Of(switchForm{Profile: state.Effective}), Profiles: q.dir.Offered(u.ID)},
		Presence: q.web.Presences.Get(u.ID), Entries: entries, Live: q.dir.State(u.ID),
	})
}
