package admin_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/admin"
	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

const password = "Secret123"

// clockTime is what the time is in the tests.
var clockTime = time.Date(2026, 3, 2, 10, 15, 0, 0, time.UTC)

// company is a server over a real directory and engines that are played.
type company struct {
	t        *testing.T
	dir      *directory.Directory
	bus      *bus.Bus
	people   *engines
	server   *admin.Server
	http     *httptest.Server
	chats    *chats
	streams  []uc.ServerStream
	log      testenv.Log
	profiles map[string]uc.ProfileID
}

func (c *company) time() time.Time { return clockTime }

// hasPassword reports whether a password is the login's.
func (c *company) hasPassword(login, password string) bool {
	_, right := c.dir.CheckPassword(c.t.Context(), login, password)
	return right
}

// open starts a company with one account of each admin level, named by it, and some ordinary users.
func open(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, bus: bus.New(), profiles: map[string]uc.ProfileID{}}
	log := slog.New(slog.NewTextHandler(&c.log, nil))
	dir, err := directory.Open(t.Context(), &directory.Memory{}, c.bus, directory.Options{Iterations: 2, Now: c.time})
	if err != nil {
		t.Fatal(err)
	}
	c.dir = dir
	c.people = &engines{c: c, states: map[uc.UserID]uc.ProfileState{}}
	c.chats = &chats{c: c}
	c.streams = []uc.ServerStream{
		{Domains: []string{"partner.example", "rooms.partner.example"}, Local: "example.com", Begun: uc.StreamIn, Both: true,
			Proof: uc.ProofExternal, Address: "192.0.2.9", Since: clockTime.Add(-2 * time.Hour)},
		{Domains: []string{"customer.example"}, Local: "example.com", Begun: uc.StreamOut, Proof: uc.ProofDialback,
			Address: "2001:db8::25", Since: clockTime.Add(-time.Minute)},
	}
	c.fill()
	c.server, err = admin.New(
		admin.Config{Config: access.Config{FailureDelay: time.Millisecond}, Version: "test"},
		admin.Deps{
			Directory: dir, Profiles: c.people, Presences: presences{c.people}, Phones: phones{c}, Chats: c.chats, Bus: c.bus,
			Subscriptions: func(uc.UserID) (to, from []uc.UserID) { return nil, []uc.UserID{c.user("ben")} },
			ServerStreams: func() []uc.ServerStream { return slices.Clone(c.streams) },
			TeamsSync: func() uc.TeamsSync {
				return uc.TeamsSync{State: uc.SyncOK, LastSuccess: clockTime, Users: 6, Unmatched: []string{"dora@example.com"}}
			},
			Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "rolecall_up 1\n") }),
			Now:     c.time, Log: log,
		})
	if err != nil {
		t.Fatal(err)
	}
	c.http = httptest.NewServer(c.server.Handler())
	t.Cleanup(func() {
		c.server.Close()
		c.http.Close()
	})
	return c
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fill puts people and things into the directory.
func (c *company) fill() {
	t, ctx, sys := c.t, c.t.Context(), uc.System
	for _, l := range []struct {
		login string
		level uc.AdminLevel
	}{{"system", uc.LevelSystem}, {"admin", uc.LevelAdmin}, {"pbx", uc.LevelPBX}, {"phonebook", uc.LevelPhonebook}, {"metrics", uc.LevelMetrics}} {
		must[uc.User](t)(c.dir.AddUser(ctx, sys, uc.NewUser{Password: password, User: uc.User{
			Login: l.login, Name: strings.ToUpper(l.login[:1]) + l.login[1:] + " Keller", Auth: uc.AuthLocal, Voicemail: uc.VoicemailOff, AdminLevel: l.level, TimeZone: "UTC"}}))
	}
	for _, u := range []uc.NewUser{
		{User: uc.User{Login: "anna", Name: "Anna Berg", Ext: "12", Email: "anna@example.com", MobileNumber: "+491701234567"}, Mobile: true},
		{User: uc.User{Login: "ben", Name: "Ben Okafor", Ext: "34", Email: "ben@example.com"}},
		{User: uc.User{Login: "clara", Name: "Clara Lindqvist", Ext: "35"}},
		{User: uc.User{Login: "dora", Name: "Dora Nowak", Ext: "36"}},
		{User: uc.User{Login: "emil", Name: "Emil Sørensen", Ext: "37"}},
		{User: uc.User{Login: "fatima", Name: "Fatima El-Amin", Ext: "38"}},
		{User: uc.User{Login: "george", Name: "George Papadopoulos", Ext: "39"}},
	} {
		u.Auth, u.Voicemail, u.Softphone, u.Password = uc.AuthLocal, uc.VoicemailAll, true, password
		must[uc.User](t)(c.dir.AddUser(ctx, sys, u))
	}
	for _, p := range []uc.Profile{
		{Name: "Office", Color: "#2563eb", Icon: "briefcase", Show: uc.ShowAvailable},
		{Name: "Lunch", Color: "#d97706", Icon: "food", Show: uc.ShowAway, Text: "Back at one",
			Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00", Weekdays: []time.Weekday{1, 2, 3, 4, 5}}},
			Enter:    []uc.Action{{Kind: uc.ActionSetRedirect, Forward: uc.ForwardAlways, Class: uc.ForwardBoth, Target: "34"}}},
		{Name: "Teams Meeting", Color: "#7c3aed", Icon: "video", Sticky: true, UndoOnLeave: true, Show: uc.ShowDND, Text: "In a meeting",
			Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}},
			Enter:    []uc.Action{{Kind: uc.ActionFollowMe, Devices: "all", Enabled: new(false)}, {Kind: uc.ActionTeamPause, Reason: "Meeting"}}},
	} {
		p.Assigned, p.IconVisible = uc.AssignedAdmin, true
		c.profiles[p.Name] = must[uc.Profile](t)(c.dir.AddProfile(ctx, sys, p)).ID
	}
	must[uc.Role](t)(c.dir.AddRole(ctx, sys, uc.Role{Title: "Support", Description: "First line", Types: []uc.RoleType{uc.TypeXMPPGroup}, Users: []uc.UserID{c.user("anna"), c.user("ben")}}))
	team := must[uc.Team](t)(c.dir.AddTeam(ctx, sys, uc.Team{Name: "Support", Ext: "500", Prefix: "Sup", Strategy: uc.RingAll, MemberTimeout: 20}))
	must[uc.Member](t)(c.dir.AddMember(ctx, sys, uc.Member{Team: team.ID, User: c.user("anna"), Static: true}))
	must[uc.Member](t)(c.dir.AddMember(ctx, sys, uc.Member{Team: team.ID, User: c.user("ben"), LoggedIn: true}))
	desk := must[uc.Device](t)(c.dir.AddDevice(ctx, sys, uc.Device{Name: "Desk phone of Anna", Kind: uc.DeviceDesk}))
	must[uc.Assignment](t)(c.dir.Assign(ctx, sys, uc.Assignment{Device: desk.ID, User: c.user("anna"), Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing}))
	must[uc.Location](t)(c.dir.AddLocation(ctx, sys, uc.Location{Name: "Reception"}))
	must[uc.Forwarding](t)(c.dir.AddForwarding(ctx, sys, uc.Forwarding{User: c.user("anna"), Kind: uc.ForwardNoAnswer, Class: uc.ForwardExternal, Target: "34", Active: true}))
	must[uc.PhonebookEntry](t)(c.dir.AddPhonebookEntry(ctx, sys, uc.PhonebookEntry{Name: "City Hospital", Organisation: "St. Mary", Numbers: []string{"+4930123456"}}))
}

