package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// openapi is as much of an OpenAPI document as the tests look at.
type openapi struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string           `json:"operationId"`
		Security    []map[string]any `json:"security"`
		Responses   map[string]any   `json:"responses"`
		Parameters  []parameter
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

type parameter struct {
	Name, In string
	Required bool
}

func document(t *testing.T, c *company) (openapi, string) {
	t.Helper()
	r := c.rest("", http.MethodGet, "/openapi.json", "")
	var doc openapi
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil || r.status != http.StatusOK {
		t.Fatalf("%d: %v", r.status, err)
	}
	return doc, r.body
}

func TestOpenAPI(t *testing.T) {
	doc, text := document(t, open(t))
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("it is OpenAPI %q", doc.OpenAPI)
	}
	var routes []string
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			routes = append(routes, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1"))
			if ids[o.OperationID] || o.OperationID == "" || len(o.Responses) == 0 {
				t.Errorf("%s %s: operation %q is not complete or not unique", method, path, o.OperationID)
			}
			ids[o.OperationID] = true
			if strings.Contains(path, "{id}") && !slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.Name == "id" && p.In == "path" && p.Required }) {
				t.Errorf("%s %s: the id is not described", method, path)
			}
			if (len(o.Security) == 0) != (o.OperationID == "get-health") {
				t.Errorf("%s %s: security is %v", method, path, o.Security)
			}
		}
	}
	for _, plural := range []string{"users", "devices", "assignments", "locations", "teams", "members", "roles", "profiles", "forwardings", "flowlines", "phonebook"} {
		for _, want := range []string{"GET /" + plural, "POST /" + plural, "GET /" + plural + "/{id}", "PUT /" + plural + "/{id}", "DELETE /" + plural + "/{id}"} {
			if !slices.Contains(routes, want) {
				t.Errorf("%s is missing", want)
			}
		}
	}
	for _, want := range []string{"GET /presence", "GET /users/{id}/presence", "GET /users/{id}/sees", "GET /users/{id}/seen-by", "POST /users/{id}/profile", "GET /users/{id}/profile", "POST /users/{id}/profile/undo",
		"GET /journal", "GET /explain", "GET /calls", "POST /calls", "DELETE /calls/{id}", "POST /calls/{id}/transfer", "GET /registrations", "GET /teams-sync", "GET /xmpp/sessions", "DELETE /xmpp/sessions/{id}", "GET /xmpp/trace", "GET /xmpp/trace/events", "GET /xmpp/streams", "GET /health", "GET /events",
		"PUT /users/{id}/password", "PUT /users/{id}/pin", "GET /devices/{id}/credentials", "POST /devices/{id}/credentials"} {
		if !slices.Contains(routes, want) {
			t.Errorf("%s is missing", want)
		}
	}
	// Every reference leads somewhere.
	for _, part := range strings.Split(text, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is missing", name)
		}
	}
}

// Every route of the document answers to somebody who may, refuses a stranger and whoever is too low.
func TestRoutesByLevel(t *testing.T) {
	c := open(t)
	doc, _ := document(t, c)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			path := strings.TrimPrefix(strings.ReplaceAll(path, "{id}", "999"), "/api/v1")
			if o.OperationID == "get-health" {
				continue
			}
			body := map[string]string{"post": "{}", "put": "{}"}[method]
			for login, refused := range map[string]int{"": http.StatusUnauthorized, "metrics": http.StatusForbidden, "anna": http.StatusUnauthorized} {
				r := c.rest(login, strings.ToUpper(method), path, body)
				if r.status != refused && r.status != http.StatusTooManyRequests {
					t.Errorf("%q at %s %s: %d", login, method, path, r.status)
				}
			}
			phonebook := c.rest("phonebook", strings.ToUpper(method), path, body)
			if (phonebook.status == http.StatusForbidden) == strings.HasPrefix(path, "/phonebook") {
				t.Errorf("the phonebook manager at %s %s: %d", method, path, phonebook.status)
			}
			if o.OperationID != "events" {
				if r := c.rest("system", strings.ToUpper(method), path, body); r.status == http.StatusForbidden || r.status >= 500 {
					t.Errorf("the system administrator at %s %s: %d %s", method, path, r.status, r.body)
				}
			}
		}
	}
}

