package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/uc"
)

var commandSession = regexp.MustCompile(` sessionid='([^']*)'`)

// command carries out an administrator's command (XEP-0133) with its form, and returns the last answer.
func (c *chatter) command(node string, fields ...string) string {
	c.t.Helper()
	c.send("<iq type='set' id='c1' to='localhost'><command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#" + node + "'/></iq>")
	first := c.waitFor("</iq>")
	session := commandSession.FindStringSubmatch(first)
	if session == nil {
		return first
	}
	form := "<field var='FORM_TYPE'><value>http://jabber.org/protocol/admin</value></field>"
	for i := 0; i < len(fields); i += 2 {
		form += "<field var='" + fields[i] + "'><value>" + fields[i+1] + "</value></field>"
	}
	c.send("<iq type='set' id='c2' to='localhost'><command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#" + node +
		"' sessionid='" + session[1] + "' action='complete'><x xmlns='jabber:x:data' type='submit'>" + form + "</x></command></iq>")
	return c.waitFor("</iq>")
}

// TestRestartAndShutdown has an administrator restart the server and then stop it by their chat client (XEP-0133 §4.30, §4.31):
// people are told, streams end properly, and the same process runs with the same data again, or ends.
func TestRestartAndShutdown(t *testing.T) {
	data := filepath.Join(t.TempDir(), "d")
	server := begin(t, settings(data)...)
	server.waitFor(t, "one-time password", time.Minute)
	client, ctx := app.NewClient(data), context.Background()
	for login, level := range map[string]uc.AdminLevel{"boss": uc.LevelSystem, "ben": uc.LevelNone} {
		body := map[string]any{"login": login, "name": login, "auth": "local", "password": chatPassword, "voicemail": "off", "adminLevel": level}
		if err := client.Do(ctx, http.MethodPost, "/api/v1/users", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	signIn := func() (boss, ben *chatter) {
		t.Helper()
		info, err := client.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		boss, ben = chat(t, info.XMPP, "boss"), chat(t, info.XMPP, "ben")
		ben.send("<presence/><iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
		ben.waitFor("id='p'")
		return boss, ben
	}
	told := func(boss, ben *chatter, text string) {
		t.Helper()
		ben.waitFor(text)
		for _, c := range []*chatter{boss, ben} {
			if end := c.rest(); !strings.Contains(end, "<system-shutdown") || !strings.Contains(end, "</stream:stream>") {
				t.Errorf("the stream ended with %q", end)
			}
		}
	}

	boss, ben := signIn()
	for _, node := range []string{"restart", "shutdown"} {
		if answer := ben.command(node, "delay", "0"); !strings.Contains(answer, "<forbidden") {
			t.Errorf("%s by somebody who is no administrator: %s", node, answer)
		}
	}
	if answer := boss.command("restart", "delay", "0", "announcement", "Back in a moment"); !strings.Contains(answer, "status='completed'") {
		t.Fatalf("restart: %s", answer)
	}
	told(boss, ben, "Back in a moment")
	for deadline := time.Now().Add(time.Minute); strings.Count(server.output.String(), "msg=running") < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not run again")
		}
	}

	boss, ben = signIn()
	if strings.Count(server.output.String(), "one-time password") != 1 {
		t.Error("the restart made another administrator")
	}
	if answer := boss.command("shutdown", "delay", "0"); !strings.Contains(answer, "status='completed'") {
		t.Fatalf("shutdown: %s", answer)
	}
	told(boss, ben, fmt.Sprintf("The server stops in %v.", time.Duration(0)))
	if code := server.ends(t, time.Minute); code != 0 {
		t.Errorf("exit status after the shutdown: %d", code)
	}
}
