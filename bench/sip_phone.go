package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// sipPhone is a telephone of the company.
type sipPhone struct{ number, secret string } // the number is its extension and its user name

func (p sipPhone) address() string { return "<sip:" + p.number + "@" + domain + ">" }

// sipPatience is how long an answer may take. Nothing is sent again: a message that gets lost is a failure.
const sipPatience = 2 * time.Second

// sipPhones are the generator: all telephones behind one socket that calls and another that registers
// and is called. They are not sipp, because sipp signs all calls of a process with one digest URI and
// knows no digest but MD5. Two goroutines read; a call has none of its own.
type sipPhones struct {
	server  *net.UDPAddr
	calling *net.UDPConn
	called  *net.UDPConn

	mu           sync.Mutex
	open         map[string]*sipExchange // by Call-ID
	acknowledged int                     // answers of telephones that were called
}

// sipExchange is a registration or a call that goes on. It is guarded by sipPhones.mu.
type sipExchange struct {
	load    *sipLoad
	conn    *net.UDPConn
	phone   sipPhone
	request sipRequest // sent last, but for ACK
	hold    time.Duration
	began   time.Time
	route   string
	ringing bool
	signed  bool // the challenge was answered
}

// sipLoad counts the exchanges of one phase. It is guarded by sipPhones.mu.
type sipLoad struct {
	up, done     int // calls answered; exchanges over as they should be
	acknowledged int // sipPhones.acknowledged at the beginning
	failures     map[string]int
	setup        []time.Duration // until the last 200 but that to BYE
}

func (p *sipPhones) newLoad() *sipLoad {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &sipLoad{acknowledged: p.acknowledged, failures: make(map[string]int)}
}

func (l *sipLoad) fail(why string) { l.failures[why]++ }

func newSIPPhones(server string) (*sipPhones, error) {
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return nil, err
	}
	p := &sipPhones{server: to, open: make(map[string]*sipExchange)}
	for _, conn := range []**net.UDPConn{&p.calling, &p.called} {
		if *conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			p.close()
			return nil, err
		}
		if err := (*conn).SetReadBuffer(4 << 20); err != nil {
			p.close()
			return nil, err
		}
		go p.read(*conn)
	}
	return p, nil
}

func (p *sipPhones) close() {
	for _, conn := range []*net.UDPConn{p.calling, p.called} {
		if conn != nil {
			conn.Close()
		}
	}
}

// read serves a socket until it is closed.
func (p *sipPhones) read(conn *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if text := string(buf[:n]); strings.HasPrefix(text, "SIP/2.0 ") {
			p.response(readSIP(text))
		} else {
			p.answer(readSIP(text))
		}
	}
}

func (p *sipPhones) send(conn *net.UDPConn, text string) {
	_, _ = conn.WriteTo([]byte(text), p.server) // what is lost shows as a failure
}

// answer is what a telephone that is called does. It remembers nothing: an INVITE that comes again is
// answered again.
func (p *sipPhones) answer(m sipMessage) {
	if m.method == "ACK" {
		p.mu.Lock()
		p.acknowledged++
		p.mu.Unlock()
		return
	}
	reply := func(status, fields, body string) {
		var b strings.Builder
		fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
		for _, v := range m.via {
			fmt.Fprintf(&b, "Via: %s\r\n", v)
		}
		for _, v := range m.recordRoute {
			fmt.Fprintf(&b, "Record-Route: %s\r\n", v)
		}
		to := m.to
		if !strings.Contains(to, ";tag=") {
			to += ";tag=callee"
		}
		fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s %s\r\n%sContent-Length: %d\r\n\r\n%s",
			m.from, to, m.callID, m.seq, m.method, fields, len(body), body)
		p.send(p.called, b.String())
	}
	if m.method != "INVITE" {
		reply("200 OK", "", "")
		return
	}
	contact := "Contact: <sip:" + p.called.LocalAddr().String() + ">\r\n"
	reply("180 Ringing", contact, "")
	reply("200 OK", contact+"Content-Type: application/sdp\r\n", sdp(7000))
}

// begin sends the first request of an exchange.
func (p *sipPhones) begin(conn *net.UDPConn, e *sipExchange) {
	e.conn, e.began = conn, time.Now()
	e.request.at, e.request.seq, e.request.branch = conn.LocalAddr().String(), 1, newBranch()
	e.request.callID = e.request.branch[7:]
	p.mu.Lock()
	p.open[e.request.callID] = e
	p.mu.Unlock()
	p.send(conn, e.request.String())
}

func (p *sipPhones) register(load *sipLoad, phone sipPhone) {
	p.begin(p.called, &sipExchange{load: load, phone: phone, request: sipRequest{
		method: "REGISTER", uri: "sip:" + domain, from: phone.address() + ";tag=reg", to: phone.address(),
		fields: fmt.Sprintf("Contact: <sip:%s@%s>\r\nExpires: 3600\r\n", phone.number, p.called.LocalAddr()),
	}})
}

