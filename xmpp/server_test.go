package xmpp

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/saslprep"
	"github.com/rolecall/rolecall/internal/scram"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const testDomain = "example.org"

// The company of the tests. Everybody's password is "Secret12".
const (
	anna uc.UserID = 11
	ben  uc.UserID = 12
	carl uc.UserID = 13
	dora uc.UserID = 14

	probe uc.UserID = 99 // see settle

	roleSales      uc.RoleID = 5
	roleSupervisor uc.RoleID = 6
	teamSupport    uc.TeamID = 3

	profileLunch uc.ProfileID = 3
)

// secretKeys makes the SCRAM keys of a password, with so few iterations that tests are quick.
var secretKeys = sync.OnceValue(func() uc.PasswordKeys { return keysOf(2) })

// keysOf makes them with so many iterations.
func keysOf(iterations int) uc.PasswordKeys {
	keys := func(h func() hash.Hash, size int) uc.ScramKeys {
		salted, err := pbkdf2.Key(h, "Secret12", []byte("salt"), iterations, size)
		if err != nil {
			panic(err)
		}
		sign := func(key []byte, text string) []byte {
			m := hmac.New(h, key)
			m.Write([]byte(text))
			return m.Sum(nil)
		}
		client := sign(salted, "Client Key")
		stored := h()
		stored.Write(client)
		return uc.ScramKeys{Salt: []byte("salt"), Iterations: iterations, StoredKey: stored.Sum(nil), ServerKey: sign(salted, "Server Key")}
	}
	return uc.PasswordKeys{SHA1: keys(sha1.New, sha1.Size), SHA256: keys(sha256.New, sha256.Size), SHA512: keys(sha512.New, sha512.Size)}
}

func company() uc.Tables {
	user := func(id uc.UserID, login, name, ext string) uc.User {
		return uc.User{ID: id, Login: login, Name: name, Ext: ext, Auth: uc.AuthLocal, Password: secretKeys(), Email: login + "@company.example"}
	}
	return uc.Tables{
		Users: []uc.User{user(anna, "anna", "Anna Arendt", "12"), user(ben, "ben", "Ben Bauer", "13"), user(carl, "carl", "Carl Cohn", "14"), user(dora, "dora", "Dora Dietz", "15"), user(probe, "probe", "", "")},
		Roles: []uc.Role{
			{ID: uc.RoleAll, Title: "All", AutoUsers: true},
			{ID: roleSales, Title: "Sales", Types: []uc.RoleType{uc.TypeXMPPGroup}, Users: []uc.UserID{anna}},
			{ID: roleSupervisor, Title: "Heads", Types: []uc.RoleType{uc.TypeSupervisor}, Users: []uc.UserID{dora}, Supervises: []uc.RoleID{roleSales}},
		},
		Teams:   []uc.Team{{ID: teamSupport, Name: "Support", Ext: "40"}},
		Members: []uc.Member{{ID: 1, Team: teamSupport, User: anna, Static: true}, {ID: 2, Team: teamSupport, User: ben}},
		Profiles: []uc.Profile{
			{ID: uc.ProfileAvailable, Name: "Available", Assigned: uc.AssignedSystem, Show: uc.ShowAvailable},
			{ID: uc.ProfileDND, Name: "DND", Assigned: uc.AssignedSystem, Show: uc.ShowDND},
			{ID: profileLunch, Name: "Lunch", Assigned: uc.AssignedAdmin, Show: uc.ShowAway, Text: "Out for lunch", Color: "#f0a000"},
		},
		Devices:     []uc.Device{{ID: 1, Name: "Desk", Kind: uc.DeviceDesk}, {ID: 2, Name: "Soft", Kind: uc.DeviceSoftphone}},
		Assignments: []uc.Assignment{{ID: 1, Device: 1, User: carl, Internal: uc.DefaultRing}, {ID: 2, Device: 2, User: carl, UserConfigurable: true, Internal: uc.DefaultRing}},
		Locations:   []uc.Location{{ID: 1, Name: "Front desk"}},
	}
}

