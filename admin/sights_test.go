package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// The pages say of each contact because of which role it is there.
func TestWhoSeesWhomOnPage(t *testing.T) {
	c := open(t)
	anna, dora := fmt.Sprintf("/users/%d", c.user("anna")), fmt.Sprintf("/users/%d", c.user("dora"))
	boss := must[uc.Role](t)(c.dir.AddRole(t.Context(), uc.System, uc.Role{Title: "Floor <managers>", Types: []uc.RoleType{uc.TypeSupervisor}, Users: []uc.UserID{c.user("dora")}}))
	b := c.signIn("pbx")
	for _, tt := range []struct {
		path  string
		has   []string
		lacks []string
	}{
		{anna + "/sees?q=ben", []string{"Ben Okafor", `>Support</a>`, `>All</a>`}, []string{"Clara", "Floor", "subscription"}},
		{anna + "/sees?q=support", []string{"Ben Okafor"}, []string{"Clara"}},
		{anna + "/seen-by?q=ben", []string{"Ben Okafor", "subscription"}, []string{"Floor"}},
		{anna + "/seen-by?q=dora", []string{fmt.Sprintf(`supervision by role <a href="/roles/%d">Floor &lt;managers&gt;</a>`, boss.ID), ">yes<"}, []string{"subscription"}},
		{dora + "/sees?q=nobody", []string{"Nobody."}, []string{"Anna"}},
	} {
		r := c.get(b, tt.path)
		_, table, _ := strings.Cut(r.body, "<tbody>")
		for _, want := range tt.has {
			if !strings.Contains(table, want) {
				t.Errorf("%s lacks %s: %d\n%s", tt.path, want, r.status, table)
			}
		}
		for _, wrong := range tt.lacks {
			if strings.Contains(table, wrong) {
				t.Errorf("%s has %s\n%s", tt.path, wrong, table)
			}
		}
	}
	if r := c.get(b, "/users/999/sees"); r.status != 404 {
		t.Errorf("of a user who is not there: %d", r.status)
	}
}

func TestOtherServersOnPage(t *testing.T) {
	c := open(t)
	b := c.signIn("admin")
	if r := c.get(b, "/federation?q=customer"); !strings.Contains(r.body, "customer.example") || !strings.Contains(r.body, "DNS (dialback)") || strings.Contains(r.body, "partner") {
		t.Errorf("the list: %d %s", r.status, r.body)
	}
	c.streams = nil
	if r := c.get(b, "/federation"); !strings.Contains(r.body, "No stream matches.") {
		t.Errorf("the empty list: %d %s", r.status, r.body)
	}
	if r := c.rest("admin", "GET", "/xmpp/streams", ""); r.status != 200 || strings.TrimSpace(r.body) != "[]" {
		t.Errorf("the empty list over REST: %d %s", r.status, r.body)
	}
	if r := c.rest("pbx", "GET", "/xmpp/streams", ""); r.status != 403 {
		t.Errorf("a PBX manager reads streams: %d", r.status)
	}
}

// An administrator finds out by clicking who sees Anna, which role it is because of, and which servers are connected.
func TestWhoSeesWhomInBrowser(t *testing.T) {
	c, ctx := open(t), testenv.Chromium(t, 3*time.Minute)
	seen := listen(ctx)
	run(t, ctx, "who sees Anna", chromedp.EmulateViewport(1280, 900), signInBy(c, "system"),
		chromedp.Navigate(fmt.Sprintf("%s/users/%d", c.http.URL, c.user("anna"))),
		chromedp.Click(`//nav[@aria-label="User"]//a[.="Seen by"]`),
		chromedp.WaitVisible(`//tr[contains(., "Ben Okafor") and contains(., "role Support") and contains(., "subscription")]`),
		chromedp.Click(`//tr[contains(., "Ben Okafor")]//a[.="Support"]`),
		chromedp.WaitVisible(css(`input[name=title][value="Support"]`)))
	run(t, ctx, "other servers",
		chromedp.Click(`//div[@class="wide"]//a[contains(., "Other servers")]`),
		chromedp.WaitVisible(`//tr[contains(., "partner.example, rooms.partner.example") and contains(., "both ways") and contains(., "certificate") and contains(., "08:15")]`),
		chromedp.WaitVisible(`//tr[contains(., "customer.example") and contains(., "here") and contains(., "DNS (dialback)")]`))
	seen.check(t)
}
