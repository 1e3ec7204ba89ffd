package s2s

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// virtual runs a test in virtual time; all its goroutines must have ended at its end.
func virtual(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

// peer plays the other server by hand.
type peer struct {
	net.Conn
	t  testing.TB
	in *scan.Scanner
	b  []byte
}

func newPeer(t testing.TB, conn net.Conn) *peer {
	return &peer{Conn: conn, t: t, in: scan.NewServerStream(scan.DefaultLimits)}
}

// next returns the next element of the other side, or "" at the end.
func (p *peer) next() string {
	for {
		_, raw, n, err := p.in.Next(p.b)
		p.b = p.b[n:]
		if err == nil {
			return string(raw)
		}
		var chunk [4096]byte
		n, err = p.Read(chunk[:])
		p.b = append(p.b, chunk[:n]...)
		if n == 0 && err != nil {
			return ""
		}
	}
}

// until takes elements up to one that contains a text.
func (p *peer) until(text string) string {
	for {
		got := p.next()
		if got == "" || strings.Contains(got, text) {
			return got
		}
	}
}

func (p *peer) say(text string) {
	_ = p.SetWriteDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(p, text) // the other side may have gone
}

func (p *peer) restart() { p.in = scan.NewServerStream(scan.DefaultLimits) }

func (p *peer) tls(conn *tls.Conn) error {
	if err := conn.Handshake(); err != nil {
		return err
	}
	p.Conn = conn
	p.restart()
	return nil
}

// answer plays b.example's server for one connection up to a stage, then says nothing any more. It returns when
// the other side gives up.
func (p *peer) answer(w *world, stages int) {
	defer p.Close()
	cert := w.ca.issue(w.t, validUntil, b)
	steps := []func(){
		func() { p.until("<stream:stream") },
		func() { p.say(string(header(b, a, "id1"))) },
		func() { p.say("<stream:features><starttls xmlns='" + nsTLS + "'/></stream:features>") },
		func() { p.until("<starttls"); p.say("<proceed xmlns='" + nsTLS + "'/>") },
		func() { _ = p.tls(tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})) },
		func() { p.until("<stream:stream"); p.say(string(header(b, a, "id2"))) },
		func() { p.say("<stream:features><dialback xmlns='" + nsDialbackFeature + "'/></stream:features>") },
		func() { p.until("<db:result"); p.say("<db:result from='b.example' to='a.example' type='valid'/>") },
	}
	for _, step := range steps[:min(stages, len(steps))] {
		step()
	}
	for p.next() != "" {
	}
}

const stages = 8 // of answer, until the stream is open

// TestServerHangs: wherever the other server stops answering, the senders are told in time.
func TestServerHangs(t *testing.T) {
	for stage := range stages {
		t.Run(fmt.Sprint("after ", stage), func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				sa, sb := w.server(nil, a), w.server(nil, b).onPipes("192.0.2.1:5269")
				w.listen[sb.addr] = func(c net.Conn) { go newPeer(t, c).answer(w, stage) }
				sa.chat(a, b, "1")
				sa.chat(a, b, "2")
				began := time.Now()
				sa.getsBack(b, "1", stanza.RemoteServerTimeout)
				sa.getsBack(b, "2", stanza.RemoteServerTimeout)
				if waited := time.Since(began); waited > time.Minute {
					t.Errorf("told after %v", waited)
				}
			})
		})
	}
	t.Run("not at all", func(t *testing.T) {
		virtual(t, func(t *testing.T, w *world) {
			sa, sb := w.server(nil, a), w.server(nil, b).onPipes("192.0.2.1:5269")
			w.listen[sb.addr] = func(c net.Conn) { go newPeer(t, c).answer(w, stages) }
			sa.chat(a, b, "1")
			synctest.Wait()
			if st := sa.only(true); st.Method != "dialback" || st.Bidi {
				t.Errorf("stream %+v, want dialback", st)
			}
		})
	})
}

