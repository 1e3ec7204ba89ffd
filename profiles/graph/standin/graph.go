package standin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxIDs = 650 // of getPresencesByUserId
	maxTop = 999 // of the list of users
	topIf  = 100 // users on a page if the client does not say
)

var guid = regexp.MustCompile(`^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// authorized checks the bearer token, and answers 401 if it is not good for this host.
func (c *Cloud) authorized(x *exchange) bool {
	token, _ := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	c.mu.Lock()
	g, known := c.tokens[token]
	c.mu.Unlock()
	var why string
	switch {
	case token == "":
		why = "Access token is empty."
	case !known:
		why = "Access token validation failure."
	case !time.Now().Before(g.expires):
		why = "Lifetime validation failed, the token is expired."
	case g.audience != "https://"+x.r.Host:
		why = "Access token validation failure. Invalid audience."
	default:
		return true
	}
	x.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://`+x.r.Host+`/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`)
	graphError(x, http.StatusUnauthorized, "InvalidAuthenticationToken", why)
	return false
}

func (c *Cloud) presences(x *exchange) {
	var body struct {
		IDs []string `json:"ids"`
	}
	err := json.NewDecoder(http.MaxBytesReader(x.ResponseWriter, x.r.Body, 1<<20)).Decode(&body)
	x.entry.IDs = len(body.IDs)
	if !c.authorized(x) {
		return
	}
	if wait := c.spend(len(body.IDs)); wait > 0 {
		x.Header().Set("Retry-After", seconds(wait))
		graphError(x, http.StatusTooManyRequests, "TooManyRequests", "The request has been throttled.")
		return
	}
	if err == nil {
		err = checkIDs(body.IDs)
	}
	if err != nil {
		graphError(x, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	writeJSON(x, http.StatusOK, map[string]any{
		"@odata.context": "https://" + x.r.Host + "/v1.0/$metadata#Collection(microsoft.graph.presence)",
		"value":          c.presencesOf(body.IDs, &x.fault),
	})
}

func (c *Cloud) spend(ids int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	units := 1
	if c.opts.CountIDs {
		units = ids
	}
	return c.meter.spend(units, time.Now())
}

func checkIDs(ids []string) error {
	if len(ids) == 0 || len(ids) > maxIDs {
		return fmt.Errorf("ids must have between 1 and %d entries, not %d", maxIDs, len(ids))
	}
	for _, id := range ids {
		if !guid.MatchString(id) {
			return fmt.Errorf("invalid object id %q", id)
		}
	}
	return nil
}

func (c *Cloud) users(x *exchange) {
	if !c.authorized(x) {
		return
	}
	q := x.r.URL.Query()
	top, err := strconv.Atoi(q.Get("$top"))
	if err != nil {
		top = topIf
	}
	if top < 1 || top > maxTop {
		graphError(x, http.StatusBadRequest, "Request_BadRequest", "Invalid page size specified.")
		return
	}
	from, err := offset(q.Get("$skiptoken"))
	if err != nil {
		graphError(x, http.StatusBadRequest, "Directory_ExpiredPageToken", "The specified page token value is not valid.")
		return
	}
	list, more := c.usersFrom(from, min(top, c.opts.UsersPage), q.Get("$select"))
	answer := map[string]any{"@odata.context": "https://" + x.r.Host + "/v1.0/$metadata#users", "value": list}
	if more {
		q.Set("$skiptoken", skipToken(from+len(list)))
		answer["@odata.nextLink"] = "https://" + x.r.Host + "/v1.0/users?" + q.Encode()
	}
	writeJSON(x, http.StatusOK, answer)
}

func skipToken(n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("skip:" + strconv.Itoa(n)))
}

func offset(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(string(raw), "skip:"), 10, 31)
	return int(n), err
}

// graphError answers as Graph does.
func graphError(x *exchange, status int, code, text string) {
	id := rand.Text()
	x.Header().Set("request-id", id)
	writeJSON(x, status, map[string]any{"error": map[string]any{
		"code":    code,
		"message": text,
		"innerError": map[string]any{
			"date":              time.Now().UTC().Format("2006-01-02T15:04:05"),
			"request-id":        id,
			"client-request-id": x.r.Header.Get("client-request-id"),
		},
	}})
}
