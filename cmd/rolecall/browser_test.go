package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

type css = chromedp.CSS

func do(t *testing.T, ctx context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(limited, steps...); err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Text(css("body"))) // only for the error text
		t.Fatalf("%s: %v\n%s", what, err, text)
	}
}

// browse signs in at the running server, looks at the board, adds a user, switches a profile and sees
// the board change, by the own hand and by somebody else's. ROLECALL_PICTURE names a file for a picture
// of the board.
func browse(t *testing.T, client *app.Client, info app.Info) {
	ctx := testenv.Chromium(t, 2*time.Minute)
	do(t, ctx, "sign in",
		chromedp.EmulateViewport(1280, 900),
		chromedp.Navigate(info.Web),
		chromedp.SendKeys(css(`input[name=login]`), "admin"),
		chromedp.SendKeys(css(`input[name=password]`), info.Demo.Password+"\r"),
		chromedp.WaitVisible(css(`#live.on`)))
	if file := os.Getenv("ROLECALL_PICTURE"); file != "" {
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(file, picture, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	do(t, ctx, "add a user",
		chromedp.Navigate(info.Web+"users/new"),
		chromedp.SendKeys(css(`input[name=name]`), "Grace Hopper"), chromedp.SendKeys(css(`input[name=login]`), "grace"),
		chromedp.SendKeys(css(`input[name=ext]`), "77"), chromedp.SendKeys(css(`input[name=password]`), "Cobol1959"),
		chromedp.Click(css(`button[value=next]`)),
		chromedp.WaitVisible(`//p[contains(., "Grace Hopper was added")]`))
	var users []uc.User
	if err := client.Do(ctx, http.MethodGet, "/api/v1/users?login=grace", nil, &users); err != nil || len(users) != 1 {
		t.Fatalf("users with the login grace: %v, %v", users, err)
	}
	grace := users[0].ID
	chip := func(profile string) string {
		return fmt.Sprintf(`//*[@id="user-%d"]//span[contains(@class, "chip") and contains(., %q)]`, grace, profile)
	}
	do(t, ctx, "switch on the board",
		chromedp.Navigate(info.Web+"board"), chromedp.WaitVisible(css(`#live.on`)),
		chromedp.Click(css(fmt.Sprintf(`#user-%d [data-dialog]`, grace))), chromedp.WaitVisible(css(`dialog[open]`)),
		chromedp.Click(`//dialog//label[contains(., "Mobile only")]`),
		chromedp.Click(css(`dialog button`)),
		chromedp.WaitVisible(chip("Mobile only")))
	if err := client.Do(ctx, http.MethodPost, fmt.Sprintf("/api/v1/users/%d/profile", grace), map[string]any{"profile": uc.ProfileDND}, nil); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "the board changes by itself", chromedp.WaitVisible(chip("DND")))
}