// world is everything around the server: hand-made owners of state, a listener, and the clock's.
type world struct {
	t      testing.TB
	server *Server
	bus    *bus.Bus
	dir    atomic.Pointer[uc.Directory]
	store  *memory

	mu        sync.Mutex
	presences map[uc.UserID]uc.Presence
	states    map[uc.UserID]uc.ProfileState
	done      []string // what the switches were asked for
	calls     []uc.Call
	stops     chan bool // asked for by an administrator

	probe            *client // see settle
	starttls, direct net.Addr
	components       net.Addr
	elsewhere        *elsewhere // the other servers, if there are any
	stop             context.CancelFunc
	wg               sync.WaitGroup
}

// newWorld makes a server without listeners.
func newWorld(t testing.TB, d *uc.Directory, change ...func(*Config)) *world {
	w := &world{t: t, bus: bus.New(), stops: make(chan bool, 1), store: newMemory(), presences: map[uc.UserID]uc.Presence{}, states: map[uc.UserID]uc.ProfileState{}}
	w.dir.Store(d)
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	cfg := Config{
		Domain: testDomain, TLS: &tls.Config{Certificates: []tls.Certificate{certificate()}, MinVersion: tls.VersionTLS12},
		Secret: []byte("test"), Iterations: 2, Version: "1.2",
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	w.server, err = New(cfg, Deps{
		Directory: w, Store: w.store, Profiles: w, Switches: w, Presences: w, Explainer: w, Phones: w, Bus: w.bus,
		Accounts: w, Stop: func(again bool) { w.stops <- again },
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.store.mu.watch(t, w.server)
	return w
}

// start runs a server with two listeners on loopback.
func start(t testing.TB, change ...func(*Config)) *world {
	w := newWorld(t, uc.NewDirectory(1, company()), change...)
	w.run(t)
	return w
}

// run lets clients in.
func (w *world) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.starttls = w.listen(ctx, w.server.Serve)
	w.direct = w.listen(ctx, w.server.ServeTLS)
	w.components = w.listen(ctx, w.server.ServeComponents)
	t.Cleanup(func() {
		ctx, done := context.WithTimeout(context.Background(), 20*time.Second)
		defer done()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Errorf("the server did not stop: %v", err)
		}
		cancel()
		w.wg.Wait()
	})
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

func (w *world) listen(ctx context.Context, serve func(context.Context, net.Listener) error) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.wg.Go(func() {
		if err := serve(ctx, l); err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
	return l.Addr()
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testDomain}, DNSNames: []string{testDomain},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), // also in virtual time
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// certificateFile writes the server's certificate where a client program can read it.
func certificateFile(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate().Certificate[0]})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Snapshot implements Directory.
func (w *world) Snapshot() *uc.Directory { return w.dir.Load() }

// AddKeys implements Directory.
func (w *world) AddKeys(_ context.Context, _ uc.Actor, user uc.UserID, had, add uc.PasswordKeys) error {
	u := *w.dir.Load().Users.Get(user)
	if !u.Password.Same(&had) {
		return uc.Errorf(uc.ErrConflict, "another password")
	}
	u.Password = u.Password.With(&add)
	w.dir.Store(w.dir.Load().With(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}}))
	return nil
}

// CheckPassword implements Directory.
func (w *world) CheckPassword(_ context.Context, login, password string) (uc.UserID, bool) {
	dir := w.dir.Load()
	u, census := dir.UserByLogin(login), dir.Hashes()
	prepared, ok := saslprep.Prepare(password)
	if u == nil || !ok || !new(scram.Nobody).Check(login, prepared, &u.Password, &census) {
		return 0, false
	}
	return u.ID, true
}

// change commits a change of the directory and waits until the server has taken it over.
func (w *world) change(c uc.ChangeSet) {
	before := w.dir.Load()
	after := before.With(c)
	w.dir.Store(after)
	w.bus.Publish(uc.DirectoryChanged{Before: before, After: after, Changes: c.Refs()})
	w.settle()
}

