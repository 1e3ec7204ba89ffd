package xmpp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func (m *memory) Setting(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settings[name], nil
}

func (m *memory) PutSetting(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings[name] = append([]byte{}, value...)
	return nil
}

// AddUser implements Accounts.
func (w *world) AddUser(_ context.Context, by uc.Actor, in uc.NewUser) (uc.User, error) {
	if w.dir.Load().UserByLogin(in.Login) != nil {
		return uc.User{}, uc.FieldError(uc.ErrConflict, "login", "%s is taken", in.Login)
	}
	in.ID, in.User.Password = 50, secretKeys()
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{in.User}}})
	_, err := w.did("%s adds %s (%s, %s)", actor(by), in.Login, in.Name, in.Password)
	return in.User, err
}

// UpdateUser implements Accounts.
func (w *world) UpdateUser(_ context.Context, by uc.Actor, u uc.User) error {
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	_, err := w.did("%s makes %s %q", actor(by), u.Login, u.AdminLevel)
	return err
}

// SetPassword implements Accounts.
func (w *world) SetPassword(_ context.Context, by uc.Actor, user uc.UserID, password string) error {
	if len(password) < 8 {
		return uc.FieldError(uc.ErrInvalid, "password", "the password is too short")
	}
	u := *w.dir.Load().Users.Get(user)
	u.Password = keysOf(3)
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	_, err := w.did("%s gives %d the password %s", actor(by), user, password)
	return err
}

// Delete implements Accounts.
func (w *world) Delete(_ context.Context, by uc.Actor, ref uc.Ref) error {
	w.change(uc.ChangeSet{Delete: []uc.Ref{ref}})
	_, err := w.did("%s deletes %s %d", actor(by), ref.Kind, ref.ID)
	return err
}

func actor(by uc.Actor) string { return by.Name + " over " + by.Via }

func (w *world) promote(login string, level uc.AdminLevel) {
	u := *w.dir.Load().UserByLogin(login)
	u.AdminLevel = level
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
}

// Who has which level is offered what, and nothing else can be run.
func TestAdminCommandsByLevel(t *testing.T) {
	w := start(t)
	for level, want := range map[uc.AdminLevel]int{uc.LevelNone: 0, uc.LevelMetrics: 0, uc.LevelPhonebook: 0, uc.LevelPBX: 3, uc.LevelAdmin: len(adminCommands) - 2, uc.LevelSystem: len(adminCommands)} {
		w.promote("anna", level)
		c := w.must("anna", "")
		c.send(t, "<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/></iq>")
		if n := strings.Count(c.expect(t, "id='d'"), adminPrefix); n != want {
			t.Errorf("level %q is offered %d commands, want %d", level, n, want)
		}
		allowed := 0
		for _, cmd := range adminCommands {
			if strings.HasSuffix(cmd.node, "-motd") {
				continue // they may also fail for another reason
			}
			c.send(t, fmt.Sprintf("<iq type='set' id='x' to='example.org'><command xmlns='%s' node='%s'/></iq>", nsCommands, cmd.node))
			answer := c.expect(t, "id='x'")
			if !strings.Contains(answer, "<forbidden") {
				allowed++
				if _, id, ok := strings.Cut(answer, "sessionid='"); ok {
					id, _, _ = strings.Cut(id, "'")
					c.send(t, fmt.Sprintf("<iq type='set' id='x' to='example.org'><command xmlns='%s' node='%s' action='cancel' sessionid='%s'/></iq>", nsCommands, cmd.node, id))
					c.expect(t, "id='x'")
				}
			}
		}
		if level.AtLeast(uc.LevelAdmin) {
			want -= 3
		}
		if allowed != want {
			t.Errorf("level %q may run %d commands, want %d", level, allowed, want)
		}
		c.Close()
	}
	u := *w.dir.Load().UserByLogin("anna")
	u.AdminLevel, u.MustChangePassword = uc.LevelSystem, true
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	c := w.must("anna", "")
	c.send(t, "<iq type='set' id='x' to='example.org'><command xmlns='"+nsCommands+"' node='"+adminPrefix+"announce'/></iq>")
	c.expect(t, "<forbidden")
}

// A real client's plug-in for administrators.
func TestSlixmppAdministers(t *testing.T) {
	w := start(t)
	w.promote("dora", uc.LevelSystem)
	if said := w.slixmpp(t, "admin.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
	for _, want := range []string{"dora over xmpp adds emil (Emil Ernst, Secret12)", "dora over xmpp gives 50 the password Other1234", "dora over xmpp deletes user 50"} {
		if !slices.Contains(w.done, want) {
			t.Errorf("done was only %q", w.done)
		}
	}
}

// The message of the day is kept over a restart, and everybody is told it once.
func TestMessageOfTheDay(t *testing.T) {
	w := start(t)
	if err := w.server.putMOTD(t.Context(), &motd{Text: "Fire drill", Set: w.server.since}); err != nil {
		t.Fatal(err)
	}
	w.server.motd.Store(nil)
	if err := w.server.loadMOTD(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, resource := range []string{"a", "b"} {
		c := w.must("anna", resource)
		c.send(t, "<presence/><iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
		told := false
		for got := ""; !strings.Contains(got, "id='p'"); told = told || strings.Contains(got, "<body>Fire drill</body>") {
			got = c.expect(t)
		}
		if told != (i == 0) {
			t.Errorf("client %s was told: %v", resource, told)
		}
	}
}
