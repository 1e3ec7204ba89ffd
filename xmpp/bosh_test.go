package xmpp

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
)

// boshPage is a client of a browser that sends the bodies it is told to, each in a request of its own, and
// takes the answers in the order of its requests.
type boshPage struct {
	address string
	answers []chan boshReply
}

type boshReply struct {
	status int
	body   string
	err    error
}

// bosh serves the server's BOSH as if it were behind a proxy.
func (w *world) bosh() string {
	s := httptest.NewServer(w.server.BOSH(true))
	w.t.Cleanup(s.Close)
	return s.URL
}

func (p *boshPage) Send(ctx context.Context, body string) error {
	answer := make(chan boshReply, 1)
	p.answers = append(p.answers, answer)
	go func() { answer <- postBOSH(ctx, p.address, body) }()
	return nil
}

func postBOSH(ctx context.Context, address, body string) boshReply {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return boshReply{err: err}
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return boshReply{err: err}
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return boshReply{got.StatusCode, string(text), err}
}

func (p *boshPage) Receive(ctx context.Context) (string, error) {
	if len(p.answers) == 0 {
		return "", io.EOF
	}
	select {
	case a := <-p.answers[0]:
		p.answers = p.answers[1:]
		if a.err == nil && a.status != http.StatusOK {
			a.err = fmt.Errorf("status %d: %s", a.status, a.body)
		}
		return a.body, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (p *boshPage) Close() error { return nil }

func TestBOSHConversations(t *testing.T) {
	byTCP := regexp.MustCompile(`^(\w+) by TCP (sends|receives) (.+)$`)
	script.Run(t, "testdata/bosh/*.script", func(t *testing.T) *script.Runner {
		w := start(t)
		address := w.bosh()
		others := map[string]*client{}
		return &script.Runner{
			Dialect: script.XMPP(),
			Vars:    script.Vars{"anna": plainOf("anna"), "wrong": base64.StdEncoding.EncodeToString([]byte("\x00anna\x00wrong"))},
			Connect: func(context.Context, script.Client) (script.Transport, error) {
				return &boshPage{address: address}, nil
			},
			Do: func(_ context.Context, words string) error {
				m := byTCP.FindStringSubmatch(words)
				if m == nil {
					return w.do(words)
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

// boshOpen begins a session.
const boshOpen = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='" + testDomain + "' ver='1.6' hold='1' wait='60'/>"

// directBOSH sends requests to a handler without a network, so that time can be virtual.
type directBOSH struct {
	t       *testing.T
	handler http.Handler
	sid     string
	rid     int
}

func (p *directBOSH) post(body string) chan string {
	answer := make(chan string, 1)
	go func() {
		rec := httptest.NewRecorder()
		p.handler.ServeHTTP(rec, httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, "/http-bind", strings.NewReader(body)))
		answer <- rec.Body.String()
	}()
	synctest.Wait()
	return answer
}

// ask sends content and returns the answer that it leads to.
func (p *directBOSH) ask(attrs, content string) chan string {
	p.rid++
	return p.post(fmt.Sprintf("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='%d' sid='%s' %s>%s</body>", p.rid, p.sid, attrs, content))
}

func (p *directBOSH) login(user, resource string) {
	p.t.Helper()
	first := <-p.post(boshOpen)
	_, after, _ := strings.Cut(first, " sid='")
	p.sid, _, _ = strings.Cut(after, "'")
	p.rid = 1
	for _, step := range []struct{ attrs, say, want string }{
		{"", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainOf(user) + "</auth>", "<success"},
		{"xmpp:restart='true'", "", "<bind"},
		{"", "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>", "<jid>"},
	} {
		if got := <-p.ask(step.attrs, step.say); !strings.Contains(got, step.want) {
			p.t.Fatalf("got %s, want %s", got, step.want)
		}
	}
}

// TestBOSHOffline is a page that was closed without a word: what it did not fetch is kept.
func TestBOSHOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		defer w.end(t)
		p := &directBOSH{t: t, handler: w.server.BOSH(true)}
		p.login("anna", "web")
		if got := <-p.ask("", "<presence xmlns='jabber:client'/>"); !strings.Contains(got, "from='anna@example.org/web'") {
			t.Errorf("got %s", got)
		}
		for _, text := range []string{"one", "two"} {
			if err := w.server.SendMessage(t.Context(), "anna@example.org", text); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Second)
		if n, _, _ := w.store.CountOffline(t.Context(), anna); n != 0 || len(w.server.Sessions()) != 1 {
			t.Errorf("%d messages kept, sessions %v", n, w.server.Sessions())
		}
		time.Sleep(2 * time.Second)
		if n, _, _ := w.store.CountOffline(t.Context(), anna); n != 2 || len(w.server.Sessions()) != 0 {
			t.Errorf("%d messages kept, sessions %v", n, w.server.Sessions())
		}
	})
}

// TestBOSHShutdown tells a page that waits, and one that does not, of the server's end.
func TestBOSHShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		handler := w.server.BOSH(true)
		waits, away := &directBOSH{t: t, handler: handler}, &directBOSH{t: t, handler: handler}
		waits.login("anna", "a")
		away.login("anna", "b")
		answer := waits.ask("", "")
		w.end(t)
		for _, got := range []string{<-answer, <-away.ask("", "")} {
			if !strings.Contains(got, "type='terminate'") || !strings.Contains(got, "<system-shutdown") {
				t.Errorf("got %s", got)
			}
		}
		if got := <-waits.post(boshOpen); !strings.Contains(got, "type='terminate'") {
			t.Errorf("a new session is answered %s", got)
		}
	})
}

// TestBOSHStreamManagement is a page that comes back after its session was lost (XEP-0198 §5).
func TestBOSHStreamManagement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, uc.NewDirectory(1, company()))
		defer w.end(t)
		handler := w.server.BOSH(true)
		p := &directBOSH{t: t, handler: handler}
		p.login("anna", "web")
		enabled := <-p.ask("", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
		_, after, _ := strings.Cut(enabled, " id='")
		token, _, _ := strings.Cut(after, "'")
		time.Sleep(2 * time.Minute)
		if list := w.server.Sessions(); len(list) != 1 || !list[0].Detached {
			t.Fatalf("sessions %+v after %s", list, enabled)
		}
		if err := w.server.SendMessage(t.Context(), "anna@example.org/web", "meanwhile"); err != nil {
			t.Fatal(err)
		}
		again := &directBOSH{t: t, handler: handler, rid: 1}
		first := <-again.post(boshOpen)
		_, after, _ = strings.Cut(first, " sid='")
		again.sid, _, _ = strings.Cut(after, "'")
		<-again.ask("", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+plainOf("anna")+"</auth>")
		<-again.ask("xmpp:restart='true'", "")
		got := <-again.ask("", "<resume xmlns='urn:xmpp:sm:3' h='0' previd='"+token+"'/>")
		if !strings.Contains(got, "<resumed") || !strings.Contains(got, "meanwhile") {
			t.Errorf("got %s", got)
		}
	})
}

// TestBOSHWithoutTLS is a listener without TLS that no proxy protects: passwords are not taken there.
func TestBOSHWithoutTLS(t *testing.T) {
	w := start(t)
	s := httptest.NewServer(w.server.BOSH(false))
	defer s.Close()
	got := postBOSH(t.Context(), s.URL, boshOpen)
	if got.err != nil || !strings.Contains(got.body, "<stream:features") || strings.Contains(got.body, "<mechanism") {
		t.Errorf("got %+v", got)
	}
}

// TestBOSHHalfOpen holds sessions of one address without logging in.
func TestBOSHHalfOpen(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxHalfOpen = 3 })
	address := w.bosh()
	for range 3 {
		if got := postBOSH(t.Context(), address, boshOpen); got.status != http.StatusOK || !strings.Contains(got.body, " sid='") {
			t.Fatalf("got %+v", got)
		}
	}
	if got := postBOSH(t.Context(), address, boshOpen); got.status != http.StatusServiceUnavailable {
		t.Errorf("the fourth: %+v", got)
	}
}
