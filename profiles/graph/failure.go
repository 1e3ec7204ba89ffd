package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// failureKind is what must be done about a failure.
type failureKind int

const (
	temporary    failureKind = iota // 5xx, timeouts, no connection, answers that make no sense: try again
	throttled                       // 429: keep away for a while
	unauthorized                    // 401 from Graph: get a fresh token, once
	needsAdmin                      // sign-in refused, or no permission: only a person can help
	refused                         // 400: something in the request is wrong, perhaps one object id
)

// failure is an error from Microsoft, with its meaning. Its text holds no secret and may be shown to
// administrators.
type failure struct {
	kind       failureKind
	partial    bool          // temporary, and Graph did answer other requests of the same poll
	fruitless  bool          // Graph answered nothing of the poll
	retryAfter time.Duration // what Microsoft asks for; 0 if nothing
	text       string
}

// Error returns the text.
func (f *failure) Error() string { return f.text }

// classify finds the meaning of an error of the SDK or of azidentity.
func classify(err error) *failure {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f
	}
	if e := (*azidentity.AuthenticationFailedError)(nil); errors.As(err, &e) {
		return signInFailure(e)
	}
	if e := abstractions.ApiErrorable(nil); errors.As(err, &e) {
		return graphFailure(e)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{text: "no answer within " + requestTimeout.String()}
	}
	return &failure{text: err.Error()}
}

// graphFailure reads an error that Graph answered. Its Error method is not called: it panics where
// Graph left the message out.
func graphFailure(e abstractions.ApiErrorable) *failure {
	status := e.GetStatusCode()
	f := &failure{text: fmt.Sprintf("Graph answered %d %s", status, http.StatusText(status))}
	if odata, ok := e.(*odataerrors.ODataError); ok {
		f.text += odataText(odata)
	}
	if h := e.GetResponseHeaders(); h != nil {
		f.retryAfter = retryAfter(first(h.Get("Retry-After")), first(h.Get("Date")), time.Now())
	}
	switch status {
	case http.StatusBadRequest:
		f.kind = refused
	case http.StatusUnauthorized:
		f.kind = unauthorized
	case http.StatusForbidden:
		f.kind = needsAdmin
	case http.StatusTooManyRequests:
		f.kind = throttled
	}
	return f
}

func odataText(e *odataerrors.ODataError) string {
	main := e.GetErrorEscaped()
	if main == nil {
		return ""
	}
	text := ""
	if code := main.GetCode(); code != nil && *code != "" {
		text = ": " + *code
	}
	if message := main.GetMessage(); message != nil && *message != "" {
		text += ": " + firstLine(*message)
	}
	return text
}

// signInFailure reads an error of the token endpoint (RFC 6749 §5.2).
func signInFailure(e *azidentity.AuthenticationFailedError) *failure {
	r := e.RawResponse
	if r == nil {
		return &failure{text: "signing in at Entra: " + oneLine(e.Error())}
	}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if raw, err := runtime.Payload(r); err != nil || json.Unmarshal(raw, &body) != nil {
		body.Description = http.StatusText(r.StatusCode)
	}
	f := &failure{
		retryAfter: retryAfter(r.Header.Get("Retry-After"), r.Header.Get("Date"), time.Now()),
		text:       fmt.Sprintf("Entra answered %d: %s", r.StatusCode, firstLine(body.Description)),
	}
	switch r.StatusCode {
	case http.StatusTooManyRequests:
		f.kind = throttled
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		if body.Error != "temporarily_unavailable" {
			f.kind = needsAdmin
		}
	}
	return f
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// firstLine cuts an error text of Microsoft's to what a person can use: its first line, without the
// numbers for Microsoft's support.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, " Trace ID:")
	return strings.TrimSpace(s)
}

// oneLine brings an error of azidentity, whose cause may stand on its last line, onto one line, without
// the link at its end.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "To troubleshoot, visit")
	return strings.Join(strings.Fields(s), " ")
}
