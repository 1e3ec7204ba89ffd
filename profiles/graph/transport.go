package graph

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	nethttplibrary "github.com/microsoft/kiota-http-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	requestTimeout = 20 * time.Second
	maxAnswer      = 16 << 20 // bytes; 650 presences with long status messages are below 1 MiB
	maxErrorAnswer = 64 << 10 // bytes that are looked at
)

// newTransport connects to Microsoft, through the proxy that the environment names.
func newTransport(cfg *Config) (http.RoundTripper, error) {
	if cfg.transport != nil {
		return limited{cfg.transport}, nil
	}
	roots, err := roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return limited{&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: requestTimeout,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		// Without pings a connection that died silently would time out one poll after the other.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}}, nil
}

func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // a nil pool means the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, uc.FieldError(uc.ErrInvalid, "caFile", "reading %s: %v", file, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, uc.FieldError(uc.ErrInvalid, "caFile", "%s holds no certificate", file)
	}
	return pool, nil
}

// graphClient is the HTTP client of the SDK, with a fixed list of middleware. The SDK's default list
// stands in random order and breaks retried requests; we retry in our own time and compress nothing.
func graphClient(transport http.RoundTripper) *http.Client {
	options := &msgraphcore.GraphClientOptions{GraphServiceLibraryVersion: "1.89.0"}
	return &http.Client{
		Transport: nethttplibrary.NewCustomTransportWithParentTransport(transport,
			msgraphcore.NewGraphTelemetryHandler(options), tidy{}),
		CheckRedirect: noRedirect,
		Timeout:       requestTimeout,
	}
}

// entraClient is the HTTP client of azidentity.
func entraClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: noRedirect, Timeout: requestTimeout}
}

// noRedirect keeps tokens and secrets from being sent on to somewhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// limited bounds the answers.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

var errAnswerTooLong = fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)

// boundedBody fails where io.LimitReader would pass a cut answer for a whole one.
type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errAnswerTooLong
	}
	return n, err
}

// tidy is middleware that gives failed answers the one form in which the SDK keeps their status and
// headers. It loses both when an error is not JSON (a proxy's 502), and panics when the claims of a
// challenge are not quoted.
type tidy struct{}

// Intercept implements nethttplibrary.Middleware.
func (tidy) Intercept(pipeline nethttplibrary.Pipeline, index int, req *http.Request) (*http.Response, error) {
	resp, err := pipeline.Next(req, index)
	if err != nil || resp.StatusCode < http.StatusMultipleChoices {
		return resp, err
	}
	if resp.StatusCode < http.StatusBadRequest {
		resp.Body.Close()
		return nil, errors.New("Graph redirects to " + resp.Header.Get("Location")) //nolint:staticcheck // a name
	}
	if resp.StatusCode == http.StatusUnauthorized {
		quoteClaims(resp.Header)
	}
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer)) // what was read of it will do
	resp.Body.Close()
	raw = odataError(raw)
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	resp.ContentLength = int64(len(raw))
	resp.Header.Set("Content-Length", strconv.Itoa(len(raw)))
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// odataError reduces an error to its code and message, both empty if there are none.
func odataError(raw []byte) []byte {
	type main struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var body struct {
		Error main `json:"error"`
	}
	if json.Unmarshal(raw, &body) != nil {
		body.Error = main{}
	}
	// Two texts can always be written as JSON.
	raw, _ = json.Marshal(body)
	return raw
}

var unquotedClaims = regexp.MustCompile(`(?i)\bclaims=([^\s",]+)`)

func quoteClaims(h http.Header) {
	if challenge := h.Get("WWW-Authenticate"); challenge != "" {
		h.Set("WWW-Authenticate", unquotedClaims.ReplaceAllString(challenge, `claims="$1"`))
	}
}
