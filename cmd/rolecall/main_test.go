package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rolecall-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "rolecall")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// command is a running rolecall.
type command struct {
	*exec.Cmd
	output testenv.Log
}

func begin(t *testing.T, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command(binary, args...)}
	c.Stdout, c.Stderr = &c.output, &c.output
	c.Env = append(os.Environ(), "NO_COLOR=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // most have ended by then
		_, _ = c.Process.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(args, " "), c.output.String())
		}
	})
	return c
}

// waitFor waits until the command has said something.
func (c *command) waitFor(t *testing.T, text string, limit time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(limit); !strings.Contains(c.output.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not say %q within %v", text, limit)
		}
	}
}

// ends waits for the end and returns the exit status.
func (c *command) ends(t *testing.T, limit time.Duration) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case <-done:
		return c.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("it did not end within %v", limit)
		return -1
	}
}

// once runs a command that ends by itself.
func once(t *testing.T, args ...string) (string, int) {
	t.Helper()
	c := begin(t, args...)
	code := c.ends(t, time.Minute)
	return c.output.String(), code
}

// TestTheMainJob is what `make run` does, and what can be done beside it.
func TestTheMainJob(t *testing.T) {
	data := filepath.Join(t.TempDir(), "d")
	server := begin(t, "try", "--data="+data)
	server.waitFor(t, "Running until Ctrl-C", 4*time.Minute)
	if strings.Contains(server.output.String(), "level=") {
		t.Error("the log stands between what is told")
	}
	if log, err := os.ReadFile(filepath.Join(data, "rolecall.log")); err != nil || !strings.Contains(string(log), "msg=running") {
		t.Errorf("log: %v\n%s", err, log)
	}

	client := app.NewClient(data)
	info, err := client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("browser", func(t *testing.T) { browse(t, client, info) })
	t.Run("demo", func(t *testing.T) {
		if out, code := once(t, "demo", "--noon", "--data="+data); code != 0 || !strings.Contains(out, "Out for lunch") {
			t.Errorf("the demo beside it: exit status %d\n%s", code, out)
		}
	})
	t.Run("slixmpp", func(t *testing.T) { steer(t, data, info) })
	t.Run("trace", func(t *testing.T) { trace(t, data, info) })
	t.Run("second server", func(t *testing.T) {
		if out, code := once(t, "serve", "--data="+data); code != 1 || !strings.Contains(out, "another server is running") {
			t.Errorf("a second server with the same data folder: exit status %d\n%s", code, out)
		}
	})
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := server.ends(t, 20*time.Second); code != 0 {
		t.Errorf("exit status after SIGTERM: %d", code)
	}
}

// TestHelp sees to it that the help of a command is about that command.
func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		args       string
		has, hasNo []string
	}{
		{"--help", []string{"check-config", "rolecall serve --help", "--data"}, []string{"--ldap.url", "--xmpp.listen"}},
		{"xmpp --help", []string{"xmpp trace", "--data"}, []string{"--ldap.url", "--domain"}},
		{"xmpp import --help", []string{"--dry-run", "--database", "--domain"}, []string{"--ldap.url"}},
		{"explain --help", []string{"--class"}, []string{"--domain", "$ROLECALL_CLASS"}},
		{"try --help", []string{"--http.listen", "--no-play", "127.0.0.1"}, []string{"--teams.tenant-id", "--xmpp.listen-s2s"}},
		{"serve --help", []string{"--ldap.url", "--xmpp.listen-s2s", "$ROLECALL_XMPP_LISTEN_S2S)", "$ROLECALL_SIP_RTP_MIN)"}, []string{"rolecall serve --help"}},
	} {
		out, code := once(t, strings.Fields(tt.args)...)
		missing := slices.ContainsFunc(tt.has, func(text string) bool { return !strings.Contains(strings.ReplaceAll(out, "[no-]", "no-"), text) })
		if code != 0 || missing || slices.ContainsFunc(tt.hasNo, func(text string) bool { return strings.Contains(out, text) }) {
			t.Errorf("%s: exit status %d\n%s", tt.args, code, out)
		}
	}
}