// settle waits until the server has dealt with all that was published before. The follower takes events
// in order, so it publishes one more whose effect it can see: the status of a user whom nobody else sees.
func (w *world) settle() {
	if w.probe == nil {
		w.probe = w.must("probe", "p")
		w.probe.send(w.t, "<presence/>")
		w.probe.expect(w.t, "<presence")
	}
	w.mu.Lock()
	p := uc.Presence{User: probe, Version: w.presences[probe].Version + 1, Phone: uc.PhoneUnreachable}
	p.Floor.StatusText = fmt.Sprintf("settled %d", p.Version)
	w.presences[probe] = p
	w.mu.Unlock()
	w.bus.Publish(uc.PresenceChanged{Presence: p})
	for got := ""; !strings.Contains(got, p.Floor.StatusText); { // announcements may come before it
		got = w.probe.expect(w.t)
	}
}

// Get implements Presences.
func (w *world) Get(u uc.UserID) uc.Presence {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.presences[u]; ok {
		return p
	}
	return uc.Presence{User: u, Phone: uc.PhoneUnreachable}
}

// setPresence changes the computed presence of a user.
func (w *world) setPresence(p uc.Presence) {
	w.mu.Lock()
	p.Version = w.presences[p.User].Version + 1
	w.presences[p.User] = p
	w.mu.Unlock()
	w.bus.Publish(uc.PresenceChanged{Presence: p})
	w.settle()
}

// State implements Profiles.
func (w *world) State(u uc.UserID) uc.ProfileState {
	w.mu.Lock()
	defer w.mu.Unlock()
	if st, ok := w.states[u]; ok {
		return st
	}
	return uc.ProfileState{User: u, Effective: uc.ProfileAvailable}
}

// Switch implements Profiles the way the engine and the presence reducer do together.
func (w *world) Switch(_ context.Context, req uc.SwitchRequest) (uc.JournalEntry, error) {
	p := w.dir.Load().Profiles.Get(req.Profile)
	w.mu.Lock()
	base := uc.Base{Profile: req.Profile, Cause: uc.Cause{Kind: uc.CauseHand, By: req.By}}
	if req.Held {
		base.Before = &uc.Base{Profile: max(w.states[req.User].Effective, uc.ProfileAvailable)}
	}
	w.states[req.User] = uc.ProfileState{User: req.User, Effective: req.Profile, Reason: "chosen by hand", Base: base}
	w.done = append(w.done, fmt.Sprintf("%s switches %d to %s", req.By, req.User, p.Name))
	w.mu.Unlock()
	w.setPresence(uc.Presence{User: req.User, Phone: uc.PhoneUnreachable, Floor: uc.Floor{Show: p.Show, StatusText: p.Text},
		Profile: &uc.ProfileView{ID: p.ID, Name: p.Name, Color: p.Color}})
	return uc.JournalEntry{User: req.User, To: req.Profile, ToName: p.Name, Reason: "chosen by hand",
		Actions: []uc.ActionResult{{Action: "Desk phone off", Result: uc.ResultDone}}}, nil
}

// Release implements Profiles.
func (w *world) Release(ctx context.Context, u uc.UserID, by uc.Actor) (uc.JournalEntry, error) {
	w.mu.Lock()
	st := w.states[u]
	if st.Base.Before == nil || st.Base.Cause.By != by {
		w.mu.Unlock()
		return uc.JournalEntry{}, uc.Errorf(uc.ErrConflict, "another choice was made")
	}
	w.mu.Unlock()
	return w.Switch(ctx, uc.SwitchRequest{User: u, Profile: st.Base.Before.Profile, By: by})
}

// SetClientDND implements Switches.
func (w *world) SetClientDND(_ context.Context, by uc.Actor, id uc.UserID, on bool) error {
	u := *w.dir.Load().Users.Get(id)
	u.ClientDND = on
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	return nil
}

// Explain implements Explainer.
func (w *world) Explain(req uc.PlanRequest) uc.Plan {
	return uc.Plan{Lines: []uc.PlanLine{{Step: "ring", Text: "Desk phone of " + req.To + " rings", Because: "FollowMe internal is on"}}}
}

