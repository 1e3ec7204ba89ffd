package negotiate_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

const (
	bindRequest = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>desk</resource></bind></iq>"
	anna        = "\x00anna\x00" + password
)

func auth(message string) string {
	return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.StdEncoding.EncodeToString([]byte(message)) + "</auth>"
}

// Some clients say everything at once; nothing may get lost.
func TestPipelining(t *testing.T) {
	s := serve(t, config())
	w := openTLS(t, s, clientTLS())
	w.send(t, auth(anna)+header+bindRequest+"<presence/><message><bo")
	o := s.outcome(t)
	if o.err != nil {
		t.Fatal(o.err)
	}
	w.send(t, "dy/></message>")
	got := o.bound.Rest
	for len(got) < len("<presence/><message><body/></message>") {
		var chunk [64]byte
		n, err := o.bound.Conn.Read(chunk[:])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, chunk[:n]...)
	}
	if string(got) != "<presence/><message><body/></message>" {
		t.Errorf("left over: %s", got)
	}
}

// go-xmpp (go-sendxmpp) ends <starttls/> with a line end.
func TestLineEndBeforeTLS(t *testing.T) {
	s := serve(t, config())
	w := openPlain(t, s)
	w.send(t, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\r\n")
	if got := w.receive(t); !strings.HasPrefix(got, "<proceed") {
		t.Fatal(got)
	}
	w.Conn = tls.Client(w.Conn, clientTLS())
	w.open(t)
}

// pipe runs Accept on one end of a pipe, in a bubble where time passes by itself.
func pipe(ctx context.Context, cfg *negotiate.Config) (net.Conn, chan error) {
	client, conn := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := negotiate.Accept(ctx, conn, cfg)
		done <- err
	}()
	return client, done
}