func (c *company) user(login string) uc.UserID {
	c.t.Helper()
	u := c.dir.Snapshot().UserByLogin(login)
	if u == nil {
		c.t.Fatalf("no user %q", login)
	}
	return u.ID
}

// engines plays the profile engine and the presence reducer.
type engines struct {
	c       *company
	mu      sync.Mutex
	states  map[uc.UserID]uc.ProfileState
	journal []uc.JournalEntry
	calls   []uc.Call
	done    []string // what was done with calls
	broken  error    // what Switch answers
}

func (e *engines) Switch(_ context.Context, req uc.SwitchRequest) (uc.JournalEntry, error) {
	e.mu.Lock()
	if e.broken != nil {
		e.mu.Unlock()
		return uc.JournalEntry{}, e.broken
	}
	d := e.c.dir.Snapshot()
	to := d.Profiles.Get(req.Profile)
	if to == nil {
		e.mu.Unlock()
		return uc.JournalEntry{}, uc.FieldError(uc.ErrInvalid, "profile", "There is no such profile.")
	}
	before := e.state(req.User)
	reason := "chosen by hand " + e.c.time().Format("15:04")
	st := uc.ProfileState{User: req.User, Effective: to.ID, Since: e.c.time(), Reason: reason, Version: before.Version + 1,
		Base: uc.Base{Profile: to.ID, Until: req.Until}}
	entry := uc.JournalEntry{ID: int64(len(e.journal) + 1), Time: e.c.time(), User: req.User,
		From: before.Effective, FromName: d.Profiles.Get(before.Effective).Name, To: to.ID, ToName: to.Name,
		Cause: uc.Cause{Kind: uc.CauseHand, By: req.By, Text: "by " + req.By.String()}, Reason: reason,
		Actions: []uc.ActionResult{{Action: "Change FollowMe: all devices off", Result: uc.ResultDone, Changes: []uc.Change{{Text: "Desk phone, internal: on → off"}}},
			{Action: "Team pause in all teams", Result: uc.ResultFailed, Error: "not a member of a team"}}}
	e.states[req.User] = st
	e.journal = append(e.journal, entry)
	e.mu.Unlock()
	e.c.bus.Publish(uc.ProfileSwitched{State: st, Entry: &entry})
	e.c.bus.Publish(uc.PresenceChanged{Presence: presences{e}.Get(req.User)})
	return entry, nil
}