// Calls implements Phones.
func (w *world) Calls() []uc.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// HangUp implements Phones.
func (w *world) HangUp(_ context.Context, id string, by uc.Actor) error {
	_, err := w.did("%s: hang up %s", by, id)
	return err
}

// Divert implements Phones.
func (w *world) Divert(_ context.Context, id, to string, by uc.Actor) error {
	_, err := w.did("%s: divert %s to %s", by, id, to)
	return err
}

// Dial implements Phones.
func (w *world) Dial(_ context.Context, user uc.UserID, to string, by uc.Actor) (uc.Call, error) {
	dir := w.dir.Load()
	target, ok := dir.ByExt(to)
	if !ok {
		return uc.Call{}, uc.FieldError(uc.ErrInvalid, "to", "%s: no user and no team has the extension %s", to, to)
	}
	from, whom := dir.Users.Get(user), dir.Users.Get(target.User)
	c := uc.Call{ID: "d-" + from.Login, State: uc.CallRouting, Caller: uc.Party{User: user, Number: from.Ext, Name: from.Name},
		Called: uc.Party{User: whom.ID, Number: to, Name: whom.Name}}
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	_, err := w.did("%s: dial %s for %d", by, to, user)
	return c, err
}

// Transfer implements Phones.
func (w *world) Transfer(_ context.Context, id, to string, caller bool, by uc.Actor) error {
	if to == "99" {
		return uc.FieldError(uc.ErrConflict, "to", "99 cannot be reached now: Not Reachable")
	}
	_, err := w.did("%s: transfer %s to %s, caller=%t", by, id, to, caller)
	return err
}

// setCall changes a call, and waits until the server has heard.
func (w *world) setCall(c uc.Call) {
	w.mu.Lock()
	w.calls = slices.DeleteFunc(w.calls, func(old uc.Call) bool { return old.ID == c.ID })
	if c.State != uc.CallEnded {
		w.calls = append(w.calls, c)
	}
	w.mu.Unlock()
	w.bus.Publish(uc.CallChanged{Call: c})
	w.settle()
}

func (w *world) did(format string, args ...any) ([]uc.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	w.done = append(w.done, text)
	return []uc.Change{{Text: text}}, nil
}

func (w *world) SetFollowMe(_ context.Context, by uc.Actor, u uc.UserID, sel uc.DeviceSelect, classes []uc.Class, patch uc.RingPatch) ([]uc.Change, error) {
	return w.did("%s: followme %d %s %v on=%v delay=%v", by, u, sel, classes, *cmp.Or(patch.Enabled, new(true)), *cmp.Or(patch.Delay, new(-1)))
}

func (w *world) TeamLogin(_ context.Context, by uc.Actor, u uc.UserID, team uc.TeamID) ([]uc.Change, error) {
	return w.did("%s: login %d %d", by, u, team)
}

func (w *world) TeamLogout(_ context.Context, by uc.Actor, u uc.UserID, team uc.TeamID) ([]uc.Change, error) {
	return w.did("%s: logout %d %d", by, u, team)
}

func (w *world) TeamPause(_ context.Context, by uc.Actor, u uc.UserID, team uc.TeamID, reason string) ([]uc.Change, error) {
	return w.did("%s: pause %d %d %s", by, u, team, reason)
}

func (w *world) TeamUnpause(context.Context, uc.Actor, uc.UserID, uc.TeamID) ([]uc.Change, error) {
	return nil, nil
}

func (w *world) SetWorkplace(_ context.Context, by uc.Actor, u uc.UserID, loc uc.LocationID) ([]uc.Change, error) {
	return w.did("%s: workplace %d %d", by, u, loc)
}

func (w *world) UnsetWorkplace(context.Context, uc.Actor, uc.UserID) ([]uc.Change, error) {
	return nil, nil
}