func (p *sipPhones) call(load *sipLoad, from, to sipPhone, hold time.Duration) {
	p.begin(p.calling, &sipExchange{load: load, phone: from, hold: hold, request: sipRequest{
		method: "INVITE", uri: "sip:" + to.number + "@" + domain, from: from.address() + ";tag=caller", to: to.address(),
		fields: fmt.Sprintf("Contact: <sip:%s@%s>\r\n", from.number, p.calling.LocalAddr()), body: sdp(6000),
	}})
}

// response takes a step in the exchange that a response belongs to.
func (p *sipPhones) response(m sipMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.open[m.callID]
	if e == nil || m.seq != fmt.Sprint(e.request.seq) || m.method != e.request.method {
		return // sent again, or too late
	}
	switch {
	case m.status < 200:
		e.ringing = e.ringing || m.status == 180
	case m.status == 401 || m.status == 407:
		p.sign(e, m)
	case m.status != 200:
		p.finish(e, fmt.Sprintf("%s was answered %d", m.method, m.status))
	case m.method == "INVITE":
		p.established(e, m)
	default:
		p.finish(e, "")
	}
}

// sign answers a challenge, once.
func (p *sipPhones) sign(e *sipExchange, m sipMessage) {
	r := &e.request
	if r.method == "INVITE" {
		p.send(e.conn, sipRequest{method: "ACK", uri: r.uri, at: r.at, branch: r.branch, from: r.from, to: m.to, callID: r.callID, seq: r.seq}.String())
	}
	value, err := authorization(m.challenge, r.method, r.uri, e.phone.number, e.phone.secret)
	if err != nil || e.signed {
		p.finish(e, fmt.Sprintf("%s was not let in", m.method))
		return
	}
	e.signed = true
	name := "Authorization"
	if m.status == 407 {
		name = "Proxy-Authorization"
	}
	again := *r
	again.seq, again.branch, again.fields = r.seq+1, newBranch(), r.fields+name+": "+value+"\r\n"
	r.seq, r.branch = again.seq, again.branch
	p.send(e.conn, again.String())
}

// established acknowledges the answer to a call and hangs up later.
func (p *sipPhones) established(e *sipExchange, m sipMessage) {
	slices.Reverse(m.recordRoute) // RFC 3261 §12.1.2
	for _, v := range m.recordRoute {
		e.route += "Route: " + v + "\r\n"
	}
	e.load.up++
	e.load.setup = append(e.load.setup, time.Since(e.began))
	r := &e.request
	r.to, r.uri, r.fields, r.body = m.to, uri(m.contact), e.route, ""
	if !e.ringing {
		e.load.fail("answered without ringing")
	}
	p.send(e.conn, sipRequest{method: "ACK", uri: r.uri, at: r.at, branch: newBranch(), from: r.from, to: r.to, callID: r.callID, seq: r.seq, fields: r.fields}.String())
	// From now on only a response to BYE counts; a 200 that comes again has another CSeq.
	r.method, r.branch, r.seq = "BYE", newBranch(), r.seq+1
	time.AfterFunc(e.hold, func() {
		p.mu.Lock()
		text := r.String()
		p.mu.Unlock()
		p.send(e.conn, text)
	})
}

// finish ends an exchange; why is empty if it went well.
func (p *sipPhones) finish(e *sipExchange, why string) {
	delete(p.open, e.request.callID)
	if why != "" {
		e.load.fail(why)
		return
	}
	if e.request.method == "REGISTER" {
		e.load.setup = append(e.load.setup, time.Since(e.began))
	}
	e.load.done++
}

// drop gives up what is still going on.
func (p *sipPhones) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, e := range p.open {
		e.load.fail("no answer to " + e.request.method)
		delete(p.open, id)
	}
}

// until waits for a condition under the lock and reports whether it came true in time.
func (p *sipPhones) until(ctx context.Context, limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		ok := condition()
		p.mu.Unlock()
		if ok || ctx.Err() != nil || time.Now().After(deadline) {
			return ok
		}
	}
}

// alive waits until the server answers OPTIONS.
func (p *sipPhones) alive(ctx context.Context) error {
	for range 100 {
		load := p.newLoad()
		p.begin(p.calling, &sipExchange{load: load, request: sipRequest{
			method: "OPTIONS", uri: "sip:" + domain, from: "<sip:bench@" + domain + ">;tag=a", to: "<sip:" + domain + ">"}})
		if p.until(ctx, 200*time.Millisecond, func() bool { return load.done > 0 }) {
			return nil
		}
		p.drop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("nothing answers at %s", p.server)
}