func TestProblems(t *testing.T) {
	c := open(t)
	anna := c.user("anna")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		field                    string
	}{
		{"not found", "GET", "/users/999", "", 404, ""},
		{"no such route", "GET", "/nothing", "", 404, ""},
		{"a wrong field", "POST", "/users", `{"login":"Über","name":"x","auth":"local","password":"Secret123"}`, 422, "body.login"},
		{"no such value", "POST", "/users", `{"login":"grace","name":"x","auth":"magic","password":"Secret123"}`, 422, "body.auth"},
		{"no such value in a list", "POST", "/roles", `{"title":"x","types":["xmpp.group","be.king"]}`, 422, "body.types[1]"},
		{"taken", "POST", "/users", `{"login":"anna","name":"x","auth":"local","password":"Secret123"}`, 409, "body.login"},
		{"unknown field", "POST", "/locations", `{"name":"x","color":"red"}`, 422, "body.color"},
		{"no JSON", "POST", "/locations", `{`, 400, ""},
		{"wrong type", "PUT", fmt.Sprintf("/users/%d", anna), `{"ext":12}`, 422, "body.ext"},
		{"protected", "DELETE", "/roles/1", "", 403, ""},
		{"wrong id", "GET", "/users/0", "", 422, "path.id"},
		{"no callee", "GET", "/explain?from=12", "", 422, "body.to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := c.rest("system", tt.method, tt.path, tt.body)
			var p struct {
				Status        int
				Title, Detail string
				Errors        []struct{ Location, Message string }
			}
			if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s %s: %v", r.header.Get("Content-Type"), r.body, err)
			}
			if r.status != tt.status || p.Status != tt.status || p.Detail == "" {
				t.Errorf("status %d, want %d: %s", r.status, tt.status, r.body)
			}
			if tt.field != "" && (len(p.Errors) == 0 || p.Errors[0].Location != tt.field) {
				t.Errorf("the field at fault is not named: %s", r.body)
			}
		})
	}
}

