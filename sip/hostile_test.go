package sip

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// good is a request that is answered 200; the cases of TestHostile spoil it.
const good = `OPTIONS sip:example.org SIP/2.0
Via: SIP/2.0/UDP $me;branch=z9hG4bK-hostile;rport
From: <sip:x@example.org>;tag=f
To: <sip:example.org>
Call-ID: h
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

`

// hostile are messages in the manner of RFC 4475, each with the status that it is answered with; 0 means
// that it is dropped.
var hostile = []struct {
	name    string
	message string
	status  string
}{
	{"good", good, "200 OK"},
	{"compact names, folding and odd case", "OPTIONS sip:example.org SIP/2.0\nv: SIP/2.0/UDP $me;branch=z9hG4bK-hostile\nf: <sip:x@example.org>\n ;tag=f\nt: <sip:example.org>\ni: h\ncSeQ: 1 OPTIONS\nMAX-FORWARDS: 70\nl: 0\n\n", "200 OK"},
	{"no Via", spoil("Via", ""), ""},
	{"no From", spoil("From", ""), "400 Missing Or Malformed From"},
	{"no From tag", spoil("From", "From: <sip:x@example.org>"), "400 Missing From Tag"},
	{"no To", spoil("To", ""), "400 Missing Or Malformed To"},
	{"no Call-ID", spoil("Call-ID", ""), "400 Missing Call-ID"},
	{"no CSeq", spoil("CSeq", ""), "400 Missing Or Malformed CSeq"},
	{"no Max-Forwards", spoil("Max-Forwards", ""), "400 Missing Or Malformed Max-Forwards"},
	{"Max-Forwards out of range", spoil("Max-Forwards", "Max-Forwards: 300"), "400 Max-Forwards Out Of Range"},
	{"Max-Forwards is no number", spoil("Max-Forwards", "Max-Forwards: many"), "400 Malformed Message"},
	{"CSeq for another method", spoil("CSeq", "CSeq: 1 INVITE"), "400 CSeq Method Does Not Match"},
	{"CSeq too large", spoil("CSeq", "CSeq: 36893488147419103232 OPTIONS"), "400 Malformed Message"},
	{"two From", spoil("From", "From: <sip:x@example.org>;tag=f\nFrom: <sip:y@example.org>;tag=g"), "400 Repeated From"},
	{"two Call-ID, one short", spoil("Call-ID", "Call-ID: h\ni: j"), "400 Repeated Call-ID"},
	{"broken From", spoil("From", `From: "Bell <sip:x@example.org>;tag=f`), "400 Malformed Message"},
	{"negative Content-Length", spoil("Content-Length", "Content-Length: -999"), "400 Malformed Message"},
	{"Content-Length beyond the datagram", spoil("Content-Length", "Content-Length: 9999"), "400 Malformed Message"},
	{"unknown version", strings.Replace(good, "SIP/2.0\n", "SIP/7.0\n", 1), "505 SIP Version Not Supported"},
	{"unknown scheme", strings.Replace(good, "sip:example.org SIP", "nobodyKnowsThisScheme:totallyopaque SIP", 1), "416 Unsupported URI Scheme"},
	{"no scheme", strings.Replace(good, "sip:example.org SIP", "example SIP", 1), "400 Malformed Message"},
	{"blanks in the Request-URI", strings.Replace(good, "sip:example.org SIP", "sip:a; lr@example.org SIP", 1), "400 Malformed Message"},
	{"port out of range", strings.Replace(good, "sip:example.org SIP", "sip:example.org:70000 SIP", 1), "400 Port Out Of Range"},
	{"required extension", strings.Replace(good, "Max-Forwards", "Require: nothingSupportsThis, norThis\nMax-Forwards", 1), "420 Bad Extension"},
	{"unknown method", strings.ReplaceAll(good, "OPTIONS", "!interesting-Method0123456789_*+`.%indeed'~"), "400 CSeq Method Does Not Match"},
	{"unknown method in capitals", strings.ReplaceAll(good, "OPTIONS", "NEWMETHOD"), "501 Not Implemented"},
	{"control character in a value", strings.Replace(good, "Max-Forwards", "Subject: a\vX-Injected: b\nMax-Forwards", 1), "400 Control Character In Header"},
	{"no line end", "OPTIONS", ""},
	{"binary", "\x00\x01\x02\xff\xfe", ""},
	{"a response to nothing", "SIP/2.0 200 OK\nVia: SIP/2.0/UDP $me;branch=z9hG4bK-x\nFrom: <sip:x@x>;tag=1\nTo: <sip:x@x>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\n\n", ""},
	{"a response with an overlong status", "SIP/2.0 4294967301 better not\nVia: SIP/2.0/UDP $me;branch=z9hG4bK-x\n\n", ""},
	{"a response without anything", "SIP/2.0 200 OK\n\n", ""},
	{"an ACK of nothing", strings.ReplaceAll(good, "OPTIONS", "ACK"), ""},
	{"an ACK without anything", "ACK sip:x SIP/2.0\n\n", ""},
}

