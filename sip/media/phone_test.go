package media

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// patience is how long a test waits for a packet that must come.
const patience = 30 * time.Second

func newPool(t testing.TB) *Pool {
	t.Helper()
	p, err := NewPool(Config{IP: loopback, Min: 21000, Max: 21999})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSession(t testing.TB, p *Pool) *Session {
	s := p.NewSession()
	t.Cleanup(s.Close)
	return s
}

// phone has two UDP sockets, for RTP and RTCP.
type phone struct {
	t         testing.TB
	rtp, rtcp *net.UDPConn
}

func newPhone(t testing.TB, ip string) *phone {
	return &phone{t, socket(t, ip), socket(t, ip)}
}

func socket(t testing.TB, ip string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func at(conn *net.UDPConn) netip.AddrPort { return conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// sdp is what the phone says of itself.
func (p *phone) sdp() []byte { return p.sdpAt(at(p.rtp).Addr().String()) }

// sdpAt names another address than the true one, as behind address translation.
func (p *phone) sdpAt(ip string) []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtcp:%d\r\n",
		ip, ip, at(p.rtp).Port(), at(p.rtcp).Port())
}

// send sends a packet from one of the phone's sockets to a port of the relay.
func (p *phone) send(from *net.UDPConn, to uint16, packet string) {
	p.t.Helper()
	if _, err := from.WriteToUDPAddrPort([]byte(packet), netip.AddrPortFrom(loopback, to)); err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for a packet and checks what and where from it is.
func (p *phone) hear(conn *net.UDPConn, want string, from uint16) {
	p.t.Helper()
	buf := make([]byte, 2*maxDatagram)
	conn.SetReadDeadline(time.Now().Add(patience))
	n, src, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.t.Fatalf("waiting for %.20q: %v", want, err)
	}
	if got := string(buf[:n]); got != want {
		p.t.Fatalf("heard %.20q (%d bytes), want %.20q", got, n, want)
	}
	if src.Port() != from {
		p.t.Fatalf("heard %.20q from port %d, want %d", want, src.Port(), from)
	}
}

// port reads the port of an m-line from an SDP.
func sdpPort(t testing.TB, sdp []byte, line int) uint16 {
	t.Helper()
	d, err := parse(sdp)
	if err != nil {
		t.Fatalf("%v in\n%s", err, sdp)
	}
	return d.media[line].port
}

// call sets up a call between two phones; towards[side] is the relay's port that the side sends to.
func call(t testing.TB, s *Session, caller, callee *phone) (towards [2]uint16) {
	t.Helper()
	offer, err := s.Offer(Caller, caller.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Answer(Callee, callee.sdp(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	return [2]uint16{Caller: sdpPort(t, answer, 0), Callee: sdpPort(t, offer, 0)}
}

// version reads the session version of an o= line.
func version(t testing.TB, sdp []byte) (id, version string) {
	t.Helper()
	_, rest, _ := strings.Cut(string(sdp), "\r\no=- ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		t.Fatalf("no o= line in\n%s", sdp)
	}
	return fields[0], fields[1]
}
