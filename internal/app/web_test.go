package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// run starts a server and returns the address of its HTTP listener.
func run(t *testing.T, cfg Config) string {
	t.Helper()
	return strings.TrimSuffix(runApp(t, cfg).Info().Web, "/")
}

// runApp starts a server that stops with the test.
func runApp(t *testing.T, cfg Config) *App {
	t.Helper()
	a, err := New(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a
}

// browser is an HTTP client that takes the self-signed certificate.
type browser struct {
	t    *testing.T
	http *http.Client
	base string
}

func newBrowser(t *testing.T, base string, http2 bool) *browser {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2} //nolint:gosec // see the type
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, &http.Client{Transport: transport, Timeout: 30 * time.Second}, base}
}

// ask makes a request of a page of another origin.
func (b *browser) ask(method, path, body string, header ...string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Origin", "https://chat.example.net")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := b.http.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got, string(text)
}

// wants checks the status and headers of an answer.
func (b *browser) wants(what string, got *http.Response, status int, header ...string) {
	b.t.Helper()
	if got.StatusCode != status {
		b.t.Errorf("%s: status %d, want %d", what, got.StatusCode, status)
	}
	for i := 0; i < len(header); i += 2 {
		if is := got.Header.Get(header[i]); is != header[i+1] {
			b.t.Errorf("%s: %s is %q, want %q", what, header[i], is, header[i+1])
		}
	}
}

const boshOpen = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' ver='1.6' hold='1' wait='5'/>"

// TestChatClientsInBrowsers finds everything that chat clients use by HTTP on the server as it is really
// built, with TLS of its own and without.
func TestChatClientsInBrowsers(t *testing.T) {
	for name, tt := range map[string]struct{ plain, http2 bool }{
		"behind a proxy": {plain: true}, "TLS": {}, "HTTP/2": {http2: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := loopback(t)
			cfg.HTTP.Plain = tt.plain
			cfg.Upload = UploadConfig{MaxFile: 1000, Quota: 10000, Keep: time.Hour}
			base := run(t, cfg)
			b := newBrowser(t, base, tt.http2)
			public := strings.Replace(base, "127.0.0.1", "localhost", 1)
			webSocket := "ws" + strings.TrimPrefix(public, "http") + "/xmpp-websocket"
			open := []string{"Access-Control-Allow-Origin", "*", "X-Content-Type-Options", "nosniff"}

			got, text := b.ask("GET", "/.well-known/host-meta", "")
			b.wants("host-meta", got, 200, append([]string{"Content-Type", "application/xrd+xml"}, open...)...)
			for _, want := range []string{
				`rel="urn:xmpp:alt-connections:websocket" href="` + webSocket + `"`, `rel="urn:xmpp:alt-connections:xbosh" href="` + public + `/http-bind"`,
			} {
				if !strings.Contains(text, want) {
					t.Errorf("host-meta is %s, want %s", text, want)
				}
			}
			got, text = b.ask("GET", "/.well-known/host-meta.json", "")
			b.wants("host-meta.json", got, 200, append([]string{"Content-Type", "application/json"}, open...)...)
			var meta struct{ Links []struct{ Rel, Href string } }
			if err := json.Unmarshal([]byte(text), &meta); err != nil || len(meta.Links) != 2 || meta.Links[0].Href != webSocket || meta.Links[1].Href != public+"/http-bind" {
				t.Errorf("%v, host-meta.json is %s", err, text)
			}
			if tt.http2 && got.ProtoMajor != 2 {
				t.Errorf("spoke %s", got.Proto)
			}

			got, _ = b.ask("OPTIONS", "/http-bind", "", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
			b.wants("preflight of BOSH", got, 204, append([]string{"Access-Control-Allow-Methods", "POST, OPTIONS", "Access-Control-Allow-Headers", "Content-Type"}, open...)...)
			for _, path := range []string{"/http-bind", "/http-bind/"} {
				got, text = b.ask("POST", path, boshOpen, "Content-Type", "text/xml; charset=utf-8")
				b.wants("BOSH", got, 200, append([]string{"Content-Type", "text/xml; charset=utf-8"}, open...)...)
				if !strings.Contains(text, " sid='") || !strings.Contains(text, "SCRAM-SHA-256<") {
					t.Errorf("a session of BOSH begins with %s", text)
				}
			}
			got, _ = b.ask("GET", "/http-bind", "")
			b.wants("BOSH by GET", got, 405, open...)

			got, _ = b.ask("GET", "/upload/token/name.txt", "")
			b.wants("a file that is not there", got, 404, open...)
			got, _ = b.ask("OPTIONS", "/upload/token/name.txt", "", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type")
			b.wants("preflight of an upload", got, 204, append([]string{"Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, PUT"}, open...)...)
			got, _ = b.ask("PUT", "/upload/token/name.txt", "hello")
			b.wants("an upload without a slot", got, 404, open...)

			// None of this opens the admin page to other origins.
			got, _ = b.ask("GET", "/", "")
			b.wants("the admin page", got, got.StatusCode, "Access-Control-Allow-Origin", "")

			speaksWebSocket(t, newBrowser(t, base, false))
		})
	}
}

// speaksWebSocket begins a stream over WebSocket.
func speaksWebSocket(t *testing.T, b *browser) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, b.base+"/xmpp-websocket", &websocket.DialOptions{
		HTTPClient: b.http, Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"Origin": {"https://chat.example.net"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow() //nolint:errcheck // the end of the test
	if answer.Body != nil {
		answer.Body.Close()
	}
	if conn.Subprotocol() != "xmpp" {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<open ", "SCRAM-SHA-256<"} {
		_, text, err := conn.Read(ctx)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%v, got %s, want %s", err, text, want)
		}
	}
}

// TestUploadsSwitchedOff has no address for files.
func TestUploadsSwitchedOff(t *testing.T) {
	b := newBrowser(t, run(t, loopback(t)), false)
	got, _ := b.ask("PUT", "/upload/token/name.txt", "hello")
	if got.StatusCode < 400 || got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("status %d, %v", got.StatusCode, got.Header)
	}
}