// TestTry has its settings heeded, and does not move in with a company that is there.
func TestTry(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := l.Addr().String()
	l.Close()
	data := filepath.Join(t.TempDir(), "d")
	server := begin(t, "try", "--no-play", "--data="+data, "--domain=company.example", "--http.listen="+web)
	server.waitFor(t, "Running until Ctrl-C. Open http://"+web, time.Minute)
	if !strings.Contains(server.output.String(), "anna@company.example") {
		t.Error("it has another domain")
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	server.ends(t, 20*time.Second)

	theirs := filepath.Join(t.TempDir(), "d")
	users := filepath.Join(t.TempDir(), "users.xml")
	file := "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='bob' password='Secret12'/></host></server-data>"
	if err := os.WriteFile(users, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := once(t, "xmpp", "import", users, "--data="+theirs); code != 0 {
		t.Fatalf("exit status %d\n%s", code, out)
	}
	if out, code := once(t, "try", "--no-play", "--data="+theirs); code != 1 || !strings.HasPrefix(out, "rolecall: the data folder is in use") {
		t.Errorf("exit status %d\n%s", code, out)
	}
	if out, _ := once(t, "xmpp", "export", "--data="+theirs); !strings.Contains(out, "name='bob'") || strings.Contains(out, "name='anna'") {
		t.Errorf("their company has become\n%s", out)
	}
	if out, code := once(t, "xmpp", "sessions", "--data="+theirs); code != 1 || !strings.HasPrefix(out, "rolecall: no server is running with the data folder "+theirs) {
		t.Errorf("without a server: exit status %d\n%s", code, out)
	}
}

// steer has Anna switch herself to DND with slixmpp; explain then says why none of her phones rings.
func steer(t *testing.T, data string, info app.Info) {
	host, port, err := net.SplitHostPort(info.XMPP)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.Command("/usr/bin/python3", "testdata/steer.py", host, port, info.Certificate, info.Demo.Password)
	var complaints bytes.Buffer
	python.Stderr = &complaints
	if out, err := python.Output(); err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Fatalf("%v\n%s%s", err, out, complaints.String())
	}
	plan, code := once(t, "explain", "34", "12", "--data="+data)
	if code != 0 || !strings.Contains(plan, "set by profile DND") || !strings.Contains(plan, "480") {
		t.Errorf("explain: exit status %d\n%s", code, plan)
	}
}

// trace has Ben connect with slixmpp and looks at what passes.
func trace(t *testing.T, data string, info app.Info) {
	follower := begin(t, "xmpp", "trace", "-f", "ben@"+info.Domain, "--data="+data)
	host, port, err := net.SplitHostPort(info.XMPP)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.Command("/usr/bin/python3", "testdata/stay.py", host, port, info.Certificate, info.Demo.Password)
	stdin, err := python.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = python.Wait() // how it ends does not matter
	}()
	follower.waitFor(t, "ping{urn:xmpp:ping}", time.Minute)
	if out, code := once(t, "xmpp", "sessions", "--data="+data); code != 0 || !strings.Contains(out, "ben@"+info.Domain+"/stay") {
		t.Errorf("sessions: exit status %d\n%s", code, out)
	}
	if out, code := once(t, "xmpp", "trace", "ben@"+info.Domain+"/stay", "--data="+data); code != 0 || !strings.Contains(out, "→ iq get id=p1 to="+info.Domain+" ping{urn:xmpp:ping}") {
		t.Errorf("trace: exit status %d\n%s", code, out)
	}
	if out, code := once(t, "xmpp", "trace", "nobody@"+info.Domain, "--data="+data); code != 1 || !strings.HasPrefix(out, "rolecall: There is no user") {
		t.Errorf("trace of nobody: exit status %d\n%s", code, out)
	}
	if err := follower.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := follower.ends(t, 10*time.Second); code != 0 {
		t.Errorf("exit status of the follower after Ctrl-C: %d", code)
	}
}

// settings are those of a server that takes free loopback ports.
func settings(data string) []string {
	return []string{"serve", "--data=" + data, "--xmpp.listen=127.0.0.1:0", "--xmpp.listen-tls=127.0.0.1:0", "--xmpp.listen-s2s=",
		"--sip.ip=127.0.0.1", "--sip.udp=0", "--sip.tcp=0", "--sip.tls=0", "--http.listen=127.0.0.1:0"}
}

