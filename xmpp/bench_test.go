package xmpp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// crowd is a server with many users in one shared group, whose sessions skip negotiation.
type crowd struct {
	*world
	clients []net.Conn
	unread  []*session // that nobody serves
}

func gather(t testing.TB, n int, serve bool, change ...func(*Config)) *crowd {
	w := start(t, append(change, func(c *Config) { c.QueueHard = 64 << 20 })...)
	c := &crowd{world: w}
	var put uc.Tables
	for i := range n {
		id := uc.UserID(1000 + i)
		put.Users = append(put.Users, uc.User{ID: id, Login: fmt.Sprintf("user%d", i), Name: "User"})
	}
	put.Roles = []uc.Role{{ID: 77, Title: "Crowd", Types: []uc.RoleType{uc.TypeXMPPGroup}}}
	for _, u := range put.Users {
		put.Roles[0].Users = append(put.Roles[0].Users, u.ID)
	}
	w.change(uc.ChangeSet{Put: put})
	for i := range n {
		c.clients = append(c.clients, c.connect(fmt.Sprintf("user%d", i), serve))
	}
	return c
}

// connect makes a bound session over loopback and returns the client's end.
func (c *crowd) connect(login string, serve bool) net.Conn {
	return c.connectAs(login, "r", serve, false)
}

func (c *crowd) connectAs(login, resource string, serve, overTLS bool) net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.server.bindResource(c.dir.Load().UserByLogin(login).ID, login, resource); err != nil {
		c.t.Fatal(err)
	}
	wire := newWire(far)
	bound := &negotiate.Bound{Conn: wire}
	if overTLS {
		near, bound.Conn = c.secure(near, wire)
	}
	s := c.server.accountByLogin(login).byResource(resource)
	s.attach(bound, wire)
	if serve {
		c.server.begin(s)
	} else {
		c.unread = append(c.unread, s)
	}
	c.t.Cleanup(func() { near.Close() })
	return near
}

// secure puts TLS over both ends of a connection.
func (c *crowd) secure(near net.Conn, wire *wire) (client, server net.Conn) {
	far := tls.Server(wire, c.server.cfg.TLS)
	secured := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- far.HandshakeContext(c.t.Context()) }()
	if err := errors.Join(secured.HandshakeContext(c.t.Context()), <-done); err != nil {
		c.t.Fatal(err)
	}
	return secured, far
}

func (c *crowd) session(i int) *session {
	return c.server.router.session(fmt.Appendf(nil, "user%d@%s/r", i, testDomain))
}

// swallow reads all that a client is sent and counts the stanzas that end so.
func swallow(conn net.Conn, end string, count func(int)) {
	buf := make([]byte, 64<<10)
	var tail []byte
	for {
		n, err := conn.Read(buf[len(tail):])
		if err != nil {
			return
		}
		got := buf[:len(tail)+n]
		count(bytes.Count(got, []byte(end)))
		last := bytes.LastIndex(got, []byte(end))
		if last < 0 {
			last = -len(end)
		}
		tail = got[max(last+len(end), len(got)-len(end)+1):]
		copy(buf, tail)
		tail = buf[:len(tail)]
	}
}

const benchMessage = "<message to='user%d@" + testDomain + "/r' type='chat' id='m12345'><body>The quick brown fox jumps over the lazy dog, again and again.</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"

// BenchmarkRoute is the path of a message from the bytes read to the bytes written, in one goroutine.
func BenchmarkRoute(b *testing.B) {
	c := gather(b, 2, false)
	go func() { _, _ = io.Copy(io.Discard, c.clients[1]) }()
	from := c.session(0)
	in := newInput(from)
	message := fmt.Appendf(nil, benchMessage, 1)
	b.ReportAllocs()
	for b.Loop() {
		in.buf, in.from = append(takeReadBuffer(), message...), 0
		if _, err := from.handleInput(in); err != nil {
			b.Fatal(err)
		}
		in.free()
	}
	b.StopTimer()
	for i := range 2 {
		c.server.begin(c.session(i))
	}
}

// BenchmarkPingPong is 100 pairs that answer each other, one message in flight for each pair.
func BenchmarkPingPong(b *testing.B) {
	const pairs = 100
	c := gather(b, 2*pairs, true)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range pairs {
		one, two := c.clients[2*i], c.clients[2*i+1]
		there, back := fmt.Appendf(nil, benchMessage, 2*i+1), fmt.Appendf(nil, benchMessage, 2*i)
		go swallow(two, "</message>", func(n int) {
			for range n {
				_, _ = two.Write(back)
			}
		})
		wg.Go(func() {
			buf := make([]byte, 4096)
			for left.Add(-2) >= 0 {
				_, _ = one.Write(there)
				for at := 0; !bytes.HasSuffix(buf[:at], []byte("</message>")); {
					n, err := one.Read(buf[at:])
					if err != nil {
						return
					}
					at += n
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkPresenceStorm is a group of 200 who all change their presence at once; it counts deliveries.
func BenchmarkPresenceStorm(b *testing.B) {
	const size = 200
	c := gather(b, size, true)
	var got atomic.Int64
	arrived := make(chan struct{}, 1)
	for _, conn := range c.clients {
		go swallow(conn, "</presence>", func(n int) {
			got.Add(int64(n))
			select {
			case arrived <- struct{}{}:
			default:
			}
		})
	}
	wait := func(want int64) {
		deadline := time.After(time.Minute)
		for got.Load() < want {
			select {
			case <-arrived:
			case <-deadline:
				b.Fatalf("only %d of %d deliveries", got.Load(), want)
			}
		}
	}
	say := func(show string) {
		for _, conn := range c.clients {
			_, _ = fmt.Fprintf(conn, "<presence><show>%s</show><status>busy as a bee</status></presence>", show)
		}
	}
	say("away")
	// Everybody hears everybody at least once, the rest depends on who came first.
	wait(size * (size + 1) / 2)
	settled := int64(-1)
	for settled != got.Load() {
		settled = got.Load()
		time.Sleep(200 * time.Millisecond)
	}
	b.ResetTimer()
	rounds := 0
	for b.Loop() {
		base := got.Load()
		say([]string{"dnd", "xa"}[rounds%2])
		wait(base + size*size)
		rounds++
	}
	b.ReportMetric(float64(rounds*size*size)/b.Elapsed().Seconds(), "deliveries/s")
}
