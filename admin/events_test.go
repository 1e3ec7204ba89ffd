package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// stream is an open stream of events.
type stream struct {
	t    *testing.T
	in   *bufio.Scanner
	stop context.CancelFunc
}

// event is one event of a stream.
type event struct{ name, data string }

func (c *company) listen(b *http.Client, path, login string) *stream {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	c.t.Cleanup(cancel)
	req := must[*http.Request](c.t)(http.NewRequestWithContext(ctx, http.MethodGet, c.http.URL+path, nil))
	if login != "" {
		req.SetBasicAuth(login, password)
	}
	resp, err := b.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<22)
	return &stream{t: c.t, in: in, stop: cancel}
}

// next returns the next event; ok is false at the end of the stream.
func (s *stream) next() (e event, ok bool) {
	for s.in.Scan() {
		switch line := s.in.Text(); {
		case line == "" && e.name != "":
			return e, true
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data = line[len("data: "):]
		}
	}
	return e, false
}

// until reads on to an event whose data contains a text.
func (s *stream) until(name, text string) event {
	s.t.Helper()
	var seen []string
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatalf("no %s with %q; seen %v", name, text, seen)
		}
		if e.name == name && strings.Contains(e.data, text) {
			return e
		}
		seen = append(seen, e.name)
	}
}

func TestBoardEvents(t *testing.T) {
	c := open(t)
	s := c.listen(c.signIn("pbx"), "/events?role=2", "")
	first, _ := s.next()
	var whole struct {
		People []struct {
			ID   uc.UserID
			HTML string
		}
		Colors string
	}
	if err := json.Unmarshal([]byte(first.data), &whole); err != nil || first.name != "board" || len(whole.People) != 2 || whole.Colors == "" {
		t.Fatalf("the stream begins with %+v, %v", first, err)
	}
	switchTo := func(login, profile string) {
		if _, err := c.people.Switch(t.Context(), uc.SwitchRequest{User: c.user(login), Profile: c.profiles[profile], By: uc.System}); err != nil {
			t.Fatal(err)
		}
	}
	switchTo("clara", "Office") // not in the role
	switchTo("anna", "Lunch")
	if e, _ := s.next(); e.name != "person" || !strings.Contains(e.data, "Lunch") || !strings.Contains(e.data, "Anna Berg") {
		t.Errorf("after Anna's switch: %+v", e)
	}
	ctx, dir := t.Context(), c.dir
	role := *dir.Snapshot().Roles.Get(2)
	role.Users = append(role.Users[:1:1], c.user("clara"))
	if err := dir.UpdateRole(ctx, uc.System, role); err != nil {
		t.Fatal(err)
	}
	s.until("board", "Clara Lindqvist")
	if err := dir.Delete(ctx, uc.System, uc.Ref{Kind: uc.KindUser, ID: int64(c.user("clara"))}); err != nil {
		t.Fatal(err)
	}
	for {
		e, ok := s.next()
		if !ok {
			t.Fatal("the deleted user stays")
		}
		if e.name == "gone" || e.name == "board" && !strings.Contains(e.data, "Clara") {
			return
		}
	}
}

func TestRESTEvents(t *testing.T) {
	c := open(t)
	s := c.listen(c.browser(), "/api/v1/events", "pbx")
	if e, _ := s.next(); e.name != "snapshot" || !strings.Contains(e.data, `"presence":[{`) || !strings.Contains(e.data, `"registrations":[{`) {
		t.Fatalf("the stream begins with %+v", e)
	}
	if _, err := c.people.Switch(t.Context(), uc.SwitchRequest{User: c.user("anna"), Profile: c.profiles["Lunch"], By: uc.System}); err != nil {
		t.Fatal(err)
	}
	s.until("profile", `"chosen by hand`)
	s.until("presence", `"Lunch"`)
	c.bus.Publish(uc.CallChanged{Call: uc.Call{ID: "c1", State: uc.CallRinging}})
	s.until("call", `"state":"ringing"`)
	c.bus.Publish(uc.TeamsSyncChanged{Status: uc.TeamsSync{State: uc.SyncThrottled}})
	s.until("teams-sync", "throttled")
	if _, err := c.dir.AddLocation(t.Context(), uc.System, uc.Location{Name: "Lab"}); err != nil {
		t.Fatal(err)
	}
	s.until("directory", `{"kind":"location"`)
}

// A client that does not keep up is given the whole state again instead of a long queue.
func TestSlowClientIsResynchronised(t *testing.T) {
	c := open(t)
	s := c.listen(c.browser(), "/api/v1/events", "pbx")
	s.until("snapshot", "")
	for i := range 3000 {
		c.bus.Publish(uc.CallChanged{Call: uc.Call{ID: fmt.Sprint(i)}})
	}
	s.until("snapshot", "")
}

func TestStreamsEndWithTheServer(t *testing.T) {
	c := open(t)
	s := c.listen(c.signIn("pbx"), "/events", "")
	s.until("board", "")
	c.server.Close()
	if e, ok := s.next(); ok {
		t.Errorf("after Close came %+v", e)
	}
}

func TestStreamsAreForThoseWhoMay(t *testing.T) {
	c := open(t)
	if r := c.get(c.signIn("phonebook"), "/events"); r.status != http.StatusForbidden {
		t.Errorf("the phonebook manager: %d", r.status)
	}
	if r := c.get(c.browser(), "/events"); r.status != http.StatusSeeOther {
		t.Errorf("a stranger: %d", r.status)
	}
}