func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) {
	data := filepath.Join(t.TempDir(), "d")
	server := begin(t, settings(data)...)
	server.waitFor(t, "one-time password", 30*time.Second)
	client, ctx := app.NewClient(data), context.Background()
	var last uc.UserID
	for i := range 20 { // killed in the middle of the work: right after the last answer
		var u uc.User
		body := map[string]any{"login": fmt.Sprintf("user%d", i), "name": "User", "ext": fmt.Sprint(200 + i), "auth": "none", "voicemail": "off"}
		if err := client.Do(ctx, http.MethodPost, "/api/v1/users", body, &u); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(ctx, http.MethodPost, fmt.Sprintf("/api/v1/users/%d/profile", u.ID), map[string]any{"profile": uc.ProfileDND}, nil); err != nil {
			t.Fatal(err)
		}
		last = u.ID
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.ends(t, 5*time.Second)

	again := begin(t, settings(data)...)
	again.waitFor(t, "running", 30*time.Second)
	var users []uc.User
	if err := client.Do(ctx, http.MethodGet, "/api/v1/users", nil, &users); err != nil {
		t.Fatal(err)
	}
	if len(users) != 21 {
		t.Errorf("%d users after kill -9, want admin and 20", len(users))
	}
	var state uc.ProfileState
	if err := client.Do(ctx, http.MethodGet, fmt.Sprintf("/api/v1/users/%d/profile", last), nil, &state); err != nil {
		t.Fatal(err)
	}
	if state.Effective != uc.ProfileDND {
		t.Errorf("the last user is in profile %d after kill -9, want DND", state.Effective)
	}
	if strings.Contains(again.output.String(), "one-time password") {
		t.Error("the second start made another administrator")
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	_, datagrams, _ := net.SplitHostPort(udp.LocalAddr().String())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("domain: example.org\nxmmp: {listen: ':1'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(t.TempDir(), "good.yaml")
	if err := os.WriteFile(good, []byte("domain: Example.ORG\nsip:\n  rtp-min: 40000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lists := filepath.Join(t.TempDir(), "lists.yaml")
	if err := os.WriteFile(lists, []byte("xmpp:\n  components: [bot.example.org, not a domain]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	if err := os.WriteFile(empty, []byte("sip: {digests: [MD5, SHA-256]}\nxmpp: {s2s-domains: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		story string
		args  []string
		code  int
		says  string
	}{
		{"a port is taken", append(settings(t.TempDir()), "--xmpp.listen="+taken.Addr().String()), 1, "another program listens at " + taken.Addr().String()},
		{"a TCP port for SIP is taken", append(settings(t.TempDir()), "--sip.tcp="+port), 1, "sip.tcp: another program listens at " + taken.Addr().String()},
		{"a UDP port for SIP is taken", append(settings(t.TempDir()), "--sip.udp="+datagrams), 1, "sip.udp: another program listens at 127.0.0.1:" + datagrams},
		{"the data folder is a file", settings(filepath.Join(file, "data")), 1, "data folder"},
		{"a misspelled key", []string{"check-config", "--config=" + bad}, 2, "xmmp.listen is not a setting"},
		{"wrong values from file and flag", []string{"check-config", "-c", good, "--sip.rtp-max=30000"}, 2, "rtp-min and rtp-max must span"},
		{"the file's value is named", []string{"check-config", "-c", good}, 2, `"Example.ORG" is not a domain`},
		{"a flag beats the file", []string{"check-config", "-c", good, "--domain=example.org", "--sip.rtp-max=50000"}, 0, "right"},
		{"every element of a list is read", []string{"check-config", "-c", lists}, 2, `xmpp.components: "not a domain" is not`},
		{"a list may be empty", []string{"check-config", "-c", empty}, 0, "right"},
		{"no server runs", []string{"explain", "12", "34", "--data=" + t.TempDir()}, 1, "no server is running"},
	} {
		if out, code := once(t, c.args...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit status %d, want %d with %q:\n%s", c.story, code, c.code, c.says, out)
		}
	}
}

func TestEnvironmentBeatsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rolecall.yaml")
	if err := os.WriteFile(file, []byte("domain: WRONG\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROLECALL_DOMAIN", "example.org")
	var out bytes.Buffer
	if code := run(t.Context(), []string{"check-config", "-c", file}, &out, &out); code != 0 {
		t.Errorf("exit status %d: %s", code, out.String())
	}
}

// A misspelled variable is told, but does not keep the server from starting.
func TestVariablesThatAreNoSettings(t *testing.T) {
	t.Setenv("ROLECALL_DOMAIN", "example.org")
	t.Setenv("ROLECALL_DATA", t.TempDir())
	t.Setenv("ROLECALL_XMPP_LISTN", "secret")
	t.Setenv("ROLECALL_PORT_5222_TCP", "tcp://192.0.2.1:5222") // as Kubernetes names it
	out, code := once(t, "check-config")
	if want := "have no effect: ROLECALL_PORT_5222_TCP, ROLECALL_XMPP_LISTN\n"; code != 0 || !strings.Contains(out, want) || strings.Contains(out, "secret") {
		t.Errorf("exit status %d, want 0 with %q:\n%s", code, want, out)
	}
}