func TestUnknownErrorIsToldInGeneral(t *testing.T) {
	c := open(t)
	c.people.broken = errors.New("dial tcp 10.1.2.3: refused")
	r := c.rest("system", "POST", fmt.Sprintf("/users/%d/profile", c.user("anna")), `{"profile":1}`)
	if r.status != 500 || strings.Contains(r.body, "10.1.2.3") || !strings.Contains(c.log.String(), "10.1.2.3") {
		t.Errorf("%d %s", r.status, r.body)
	}
	c.people.broken = uc.Errorf(uc.ErrUnavailable, "Not now.")
	if r := c.rest("system", "POST", fmt.Sprintf("/users/%d/profile", c.user("anna")), `{"profile":1}`); r.status != 503 || !strings.Contains(r.body, "Not now.") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// A user lives over REST: added, found, changed, given a device and roles, and deleted.
func TestUserOverREST(t *testing.T) {
	c := open(t)
	r := c.rest("system", "POST", "/users", `{"login":"grace","name":"Grace","ext":"77","auth":"local","password":"Cobol1959","pin":"4711","voicemail":"off","softphone":true}`)
	var u uc.User
	if err := json.Unmarshal([]byte(r.body), &u); err != nil || r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, filter := range []string{"login=grace", "ext=77", "q=grac"} {
		if r := c.rest("system", "GET", "/users?"+filter, ""); strings.Count(r.body, `"login"`) != 1 || !strings.Contains(r.body, `"grace"`) {
			t.Errorf("%s finds %s", filter, r.body)
		}
	}
	path := fmt.Sprintf("/users/%d", u.ID)
	u.Name = "Grace Hopper"
	body, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.rest("system", "PUT", path, string(body)); r.status != http.StatusOK || !strings.Contains(r.body, "Grace Hopper") {
		t.Errorf("change: %d %s", r.status, r.body)
	}
	if !c.hasPassword("grace", "Cobol1959") {
		t.Error("the change took the password away")
	}
	if r := c.rest("system", "PUT", path+"/password", `{"password":"Fortran77"}`); r.status != http.StatusNoContent || !c.hasPassword("grace", "Fortran77") {
		t.Errorf("password: %d", r.status)
	}
	if r := c.rest("system", "GET", fmt.Sprintf("/assignments?user=%d", u.ID), ""); strings.Count(r.body, `"device"`) != 1 {
		t.Errorf("assignments: %s", r.body)
	}
	if r := c.rest("system", "DELETE", path, ""); r.status != http.StatusNoContent {
		t.Errorf("delete: %d", r.status)
	}
	if r := c.rest("system", "GET", path, ""); r.status != http.StatusNotFound {
		t.Errorf("after deleting: %d", r.status)
	}
}

func TestNoSecretsInJSON(t *testing.T) {
	c := open(t)
	d := c.dir.Snapshot()
	for _, path := range []string{"/users", "/devices", "/devices/1", fmt.Sprintf("/users/%d", c.user("anna"))} {
		r := c.rest("system", "GET", path, "")
		for _, dev := range d.Devices.All() {
			if dev.SIPSecret != "" && strings.Contains(r.body, dev.SIPSecret) {
				t.Errorf("%s tells a SIP secret", path)
			}
		}
		if strings.Contains(strings.ToLower(r.body), "storedkey") || strings.Contains(r.body, "pinHash") {
			t.Errorf("%s tells password keys", path)
		}
	}
	if r := c.rest("pbx", "GET", "/devices/1/credentials", ""); !strings.Contains(r.body, d.Devices.Get(1).SIPSecret) {
		t.Errorf("the route that may tell: %d %s", r.status, r.body)
	}
	before := d.Devices.Get(1).SIPSecret
	if r := c.rest("pbx", "PUT", "/devices/1", `{"name":"Renamed","kind":"softphone"}`); r.status != 200 || c.dir.Snapshot().Devices.Get(1).SIPSecret != before {
		t.Errorf("a change of the name changed the secret: %d %s", r.status, r.body)
	}
}

func TestProfileOverREST(t *testing.T) {
	c := open(t)
	path := fmt.Sprintf("/users/%d/profile", c.user("anna"))
	r := c.rest("system", "POST", path, fmt.Sprintf(`{"profile":%d,"until":"2026-03-02T18:00:00Z"}`, c.profiles["Lunch"]))
	if r.status != http.StatusOK || !strings.Contains(r.body, `"toName":"Lunch"`) || !strings.Contains(r.body, `"via":"rest"`) {
		t.Fatalf("switch: %d %s", r.status, r.body)
	}
	var st uc.ProfileState
	if err := json.Unmarshal([]byte(c.rest("system", "GET", path, "").body), &st); err != nil || st.Effective != c.profiles["Lunch"] || st.Reason == "" ||
		!st.Base.Until.Equal(time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)) {
		t.Errorf("state is %+v, %v", st, err)
	}
	if r := c.rest("system", "POST", path+"/undo", ""); r.status != 200 || !strings.Contains(r.body, `"toName":"Available"`) {
		t.Errorf("undo: %d %s", r.status, r.body)
	}
	if r := c.rest("system", "GET", "/journal?limit=1", ""); strings.Count(r.body, `"toName"`) != 1 {
		t.Errorf("journal: %s", r.body)
	}
}

func TestQuestionsOverREST(t *testing.T) {
	c := open(t)
	for path, want := range map[string]string{
		"/presence": `"show":"available"`, "/registrations": `"agent":"baresip`, "/calls": `[`, "/teams-sync": `"state":"ok"`,
		"/xmpp/sessions": `"jid":"anna@example.com/phone"`, "/xmpp/trace?jid=anna@example.com": `"payload":"ping"`,
		"/xmpp/streams":                   `"domains":["customer.example"],"local":"example.com","begun":"out","both":false,"proof":"dialback"`,
		"/explain?from=34&to=12":          `"callerName":"Ben Okafor"`,
		"/explain?from=34&to=12&team=500": `"class":"queue"`,
		"/explain?to=12":                  `"class":"external"`,
		"/health":                         `"status":"ok"`,
		fmt.Sprintf("/users/%d/sees", c.user("anna")):    `"name":"Ben Okafor"`,
		fmt.Sprintf("/users/%d/seen-by", c.user("anna")): `"subscribed":true`,
	} {
		if r := c.rest("system", "GET", path, ""); r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %.400s", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/explain?to=12&at=tomorrow", "/explain?to=12&team=9", "/explain?to=12&class=loud"} {
		if r := c.rest("system", "GET", path, ""); r.status != 422 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := c.rest("", "GET", "/health", ""); r.status != 200 || r.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("a stranger's health: %d %s", r.status, r.body)
	}
}