// TestClientHangs: a server that begins a stream and does not go on is cut off, at whatever stage.
func TestClientHangs(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(w *world, p *peer)
	}{
		{"silence", func(*world, *peer) {}},
		{"header by bytes", func(_ *world, p *peer) {
			for _, c := range header(a, b, "") {
				p.say(string(c))
				time.Sleep(5 * time.Second)
			}
		}},
		{"no TLS", func(_ *world, p *peer) { p.say(string(header(a, b, ""))) }},
		{"half of TLS", func(_ *world, p *peer) {
			p.say(string(header(a, b, "")))
			p.until("features")
			p.say("<starttls xmlns='" + nsTLS + "'/>")
			p.until("proceed")
			p.say("\x16\x03\x01\x02")
		}},
		{"unproved", func(w *world, p *peer) { p.secured(w, nil) }},
		{"unproved with spaces", func(w *world, p *peer) {
			p.secured(w, nil)
			for range 100 {
				p.say(" ")
				time.Sleep(time.Second)
			}
		}},
		{"half a stanza", func(w *world, p *peer) {
			p.secured(w, []tls.Certificate{w.ca.issue(w.t, validUntil, a)})
			p.external()
			p.say("<message from='x@a.example' to='y@b.example'>")
			for range 100 {
				p.say("<a/>")
				time.Sleep(5 * time.Second)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				sb := w.server(nil, b)
				here, there := net.Pipe()
				sb.admit(there)
				p := newPeer(t, here)
				began := time.Now()
				go c.play(w, p)
				synctest.Wait()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				_ = p.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("still connected after %v", time.Since(began))
				}
				here.Close()
				time.Sleep(time.Hour) // play ends
			})
		})
	}
}

// secured takes a connection of a.example to b.example's features inside of TLS.
func (p *peer) secured(w *world, certs []tls.Certificate) string {
	p.say(string(header(a, b, "")))
	p.until("features")
	p.say("<starttls xmlns='" + nsTLS + "'/>")
	p.until("proceed")
	_ = p.tls(tls.Client(p.Conn, &tls.Config{ServerName: b, RootCAs: w.ca.pool, Certificates: certs}))
	p.say(string(header(a, b, "")))
	return p.until("features")
}

func (p *peer) external() {
	p.say("<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>=</auth>")
	p.until("success")
	p.restart()
	p.say(string(header(a, b, "")))
	p.until("features")
}

// TestBackOff: a domain that cannot be reached is left alone, longer each time, and senders are told at once.
func TestBackOff(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a), w.server(nil, b).onPipes("192.0.2.1:5269")
		up := w.listen[sb.addr]
		w.listen[sb.addr] = func(c net.Conn) { c.Close() }
		var tries []time.Duration
		began := time.Now()
		for time.Since(began) < 20*time.Minute {
			before := w.dialed(sb.addr)
			sa.chat(a, b, "x")
			sa.getsBack(b, "x", stanza.RemoteServerTimeout)
			if w.dialed(sb.addr) > before {
				tries = append(tries, time.Since(began).Round(time.Second))
			}
			time.Sleep(time.Second)
		}
		want := "[0s 5s 15s 35s 1m15s 2m35s 5m15s 10m15s 15m15s]"
		if got := fmt.Sprint(tries); got != want {
			t.Errorf("tried at %s, want %s", got, want)
		}
		w.listen[sb.addr] = up
		time.Sleep(5 * time.Minute)
		sa.chat(a, b, "better")
		sb.receives(a, "better")
	})
}

// TestManyAddresses: addresses that do not answer do not keep the stream from the one that does.
func TestManyAddresses(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var released []net.Conn
		sa := w.server(func(cfg *Config) {
			cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				switch addr {
				case "192.0.2.1:5269":
					return nil, errors.New("refused")
				case "192.0.2.2:5269", "192.0.2.4:5269":
					<-ctx.Done()
					return nil, ctx.Err()
				case "192.0.2.5:5269": // too late
					<-ctx.Done()
					here, _ := net.Pipe()
					released = append(released, here)
					return here, nil
				}
				return w.Dial(ctx, network, addr)
			}
		}, a)
		sb := w.server(nil, b).onPipes("192.0.2.3:5269")
		w.hosts["host."+b+"."] = []string{"192.0.2.1", "192.0.2.5", "192.0.2.2", "192.0.2.3", "192.0.2.4"}
		began := time.Now()
		sa.chat(a, b, "hello")
		sb.receives(a, "hello")
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it took %v", waited)
		}
		for _, c := range released {
			if _, err := c.Write([]byte("x")); err == nil {
				t.Error("a connection that came too late is still open")
			}
		}
	})
}

// TestIncomingEndsBackOff: a domain that shows that it is alive is tried again at once.
func TestIncomingEndsBackOff(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a).onPipes("192.0.2.1:5269"), w.server(nil, b).onPipes("192.0.2.2:5269")
		up := w.listen[sb.addr]
		w.listen[sb.addr] = func(c net.Conn) { c.Close() }
		for range 6 {
			sa.chat(a, b, "x")
			sa.getsBack(b, "x", stanza.RemoteServerTimeout)
			time.Sleep(time.Minute)
		}
		w.listen[sb.addr] = up
		sb.chat(b, a, "I am back")
		sa.receives(b, "I am back")
		sa.chat(a, b, "so am I")
		sb.receives(a, "so am I")
	})
}

