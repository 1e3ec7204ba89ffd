package component

import (
	"context"
	"io"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	domain = "bot.example.org"
	secret = "open sesame"
	header = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='" + domain + "'>"
)

// desk is a service with what it has handed on and given back.
type desk struct {
	*Service
	mu        sync.Mutex
	delivered []string
	returned  []string
}

func newDesk(change func(*Config)) *desk {
	d := &desk{}
	cfg := Config{
		Secrets: map[string]string{domain: secret}, Log: slog.New(slog.DiscardHandler),
		Deliver: func(_ string, _ scan.Head, raw []byte) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.delivered = append(d.delivered, string(raw))
		},
		Undeliverable: func(_, _ string, raw []byte, cond stanza.Condition) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.returned = append(d.returned, string(cond)+" "+string(raw))
		},
	}
	if change != nil {
		change(&cfg)
	}
	d.Service = New(cfg)
	return d
}

// Send sends what the test has written out.
func (d *desk) Send(sender, to string, raw []byte) {
	head, _, _, err := scan.New(scan.DefaultLimits).Next(raw)
	if err != nil {
		panic(err)
	}
	d.Service.Send(sender, to, head, raw)
}

func (d *desk) back() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.returned)
}

// party is the component's end of a connection that has no buffer: what it does not read blocks the service.
type party struct {
	t    *testing.T
	conn net.Conn
}

// admit serves a connection as that of a listener.
func (d *desk) accept(c net.Conn) bool {
	return d.gate.Enter(admission.AddressOf(c), func(place *admission.Place) {
		d.serving.Go(func() { d.serve(c, place) })
	})
}

func (d *desk) dial(t *testing.T) *party {
	near, far := net.Pipe()
	if !d.accept(far) {
		t.Fatal("the connection was refused")
	}
	return &party{t, near}
}

func (p *party) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, text); err != nil {
		p.t.Fatalf("after %q: %v", text, err)
	}
}

// hear reads until the text has come, and returns all up to it.
func (p *party) hear(text string) string {
	p.t.Helper()
	var got []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(got), text) {
		if _, err := p.conn.Read(one); err != nil {
			p.t.Fatalf("%v after %q, want %q", err, got, text)
		}
		got = append(got, one[0])
	}
	return string(got)
}

// end reads until the service closes.
func (p *party) end() string {
	got, _ := io.ReadAll(p.conn)
	return string(got)
}

func (p *party) signIn() {
	p.t.Helper()
	p.say(header)
	p.hear("?>")
	id := regexp.MustCompile(` id='(\w+)'`).FindStringSubmatch(p.hear(">"))
	p.say("<handshake>" + prove(id[1], secret) + "</handshake>")
	p.hear("<handshake/>")
}

// played runs a test in virtual time with a service, and ends that.
func played(t *testing.T, change func(*Config), play func(*testing.T, *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(change)
		play(t, d)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		d.Shutdown(ctx)
		if all, halfOpen := d.gate.Count(); len(d.conns) > 0 || all != 0 || halfOpen != 0 {
			t.Errorf("%d connections are left, %d counted, %d half open", len(d.conns), all, halfOpen)
		}
	})
}

func TestSilence(t *testing.T) {
	for name, play := range map[string]func(*party){
		"nothing":         func(*party) {},
		"half a header":   func(p *party) { p.say(header[:20]) },
		"no handshake":    func(p *party) { p.say(header); p.hear("?>"); p.hear(">") },
		"half a proof":    func(p *party) { p.say(header); p.hear("?>"); p.hear(">"); p.say("<handshake>a") },
		"half a stanza":   func(p *party) { p.signIn(); p.say("<message from='") },
		"spaces, forever": func(p *party) { p.signIn(); p.say("<message>"); time.Sleep(59 * time.Second); p.say(" ") },
	} {
		t.Run(name, func(t *testing.T) {
			played(t, nil, func(t *testing.T, d *desk) {
				p, began := d.dial(t), time.Now()
				play(p)
				if got := p.end(); !strings.HasSuffix(got, "<connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>") {
					t.Errorf("the end is %q", got)
				}
				if took := time.Since(began); took > 61*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestIdleComponentStays(t *testing.T) {
	played(t, nil, func(t *testing.T, d *desk) {
		p := d.dial(t)
		p.signIn()
		for range 3 {
			time.Sleep(24 * time.Hour)
			p.say("<message from='a@" + domain + "' to='b@c'/>\n")
		}
		synctest.Wait()
		if len(d.delivered) != 3 {
			t.Errorf("delivered is %q", d.delivered)
		}
	})
}

func TestTooBig(t *testing.T) {
	played(t, func(c *Config) { c.MaxStanza = 1000 }, func(t *testing.T, d *desk) {
		p := d.dial(t)
		p.say(header)
		p.hear("?>")
		p.hear(">")
		go func() { _, _ = io.WriteString(p.conn, "<handshake>"+strings.Repeat("a", handshakeMax)) }()
		if got := p.end(); !strings.Contains(got, "policy-violation") {
			t.Errorf("a long handshake ends with %q", got)
		}
		p = d.dial(t)
		p.signIn()
		go func() {
			_, _ = io.WriteString(p.conn, "<message from='a@"+domain+"' to='b@c'><body>"+strings.Repeat("a", 1000)+"</body></message>")
		}()
		if got := p.end(); !strings.Contains(got, "policy-violation") {
			t.Errorf("a long stanza ends with %q", got)
		}
	})
}

func TestHalfOpenConnectionsAreBounded(t *testing.T) {
	played(t, func(c *Config) { c.MaxHalfOpen = 2 }, func(t *testing.T, d *desk) {
		first := d.dial(t)
		d.dial(t)
		_, far := net.Pipe()
		if d.accept(far) {
			t.Error("a third half-open connection was let in")
		}
		first.signIn()
		synctest.Wait()
		d.dial(t) // there is room again
	})
}

// A component that never reads is held a bounded number of bytes for, and then it is cut off; what it was
// not sent comes back.
func TestComponentThatNeverReads(t *testing.T) {
	played(t, func(c *Config) { c.QueueMax = 100 }, func(t *testing.T, d *desk) {
		p := d.dial(t)
		p.signIn()
		for i := range 4 {
			d.Send("example.org", domain, []byte("<message n='"+strings.Repeat("x", 30)+string(rune('0'+i))+"'/>"))
		}
		if back := d.back(); len(back) != 2 || !strings.HasPrefix(back[0], "resource-constraint ") {
			t.Fatalf("back came %q, want two that found no room", back)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if back := d.back(); len(back) != 4 || !strings.HasPrefix(back[3], "service-unavailable ") {
			t.Errorf("back came %q, want all", back)
		}
		if got := d.Connected(); len(got) > 0 {
			t.Errorf("connected is %q", got)
		}
		d.Send("example.org", domain, []byte("<message/>"))
		if back := d.back(); len(back) != 5 || back[4] != "service-unavailable <message/>" {
			t.Errorf("back came %q", back)
		}
	})
}

// At the end the components get what was sent to them before.
func TestShutdownSendsTheRest(t *testing.T) {
	played(t, nil, func(t *testing.T, d *desk) {
		p := d.dial(t)
		p.signIn()
		d.Send("example.org", domain, []byte("<presence type='unavailable'/>"))
		done := make(chan string)
		go func() { done <- p.end() }()
		d.Shutdown(t.Context())
		const want = "<presence type='unavailable'/><stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
		if got := <-done; got != want {
			t.Errorf("the end is %q, want %q", got, want)
		}
	})
}
