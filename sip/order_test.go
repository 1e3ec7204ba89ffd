package sip

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// dial connects a phone that says what it is told to.
func (w *world) dial(t testing.TB, network string, device uc.DeviceID) *wire {
	t.Helper()
	addr := w.Addrs().UDP.String()
	if network == "tcp" {
		addr = w.Addrs().TCP.String()
	}
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	dev := w.dir.Snapshot().Devices.Get(device)
	return newWire(conn, dev.SIPUser, dev.SIPSecret, "")
}

// expect reads messages until one begins with start, and returns it.
func (w *wire) expect(t testing.TB, ctx context.Context, start string) string {
	t.Helper()
	for {
		m, err := w.Receive(ctx)
		if err != nil {
			t.Fatalf("waiting for %q: %v", start, err)
		}
		if strings.HasPrefix(m, start) {
			return m
		}
	}
}

func (w *wire) say(t testing.TB, message string) {
	t.Helper()
	if err := w.Send(t.Context(), strings.ReplaceAll(message, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
}

// answer builds a response to a request as it stands on the wire.
func answer(request, status, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\n", status)
	for line := range strings.Lines(request) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "Call-ID", "CSeq":
			b.WriteString(line + "\n")
		case "To":
			if !strings.Contains(line, "tag=") {
				line += ";tag=phone"
			}
			b.WriteString(line + "\n")
		}
		if line == "" {
			break
		}
	}
	b.WriteString("Contact: <sip:phone@$me>\n")
	if body != "" {
		b.WriteString("Content-Type: application/sdp\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\n\n%s", len(body)+strings.Count(body, "\n"), body)
	return b.String()
}

const testSDP = "v=0\no=x 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 8\n"

// field returns the value of a header field.
func field(message, name string) string {
	for line := range strings.Lines(message) {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// TestOrderOnOneConnection has a phone send its 183, with the session description, and a bare 200 in one
// segment, as gateways do: the caller must see both, in this order, and hear the phone.
func TestOrderOnOneConnection(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	phone, caller := w.dial(t, "tcp", annaDesk), w.dial(t, "udp", benDesk)
	if err := phone.register(ctx); err != nil {
		t.Fatal(err)
	}
	// One challenge serves all calls.
	caller.say(t, callerRequest("INVITE", "12", "first", 1, "", testSDP))
	refusal := caller.expect(t, ctx, "SIP/2.0 407")
	caller.say(t, strings.NewReplacer("To: <sip:12@example.org>", "To: "+field(refusal, "To"), "first-ACK", "first-INVITE").Replace(
		callerRequest("ACK", "12", "first", 1, "", "")))
	for i := range 200 {
		id := fmt.Sprintf("call-%d", i)
		caller.say(t, callerRequest("INVITE", "12", id, 1, "Proxy-Authorization: $digest\n", testSDP))
		invite := phone.expect(t, ctx, "INVITE")
		phone.say(t, answer(invite, "183 Session Progress", testSDP)+answer(invite, "200 OK", ""))
		caller.expect(t, ctx, "SIP/2.0 100")
		for _, want := range []string{"SIP/2.0 183", "SIP/2.0 200"} {
			got, err := caller.Receive(ctx)
			if err != nil || !strings.HasPrefix(got, want) || !strings.Contains(got, "m=audio") {
				t.Fatalf("call %d: got %q, %v; want %s with a session description", i, got, err, want)
			}
			if want == "SIP/2.0 200" {
				tag := field(got, "To")
				caller.say(t, strings.Replace(callerRequest("ACK", "12", id, 1, "", ""), "To: <sip:12@example.org>", "To: "+tag, 1))
				caller.say(t, strings.Replace(callerRequest("BYE", "12", id, 2, "", ""), "To: <sip:12@example.org>", "To: "+tag, 1))
			}
		}
		caller.expect(t, ctx, "SIP/2.0 200 OK")
		phone.say(t, answer(phone.expect(t, ctx, "BYE"), "200 OK", ""))
	}
}

func callerRequest(method, to, id string, cseq int, extra, body string) string {
	typ := ""
	if body != "" {
		typ = "Content-Type: application/sdp\n"
	}
	return fmt.Sprintf("%[1]s sip:%[2]s@example.org SIP/2.0\nVia: SIP/2.0/UDP $me;branch=z9hG4bK-%[3]s-%[1]s-%[4]d\n"+
		"From: <sip:ben-desk@example.org>;tag=%[3]s\nTo: <sip:%[2]s@example.org>\nCall-ID: %[3]s\nCSeq: %[4]d %[1]s\nMax-Forwards: 70\n"+
		"Contact: <sip:ben-desk@$me>\n%[5]s%[6]sContent-Length: %[7]d\n\n%[8]s",
		method, to, id, cseq, extra, typ, len(body)+strings.Count(body, "\n"), body)
}