func (w *world) SetForwarding(_ context.Context, by uc.Actor, u uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) ([]uc.Change, error) {
	if target == "0" {
		return nil, uc.FieldError(uc.ErrInvalid, "target", "0 is no extension")
	}
	return w.did("%s: redirect %d %s %s %s", by, u, kind, class, target)
}

func (w *world) UnsetForwarding(_ context.Context, by uc.Actor, u uc.UserID, kind uc.ForwardKind, class uc.ForwardClass) ([]uc.Change, error) {
	return w.did("%s: no redirect %d %s %s", by, u, kind, class)
}

// memory is a Store that forgets.
type memory struct {
	mu      storeMutex
	roster  map[uc.UserID]map[string]uc.RosterItem
	offline []uc.OfflineMessage
	keeps   []int // how many offline messages each transaction stored
	counts  int   // how often they were counted
	cards   map[uc.UserID][]byte
	blocked []uc.Blocked
	rooms   map[string]uc.Room
	archive []uc.ArchivedMessage

	forgetful bool // what is archived is thrown away

	private map[[2]string]uc.PrivateXML
	pushes  []uc.PushTarget
	audit   []uc.AuditEntry
	seen    map[uc.UserID]uc.LastSeen

	settings map[string][]byte
	last     int64

	seenWrites   int // of seen
	rosterWrites int
	deleted      chan struct{} // gets a token, if there is room, after offline messages were deleted
	commits      chan error    // if not nil, writing to archives and rooms takes what comes of it from here

	published published
}

func newMemory() *memory {
	return &memory{roster: map[uc.UserID]map[string]uc.RosterItem{}, cards: map[uc.UserID][]byte{}, seen: map[uc.UserID]uc.LastSeen{}, settings: map[string][]byte{}, rooms: map[string]uc.Room{}, deleted: make(chan struct{}, 1)}
}

func (m *memory) RosterItems(_ context.Context, u uc.UserID) ([]uc.RosterItem, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.roster[u])), nil
}

func (m *memory) PutRosterItem(_ context.Context, it uc.RosterItem) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster[it.User] == nil {
		m.roster[it.User] = map[string]uc.RosterItem{}
	}
	m.roster[it.User][it.JID] = it
	m.rosterWrites++
	return nil
}

func (m *memory) DeleteRosterItem(_ context.Context, u uc.UserID, jid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.roster[u], jid)
	return nil
}

func (m *memory) AddOffline(_ context.Context, list []uc.OfflineMessage) (ids []int64, err error) {
	if err := m.commit(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keeps = append(m.keeps, len(list))
	for _, o := range list {
		m.last++
		o.ID, o.Stanza = m.last, slices.Clone(o.Stanza)
		m.offline = append(m.offline, o)
		ids = append(ids, o.ID)
	}
	return ids, nil
}

func (m *memory) Offline(_ context.Context, u uc.UserID) ([]uc.OfflineMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.offline), func(o uc.OfflineMessage) bool { return o.User != u }), nil
}

func (m *memory) DeleteOffline(_ context.Context, ids []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offline = slices.DeleteFunc(m.offline, func(o uc.OfflineMessage) bool { return slices.Contains(ids, o.ID) })
	select {
	case m.deleted <- struct{}{}:
	default:
	}
	return nil
}

func (m *memory) CountOffline(_ context.Context, u uc.UserID) (n int, size int64, err error) {
	m.mu.Lock()
	m.counts++
	m.mu.Unlock()
	list, err := m.Offline(context.Background(), u)
	for _, o := range list {
		size += int64(len(o.Stanza))
	}
	return len(list), size, err
}

func (m *memory) VCard(_ context.Context, u uc.UserID) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cards[u], nil
}

func (m *memory) PutVCard(_ context.Context, u uc.UserID, xml []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cards[u] = slices.Clone(xml)
	return nil
}

// client is a raw client: it logs in by direct TLS and then hands stanzas over as they are.
type client struct {
	conn    net.Conn
	buf     []byte
	scanner *scan.Scanner
	jid     string
}