// TestIdle: spaces keep a silent stream alive; after a while it is closed, and opened again when it is needed.
func TestIdle(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a).onPipes("192.0.2.1:5269"), w.server(nil, b).onPipes("192.0.2.2:5269")
		for i := range 5 {
			sa.chat(a, b, fmt.Sprint(i))
			sb.receives(a, fmt.Sprint(i))
			time.Sleep(15 * time.Minute)
		}
		if n := w.dialed(sb.addr); n != 1 {
			t.Errorf("%d streams while there was something to do now and then, want 1", n)
		}
		time.Sleep(10 * time.Minute)
		if left := append(sa.Streams(), sb.Streams()...); len(left) > 0 {
			t.Errorf("idle streams: %+v", left)
		}
		if n := len(sa.routes); n > 0 {
			t.Errorf("%d idle routes", n)
		}
		sa.chat(a, b, "again")
		sb.receives(a, "again")
		if n := w.dialed(sb.addr); n != 2 {
			t.Errorf("%d streams, want 2", n)
		}
	})
}

// TestLostStream: what was not sent on a stream that broke is sent on the next one.
func TestLostStream(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a).onPipes("192.0.2.1:5269"), w.server(nil, b).onPipes("192.0.2.2:5269")
		for i := range 20 {
			sa.chat(a, b, fmt.Sprint(i))
			sb.receives(a, fmt.Sprint(i))
			if i%2 == 0 {
				sb.cut()
			} else {
				sb.mu.Lock()
				for s := range sb.links {
					s.end(errIdle)
				}
				sb.mu.Unlock()
			}
			synctest.Wait()
		}
	})
}

// TestBidiLost: stanzas that waited on the other side's stream go another way.
func TestBidiLost(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a).onPipes("192.0.2.1:5269"), w.server(nil, b).onPipes("192.0.2.2:5269")
		sa.chat(a, b, "hello")
		sb.receives(a, "hello")
		sb.chat(b, a, "1")
		sa.receives(b, "1")
		sb.mu.Lock()
		for s := range sb.links {
			s.out.items = append(s.out.items, &item{route: sb.routes[pair{b, a}], sender: "x@" + b, raw: message("x@"+b, "y@"+a, "2")}) // its writer does not know yet
			sb.count(sb.routes[pair{b, a}], "x@"+b, len(message("x@"+b, "y@"+a, "2")))
			s.raw.Close()
		}
		sb.mu.Unlock()
		sb.chat(b, a, "3")
		sa.receives(b, "2")
		sa.receives(b, "3")
		if n := w.dialed(sa.addr); n != 1 {
			t.Errorf("%d streams back, want 1", n)
		}
	})
}

// TestQueueFull: what waits for one domain is bounded; what is too much comes back at once.
func TestQueueFull(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(func(cfg *Config) { cfg.MaxQueue = 1000 }, a), w.server(nil, b).onPipes("192.0.2.1:5269")
		w.listen[sb.addr] = func(c net.Conn) { go newPeer(t, c).answer(w, 2) }
		body := strings.Repeat("x", 400-len(message("anna@"+a+"/a", "ben@"+b, "")))
		for _, user := range []string{"anna", "cleo", "dora"} {
			sa.chatAs(user, a, b, body)
		}
		began := time.Now()
		sa.getsBack(b, body, stanza.ResourceConstraint)
		if time.Since(began) > 0 {
			t.Error("the sender was not told at once")
		}
		sa.getsBack(b, body, stanza.RemoteServerTimeout)
		sa.getsBack(b, body, stanza.RemoteServerTimeout)
		if n := len(sa.routes); n > 0 || sa.size != 0 {
			t.Errorf("%d routes left with %d bytes", n, sa.size)
		}
	})
}

// TestAllQueuesFull: what waits for all domains together is bounded, too.
func TestAllQueuesFull(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sa := w.server(func(cfg *Config) {
			cfg.MaxQueued = 5000
			cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		}, a)
		size := len(message("anna@"+a+"/a", "ben@d00.example", "x"))
		for i := range 100 {
			domain := fmt.Sprintf("d%02d.example", i)
			w.publish(domain, "xmpp-server", 5269)
			sa.Send("u"+domain+"@"+a, domain, message("anna@"+a+"/a", "ben@"+domain, "x"))
		}
		synctest.Wait()
		if n, want := len(sa.back), 100-5000/size; n != want {
			t.Errorf("%d came back at once, want %d", n, want)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(sa.back) != 100 || sa.size != 0 {
			t.Errorf("%d came back in the end, %d bytes are left", len(sa.back), sa.size)
		}
	})
}

