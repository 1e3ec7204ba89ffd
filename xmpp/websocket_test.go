package xmpp

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/xmpp/admission"
)

// webClient is a client of a browser: it says just what it is told to, a message at a time.
type webClient struct{ ws *websocket.Conn }

// web serves the server's WebSocket as if it were behind a proxy.
func (w *world) web() string {
	s := httptest.NewServer(w.server.WebSocket(true))
	w.t.Cleanup(s.Close)
	return s.URL
}

func openPage(ctx context.Context, address string) (*webClient, error) {
	ws, answer, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"Origin": {"https://chat.example.net"}},
	})
	if err != nil {
		return nil, err
	}
	if answer.Body != nil {
		answer.Body.Close()
	}
	if ws.Subprotocol() != "xmpp" {
		return nil, fmt.Errorf("subprotocol %q", ws.Subprotocol())
	}
	ws.SetReadLimit(1 << 20)
	return &webClient{ws}, nil
}

func (p *webClient) Close() error {
	_ = p.ws.CloseNow() // the server may have closed it
	return nil
}

func (p *webClient) Send(ctx context.Context, message string) error {
	return p.ws.Write(ctx, websocket.MessageText, []byte(message))
}

// Receive also checks that a message stands by itself (RFC 7395 §3.3.3).
func (p *webClient) Receive(ctx context.Context) (string, error) {
	kind, b, err := p.ws.Read(ctx)
	switch {
	case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
		return "", io.EOF
	case err != nil:
		return "", err
	case kind != websocket.MessageText:
		return "", fmt.Errorf("message of type %v", kind)
	}
	d := xml.NewDecoder(strings.NewReader(string(b)))
	top, err := d.Token()
	if err != nil {
		return "", fmt.Errorf("%w in %s", err, b)
	}
	if el, ok := top.(xml.StartElement); !ok || !strings.Contains(el.Name.Space, ":") {
		return "", fmt.Errorf("%s has no namespace of its own", b)
	}
	if err := d.Skip(); err != nil {
		return "", fmt.Errorf("%w in %s", err, b)
	}
	if rest, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%v behind the element in %s", rest, b)
	}
	return string(b), nil
}

// streamOpen begins a stream.
const streamOpen = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + testDomain + "' version='1.0'/>"

// login signs in; resource may be empty.
func (p *webClient) login(ctx context.Context, login, resource string) error {
	for _, step := range []struct{ send, want string }{
		{streamOpen, "<stream:features"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainOf(login) + "</auth>", "<success"},
		{streamOpen, "<stream:features"},
		{"<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>", "<jid>"},
	} {
		if err := p.Send(ctx, step.send); err != nil {
			return err
		}
		if _, err := p.until(ctx, step.want); err != nil {
			return err
		}
	}
	return nil
}

// until receives up to the message that contains a text.
func (p *webClient) until(ctx context.Context, want string) (string, error) {
	for {
		got, err := p.Receive(ctx)
		if err != nil {
			return "", fmt.Errorf("%w while waiting for %s", err, want)
		}
		if strings.Contains(got, want) {
			return got, nil
		}
	}
}

func plainOf(login string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00Secret12"))
}

func TestWebSocketConversations(t *testing.T) {
	byTCP := regexp.MustCompile(`^(\w+) by TCP (sends|receives) (.+)$`)
	script.Run(t, "testdata/websocket/*.script", func(t *testing.T) *script.Runner {
		w := start(t)
		address := w.web()
		others := map[string]*client{}
		return &script.Runner{
			Dialect: script.XMPP(),
			Vars:    script.Vars{"anna": plainOf("anna"), "wrong": base64.StdEncoding.EncodeToString([]byte("\x00anna\x00wrong"))},
			Connect: func(ctx context.Context, _ script.Client) (script.Transport, error) { return openPage(ctx, address) },
			Do: func(_ context.Context, words string) error {
				m := byTCP.FindStringSubmatch(words)
				if m == nil {
					return fmt.Errorf("no such deed: %s", words)
				}
				c := others[m[1]]
				if c == nil {
					c = w.must(m[1], "tcp")
					others[m[1]] = c
				}
				if m[2] == "sends" {
					c.send(t, m[3])
				} else {
					c.expect(t, m[3])
				}
				return nil
			},
		}
	})
}