// login connects a user; resource may be empty.
func (w *world) login(ctx context.Context, user, resource string) (*client, error) {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}}}
	conn, err := dialer.DialContext(ctx, "tcp", w.direct.String())
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	if err := c.negotiate(ctx, user, resource); err != nil {
		conn.Close()
		return nil, fmt.Errorf("login of %s: %w", user, err)
	}
	return c, nil
}

const streamHeader = "<?xml version='1.0'?><stream:stream to='" + testDomain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

func (c *client) negotiate(ctx context.Context, user, resource string) error {
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00Secret12"))
	bind := "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
	if resource != "" {
		bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind>"
	}
	for _, step := range []struct{ send, want string }{
		{streamHeader, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + auth + "</auth>", "<success"},
		{streamHeader, "</stream:features>"},
		{"<iq type='set' id='bind'>" + bind + "</iq>", "</iq>"},
	} {
		if err := c.Send(ctx, step.send); err != nil {
			return err
		}
		got, err := c.until(step.want)
		if err != nil {
			return fmt.Errorf("%w in answer to %s: %s", err, step.send, got)
		}
		if _, after, ok := strings.Cut(got, "<jid>"); ok {
			c.jid, _, _ = strings.Cut(after, "<")
		}
	}
	if c.jid == "" {
		return errors.New("no resource was bound")
	}
	c.scanner = scan.New(scan.DefaultLimits)
	return nil
}

// until reads until a text has come, one byte at a time so that nothing behind it is taken.
func (c *client) until(want string) (string, error) {
	var got []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(got), want) {
		if _, err := c.conn.Read(one); err != nil {
			return string(got), err
		}
		got = append(got, one[0])
	}
	if want == "<success" {
		rest, err := c.until(">")
		return string(got) + rest, err
	}
	return string(got), nil
}

// Send implements script.Transport.
func (c *client) Send(ctx context.Context, text string) error {
	c.deadline(ctx)
	_, err := io.WriteString(c.conn, text)
	return err
}

func (c *client) deadline(ctx context.Context) {
	at, ok := ctx.Deadline()
	if !ok {
		at = time.Now().Add(30 * time.Second)
	}
	_ = c.conn.SetDeadline(at)
}

// Receive implements script.Transport.
func (c *client) Receive(ctx context.Context) (string, error) {
	c.deadline(ctx)
	for {
		head, raw, n, err := c.scanner.Next(c.buf)
		if err == nil {
			text := string(raw)
			c.buf = c.buf[n:]
			if head.Kind == scan.StreamEnd {
				return "", io.EOF
			}
			return text, nil
		}
		c.buf = c.buf[n:]
		if !errors.Is(err, scan.ErrIncomplete) {
			return "", err
		}
		more := make([]byte, 4096)
		n, err = c.conn.Read(more)
		c.buf = append(c.buf, more[:n]...)
		if n == 0 && err != nil {
			return "", err
		}
	}
}

// Close implements script.Transport.
func (c *client) Close() error {
	_, _ = io.WriteString(c.conn, "</stream:stream>")
	_ = c.conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.Copy(io.Discard, c.conn) // until the server has closed: it has then dealt with it
	c.conn.Close()                     // which may fail to say goodbye to a server that has left
	return nil
}

// must logs a user in.
func (w *world) must(user, resource string) *client {
	w.t.Helper()
	c, err := w.login(w.t.Context(), user, resource)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.conn.Close() })
	return c
}

func (w *world) of(c *client) *session {
	w.t.Helper()
	s := w.server.router.session([]byte(c.jid))
	if s == nil {
		w.t.Fatalf("there is no session %s", c.jid)
	}
	return s
}

// expect takes the next stanza and fails if it does not contain the texts.
func (c *client) expect(t testing.TB, texts ...string) string {
	t.Helper()
	got, err := c.Receive(t.Context())
	if err != nil {
		t.Fatalf("%v, want a stanza with %q", err, texts)
	}
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Fatalf("got %s, want %q in it", got, text)
		}
	}
	return got
}

func (c *client) send(t testing.TB, text string) {
	t.Helper()
	if err := c.Send(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}