// Calls are dialled, transferred and hung up over REST.
func TestCallsOverREST(t *testing.T) {
	c := open(t)
	anna := c.user("anna")
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/calls", fmt.Sprintf(`{"user":%d,"to":"34"}`, anna), 201, `"state":"routing"`},
		{"POST", "/calls", `{"to":"12"}`, 201, `"number":"12"`},
		{"POST", "/calls", `{"to":"99"}`, 422, `"body.to"`},
		{"POST", "/calls", `{}`, 422, `required`},
		{"POST", "/calls/c1/transfer", `{"to":"34","party":"called"}`, 202, ""},
		{"POST", "/calls/c1/transfer", `{"to":"99","party":"caller"}`, 409, "99 cannot be reached now"},
		{"POST", "/calls/c1/transfer", `{"to":"34","party":"everybody"}`, 422, "body.party"},
		{"POST", "/calls/c2/transfer", `{"to":"34","party":"caller"}`, 404, "the call is over"},
		{"DELETE", "/calls/c1", "", 204, ""},
		{"DELETE", "/calls/c2", "", 404, "the call is over"},
	} {
		if r := c.rest("pbx", tt.method, tt.path, tt.body); r.status != tt.status || !strings.Contains(r.body, tt.want) {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, r.status, r.body)
		}
	}
	want := []string{"pbx over REST: dial 34 for anna", "pbx over REST: dial 12 for pbx",
		"pbx over REST: transfer c1 to 34, caller=false", "pbx over REST: hang up c1"}
	if !slices.Equal(c.people.done, want) {
		t.Errorf("done was %q", c.people.done)
	}
}

func TestBasicIsRefusedWithAChallenge(t *testing.T) {
	c := open(t)
	if r := c.rest("", "GET", "/users", ""); r.status != 401 || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%d %q", r.status, r.header.Get("WWW-Authenticate"))
	}
	if r := c.get(c.signIn("system"), "/api/v1/users"); r.status != 200 {
		t.Errorf("with the session of the page: %d", r.status)
	}
}

// The first role with a type that is open until used takes a right from everybody else: that must be confirmed.
func TestFirstUseIsConfirmed(t *testing.T) {
	c := open(t)
	doc, _ := document(t, c)
	for path, method := range map[string]string{"/api/v1/roles": "post", "/api/v1/roles/{id}": "put"} {
		o := doc.Paths[path][method]
		if o.Responses["428"] == nil || !slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.Name == "confirm" && p.In == "query" }) {
			t.Errorf("%s does not tell of the confirmation", o.OperationID)
		}
	}
	pickers := `{"title":"Pickers","types":["pickup.group"]}`
	r := c.rest("system", "POST", "/roles", pickers)
	if r.status != http.StatusPreconditionRequired || !strings.Contains(r.body, "everybody may pick up") || c.dir.Snapshot().TypeUsed(uc.TypePickupGroup) {
		t.Fatalf("not confirmed: %d %s", r.status, r.body)
	}
	if r := c.rest("system", "POST", "/roles?confirm=true", pickers); r.status != http.StatusCreated {
		t.Fatalf("confirmed: %d %s", r.status, r.body)
	}
	if r := c.rest("system", "POST", "/roles", strings.Replace(pickers, "Pickers", "More", 1)); r.status != http.StatusCreated {
		t.Errorf("the second: %d %s", r.status, r.body)
	}
	seats := `{"title":"Pickers","types":["pickup.group","location.group"]}`
	id := int64(0)
	for _, role := range c.dir.Snapshot().Roles.All() {
		if role.Title == "Pickers" {
			id = int64(role.ID)
		}
	}
	path := fmt.Sprintf("/roles/%d", id)
	if r := c.rest("system", "PUT", path, seats); r.status != http.StatusPreconditionRequired || !strings.Contains(r.body, "log in at every location") {
		t.Errorf("a change that is not confirmed: %d %s", r.status, r.body)
	}
	for _, again := range []string{"?confirm=true", ""} {
		if r := c.rest("system", "PUT", path+again, seats); r.status != http.StatusOK {
			t.Errorf("%q: %d %s", again, r.status, r.body)
		}
	}
}
