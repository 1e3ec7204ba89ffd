package xmpp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
)

func TestConversations(t *testing.T) { converse(t, "testdata/*.script") }

func TestPasswordConversations(t *testing.T) {
	converse(t, "testdata/password/*.script", func(c *Config) { c.PasswordChange = true })
}

// converse plays scripts, each against a server of its own.
func converse(t *testing.T, pattern string, change ...func(*Config)) {
	script.Run(t, pattern, func(t *testing.T) *script.Runner {
		w := start(t, change...)
		return &script.Runner{
			Dialect: script.XMPP(),
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				return w.login(ctx, c.Props["login"], c.Props["resource"])
			},
			Do:   func(_ context.Context, words string) error { return w.do(words) },
			Vars: script.Vars{"domain": testDomain},
		}
	})
}

// deeds are what happens in the scripts beside what is said on the connections.
var deeds = []struct {
	words *regexp.Regexp
	do    func(w *world, args []string) error
}{
	{regexp.MustCompile(`^Support joins Sales$`), func(w *world, _ []string) error {
		w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Teams = []uc.TeamID{teamSupport} })
		return nil
	}},
	{regexp.MustCompile(`^(\w+) joins Sales$`), func(w *world, args []string) error {
		w.changeSales(func(r *uc.Role, d *uc.Directory) {
			r.Users = append(slices.Clone(r.Users), d.UserByLogin(args[0]).ID)
		})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) leaves Sales$`), func(w *world, args []string) error {
		w.changeSales(func(r *uc.Role, d *uc.Directory) {
			id := d.UserByLogin(args[0]).ID
			r.Users = slices.DeleteFunc(slices.Clone(r.Users), func(u uc.UserID) bool { return u == id })
		})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) is hidden from the phone book$`), func(w *world, args []string) error {
		u := *w.dir.Load().UserByLogin(args[0])
		u.PhonebookHidden = true
		w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) becomes a head$`), func(w *world, args []string) error {
		w.changeRole(roleSupervisor, func(r *uc.Role, d *uc.Directory) {
			r.Users = append(slices.Clone(r.Users), d.UserByLogin(args[0]).ID)
		})
		return nil
	}},
	{regexp.MustCompile(`^Heads supervise each other, too$`), func(w *world, _ []string) error {
		w.changeRole(roleSupervisor, func(r *uc.Role, _ *uc.Directory) { r.Supervises = []uc.RoleID{roleSales, roleSupervisor} })
		return nil
	}},
	{regexp.MustCompile(`^Heads supervise Sales$`), func(w *world, _ []string) error {
		w.changeRole(roleSupervisor, func(r *uc.Role, _ *uc.Directory) { r.Supervises = []uc.RoleID{roleSales} })
		return nil
	}},
	{regexp.MustCompile(`^Heads supervise nobody any more$`), func(w *world, _ []string) error {
		w.changeRole(roleSupervisor, func(r *uc.Role, _ *uc.Directory) { r.Types, r.Supervises = nil, nil })
		return nil
	}},
	{regexp.MustCompile(`^Heads know the details$`), func(w *world, _ []string) error {
		w.changeRole(roleSupervisor, func(r *uc.Role, _ *uc.Directory) { r.Types = append(slices.Clone(r.Types), uc.TypePresenceDetails) })
		return nil
	}},
	{regexp.MustCompile(`^(\w+) is in a Teams meeting$`), func(w *world, args []string) error {
		p := w.Get(w.dir.Load().UserByLogin(args[0]).ID)
		p.Confidential, p.Reason, p.Floor = true, "Teams meeting since 10:02", uc.Floor{Show: uc.ShowDND, StatusText: "In a meeting"}
		p.Profile = &uc.ProfileView{ID: 4, Name: "Teams meeting", Color: "#ff0000", Icon: "teams"}
		w.setPresence(p)
		return nil
	}},
	{regexp.MustCompile(`^Sales is renamed (\w+)$`), func(w *world, args []string) error {
		w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Title = args[0] })
		return nil
	}},
	{regexp.MustCompile(`^(\w+) is renamed (.+)$`), func(w *world, args []string) error {
		u := *w.dir.Load().UserByLogin(args[0])
		u.Name = args[1]
		w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) is deleted$`), func(w *world, args []string) error {
		u := w.dir.Load().UserByLogin(args[0])
		w.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: int64(u.ID)}}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) logs in at Support$`), func(w *world, args []string) error {
		w.change(uc.ChangeSet{Put: uc.Tables{Members: []uc.Member{{ID: 2, Team: teamSupport, User: ben, LoggedIn: true}}}})
		return nil
	}},
	{regexp.MustCompile(`^ben pauses at Support$`), func(w *world, _ []string) error {
		w.change(uc.ChangeSet{Put: uc.Tables{Members: []uc.Member{{ID: 2, Team: teamSupport, User: ben, LoggedIn: true, Paused: true}}}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+)'s phone is (.+)$`), func(w *world, args []string) error {
		p := w.Get(w.dir.Load().UserByLogin(args[0]).ID)
		p.Phone, p.Floor = uc.PhoneState(args[1]), uc.Floor{}
		if p.Call = nil; p.Phone == uc.PhoneBusy {
			p.Call, p.Floor = &uc.CallView{ID: "c", Peer: "secret"}, uc.Floor{Show: uc.ShowDND, CallText: "On the phone"}
		}
		w.setPresence(p)
		return nil
	}},
	{regexp.MustCompile(`^(\w+) is at lunch$`), func(w *world, args []string) error {
		_, err := w.Switch(context.Background(), uc.SwitchRequest{User: w.dir.Load().UserByLogin(args[0]).ID, Profile: profileLunch})
		return err
	}},
	{regexp.MustCompile(`^(\w+) is told of a switch to Lunch$`), func(w *world, args []string) error {
		st := uc.ProfileState{User: w.dir.Load().UserByLogin(args[0]).ID, Effective: profileLunch, Reason: "chosen by hand"}
		w.mu.Lock()
		w.states[st.User] = st
		w.mu.Unlock()
		w.bus.Publish(uc.ProfileSwitched{State: st})
		return nil
	}},
	{regexp.MustCompile(`^the profile Lunch is renamed (\w+)$`), func(w *world, args []string) error {
		p := *w.dir.Load().Profiles.Get(profileLunch)
		p.Name = args[0]
		w.change(uc.ChangeSet{Put: uc.Tables{Profiles: []uc.Profile{p}}})
		return nil
	}},
	{regexp.MustCompile(`^a call to Support (rings|is answered|ends)$`), func(w *world, args []string) error {
		c := uc.Call{ID: "q1", Caller: uc.Party{Number: "0301234"}, Called: uc.Party{Team: teamSupport, Number: "40", Name: "Support"}}
		c.State = map[string]uc.CallState{"rings": uc.CallRinging, "is answered": uc.CallAnswered, "ends": uc.CallEnded}[args[0]]
		w.setCall(c)
		return nil
	}},
	{regexp.MustCompile(`^(\w+) calls (\w+)$`), func(w *world, args []string) error {
		from, to := w.dir.Load().UserByLogin(args[0]), w.dir.Load().UserByLogin(args[1])
		w.setCall(uc.Call{ID: "c-" + args[0], State: uc.CallRinging, Began: time.Date(2026, 3, 2, 10, 2, 11, 0, time.Local),
			Caller: uc.Party{User: from.ID, Number: from.Ext, Name: from.Name}, Called: uc.Party{User: to.ID, Number: to.Ext, Name: to.Name}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) talks to (\w+)$`), func(w *world, args []string) error {
		from, to := w.dir.Load().UserByLogin(args[0]), w.dir.Load().UserByLogin(args[1])
		began := time.Date(2026, 3, 2, 10, 2, 11, 0, time.Local)
		w.setCall(uc.Call{ID: "c-" + args[0], State: uc.CallAnswered, Began: began, Answered: began,
			Caller: uc.Party{User: from.ID, Number: from.Ext, Name: from.Name}, Called: uc.Party{User: to.ID, Number: to.Ext, Name: to.Name},
			Legs: []uc.Leg{{User: from.ID, Caller: true, State: uc.LegAnswered}, {User: to.ID, State: uc.LegHeld}}})
		return nil
	}},
	{regexp.MustCompile(`^the call dialled for (\w+) ends: (.+)$`), func(w *world, args []string) error {
		for _, c := range w.Calls() {
			if c.ID == "d-"+args[0] {
				c.State, c.Cause = uc.CallEnded, args[1]
				w.setCall(c)
				return nil
			}
		}
		return errors.New("no such call was dialled")
	}},
	{regexp.MustCompile(`^carl works at the front desk$`), func(w *world, _ []string) error {
		w.change(uc.ChangeSet{Put: uc.Tables{UserStates: []uc.UserState{{User: carl, Workplace: 1}}}})
		return nil
	}},
	{regexp.MustCompile(`^there are a team and a workplace for ben alone$`), func(w *world, _ []string) error {
		w.change(uc.ChangeSet{Put: uc.Tables{
			Teams: []uc.Team{{ID: 4, Name: "Board", Ext: "41"}}, Members: []uc.Member{{ID: 3, Team: 4, User: ben, Static: true}},
			Locations: []uc.Location{{ID: 2, Name: "Vault", Users: []uc.UserID{ben}}},
		}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+) may redirect others$`), func(w *world, args []string) error {
		id := w.dir.Load().UserByLogin(args[0]).ID
		w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{{ID: 9, Title: "Desk", Types: []uc.RoleType{uc.TypeRedirectGroup}, Users: []uc.UserID{id}}}}})
		return nil
	}},
	{regexp.MustCompile(`^(\w+)'s messages are written$`), func(w *world, _ []string) error {
		<-w.store.deleted
		return nil
	}},
	{regexp.MustCompile(`^the server says (.+) to (.+)$`), func(w *world, args []string) error {
		return w.server.SendMessage(context.Background(), args[1], args[0])
	}},
	{regexp.MustCompile(`^(\w+) becomes an administrator$`), func(w *world, args []string) error {
		w.promote(args[0], uc.LevelAdmin)
		return nil
	}},
	{regexp.MustCompile(`^(\w+) becomes a system administrator$`), func(w *world, args []string) error {
		w.promote(args[0], uc.LevelSystem)
		return nil
	}},
	{regexp.MustCompile(`^the server is told to restart$`), func(w *world, _ []string) error {
		if again := <-w.stops; !again {
			return errors.New("it is told to stop for good")
		}
		return nil
	}},
	{regexp.MustCompile(`^the server stops$`), func(w *world, _ []string) error {
		go func() { _ = w.server.Shutdown(context.Background()) }()
		return nil
	}},
	{regexp.MustCompile(`^a message is kept for (\w+)$`), func(w *world, args []string) error {
		user := w.dir.Load().UserByLogin(args[0]).ID
		w.eventually(func() bool {
			n, _, err := w.store.CountOffline(context.Background(), user)
			return err == nil && n == 1
		})
		return nil
	}},
	{regexp.MustCompile(`^no push target is left$`), func(w *world, _ []string) error {
		if list, _ := w.store.PushTargets(context.Background()); len(list) > 0 {
			return fmt.Errorf("there are %v", list)
		}
		return nil
	}},
	{regexp.MustCompile(`^it was done: (.+)$`), func(w *world, args []string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !slices.Contains(w.done, args[0]) {
			return fmt.Errorf("done was only %q", w.done)
		}
		return nil
	}},
	{regexp.MustCompile(`^nothing was done$`), func(w *world, _ []string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.done) > 0 {
			return fmt.Errorf("done was %q", w.done)
		}
		return nil
	}},
}

func (w *world) changeSales(f func(*uc.Role, *uc.Directory)) { w.changeRole(roleSales, f) }

func (w *world) changeRole(id uc.RoleID, f func(*uc.Role, *uc.Directory)) {
	d := w.dir.Load()
	r := *d.Roles.Get(id)
	f(&r, d)
	w.change(uc.ChangeSet{Put: uc.Tables{Roles: []uc.Role{r}}})
}

func (w *world) do(words string) error {
	for _, d := range deeds {
		if m := d.words.FindStringSubmatch(words); m != nil {
			return d.do(w, m[1:])
		}
	}
	return fmt.Errorf("no such deed: %s", words)
}