// TestWebSocketHostile sends what is no message of RFC 7395: the client is told why, and it ends.
func TestWebSocketHostile(t *testing.T) {
	ping := "<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"
	text := func(s string) func(context.Context, *webClient) error {
		return func(ctx context.Context, p *webClient) error { return p.Send(ctx, s) }
	}
	for name, tt := range map[string]struct {
		before bool // login
		do     func(context.Context, *webClient) error
		want   string
	}{
		"binary": {do: func(ctx context.Context, p *webClient) error {
			return p.ws.Write(ctx, websocket.MessageBinary, []byte(ping))
		}, want: "<bad-format"},
		"two stanzas in one message": {do: text(ping + ping), want: "<bad-format"},
		"half a stanza":              {do: text("<message xmlns='jabber:client'>"), want: "<not-well-formed"},
		"the stream of TCP":          {before: true, do: text(streamHeader), want: "<restricted-xml"},
		"unknown framing":            {do: text("<shut xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"), want: "<invalid-namespace"},
		"a second open":              {do: text(streamOpen), want: "<stream:error"},
		"entity":                     {do: text("<!DOCTYPE x><message xmlns='jabber:client'/>"), want: "<restricted-xml"},
		"not UTF-8":                  {do: text("<message xmlns='jabber:client'><body>\xff</body></message>"), want: "<stream:error"},
		"oversize":                   {do: text("<message xmlns='jabber:client'><body>" + strings.Repeat("x", 20<<10) + "</body></message>"), want: "<policy-violation"},
		"oversize before login":      {before: true, do: text("<auth xmlns='urn:x'>" + strings.Repeat("x", 80<<10) + "</auth>"), want: "<policy-violation"},
		"big element before login": {before: true, do: func(ctx context.Context, p *webClient) error {
			return errors.Join(text(streamOpen)(ctx, p), text("<auth xmlns='urn:x'>"+strings.Repeat("x", 40<<10)+"</auth>")(ctx, p))
		}, want: "<policy-violation"},
		"stanza before login": {before: true, do: text(ping), want: "<stream:error"},
		"a message that never ends": {do: func(ctx context.Context, p *webClient) error {
			return fragments(ctx, p, "<message xmlns='jabber:client'>", 200)
		}, want: "<connection-timeout"},
		"nothing said":                {before: true, do: func(context.Context, *webClient) error { return nil }, want: "<connection-timeout"},
		"nothing said behind an open": {before: true, do: text(streamOpen), want: "<connection-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *Config) {
				c.MaxStanza, c.StanzaTimeout, c.NegotiateTimeout = 16<<10, 100*time.Millisecond, 500*time.Millisecond
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			p, err := openPage(ctx, w.web())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if !tt.before {
				if err := p.login(ctx, "anna", "web"); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.do(ctx, p); err != nil {
				t.Fatal(err)
			}
			if _, err := p.until(ctx, tt.want); err != nil {
				t.Error(err)
			}
			if _, err := p.until(ctx, "<close"); err != nil {
				t.Error(err)
			}
			if got, err := p.Receive(ctx); !errors.Is(err, io.EOF) {
				t.Errorf("got %s, %v, want the end", got, err)
			}
		})
	}
}

// fragments begins a message of n frames without an end.
func fragments(ctx context.Context, p *webClient, text string, n int) error {
	m, err := p.ws.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for range n {
		if _, err := io.WriteString(m, text); err != nil {
			return err
		}
	}
	return nil
}

func TestWebSocketMessageInFragments(t *testing.T) {
	w := start(t)
	p, err := openPage(t.Context(), w.web())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.login(t.Context(), "anna", "web"); err != nil {
		t.Fatal(err)
	}
	m, err := p.ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []byte("<iq xmlns='jabber:client' type='get' id='f'><ping xmlns='urn:xmpp:ping'/></iq>") {
		if _, err := m.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.until(t.Context(), "id='f'"); err != nil {
		t.Error(err)
	}
}

func TestWebSocketNeedsItsSubprotocol(t *testing.T) {
	w := start(t)
	_, answer, err := websocket.Dial(t.Context(), w.web(), nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, %v", answer, err)
	}
}

// TestWebSocketWithoutTLS is a listener without TLS that no proxy protects: passwords are not taken there.
func TestWebSocketWithoutTLS(t *testing.T) {
	w := start(t)
	s := httptest.NewServer(w.server.WebSocket(false))
	defer s.Close()
	p, err := openPage(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(t.Context(), streamOpen); err != nil {
		t.Fatal(err)
	}
	got, err := p.until(t.Context(), "<stream:features")
	if err != nil || strings.Contains(got, "<mechanism") {
		t.Errorf("got %s, %v", got, err)
	}
	if err := p.Send(t.Context(), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+plainOf("anna")+"</auth>"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.until(t.Context(), "<encryption-required"); err != nil {
		t.Error(err)
	}
}

// TestWebSocketHalfOpen holds connections of one address without logging in.
func TestWebSocketHalfOpen(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxHalfOpen = 3 })
	address := w.web()
	for range 3 {
		p, err := openPage(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
	}
	_, answer, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the fourth: %v, %v", answer, err)
	}
	far, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.9, 192.0.2.7"}},
	})
	if err != nil {
		t.Fatalf("another address: %v", err)
	}
	defer far.CloseNow() //nolint:errcheck // the end of the test
}

// TestWebSocketOffline cuts a client off with messages in its queue: they are kept.
func TestWebSocketOffline(t *testing.T) {
	w := start(t, func(c *Config) { c.WriteTimeout = 300 * time.Millisecond })
	p, err := openPage(t.Context(), w.web())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.login(t.Context(), "ben", "web"); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), "<presence xmlns='jabber:client'/>"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.until(t.Context(), "<presence"); err != nil {
		t.Fatal(err)
	}
	from := w.must("anna", "a")
	body := strings.Repeat("x", 60<<10)
	for sent := 0; w.server.router.session([]byte("ben@example.org/web")) != nil; sent++ {
		from.send(t, fmt.Sprintf("<message to='ben@example.org' type='chat' id='n%d'><body>%s</body></message>", sent, body))
		if sent > 1000 {
			t.Fatal("a client that does not read keeps its session")
		}
	}
	waitFor(t, "messages to be kept", func() bool { n, _, _ := w.store.CountOffline(t.Context(), ben); return n > 0 })
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestWebSocketAtOuterGate: clients that are signed in do not count against their address at the gate of the HTTP server, as those
// of a whole office behind one address must not.
func TestWebSocketAtOuterGate(t *testing.T) {
	w := start(t)
	gate := admission.New(100, 3)
	s := httptest.NewUnstartedServer(w.server.WebSocket(true))
	s.Listener, s.Config.ConnContext = gate.Listen(s.Listener, nil), admission.Context
	s.Start()
	t.Cleanup(s.Close)
	for i := range 6 {
		p, err := openPage(t.Context(), s.URL)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		defer p.Close()
		if err := p.login(t.Context(), "anna", fmt.Sprint(i)); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
}
