package standin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"
)

// Fault is one way to misbehave. Without Status, Body and HangUp the answer is the right one, but late
// or damaged as the other fields say.
type Fault struct {
	Endpoint    Endpoint `json:"endpoint,omitempty"`    // empty means any
	Times       int      `json:"times,omitempty"`       // how many requests it strikes; 0 means until ClearFaults
	DelayMS     int      `json:"delayMs,omitempty"`     // milliseconds before the answer
	HangUp      bool     `json:"hangUp,omitempty"`      // closes the connection without an answer
	Status      int      `json:"status,omitempty"`      // answers this status and an error
	RetryAfter  string   `json:"retryAfter,omitempty"`  // with Status: the header's value, seconds or an HTTP date
	Challenge   string   `json:"challenge,omitempty"`   // with Status: the value of WWW-Authenticate, see ClaimsChallenge
	Body        string   `json:"body,omitempty"`        // answers this text in place of JSON that makes sense
	ContentType string   `json:"contentType,omitempty"` // of Body; empty means application/json
	Stale       bool     `json:"stale,omitempty"`       // presence: as it was before its last change, sequence number too
	NoSequence  bool     `json:"noSequence,omitempty"`  // presence: without sequence numbers
	Omit        int      `json:"omit,omitempty"`        // presence: leaves out so many of the users asked for
}

// ClaimsChallenge is the WWW-Authenticate value that asks for a new token with claims (Continuous
// Access Evaluation). Unquoted it is malformed in a way that some clients do not survive.
func ClaimsChallenge(quoted bool) string {
	const claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ=="
	const bearer = `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims=`
	if quoted {
		return bearer + `"` + claims + `"`
	}
	return bearer + claims
}

// Inject adds a fault. Of several that fit a request the one added first strikes.
func (c *Cloud) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &f)
}

// ClearFaults behaves again.
func (c *Cloud) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// takeFault returns the fault that strikes a request now, the zero Fault if none does.
func (c *Cloud) takeFault(e Endpoint) Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.faults, func(f *Fault) bool { return f.Endpoint == "" || f.Endpoint == e })
	if at < 0 {
		return Fault{}
	}
	f := c.faults[at]
	switch f.Times {
	case 0:
	case 1:
		c.faults = slices.Delete(c.faults, at, at+1)
	default:
		f.Times--
	}
	return *f
}

// wait delays the answer; it returns false if the client went away meanwhile.
func (f *Fault) wait(ctx context.Context) bool {
	if f.DelayMS == 0 {
		return true
	}
	late := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
	defer late.Stop()
	select {
	case <-late.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *Fault) answers() bool { return f.Status != 0 || f.Body != "" }

func (f *Fault) answer(x *exchange) {
	if f.RetryAfter != "" {
		x.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Challenge != "" {
		x.Header().Set("WWW-Authenticate", f.Challenge)
	}
	status := cmp.Or(f.Status, http.StatusOK)
	switch {
	case f.Body != "":
		x.Header().Set("Content-Type", cmp.Or(f.ContentType, "application/json"))
		x.WriteHeader(status)
		// A client that went away is not told.
		_, _ = x.Write([]byte(f.Body))
	case x.entry.Endpoint == Token || x.entry.Endpoint == Discovery:
		entraError(x, status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
	default:
		graphError(x, status, faultCode(status), http.StatusText(status))
	}
}

func faultCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "InvalidAuthenticationToken"
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusBadRequest:
		return "BadRequest"
	}
	return "ServiceUnavailable"
}