// TestQuestionsWithoutReading: a server that asks and asks and does not read the answers makes us hold little.
func TestQuestionsWithoutReading(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sb := w.server(nil, b)
		here, there := net.Pipe()
		sb.admit(there)
		p := newPeer(t, here)
		p.secured(w, nil)
		asked := 0
		for ; asked < 10000; asked++ {
			_ = p.SetWriteDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(p, "<db:verify from='c.example' to='b.example' id='1'>x</db:verify>"); err != nil {
				break
			}
		}
		if asked < 100 || asked > 2000 {
			t.Errorf("cut off after %d questions", asked)
		}
		here.Close()
	})
}

// TestAuthorityHangs: who claims a domain whose own server does not answer learns that, and is not trusted.
func TestAuthorityHangs(t *testing.T) {
	for stage := range stages - 1 {
		virtual(t, func(t *testing.T, w *world) {
			sb := w.server(nil, b)
			w.server(nil, a).onPipes("192.0.2.1:5269")
			w.listen["192.0.2.1:5269"] = func(c net.Conn) { go newPeer(t, c).answer(w, stage) }
			here, there := net.Pipe()
			sb.admit(there)
			p := newPeer(t, here)
			p.secured(w, nil)
			p.say("<db:result from='a.example' to='b.example'>key</db:result>")
			if got := p.until("<db:result"); !strings.Contains(got, "type='error'") || !strings.Contains(got, "remote-server-timeout") {
				t.Errorf("after stage %d: %q", stage, got)
			}
			if list := sb.Streams(); len(list) > 0 {
				t.Errorf("verified: %+v", list)
			}
			here.Close()
		})
	}
}

// TestHalfOpen: one address may not have many connections that are not verified.
func TestHalfOpen(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		sb := w.server(func(cfg *Config) { cfg.MaxHalfOpen = 3 }, b)
		var conns []net.Conn
		for range 5 {
			here, there := net.Pipe()
			sb.admit(there)
			conns = append(conns, here)
		}
		synctest.Wait()
		for i, c := range conns {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := io.WriteString(c, " ")
			if open := err == nil; open != (i < 3) {
				t.Errorf("connection %d: %v", i, err)
			}
			c.Close()
		}
	})
}

// TestPairsBothWays: on a stream that was begun here and goes both ways (XEP-0288), too, the other side may send only for pairs of
// domains that are verified, and may have more of them verified.
func TestPairsBothWays(t *testing.T) {
	for _, proved := range []bool{false, true} {
		virtual(t, func(t *testing.T, w *world) {
			sa, sb := w.server(nil, a, "rooms."+a), w.server(nil, b).onPipes("192.0.2.1:5269")
			cert := w.ca.issue(t, validUntil, b)
			last := make(chan string, 1)
			w.listen[sb.addr] = func(c net.Conn) {
				go func() {
					defer c.Close()
					p := newPeer(t, c)
					p.until("<stream:stream")
					p.say(string(header(b, a, "id1")) + "<stream:features><starttls xmlns='" + nsTLS + "'/></stream:features>")
					p.until("<starttls")
					p.say("<proceed xmlns='" + nsTLS + "'/>")
					_ = p.tls(tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{cert}}))
					p.until("<stream:stream")
					p.say(string(header(b, a, "id2")) + "<stream:features><bidi xmlns='" + nsBidiFeature + "'/><dialback xmlns='" + nsDialbackFeature + "'/></stream:features>")
					p.until("<db:result")
					p.say("<db:result from='b.example' to='a.example' type='valid'/>")
					p.say(string(message("anna@b.example/a", "ben@a.example", "this pair")))
					if proved {
						p.say("<db:result from='b.example' to='rooms.a.example'/>")
						p.until("from='rooms.a.example'")
					}
					p.say(string(message("anna@b.example/a", "ben@rooms.a.example", "another pair")))
					if proved {
						p.say("<db:verify from='b.example' to='a.example' id='0'>key</db:verify>")
					}
					got := p.next()
					for strings.HasPrefix(got, "<message") {
						got = p.next()
					}
					last <- got
				}()
			}
			sa.chat(a, b, "hello")
			sa.receives(b, "this pair")
			if proved {
				sa.receives(b, "another pair")
			}
			if got := <-last; strings.Contains(got, "invalid-from") == proved {
				t.Errorf("proved %v: %s", proved, got)
			}
			if len(sa.in) > 0 {
				t.Errorf("proved %v: %d more were delivered", proved, len(sa.in))
			}
		})
	}
}
