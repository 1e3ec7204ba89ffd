package standin

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client speaks to a started cloud as any HTTP client would.
type client struct {
	t      *testing.T
	server *Server
	http   *http.Client
	token  string
}

func start(t *testing.T, opts Options) *client {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("CAPEM is no certificate")
	}
	return &client{t: t, server: s, http: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
	}}
}

func (c *client) do(method, address, contentType, body string, header ...string) (int, map[string]any, http.Header) {
	c.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer map[string]any
	if bytes.HasPrefix(raw, []byte("{")) {
		if err := json.Unmarshal(raw, &answer); err != nil {
			c.t.Fatal(err)
		}
	}
	return resp.StatusCode, answer, resp.Header
}

func (c *client) signIn(secret string) (int, map[string]any) {
	c.t.Helper()
	s := c.server.Settings()
	_, discovery, _ := c.do("GET", s.AuthorityHost+"/"+s.TenantID+"/v2.0/.well-known/openid-configuration", "", "")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {secret}, "scope": {s.GraphURL + "/.default"}}
	status, answer, _ := c.do("POST", discovery["token_endpoint"].(string), "application/x-www-form-urlencoded", form.Encode())
	c.token, _ = answer["access_token"].(string)
	return status, answer
}

func (c *client) presences(ids ...string) (int, []any, http.Header) {
	c.t.Helper()
	body, _ := json.Marshal(map[string]any{"ids": ids})
	status, answer, header := c.do("POST", c.server.Settings().GraphURL+"/v1.0/communications/getPresencesByUserId", "application/json", string(body))
	list, _ := answer["value"].([]any)
	return status, list, header
}

func TestSignInAndReadPresence(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Options{Dir: dir})
	if written, err := os.ReadFile(c.server.Settings().CAFile); err != nil || !bytes.Equal(written, c.server.CAPEM()) {
		t.Errorf("CAFile does not hold the CA: %v", err)
	}
	anna := c.server.AddUser(User{UPN: "anna@example.com", Enabled: true})
	if err := c.server.SetPresence("ANNA@example.com", "Busy", "InACall"); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := c.presences(anna); status != 401 {
		t.Errorf("without a token: %d, want 401", status)
	}
	if status, answer := c.signIn("wrong"); status != 401 || answer["error"] != "invalid_client" {
		t.Errorf("wrong secret: %d %v", status, answer)
	}
	if status, answer := c.signIn(c.server.Settings().ClientSecret); status != 200 || answer["expires_in"] != 3600.0 {
		t.Fatalf("sign-in: %d %v", status, answer)
	}
	stranger := newGUID()
	status, list, _ := c.presences(strings.ToUpper(anna), stranger)
	if status != 200 || len(list) != 2 {
		t.Fatalf("presence: %d %v", status, list)
	}
	got := list[0].(map[string]any)
	if got["availability"] != "Busy" || got["activity"] != "InACall" || got["sequenceNumber"] == nil {
		t.Errorf("presence of Anna: %v", got)
	}
	if got := list[1].(map[string]any); got["activity"] != "PresenceUnknown" || got["sequenceNumber"] != nil {
		t.Errorf("presence of a stranger: %v", got)
	}
}

func TestPresenceRefusesWhatGraphRefuses(t *testing.T) {
	c := start(t, Options{})
	c.signIn(c.server.Settings().ClientSecret)
	many := make([]string, maxIDs+1)
	for i := range many {
		many[i] = newGUID()
	}
	for name, ids := range map[string][]string{"651 ids": many, "no ids": {}, "no object id": {"anna"}} {
		if status, _, _ := c.presences(ids...); status != 400 {
			t.Errorf("%s: %d, want 400", name, status)
		}
	}
	if status, list, _ := c.presences(many[:maxIDs]...); status != 200 || len(list) != maxIDs {
		t.Errorf("650 ids: %d, %d presences", status, len(list))
	}
	log := c.server.Requests()
	if last := log[len(log)-1]; last.Endpoint != Presence || last.IDs != maxIDs || last.Status != 200 {
		t.Errorf("logged %+v", last)
	}
}

func TestTokensEnd(t *testing.T) {
	c := start(t, Options{TokenLife: time.Nanosecond})
	id := c.server.AddUser(User{UPN: "anna@example.com"})
	c.signIn(c.server.Settings().ClientSecret)
	if status, _, header := c.presences(id); status != 401 || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("expired token: %d %v", status, header)
	}
	c = start(t, Options{})
	c.signIn(c.server.Settings().ClientSecret)
	if status, _, _ := c.presences(id); status != 200 {
		t.Errorf("fresh token: %d", status)
	}
	c.server.RevokeTokens()
	if status, _, _ := c.presences(id); status != 401 {
		t.Errorf("revoked token: %d", status)
	}
}

func TestUserListIsPaged(t *testing.T) {
	c := start(t, Options{UsersPage: 2})
	for i := range 5 {
		c.server.AddUser(User{UPN: "user" + strconv.Itoa(i) + "@example.com", Enabled: i != 3})
	}
	c.signIn(c.server.Settings().ClientSecret)
	next := c.server.Settings().GraphURL + "/v1.0/users?$select=id,userPrincipalName,accountEnabled&$top=999"
	var upns []string
	disabled := 0
	for pages := 1; next != ""; pages++ {
		status, answer, _ := c.do("GET", next, "", "")
		if status != 200 || pages > 3 {
			t.Fatalf("page %d: %d %v", pages, status, answer)
		}
		for _, u := range answer["value"].([]any) {
			u := u.(map[string]any)
			if _, has := u["mail"]; has {
				t.Error("mail was not selected")
			}
			if u["accountEnabled"] == false {
				disabled++
			}
			upns = append(upns, u["userPrincipalName"].(string))
		}
		next, _ = answer["@odata.nextLink"].(string)
	}
	if len(upns) != 5 || upns[4] != "user4@example.com" || disabled != 1 {
		t.Errorf("listed %v, %d disabled", upns, disabled)
	}
}