// spoil replaces a line of the good request.
func spoil(name, with string) string {
	var b strings.Builder
	for line := range strings.Lines(good) {
		if !strings.HasPrefix(line, name+":") {
			b.WriteString(line)
		} else if with != "" {
			b.WriteString(with + "\n")
		}
	}
	return b.String()
}

// TestHostile sends what no honest phone sends. Each message gets the right answer or none, and the
// server goes on.
func TestHostile(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	for i, test := range hostile {
		t.Run(test.name, func(t *testing.T) {
			phone := w.dial(t, "udp", benDesk)
			phone.say(t, strings.ReplaceAll(test.message, "hostile", "hostile"+string(rune('a'+i))))
			// What follows the message shows whether it was answered: order is kept.
			phone.say(t, strings.NewReplacer("Call-ID: h", "Call-ID: after", "hostile", "after").Replace(good))
			got, err := phone.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if test.status == "" {
				if field(got, "Call-ID") != "after" {
					t.Errorf("answered:\n%s", got)
				}
				return
			}
			if !strings.HasPrefix(got, "SIP/2.0 "+test.status+"\r\n") {
				t.Errorf("want %s, got:\n%s", test.status, got)
			}
		})
	}
}

// TestHostileStream does the same on a connection: what cannot be parsed ends it, after an answer.
func TestHostileStream(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	for _, test := range []struct{ name, message, status string }{
		{"malformed", strings.Replace(spoil("CSeq", "CSeq: x OPTIONS"), "Max-F", "Y: z\nMax-F", 1), "400 Malformed Message"},
		{"too large", strings.Replace(good, "Content-Length: 0", "Content-Length: 99999999", 1), "513 Message Too Large"},
		{"no Content-Length", spoil("Content-Length", ""), "400 Malformed Message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			phone := w.dial(t, "tcp", benDesk)
			phone.say(t, test.message)
			phone.expect(t, ctx, "SIP/2.0 "+test.status)
			if got, err := phone.Receive(ctx); err == nil {
				t.Errorf("still open, got %q", got)
			}
		})
	}
	phone := w.dial(t, "tcp", benDesk)
	phone.say(t, "\n\n\n\n"+good) // two pings, each answered
	got, err := phone.message()
	if err != nil || strings.Trim(got, "\r\n") != "" {
		t.Errorf("pong is %q, %v", got, err)
	}
	phone.expect(t, ctx, "\r\n")
}

// FuzzEdge feeds the edge with anything.
func FuzzEdge(f *testing.F) {
	for _, test := range hostile {
		f.Add([]byte(strings.ReplaceAll(strings.ReplaceAll(test.message, "$me", "127.0.0.1:9"), "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := newEdge(newLimitedLog(quiet))
		e.core = strictCore{t}
		e.datagram(data, &deadFlow{t: t})
		e.tx.close()
	})
}

// strictCore checks what the edge promises to handlers.
type strictCore struct{ t *testing.T }

func (c strictCore) request(r *request) {
	if r.From() == nil || r.To() == nil || r.CallID() == nil || r.CSeq() == nil || r.Via() == nil || r.MaxForwards() == nil ||
		tagOf(r.From().Params) == "" || (r.tx == nil) != (r.Method == sip.ACK) {
		c.t.Errorf("handler got %s", r.Request)
	}
}

func (c strictCore) response(res *sip.Response) {
	if !checkResponse(res) {
		c.t.Errorf("core got %s", res)
	}
}

func (strictCore) flowClosed(flow) {}
