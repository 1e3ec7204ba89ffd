package xmpp

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// python is the interpreter that has Debian's slixmpp.
const python = "/usr/bin/python3"

// slixmpp runs a script of Debian's slixmpp against the server and returns what it said.
func (w *world) slixmpp(t *testing.T, script string, more ...string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(w.starttls.String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, append([]string{filepath.Join("testdata", script), host, port, certificateFile(t)}, more...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s (make deps installs python3-slixmpp): %v", script, err)
	}
	t.Logf("%s%s", out, complaints.String())
	return strings.TrimSpace(string(out))
}

func TestSlixmpp(t *testing.T) {
	w := start(t)
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users, r.Teams = []uc.UserID{anna, ben}, []uc.TeamID{teamSupport} })
	if said := w.slixmpp(t, "colleagues.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
	if !slices.Contains(w.done, "anna over xmpp switches 11 to Lunch") {
		t.Errorf("the profile was not switched: %q", w.done)
	}
}

// TestSlixmppSupervisor is a supervisor with a stock client's library, and somebody supervised.
func TestSlixmppSupervisor(t *testing.T) {
	w := start(t)
	w.setCall(uc.Call{ID: "1", State: uc.CallRinging, Began: time.Now(), Caller: uc.Party{Number: "0301234"}, Called: uc.Party{User: anna, Number: "12", Name: "Anna Arendt"}})
	if said := w.slixmpp(t, "supervisor.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}

// TestSlixmppAway is a phone that loses its connection, and a push component that is told.
func TestSlixmppAway(t *testing.T) {
	w := start(t, withComponent)
	host, port, err := net.SplitHostPort(w.components.String())
	if err != nil {
		t.Fatal(err)
	}
	if said := w.slixmpp(t, "away.py", host, port, testSecret); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
	w.eventually(func() bool { list, _ := w.store.PushTargets(t.Context()); return len(list) == 0 })
}

// terminal is a program in a tmux of its own.
type terminal struct {
	t      *testing.T
	socket string
}

// open starts a program with the environment.
func open(t *testing.T, env []string, program ...string) *terminal {
	for _, name := range []string{"tmux", program[0]} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: run make deps", name)
		}
	}
	x := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	args := []string{"new-session", "-d", "-x", "160", "-y", "40"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	x.tmux(append(args, program...)...)
	t.Cleanup(func() { x.tmux("kill-server") })
	return x
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// enter types a line.
func (x *terminal) enter(line string) {
	x.tmux("send-keys", "-l", line)
	x.tmux("send-keys", "Enter")
}

// shows waits until all texts are on the screen.
func (x *terminal) shows(texts ...string) {
	x.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		screen := x.tmux("capture-pane", "-p")
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(screen, text) }) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			x.t.Fatalf("the screen does not show %q:\n%s", texts, screen)
		}
	}
}

// profanity starts Profanity, which signs anna in.
func (w *world) profanity(t *testing.T) *terminal {
	t.Helper()
	host, port, err := net.SplitHostPort(w.starttls.String())
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for file, text := range map[string]string{
		"config/profanity/profrc": "[ui]\nsplash=false\n[notifications]\nmessage=off\n[presence]\nconsole=all\nchat=all\n",
		"data/profanity/accounts": "[anna]\nenabled=true\njid=anna@" + testDomain + "\nserver=" + host + "\nport=" + port +
			"\npassword=Secret12\nresource=prof\ntls.policy=trust\n",
	} {
		if err := os.MkdirAll(filepath.Join(home, filepath.Dir(file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := open(t, []string{"XDG_CONFIG_HOME=" + home + "/config", "XDG_DATA_HOME=" + home + "/data", "LANG=C.UTF-8"}, "profanity", "-a", "anna")
	x.shows("logged in successfully")
	return x
}

func TestProfanity(t *testing.T) {
	w := start(t)
	w.changeSales(func(r *uc.Role, _ *uc.Directory) { r.Users = []uc.UserID{anna, ben} })
	x := w.profanity(t)
	x.enter("/roster show")
	x.shows("Ben Bauer")

	b := w.must("ben", "desk")
	b.send(t, "<presence><show>away</show><status>Gone fishing</status></presence>")
	b.expect(t, "ben@example.org/desk")
	b.expect(t, "anna@example.org/prof")
	x.shows("Gone fishing")
	x.enter("/msg ben@example.org Hello from the terminal")
	b.expect(t, "<body>Hello from the terminal</body>", "anna@example.org/prof")
	b.send(t, "<message to='anna@example.org' type='chat'><body>And back</body></message>")
	x.shows("And back")

	// What is said at another client of Anna's comes as a copy (XEP-0280).
	x.enter("/carbons on")
	w.eventually(func() bool { return w.server.router.session([]byte("anna@" + testDomain + "/prof")).carbons.Load() })
	d := w.must("anna", "desk")
	b.send(t, "<message to='anna@example.org/desk' type='chat'><body>To the desk alone</body></message>")
	d.expect(t, "To the desk alone")
	x.shows("To the desk alone")
	d.send(t, "<message to='ben@example.org/desk' type='chat'><body>From the desk</body></message>")
	x.shows("From the desk")
	w.setPresence(uc.Presence{User: ben, Floor: uc.Floor{Show: uc.ShowDND, CallText: "On the phone"}})
	x.enter("/win 1")
	x.shows("On the phone")

	// Commands, as somebody types them.
	x.enter("/cmd list " + testDomain)
	x.shows("urn:rolecall:command:status")
	x.enter("/cmd exec urn:rolecall:command:status " + testDomain)
	x.shows("Available")
	x.enter("/cmd exec urn:rolecall:command:profile " + testDomain)
	x.shows("Switch profile")
}