// did notes what was done with a call.
func (e *engines) did(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = append(e.done, fmt.Sprintf(format, args...))
}

func (e *engines) state(u uc.UserID) uc.ProfileState {
	if st, ok := e.states[u]; ok {
		return st
	}
	return uc.ProfileState{User: u, Effective: uc.ProfileAvailable, Reason: "Available since the server began"}
}

func (e *engines) State(u uc.UserID) uc.ProfileState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state(u)
}

func (e *engines) Undo(ctx context.Context, u uc.UserID, by uc.Actor) (uc.JournalEntry, error) {
	if len(e.journal) == 0 {
		return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "There is nothing to undo.")
	}
	return e.Switch(ctx, uc.SwitchRequest{User: u, Profile: e.journal[len(e.journal)-1].From, By: by})
}

func (e *engines) Journal(_ context.Context, q uc.JournalQuery) ([]uc.JournalEntry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []uc.JournalEntry
	for _, entry := range slices.Backward(e.journal) {
		if (q.User == 0 || q.User == entry.User) && (q.Before == 0 || entry.ID < q.Before) && len(list) < q.Limit {
			list = append(list, entry)
		}
	}
	return list, nil
}

type presences struct{ *engines }

func (p presences) Get(u uc.UserID) uc.Presence {
	st := p.State(u)
	pr := uc.Presence{User: u, Show: uc.ShowOffline, Phone: uc.PhoneUnreachable, Version: st.Version + 1}
	d := p.c.dir.Snapshot()
	if profile := d.Profiles.Get(st.Effective); profile != nil {
		pr.Profile = &uc.ProfileView{ID: profile.ID, Name: profile.Name, Color: profile.Color, Icon: profile.Icon, Since: st.Since}
		if usr := d.Users.Get(u); usr != nil && usr.Ext != "" && usr.Login != "george" {
			pr.Show, pr.Text, pr.Phone = profile.Show, profile.Text, uc.PhoneFree
			pr.Resources = []uc.Resource{{Name: "gajim", Show: uc.ShowAvailable, Since: clockTime}}
		}
	}
	for _, call := range (phones{p.c}).Calls() {
		if call.Caller.User == u || call.Called.User == u {
			peer := call.Called.Name
			if call.Called.User == u {
				peer = call.Caller.Name
			}
			pr.Phone, pr.Show, pr.Text = uc.PhoneBusy, uc.ShowDND, "On the phone"
			pr.Call = &uc.CallView{ID: call.ID, Peer: peer, Since: call.Answered}
		}
	}
	return pr
}

func (p presences) All() []uc.Presence {
	var list []uc.Presence
	for id := range p.c.dir.Snapshot().Users.All() {
		list = append(list, p.Get(id))
	}
	return list
}

// phones plays the SIP engine.
type phones struct{ c *company }

