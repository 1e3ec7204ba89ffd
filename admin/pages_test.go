package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// pagesOf lists the pages of a company with the lowest level that sees each.
func pagesOf(c *company) map[string]uc.AdminLevel {
	anna := fmt.Sprintf("/users/%d", c.user("anna"))
	pages := map[string]uc.AdminLevel{
		"/phonebook": uc.LevelPhonebook, "/phonebook/1": uc.LevelPhonebook, "/phonebook/new": uc.LevelPhonebook,
		"/delete/phonebook/1": uc.LevelPhonebook, "/teams-sync": uc.LevelAdmin, "/sessions": uc.LevelAdmin, "/sessions/7": uc.LevelAdmin, "/sessions/7/end": uc.LevelAdmin, "/federation": uc.LevelAdmin, "/metrics": uc.LevelMetrics,
	}
	for _, path := range []string{
		"/board", "/users", "/users/new", anna, anna + "/security", anna + "/devices", anna + "/forwardings", anna + "/flow",
		anna + "/roles", anna + "/sees", anna + "/seen-by", anna + "/profile", anna + "/switch", anna + "/call", "/devices", "/devices/new", "/devices/1", "/assignments/1",
		"/locations", "/locations/1", "/locations/new", "/teams", "/teams/1", "/teams/new", "/members/1", "/roles", "/roles/1",
		"/roles/new", "/profiles", "/profiles/1", "/profiles/5", "/profiles/new", "/forwardings", "/forwardings/1",
		"/forwardings/new", "/flowlines/1", "/flowlines/new?user=6&list=internal-after", "/journal", "/explain",
		"/explain?from=12&to=34", "/explain?to=34&team=500&at=2026-03-02T18:05", "/delete/user/7",
	} {
		pages[path] = uc.LevelPBX
	}
	return pages
}

// Every page is shown to those whose level allows it, and to nobody else.
func TestPagesByLevel(t *testing.T) {
	c := open(t)
	stranger := c.browser()
	for _, level := range []uc.AdminLevel{uc.LevelSystem, uc.LevelAdmin, uc.LevelPBX, uc.LevelPhonebook, uc.LevelMetrics} {
		b := c.signIn(string(level))
		for path, needs := range pagesOf(c) {
			want := http.StatusForbidden
			if level.AtLeast(needs) {
				want = http.StatusOK
			}
			if r := c.get(b, path); r.status != want {
				t.Errorf("%s at %s: %d, want %d\n%.300s", level, path, r.status, want, r.body)
			}
		}
	}
	for path := range pagesOf(c) {
		r := c.get(stranger, path)
		if r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/signin?next=") {
			t.Errorf("a stranger at %s: %d %s", path, r.status, r.header.Get("Location"))
		}
	}
	if strings.Contains(c.log.String(), "level=ERROR") {
		t.Error(c.log.String())
	}
}

func TestMenuShowsWhatTheLevelAllows(t *testing.T) {
	c := open(t)
	if r := c.get(c.signIn("phonebook"), "/phonebook"); strings.Contains(r.body, `href="/users"`) || !strings.Contains(r.body, `href="/phonebook"`) {
		t.Error("the phonebook manager's menu is wrong")
	}
	if r := c.get(c.signIn("metrics"), "/"); r.header.Get("Location") != "/metrics" {
		t.Errorf("the metrics viewer begins at %q", r.header.Get("Location"))
	}
}

func TestSignIn(t *testing.T) {
	c := open(t)
	for _, tt := range []struct{ login, password, next, want string }{
		{"system", password, "/users?q=a", "/users?q=a"},
		{"System", password, "", "/"},
		{"system", password, "//evil.example", "/"},
		{"system", password, `/\evil.example`, "/"},
		{"system", password, "https://evil.example", "/"},
	} {
		r := c.post(c.browser(), "/signin", url.Values{"login": {tt.login}, "password": {tt.password}, "next": {tt.next}})
		if r.status != http.StatusSeeOther || r.header.Get("Location") != tt.want {
			t.Errorf("%+v: %d to %q", tt, r.status, r.header.Get("Location"))
		}
	}
	for _, tt := range []struct{ login, password string }{{"system", "wrong"}, {"nobody", password}, {"anna", password}, {"", ""}} {
		r := c.post(c.browser(), "/signin", url.Values{"login": {tt.login}, "password": {tt.password}})
		if r.status != http.StatusUnauthorized || !strings.Contains(r.body, "wrong, or this account may not") || strings.Contains(r.body, password) {
			t.Errorf("%+v: %d", tt, r.status)
		}
	}
	b := c.signIn("system")
	c.post(b, "/signout", nil)
	if r := c.get(b, "/users"); r.status != http.StatusSeeOther {
		t.Errorf("after signing out: %d", r.status)
	}
}