func TestFaults(t *testing.T) {
	c := start(t, Options{})
	id := c.server.AddUser(User{UPN: "anna@example.com"})
	c.signIn(c.server.Settings().ClientSecret)
	first := c.server.People()[0]
	if err := c.server.SetPresence(id, "Busy", "InACall"); err != nil {
		t.Fatal(err)
	}
	c.server.Inject(Fault{Endpoint: Presence, Times: 2, Status: 429, RetryAfter: "7"})
	c.server.Inject(Fault{Endpoint: Presence, Times: 1, Stale: true})
	c.server.Inject(Fault{Endpoint: Presence, Times: 1, Omit: 1})
	c.server.Inject(Fault{Endpoint: Presence, Times: 1, NoSequence: true})
	for range 2 {
		if status, _, header := c.presences(id); status != 429 || header.Get("Retry-After") != "7" {
			t.Fatalf("throttled: %d %v", status, header)
		}
	}
	_, list, _ := c.presences(id)
	if got := list[0].(map[string]any); got["activity"] != "Offline" || got["sequenceNumber"] != first.Sequence {
		t.Errorf("stale answer: %v, want as it was first: %+v", got, first)
	}
	if _, list, _ = c.presences(id); len(list) != 0 {
		t.Errorf("partial answer: %v", list)
	}
	_, list, _ = c.presences(id)
	if got := list[0].(map[string]any); got["activity"] != "InACall" || got["sequenceNumber"] != nil {
		t.Errorf("without sequence: %v", got)
	}
	_, list, _ = c.presences(id)
	if got := list[0].(map[string]any); got["sequenceNumber"].(string) <= first.Sequence {
		t.Errorf("the sequence number did not rise: %v after %v", got, first)
	}
	c.server.Inject(Fault{HangUp: true})
	if resp, err := c.http.Get(c.server.Settings().GraphURL + "/v1.0/users"); err == nil {
		resp.Body.Close()
		t.Error("hung up, yet there is an answer")
	}
	c.server.ClearFaults()
	if status, _, _ := c.presences(id); status != 200 {
		t.Errorf("after ClearFaults: %d", status)
	}
}

func TestMeter(t *testing.T) {
	m, now := meter{limit: 10}, time.Now()
	for i := range 10 {
		if wait := m.spend(1, now.Add(time.Duration(i)*time.Second)); wait != 0 {
			t.Fatalf("request %d is refused for %v", i, wait)
		}
	}
	if wait := m.spend(1, now.Add(10*time.Second)); wait != 20*time.Second {
		t.Errorf("refused for %v, want until the first is 30 s old", wait)
	}
	if wait := m.spend(1, now.Add(40*time.Second)); wait != 0 {
		t.Errorf("refused for %v half a minute later", wait)
	}
}

func TestControlPort(t *testing.T) {
	c := start(t, Options{})
	control := c.server.ControlURL() + "/control"
	status, added, _ := c.do("POST", control+"/users", "application/json", `{"userPrincipalName":"anna@example.com"}`)
	if status != 201 || !guid.MatchString(added["id"].(string)) {
		t.Fatalf("adding a user: %d %v", status, added)
	}
	for _, step := range []struct {
		method, path, body string
		want               int
	}{
		{"PUT", "/presence/anna@example.com", `{"availability":"Busy","activity":"InACall"}`, 204},
		{"PUT", "/presence/ben@example.com", `{"availability":"Busy","activity":"InACall"}`, 404},
		{"POST", "/fault", `{"endpoint":"presence","state":503}`, 400},
		{"POST", "/fault", `{"endpoint":"presence","status":503}`, 204},
		{"PUT", "/secret", `{"secret":"another"}`, 204},
	} {
		if status, _, _ := c.do(step.method, control+step.path, "application/json", step.body); status != step.want {
			t.Errorf("%s %s: %d, want %d", step.method, step.path, status, step.want)
		}
	}
	if p := c.server.People()[0]; p.Activity != "InACall" || !p.Enabled {
		t.Errorf("Anna is %+v", p)
	}
	_, settings, _ := c.do("GET", control+"/settings", "", "")
	if settings["clientSecret"] != "another" || settings["graphURL"] != c.server.Settings().GraphURL {
		t.Errorf("settings %v", settings)
	}
	c.signIn("another")
	if status, _, _ := c.presences(added["id"].(string)); status != 503 {
		t.Errorf("with the fault: %d", status)
	}
	c.do("DELETE", control+"/fault", "", "")
	if status, _, _ := c.presences(added["id"].(string)); status != 200 {
		t.Errorf("without the fault: %d", status)
	}
	c.do("POST", control+"/revoke", "", "")
	if status, _, _ := c.presences(added["id"].(string)); status != 401 {
		t.Errorf("after the tokens were revoked: %d", status)
	}
	if c.do("DELETE", control+"/users/ANNA@example.com", "", ""); len(c.server.People()) != 0 {
		t.Errorf("after she was deleted: %+v", c.server.People())
	}
	if status, _, _ := c.do("POST", control+"/revoke", "", "", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("from a foreign page: %d, want 403", status)
	}
}
