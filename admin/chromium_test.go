package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// complaints collects what the browser complains about: script errors and breaches of the content policy.
type complaints struct {
	mu   sync.Mutex
	list []string
}

// listen collects until the browser ends. Answers with 4xx, which some tests provoke, are not counted.
func listen(ctx context.Context) *complaints {
	c := &complaints{}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if (m.Type == "error" || m.IsException()) && !strings.Contains(m.Text, "the server responded with a status of 4") {
				c.mu.Lock()
				c.list = append(c.list, m.String()+" "+m.URL)
				c.mu.Unlock()
			}
		}
	}()
	return c
}

func (c *complaints) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.list {
		t.Error("the browser complains: " + text)
	}
}

func run(t *testing.T, ctx context.Context, what string, actions ...step) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(limited, actions...); err != nil {
		where, _ := chromedp.Run(ctx, chromedp.Location())
		text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
		t.Fatalf("%s: %v\nat %s\n%s", what, err, where, text)
	}
}

type step = chromedp.Action[chromedp.Void]

type css = chromedp.CSS

func signInBy(c *company, login string) step {
	return chromedp.Steps(
		chromedp.Navigate(c.http.URL+"/"),
		chromedp.SendKeys(css(`input[name=login]`), login),
		chromedp.SendKeys(css(`input[name=password]`), password+"\r"),
		chromedp.WaitVisible(css(`#people`)),
	)
}

// A person signs in, adds two users in a row, switches a profile on the board and sees it change; a
// change by somebody else appears by itself too.
func TestAdministratorInBrowser(t *testing.T) {
	c, ctx := open(t), testenv.Chromium(t, 3*time.Minute)
	seen := listen(ctx)
	live := chromedp.WaitVisible(css(`#live.on`))

	run(t, ctx, "sign in", signInBy(c, "system"), live)
	run(t, ctx, "add a user, save and next",
		chromedp.Navigate(c.http.URL+"/users/new"),
		chromedp.SendKeys(css(`input[name=name]`), "Grace Hopper"), chromedp.SendKeys(css(`input[name=login]`), "grace"),
		chromedp.SendKeys(css(`input[name=ext]`), "77"), chromedp.SendKeys(css(`input[name=password]`), "Cobol1959"),
		chromedp.Click(css(`button[value=next]`)),
		chromedp.WaitVisible(`//p[contains(., "Grace Hopper was added")]`),
		chromedp.WaitVisible(css(`input[name=login]`)))
	grace := c.dir.Snapshot().UserByLogin("grace")
	if grace == nil || grace.Ext != "77" || !c.hasPassword("grace", "Cobol1959") {
		t.Fatalf("the new user is %+v", grace)
	}
	run(t, ctx, "a wrong field is told at the field",
		chromedp.SendKeys(css(`input[name=name]`), "Grace Again"), chromedp.SendKeys(css(`input[name=login]`), "grace"),
		chromedp.SendKeys(css(`input[name=password]`), "Cobol1959"),
		chromedp.Click(css(`button[value=list]`)), chromedp.WaitVisible(css(`#f-login-error`)))

	card := fmt.Sprintf("#user-%d", grace.ID)
	run(t, ctx, "switch on the board",
		chromedp.Navigate(c.http.URL+"/board"), live, chromedp.WaitVisible(css(card)),
		chromedp.Click(css(card+` [data-dialog]`)), chromedp.WaitVisible(css(`dialog[open]`)),
		chromedp.Click(`//dialog//label[contains(., "Lunch")]`),
		chromedp.Click(css(`dialog button`)),
		chromedp.WaitVisible(fmt.Sprintf(`//*[@id="user-%d"]//span[contains(@class, "chip") and contains(., "Lunch")]`, grace.ID)),
		chromedp.WaitNotPresent(css(`dialog[open]`)))
	if got := c.people.State(grace.ID).Effective; got != c.profiles["Lunch"] {
		t.Errorf("Grace is in profile %d", got)
	}

	if _, err := c.people.Switch(ctx, uc.SwitchRequest{User: c.user("anna"), Profile: c.profiles["Teams Meeting"], By: uc.System}); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, "somebody else's change appears",
		chromedp.WaitVisible(fmt.Sprintf(`//*[@id="user-%d" and contains(., "Teams Meeting")]`, c.user("anna"))))
	if err := c.dir.Delete(ctx, uc.System, uc.Ref{Kind: uc.KindUser, ID: int64(grace.ID)}); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, "who was deleted leaves", chromedp.WaitNotPresent(css(card)))
	seen.check(t)
}