func TestTooManyTries(t *testing.T) {
	c := open(t)
	var r reply
	for range 5 {
		r = c.post(c.browser(), "/signin", url.Values{"login": {"system"}, "password": {"wrong"}})
	}
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "1" {
		t.Errorf("the fifth try: %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
}

// A one-time password opens nothing but the page on which it is changed.
func TestFirstSignIn(t *testing.T) {
	c := open(t)
	u := *c.dir.Snapshot().UserByLogin("admin")
	u.MustChangePassword = true
	if err := c.dir.UpdateUser(t.Context(), uc.System, u); err != nil {
		t.Fatal(err)
	}
	b := c.signIn("admin")
	for _, path := range []string{"/", "/board", "/users"} {
		if r := c.get(b, path); r.header.Get("Location") != "/password" {
			t.Errorf("%s leads to %q", path, r.header.Get("Location"))
		}
	}
	if r := c.get(b, "/password"); r.status != http.StatusOK || strings.Contains(r.body, `href="/users"`) {
		t.Errorf("the page: %d", r.status)
	}
	for _, tt := range []struct {
		old, first, second string
		status             int
		says               string
	}{
		{password, "Better456", "Other456", 422, "The two passwords differ."},
		{password, password, password, 422, "must be another one"},
		{"wrong", "Better456", "Better456", 403, "not your present password"},
		{password, "short", "short", 422, "at least 8 characters"},
		{password, "Better456", "Better456", 303, ""},
	} {
		r := c.post(b, "/password", url.Values{"old": {tt.old}, "password": {tt.first}, "again": {tt.second}})
		if r.status != tt.status || !strings.Contains(r.body, tt.says) {
			t.Errorf("%+v: %d", tt, r.status)
		}
	}
	if r := c.get(b, "/board"); r.status != http.StatusOK {
		t.Errorf("afterwards: %d", r.status)
	}
}

// Changing the own password ends the sessions elsewhere.
func TestPasswordChangeEndsOtherSessions(t *testing.T) {
	c := open(t)
	here, elsewhere := c.signIn("system"), c.signIn("system")
	c.post(here, "/password", url.Values{"old": {password}, "password": {"Better456"}, "again": {"Better456"}})
	if r := c.get(here, "/users"); r.status != http.StatusOK {
		t.Errorf("here: %d", r.status)
	}
	if r := c.get(elsewhere, "/users"); r.status != http.StatusSeeOther {
		t.Errorf("elsewhere: %d", r.status)
	}
}

// Forms of other sites are refused, whatever the session says.
func TestForgedForms(t *testing.T) {
	c := open(t)
	b := c.signIn("system")
	for i, tt := range []struct {
		header, value string
		want          int
	}{
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-site", http.StatusForbidden},
		{"Origin", "https://evil.example", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-origin", http.StatusSeeOther},
		{"Origin", c.http.URL, http.StatusSeeOther},
	} {
		body := url.Values{"name": {fmt.Sprint("Forged ", i)}}.Encode()
		req := must[*http.Request](t)(http.NewRequest(http.MethodPost, c.http.URL+"/locations/new", strings.NewReader(body)))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(tt.header, tt.value)
		if r := c.do(b, req); r.status != tt.want {
			t.Errorf("%s: %s: %d, want %d", tt.header, tt.value, r.status, tt.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	c := open(t)
	h := c.get(c.signIn("system"), "/board").header
	for name, want := range map[string]string{
		"Content-Security-Policy": "script-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Referrer-Policy": "same-origin",
	} {
		if !strings.Contains(h.Get(name), want) {
			t.Errorf("%s is %q", name, h.Get(name))
		}
	}
	if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
		t.Error("the policy allows inline scripts or styles")
	}
}

func TestQuickAdd(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	add := func(then string, more url.Values) reply {
		v := url.Values{"name": {"Grace Hopper"}, "login": {"grace"}, "ext": {"77"}, "auth": {"local"}, "password": {"Cobol1959"}, "pin": {"4711"},
			"voicemail": {"all"}, "softphone": {"false", "true"}, "callWaiting": {"false"}, "mobile": {"false", "true"}, "mobileNumber": {"+491701234"},
			"faxExt": {"78"}, "then": {then}}
		for k, list := range more {
			v[k] = list
		}
		return c.post(b, "/users/new", v)
	}
	if r := add("list", nil); r.header.Get("Location") != "/users?done=added" {
		t.Fatalf("Save: %d %s %.2000s", r.status, r.header.Get("Location"), r.body)
	}
	d := c.dir.Snapshot()
	grace := d.UserByLogin("grace")
	if grace.CallWaiting || grace.FaxExt != "78" || len(d.UserAssignments(grace.ID)) != 3 || len(d.UserFlow(grace.ID, uc.InternalAfter)) != 1 {
		t.Errorf("the user is %+v with %d devices", grace, len(d.UserAssignments(grace.ID)))
	}
	other := func(login, ext string) url.Values {
		return url.Values{"login": {login}, "ext": {ext}, "faxExt": {""}}
	}
	if r := add("details", other("hedy", "81")); !strings.HasPrefix(r.header.Get("Location"), "/users/") || !strings.HasSuffix(r.header.Get("Location"), "?done=added") {
		t.Errorf("Save and details leads to %q", r.header.Get("Location"))
	}
	if r := add("next", other("ida", "82")); !strings.HasPrefix(r.header.Get("Location"), "/users/new?added=") {
		t.Errorf("Save and next leads to %q", r.header.Get("Location"))
	}
	for field, more := range map[string]url.Values{
		"login": other("grace", "83"), "ext": other("jane", "77"), "password": {"login": {"kim"}, "ext": {"84"}, "password": {"weak"}, "faxExt": {""}},
	} {
		r := add("list", more)
		if r.status < 400 || !strings.Contains(r.body, `id="f-`+field+`-error"`) {
			t.Errorf("a wrong %s: %d, and the field does not tell", field, r.status)
		}
		if !strings.Contains(r.body, `value="Grace Hopper"`) || strings.Contains(r.body, "Cobol1959") {
			t.Errorf("a wrong %s: what was typed in is lost, or the password was sent back", field)
		}
	}
}

// The page asks before the step that takes a right from everybody outside a role.
func TestFirstUseOfAType(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	role := url.Values{"title": {"Pickers"}, "types": {"", "pickup.group"}, "users": {"", fmt.Sprint(c.user("anna"))}}
	if r := c.post(b, "/roles/new", role); r.status != http.StatusOK || !strings.Contains(r.body, "I understand, save") {
		t.Fatalf("no question: %d", r.status)
	}
	if c.dir.Snapshot().TypeUsed(uc.TypePickupGroup) {
		t.Fatal("saved before it was confirmed")
	}
	role.Set("confirmed", "yes")
	if r := c.post(b, "/roles/new", role); r.status != http.StatusSeeOther || !c.dir.Snapshot().TypeUsed(uc.TypePickupGroup) {
		t.Fatalf("confirmed: %d", r.status)
	}
	role.Del("confirmed")
	role.Set("title", "More pickers")
	if r := c.post(b, "/roles/new", role); r.status != http.StatusSeeOther {
		t.Errorf("the second role: %d, the question came again", r.status)
	}
}

// Nobody reaches above their own level or locks themselves out, neither by page nor by REST.
func TestNobodyRisesAboveTheirLevel(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	pbx, system, anna := c.user("pbx"), c.user("system"), c.user("anna")
	for what, form := range map[string]struct {
		path   string
		values url.Values
	}{
		"gives herself a level":   {fmt.Sprintf("/users/%d", pbx), url.Values{"adminLevel": {"system"}}},
		"gives another a level":   {fmt.Sprintf("/users/%d", anna), url.Values{"adminLevel": {"admin"}}},
		"adds a user above":       {"/users/new", url.Values{"name": {"Eve"}, "login": {"eve"}, "auth": {"local"}, "password": {password}, "adminLevel": {"system"}, "voicemail": {"off"}}},
		"takes over an account":   {fmt.Sprintf("/users/%d/password", system), url.Values{"password": {"Stolen123"}}},
		"changes the PIN":         {fmt.Sprintf("/users/%d/pin", system), url.Values{"pin": {"1234"}}},
		"renames one above":       {fmt.Sprintf("/users/%d", system), url.Values{"name": {"Nobody"}}},
		"deletes one above":       {fmt.Sprintf("/delete/user/%d", system), nil},
		"deletes the own account": {fmt.Sprintf("/delete/user/%d", pbx), nil},
		"gives up the own level":  {fmt.Sprintf("/users/%d", pbx), url.Values{"adminLevel": {""}}},
	} {
		before := c.dir.Snapshot().Version
		if r := c.post(b, form.path, form.values); r.status != http.StatusForbidden {
			t.Errorf("%s: %d", what, r.status)
		}
		if c.dir.Snapshot().Version != before {
			t.Errorf("%s: something changed", what)
		}
	}
	if r := c.rest("pbx", http.MethodPut, fmt.Sprintf("/users/%d/password", system), `{"password":"Stolen123"}`); r.status != http.StatusForbidden {
		t.Errorf("by REST: %d", r.status)
	}
	if r := c.post(b, fmt.Sprintf("/users/%d", anna), url.Values{"adminLevel": {"pbx"}}); r.status != http.StatusSeeOther {
		t.Errorf("the own level may be given: %d", r.status)
	}
}

func TestForms(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	anna := c.user("anna")
	for _, tt := range []struct {
		name, path string
		form       url.Values
		want       string // where it leads
		check      func(d *uc.Directory) bool
	}{
		{"user", fmt.Sprintf("/users/%d", anna), url.Values{"ext": {"13"}, "callWaiting": {"false", "true"}}, fmt.Sprintf("/users/%d?done=saved", anna),
			func(d *uc.Directory) bool {
				u := d.Users.Get(anna)
				return u.Ext == "13" && u.CallWaiting && u.Name == "Anna Berg"
			}},
		{"FollowMe", "/assignments/1", url.Values{"internal.enabled": {"false"}, "internal.delay": {"5"}, "back": {"/users/6/devices"}}, "/users/6/devices?done=saved",
			func(d *uc.Directory) bool {
				a := d.Assignments.Get(1)
				return !a.Internal.Enabled && a.Internal.Delay == 5 && a.External.Enabled
			}},
		{"a new device for a user", "/assign", url.Values{"user": {fmt.Sprint(anna)}, "location": {"0"}, "name": {"Home phone"}, "kind": {"desk"}}, "/devices?done=assigned",
			func(d *uc.Directory) bool {
				list := d.UserAssignments(anna)
				a := list[len(list)-1]
				return d.Devices.Get(a.Device).Name == "Home phone" && !a.UserConfigurable
			}},
		{"roles of a user", fmt.Sprintf("/users/%d/roles", anna), url.Values{"roles": {""}}, fmt.Sprintf("/users/%d/roles?done=saved", anna),
			func(d *uc.Directory) bool { return len(d.UserRoles(anna)) == 1 }},
		{"member", "/members/1", url.Values{"paused": {"false", "true"}, "reason": {"Lunch"}, "back": {"/teams/1"}}, "/teams/1?done=saved",
			func(d *uc.Directory) bool { m := d.Members.Get(1); return m.Paused && m.Reason == "Lunch" && m.Static }},
		{"new member", "/members/new", url.Values{"team": {"1"}, "user": {fmt.Sprint(c.user("clara"))}, "static": {"true"}, "back": {"/teams/1"}}, "/teams/1?done=added",
			func(d *uc.Directory) bool { return len(d.TeamMembers(1)) == 3 }},
		{"phone book", "/phonebook/1", url.Values{"numbers": {"+49301\r\n+49302"}}, "/phonebook?done=saved",
			func(d *uc.Directory) bool { return len(d.Phonebook.Get(1).Numbers) == 2 }},
		{"profile", fmt.Sprintf("/profiles/%d", c.profiles["Lunch"]), url.Values{"enter": {""}, "enter.0.kind": {"gsm"}, "enter.0.enabled": {"true"}, "triggers": {""}},
			"/profiles?done=saved", func(d *uc.Directory) bool {
				p := d.Profiles.Get(c.profiles["Lunch"])
				return len(p.Enter) == 1 && *p.Enter[0].Enabled && p.Triggers == nil && p.Name == "Lunch"
			}},
		{"somewhere else", "/members/1", url.Values{"back": {"//evil.example"}}, "/teams/1?done=saved", nil},
		{"delete", "/delete/location/1", url.Values{"back": {"/locations/1"}}, "/locations?done=deleted",
			func(d *uc.Directory) bool { return d.Locations.Get(1) == nil }},
	} {
		r := c.post(b, tt.path, tt.form)
		if r.status != http.StatusSeeOther || r.header.Get("Location") != tt.want {
			t.Errorf("%s: %d to %q\n%.1500s", tt.name, r.status, r.header.Get("Location"), r.body)
		}
		if tt.check != nil && !tt.check(c.dir.Snapshot()) {
			t.Errorf("%s: not what was asked", tt.name)
		}
	}
	if r := c.post(b, "/delete/profile/1", nil); r.status != http.StatusForbidden {
		t.Errorf("deleting a system profile: %d", r.status)
	}
}

func TestCredentialsOnlyOnRequest(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	secret := c.dir.Snapshot().Devices.Get(1).SIPSecret
	if r := c.get(b, "/devices/1"); strings.Contains(r.body, secret) {
		t.Error("the page of a device shows its secret unasked")
	}
	if r := c.post(b, "/devices/1/credentials", nil); !strings.Contains(r.body, secret) || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("asked for: %d", r.status)
	}
	c.post(b, "/devices/1/renew", nil)
	if c.dir.Snapshot().Devices.Get(1).SIPSecret == secret {
		t.Error("the secret is still the old one")
	}
	if strings.Contains(c.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestSwitchOnPage(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	path := fmt.Sprintf("/users/%d/switch", c.user("anna"))
	lunch := fmt.Sprint(c.profiles["Lunch"])
	for _, tt := range []struct {
		name  string
		form  url.Values
		want  int
		until time.Time
	}{
		{"for good", url.Values{"profile": {lunch}}, 303, time.Time{}},
		{"two hours", url.Values{"profile": {lunch}, "for": {"2h"}}, 303, clockTime.Add(2 * time.Hour)},
		{"until midnight", url.Values{"profile": {lunch}, "for": {"today"}}, 303, time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)},
		{"until a time", url.Values{"profile": {lunch}, "for": {"at"}, "until": {"2026-03-02T18:05"}}, 303, time.Date(2026, 3, 2, 18, 5, 0, 0, time.UTC)},
		{"until the past", url.Values{"profile": {lunch}, "for": {"at"}, "until": {"2026-03-01T18:05"}}, 422, time.Time{}},
		{"no time", url.Values{"profile": {lunch}, "for": {"at"}}, 422, time.Time{}},
		{"nonsense", url.Values{"profile": {lunch}, "for": {"-1h"}}, 422, time.Time{}},
		{"no profile", url.Values{"profile": {"99"}}, 422, time.Time{}},
	} {
		r := c.post(b, path, tt.form)
		if r.status != tt.want {
			t.Errorf("%s: %d", tt.name, r.status)
		}
		if got := c.people.State(c.user("anna")).Base.Until; r.status == 303 && !got.Equal(tt.until) {
			t.Errorf("%s: until %v", tt.name, got)
		}
	}
	entries, err := c.people.Journal(t.Context(), uc.JournalQuery{Limit: 1})
	if err != nil || entries[0].Cause.By != (uc.Actor{User: c.user("pbx"), Name: "pbx", Via: "page"}) {
		t.Errorf("the journal says %+v, %v", entries, err)
	}
}

// Whoever may steer calls does it at the person.
func TestCallsOnPage(t *testing.T) {
	c := open(t)
	b := c.signIn("pbx")
	pbx := *c.dir.Snapshot().UserByLogin("pbx")
	pbx.Ext = "20"
	if err := c.dir.UpdateUser(t.Context(), uc.System, pbx); err != nil {
		t.Fatal(err)
	}
	anna := c.user("anna")
	c.people.calls = []uc.Call{{ID: "c1", State: uc.CallAnswered, Caller: uc.Party{Number: "0301234"}, Called: uc.Party{User: anna, Name: "Anna Berg"},
		Answered: clockTime, Legs: []uc.Leg{{Caller: true, State: uc.LegAnswered}, {User: anna, State: uc.LegAnswered}}}}
	path := fmt.Sprintf("/users/%d/call", anna)
	if r := c.get(b, path); !strings.Contains(r.body, "0301234 → Anna Berg") || !strings.Contains(r.body, "Call Anna Berg") {
		t.Errorf("the page is\n%s", r.body)
	}
	for _, tt := range []struct {
		form url.Values
		want int
		says string
	}{
		{url.Values{"do": {"call"}}, 303, ""},
		{url.Values{"do": {"dial"}, "to": {" 34 "}}, 303, ""},
		{url.Values{"do": {"dial"}, "to": {"99"}}, 422, "99: no user and no team has the extension 99"},
		{url.Values{"do": {"transfer"}, "call": {"c1"}, "party": {"caller"}, "to": {"34"}}, 303, ""},
		{url.Values{"do": {"transfer"}, "call": {"c1"}, "party": {"caller"}, "to": {"99"}}, 409, "99 cannot be reached now"},
		{url.Values{"do": {"transfer"}, "call": {"c1"}, "to": {"34"}}, 422, "Choose who goes there."},
		{url.Values{"do": {"transfer"}, "call": {"c2"}, "party": {"caller"}, "to": {"34"}}, 404, "the call is over"},
		{url.Values{"do": {"hangup"}, "call": {"c1"}}, 303, ""},
		{url.Values{"do": {"dance"}}, 422, "There is nothing to do."},
	} {
		if r := c.post(b, path, tt.form); r.status != tt.want || !strings.Contains(r.body, tt.says) {
			t.Errorf("%v: %d %s", tt.form, r.status, r.body)
		}
	}
	want := []string{"pbx over page: dial 12 for pbx", "pbx over page: dial 34 for anna",
		"pbx over page: transfer c1 to 34, caller=true", "pbx over page: hang up c1"}
	if !slices.Equal(c.people.done, want) {
		t.Errorf("done was %q", c.people.done)
	}
	if r := c.post(c.signIn("phonebook"), path, url.Values{"do": {"call"}}); r.status != 403 {
		t.Errorf("the phonebook manager calls: %d", r.status)
	}
}

func TestErrorsOnPages(t *testing.T) {
	c := open(t)
	b := c.signIn("system")
	for _, path := range []string{"/users/999", "/users/x", "/devices/999", "/profiles/999", "/delete/user/999", "/users/999/devices"} {
		if r := c.get(b, path); r.status != http.StatusNotFound || !strings.Contains(r.body, "There is no such") {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	c.people.broken = fmt.Errorf("dial tcp 10.1.2.3: the secret is hunter2")
	r := c.post(b, fmt.Sprintf("/users/%d/switch", c.user("anna")), url.Values{"profile": {"1"}})
	if r.status != http.StatusInternalServerError || strings.Contains(r.body, "hunter2") || !strings.Contains(c.log.String(), "hunter2") {
		t.Errorf("an unknown error: %d; it must be logged in full and told in general", r.status)
	}
}

func TestJournalPages(t *testing.T) {
	c := open(t)
	for range 60 {
		if _, err := c.people.Switch(t.Context(), uc.SwitchRequest{User: c.user("anna"), Profile: c.profiles["Lunch"], By: uc.System}); err != nil {
			t.Fatal(err)
		}
	}
	b := c.signIn("pbx")
	if r := c.get(b, "/journal"); !strings.Contains(r.body, "before=11") || strings.Count(r.body, `class="when"`) != 50 {
		t.Error("the first page does not lead on")
	}
	if r := c.get(b, "/journal?before=11"); strings.Count(r.body, `class="when"`) != 10 || strings.Contains(r.body, ">Older<") {
		t.Error("the last page is wrong")
	}
	if r := c.get(b, fmt.Sprintf("/journal?user=%d", c.user("ben"))); strings.Contains(r.body, `class="when"`) {
		t.Error("another user's entries are shown")
	}
}

// What people type in is shown, never run.
func TestTextIsEscaped(t *testing.T) {
	c := open(t)
	evil := `<script>alert("x")</script>`
	u := *c.dir.Snapshot().UserByLogin("anna")
	u.Name = evil
	if err := c.dir.UpdateUser(t.Context(), uc.System, u); err != nil {
		t.Fatal(err)
	}
	b := c.signIn("system")
	for path := range pagesOf(c) {
		if r := c.get(b, path); strings.Contains(r.body, evil) {
			t.Errorf("%s carries a script", path)
		}
	}
}