// readAll reads until the other side closes.
func readAll(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		client, done := pipe(t.Context(), config())
		if text := readAll(t, client); !strings.Contains(text, "<stream:error><connection-timeout") || !strings.HasSuffix(text, "</stream:stream>") {
			t.Errorf("told %s", text)
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A client that drips bytes does not live longer than a silent one.
func TestDrippingClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, done := pipe(t.Context(), config())
		var dripping sync.WaitGroup
		defer dripping.Wait()
		defer client.Close()
		dripping.Go(func() {
			for {
				time.Sleep(time.Second)
				if _, err := client.Write([]byte(" ")); err != nil {
					return
				}
			}
		})
		_ = readAll(t, client)
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client, done := pipe(ctx, config())
		synctest.Wait()
		cancel()
		_ = readAll(t, client)
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestClientGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, done := pipe(t.Context(), config())
		client.Close()
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

// A second connection resumes TLS, which spares the signature, and binds the channel all the same.
func TestResumedTLS(t *testing.T) {
	s := serve(t, config())
	cfg := clientTLS()
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(2)
	for _, resumed := range []bool{false, true} {
		w := openTLS(t, s, cfg)
		state := w.Conn.(*tls.Conn).ConnectionState()
		if state.DidResume != resumed {
			t.Errorf("resumed: %v, want %v", state.DidResume, resumed)
		}
		data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			t.Fatal(err)
		}
		c := try{mechanism: "SCRAM-SHA-1-PLUS", hash: sha1.New, flag: "p=tls-exporter", binding: data}
		if name, text, _ := c.run(t, w); name != "success" {
			t.Error(name, text)
		}
		c.flag, c.binding = "p=tls-server-end-point", hashed(string(state.PeerCertificates[0].Raw))
		if name, text, _ := c.run(t, openTLS(t, s, cfg)); name != "success" {
			t.Error(name, text)
		}
	}
}

// Whitespace is no stanza, but it counts.
func TestTooMuchBeforeLogin(t *testing.T) {
	s := serve(t, config())
	w := openPlain(t, s)
	w.send(t, strings.Repeat(" ", 70<<10))
	if got := w.receive(t); !strings.Contains(got, "<policy-violation") {
		t.Error(got)
	}
	if o := s.outcome(t); o.err == nil {
		t.Error("accepted")
	}
}

// limiter lets everything pass after the wait and notes what it is told.
type limiter struct {
	wait  time.Duration
	mu    sync.Mutex
	calls []string
}

func (l *limiter) note(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

func (l *limiter) Allow(a netip.Addr, login string) time.Duration {
	l.note("allow " + a.String() + " " + login)
	return l.wait
}
func (l *limiter) Failed(_ netip.Addr, login string)    { l.note("failed " + login) }
func (l *limiter) Succeeded(_ netip.Addr, login string) { l.note("succeeded " + login) }

func TestLimiterIsAsked(t *testing.T) {
	cfg, l := config(), &limiter{wait: time.Millisecond}
	cfg.Limiter = l
	w := openTLS(t, serve(t, cfg), clientTLS())
	for _, c := range []struct{ message, want string }{{"\x00Anna\x00wrong", "<not-authorized"}, {"\x00nobody\x00x", "<not-authorized"},
		{"\x00anna\x00" + password[:3] + "\u00ad" + password[3:], "<success"}} { // as it is after RFC 4013
		w.send(t, auth(c.message))
		if got := w.receive(t); !strings.Contains(got, c.want) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	const want = "allow 127.0.0.1 anna,failed anna,allow 127.0.0.1 nobody,failed nobody,allow 127.0.0.1 anna,succeeded anna"
	if got := strings.Join(l.calls, ","); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestLimiterRefuses(t *testing.T) {
	cfg := config()
	cfg.Limiter = &limiter{wait: time.Minute}
	w := openTLS(t, serve(t, cfg), clientTLS())
	w.send(t, auth(anna))
	if got := w.receive(t); !strings.Contains(got, "<temporary-auth-failure") {
		t.Error(got)
	}
}

// TestRefusalsAreLogged holds what an administrator, or a program that blocks addresses, reads in the log.
func TestRefusalsAreLogged(t *testing.T) {
	for name, c := range map[string]struct {
		limiter  negotiate.Limiter
		messages []string
		want     string // of the log; empty: nothing
	}{
		"right at once":      {messages: []string{anna}},
		"wrong":              {messages: []string{"\x00Anna\x00wrong"}, want: `account=anna address=127.0.0.1 attempts=1 cause="SASL failure not-authorized: wrong login or password"`},
		"wrong, then right":  {messages: []string{"\x00anna\x00wrong", "\x00anna\x00worse", anna}, want: "account=anna address=127.0.0.1 attempts=2 "},
		"password as login":  {messages: []string{"\x00opensesame\x00x"}, want: "account=unknown address=127.0.0.1 attempts=1 "},
		"no password here":   {messages: []string{"\x00guest\x00x"}, want: `account=guest address=127.0.0.1 attempts=1 cause="there is no password of this account to check against"`},
		"too often":          {limiter: &limiter{wait: time.Minute}, messages: []string{anna}, want: `attempts=1 cause="SASL failure temporary-auth-failure: too many attempts, try again later"`},
		"not what was asked": {messages: []string{"no PLAIN message"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cfg := config()
			cfg.Accounts.(*accounts).set("guest", uc.PasswordKeys{})
			cfg.Limiter, cfg.Log = c.limiter, slog.New(slog.NewTextHandler(&out, nil))
			s := serve(t, cfg)
			w := openTLS(t, s, clientTLS())
			for _, m := range c.messages {
				w.send(t, auth(m))
				w.receive(t)
			}
			w.Conn.Close()
			<-s.outcomes
			switch got := out.String(); {
			case c.want == "" && got == "", c.want != "" && strings.Count(got, "\n") == 1 && strings.Contains(got, "level=WARN msg=\"xmpp: sign-in refused\" ") && strings.Contains(got, c.want):
			default:
				t.Errorf("the log says %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzAccept holds that whatever a client sends, Accept ends, and what it says is XML.
func FuzzAccept(f *testing.F) {
	f.Add(header + auth(anna) + header + bindRequest)
	f.Add(header + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hbm5hLHI9eA==</auth>" +
		"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9eCxwPXg=</response>")
	f.Add(header + "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>" + base64.StdEncoding.EncodeToString([]byte(anna)) +
		"</initial-response><user-agent id='" + phone + "'/><bind xmlns='urn:xmpp:bind:0'><tag>x</tag><a xmlns='urn:example:shout:1'/></bind>" +
		"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate><presence/>")
	f.Add(header + "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><initial-response>YW5uYQB4</initial-response>" +
		"<user-agent id='" + phone + "'/><fast xmlns='urn:xmpp:fast:0' count='1'/></authenticate><abort xmlns='urn:xmpp:sasl:2'/>")
	f.Add(header + "<iq/>")
	f.Add("<stream:stream")
	f.Add(header + "</stream:stream>")
	f.Fuzz(func(t *testing.T, input string) {
		cfg := config()
		cfg.Secured = true
		client, conn := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if b, err := negotiate.Accept(t.Context(), conn, cfg); err == nil {
				b.Conn.Close()
			}
		}()
		go func() {
			_, _ = io.WriteString(client, input) // fails when the server has had enough
			_, _ = io.WriteString(client, "</stream:stream>")
			// An input that ends inside an element makes the server wait for more.
			_ = client.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		}()
		said, _ := io.ReadAll(client)
		client.Close()
		<-done
		if i := strings.LastIndex(string(said), "<stream:error>"); i >= 0 && !strings.HasSuffix(string(said), "</stream:error></stream:stream>") {
			t.Errorf("said %s", said)
		}
	})
}