func (p phones) Explain(req uc.PlanRequest) uc.Plan {
	d := p.c.dir.Snapshot()
	plan := uc.Plan{Class: cmpClass(req), CallerName: req.Caller.Name, Called: uc.Party{Number: req.To, Name: d.NameOf(req.To)}, Path: []string{req.To}, Outcome: uc.OutcomeRing, Ring: 999}
	target, _ := d.ByExt(req.To)
	for _, a := range d.Endpoints(target.User) {
		plan.Branches = append(plan.Branches, uc.Branch{User: target.User, Device: a.Device, Timeout: a.Internal.Timeout, Reason: "FollowMe " + string(plan.Class) + " is on"})
		plan.Lines = append(plan.Lines, uc.PlanLine{Step: "endpoint", Text: d.Devices.Get(a.Device).Name + " rings", Because: "FollowMe is on, by default"})
	}
	if len(plan.Branches) == 0 {
		plan.Outcome, plan.Status, plan.Cause, plan.Ring = uc.OutcomeReject, 480, "Temporarily Unavailable", 0
	}
	return plan
}

func cmpClass(req uc.PlanRequest) uc.Class {
	if req.Class == "" {
		return uc.Internal
	}
	return req.Class
}

func (p phones) Calls() []uc.Call {
	p.c.people.mu.Lock()
	defer p.c.people.mu.Unlock()
	return slices.Clone(p.c.people.calls)
}

func (p phones) Dial(_ context.Context, user uc.UserID, to string, by uc.Actor) (uc.Call, error) {
	d := p.c.dir.Snapshot()
	target, ok := d.ByExt(to)
	if !ok {
		return uc.Call{}, uc.FieldError(uc.ErrInvalid, "to", "%s: no user and no team has the extension %s", to, to)
	}
	p.c.people.did("%s: dial %s for %s", by, to, d.Users.Get(user).Login)
	return uc.Call{ID: "d", State: uc.CallRouting, Caller: uc.Party{User: user}, Called: uc.Party{User: target.User, Number: to}, Legs: []uc.Leg{}}, nil
}

func (p phones) Transfer(_ context.Context, call, to string, caller bool, by uc.Actor) error {
	if call != "c1" {
		return uc.Errorf(uc.ErrNotFound, "the call is over")
	}
	if to == "99" {
		return uc.FieldError(uc.ErrConflict, "to", "99 cannot be reached now: Not Reachable")
	}
	p.c.people.did("%s: transfer %s to %s, caller=%t", by, call, to, caller)
	return nil
}

func (p phones) HangUp(_ context.Context, call string, by uc.Actor) error {
	if call != "c1" {
		return uc.Errorf(uc.ErrNotFound, "the call is over")
	}
	p.c.people.did("%s: hang up %s", by, call)
	return nil
}

func (p phones) Registrations() []uc.Registration {
	var list []uc.Registration
	for id, d := range p.c.dir.Snapshot().Devices.All() {
		if d.Kind == uc.DeviceDesk {
			list = append(list, uc.Registration{Device: id, Contacts: 1, Agent: "baresip 1.0", Source: "192.0.2.7:5060"})
		}
	}
	return list
}

// browser is a client that keeps cookies and does not follow redirects.
func (c *company) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signIn returns a browser that is signed in.
func (c *company) signIn(login string) *http.Client {
	c.t.Helper()
	b := c.browser()
	if r := c.post(b, "/signin", url.Values{"login": {login}, "password": {password}}); r.status != http.StatusSeeOther {
		c.t.Fatalf("sign-in of %s: %d", login, r.status)
	}
	return b
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (c *company) do(b *http.Client, req *http.Request) reply {
	c.t.Helper()
	resp, err := b.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (c *company) get(b *http.Client, path string) reply {
	c.t.Helper()
	return c.do(b, must[*http.Request](c.t)(http.NewRequest(http.MethodGet, c.http.URL+path, nil)))
}

func (c *company) post(b *http.Client, path string, form url.Values) reply {
	c.t.Helper()
	req := must[*http.Request](c.t)(http.NewRequest(http.MethodPost, c.http.URL+path, strings.NewReader(form.Encode())))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(b, req)
}

// rest sends a REST request with HTTP Basic; an empty login sends none.
func (c *company) rest(login, method, path, body string) reply {
	c.t.Helper()
	req := must[*http.Request](c.t)(http.NewRequest(method, c.http.URL+"/api/v1"+path, strings.NewReader(body)))
	if login != "" {
		req.SetBasicAuth(login, password)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.do(c.browser(), req)
}