// The profile editor adds, moves and removes actions in place.
func TestProfileEditorInBrowser(t *testing.T) {
	c, ctx := open(t), testenv.Chromium(t, 3*time.Minute)
	seen := listen(ctx)
	run(t, ctx, "edit", signInBy(c, "pbx"),
		chromedp.Navigate(c.http.URL+"/profiles/new"),
		chromedp.SendKeys(css(`#f-name`), "Focus"),
		chromedp.Click(css(`button[value="enter add"]`)), chromedp.WaitVisible(css(`[name="enter.0.kind"]`)),
		chromedp.Click(css(`button[value="enter add"]`)), chromedp.WaitVisible(css(`[name="enter.1.kind"]`)),
		chromedp.SetValue(css(`[name="enter.1.kind"]`), "text"),
		evaluate(`document.querySelector('[name="enter.1.kind"]').dispatchEvent(new Event("change", {bubbles: true}))`),
		chromedp.WaitVisible(css(`[name="enter.1.text"]`)), chromedp.SetValue(css(`[name="enter.1.text"]`), "Thinking"),
		chromedp.Click(css(`button[value="enter 1 up"]`)), chromedp.WaitVisible(css(`[name="enter.0.text"]`)),
		chromedp.Click(css(`.buttons.sticky button`)), chromedp.WaitVisible(`//p[contains(., "Added.")]`))
	for _, p := range c.dir.Snapshot().Profiles.All() {
		if p.Name == "Focus" {
			if len(p.Enter) != 2 || p.Enter[0].Text != "Thinking" || p.Enter[1].Kind != uc.ActionFollowMe {
				t.Errorf("actions are %+v", p.Enter)
			}
			seen.check(t)
			return
		}
	}
	t.Error("the profile was not saved")
}

// Every page is drawn without a complaint and without scrolling sideways, wide and narrow, light and
// dark. With ROLECALL_SCREENSHOTS=folder the pictures are kept.
func TestPagesInBrowser(t *testing.T) {
	c, ctx := open(t), testenv.Chromium(t, 3*time.Minute)
	busy(t, c)
	seen := listen(ctx)
	run(t, ctx, "sign in", signInBy(c, "system"))
	anna := fmt.Sprintf("/users/%d", c.user("anna"))
	for name, path := range map[string]string{
		"board": "/board", "users": "/users", "user-new": "/users/new", "user": anna, "user-security": anna + "/security",
		"user-devices": anna + "/devices", "user-forwardings": anna + "/forwardings", "user-flow": anna + "/flow", "user-roles": anna + "/roles",
		"user-sees": anna + "/sees", "user-seen-by": anna + "/seen-by", "user-profile": anna + "/profile", "switch": anna + "/switch", "devices": "/devices", "device": "/devices/1", "locations": "/locations",
		"location": "/locations/1", "teams": "/teams", "team": "/teams/1", "roles": "/roles", "role": "/roles/2", "profiles": "/profiles",
		"profile": "/profiles/5", "forwardings": "/forwardings", "phonebook": "/phonebook", "journal": "/journal", "password": "/password",
		"explain": "/explain?from=34&to=12", "teams-sync": "/teams-sync", "sessions": "/sessions", "federation": "/federation", "session": "/sessions/7", "session-end": "/sessions/7/end", "delete": "/delete/user/7", "docs": "/api/v1/docs", "missing": "/users/999",
	} {
		for _, look := range []struct {
			name, scheme string
			width        int64
			extra        bool
		}{{"wide-light", "light", 1280, false}, {"narrow-dark", "dark", 390, false}, {"wide-dark", "dark", 1280, true}, {"narrow-light", "light", 390, true}} {
			if look.extra && os.Getenv("ROLECALL_SCREENSHOTS") == "" {
				continue // its colors and its width are seen already
			}
			visit(t, ctx, c.http.URL+path, name+"-"+look.name, look.scheme, look.width)
		}
	}
	seen.check(t)
}

// evaluate runs a script for its effect.
func evaluate(script string) step {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		return err
	})
}

func visit(t *testing.T, ctx context.Context, address, name, scheme string, width int64) {
	t.Helper()
	run(t, ctx, name,
		chromedp.EmulateViewport(width, 900),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}),
		chromedp.Navigate(address), chromedp.WaitReady(css("main")))
	over, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	if err != nil || over > 0 {
		t.Errorf("%s is %d px too wide", name, over)
	}
	folder := os.Getenv("ROLECALL_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		t.Fatal(err)
	}
}

// busy makes something happen in the company, so that pages have something to show.
func busy(t *testing.T, c *company) {
	t.Helper()
	for login, profile := range map[string]string{"anna": "Teams Meeting", "dora": "Lunch", "ben": "Office", "fatima": "Office"} {
		if _, err := c.people.Switch(t.Context(), uc.SwitchRequest{User: c.user(login), Profile: c.profiles[profile], By: uc.Actor{Name: "system", Via: "page"}}); err != nil {
			t.Fatal(err)
		}
	}
	c.people.calls = []uc.Call{{ID: "1", State: uc.CallAnswered, Answered: time.Now().Add(-83 * time.Second),
		Caller: uc.Party{User: c.user("ben"), Name: "Ben Okafor", Number: "34"}, Called: uc.Party{User: c.user("clara"), Name: "Clara Lindqvist", Number: "35"}}}
	r := c.post(c.signIn("system"), fmt.Sprintf("/users/%d/switch", c.user("emil")), url.Values{"profile": {"2"}, "for": {"1h"}})
	if r.status != 303 {
		t.Fatal(r)
	}
}
