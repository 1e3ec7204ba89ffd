package framing

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

func TestReceived(t *testing.T) {
	for message, want := range map[string]string{
		`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="a.example" from="x'&amp;@a.example" version="1.0" xml:lang="de"/>`: `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'` +
			` to='a.example' from='x&apos;&amp;@a.example' version='1.0' xml:lang='de'>`,
		`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`:     `</stream:stream>`,
		`<f:close xmlns:f="urn:ietf:params:xml:ns:xmpp-framing"/>`: `</stream:stream>`,
		" <message xmlns='jabber:client'/>\n":                      `<message xmlns='jabber:client'/>`,
		`<presence/>`:                                              `<presence/>`,
		" ":                                                        ``,
	} {
		got, err := appendReceived(nil, scan.DefaultLimits, []byte(message))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", message, got, err, want)
		}
	}
}

func TestSent(t *testing.T) {
	for stream, want := range map[string][]string{
		`<?xml version="1.0"?><stream:stream xmlns='jabber:client' version="1.0" xmlns:stream="http://etherx.jabber.org/streams" id='a>b' xml:lang='en'>`: {
			`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version="1.0" id='a>b' xml:lang='en'/>`},
		`</stream:stream>`: {`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`},
		`<stream:error><x xmlns='y'/></stream:error></stream:stream>`: {
			`<stream:error xmlns:stream='http://etherx.jabber.org/streams'><x xmlns='y'/></stream:error>`,
			`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`},
		`<presence/> <message a='>' to="b/"><body>x</body></message>`: {
			`<presence xmlns='jabber:client'/>`, `<message xmlns='jabber:client' a='>' to="b/"><body>x</body></message>`},
		"<message to='xmlns=' xmlns = 'jabber:client'/><r xmlns='urn:xmpp:sm:3'/>": {
			"<message to='xmlns=' xmlns = 'jabber:client'/>", "<r xmlns='urn:xmpp:sm:3'/>"},
		"<iq\txmlns:a='b' id=' xmlns='/>":                 {"<iq xmlns='jabber:client'\txmlns:a='b' id=' xmlns='/>"},
		`<a><![CDATA[</a><b>]]><c d='/>'></c></a><e></e>`: {`<a xmlns='jabber:client'><![CDATA[</a><b>]]><c d='/>'></c></a>`, `<e xmlns='jabber:client'></e>`},
		`<a><b/>`: nil,
	} {
		if got := messages([]byte(stream)); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", stream, got, want)
		}
	}
}

// messages cuts what a server says.
func messages(stream []byte) []string {
	var list []string
	for {
		n := next(stream)
		if n == 0 {
			return list
		}
		if m := appendSent(nil, stream[:n]); len(m) > 0 {
			list = append(list, string(m))
		}
		stream = stream[n:]
	}
}

// FuzzSent takes any stanza that may be in a stream: it becomes one message, which by itself says the same,
// and it does not matter where the writes are cut.
func FuzzSent(f *testing.F) {
	f.Add([]byte(`<message to="a'>"><body><![CDATA[</message>]]>&lt;</body></message>`))
	f.Add([]byte(`<presence a = 'xmlns='/>`))
	f.Add([]byte("<iq\nxmlns:x='y'><x:q xmlns='z'/></iq>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, stanza, _, err := scan.New(scan.DefaultLimits).Next(b)
		if err != nil {
			return
		}
		if n := next(stanza); n != len(stanza) {
			t.Fatalf("%q is cut at %d", stanza, n)
		}
		for cut := range stanza {
			if n := next(stanza[:cut]); n != 0 {
				t.Fatalf("%q is taken for whole", stanza[:cut])
			}
		}
		d := xml.NewDecoder(bytes.NewReader(appendSent(nil, stanza)))
		top, err := d.Token()
		if err != nil {
			t.Fatalf("%v in the message of %q", err, stanza)
		}
		if el, ok := top.(xml.StartElement); !ok || el.Name.Space == "" && !bytes.Contains(stanza, []byte("xmlns")) {
			t.Fatalf("the message of %q has no namespace", stanza)
		}
		if err := d.Skip(); err != nil {
			t.Fatalf("%v in the message of %q", err, stanza)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			t.Fatalf("more than one element in the message of %q", stanza)
		}
	})
}

// FuzzReceived takes any message: what passes is a header, an end or one element.
func FuzzReceived(f *testing.F) {
	f.Add([]byte(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to="'>"/>`))
	f.Add([]byte(`<message xmlns='jabber:client'/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := appendReceived(nil, scan.DefaultLimits, b)
		if err != nil || len(got) == 0 {
			return
		}
		s := scan.New(scan.DefaultLimits)
		if strings.HasPrefix(string(got), "<?xml") {
			s = scan.NewStream(scan.DefaultLimits)
		} else if string(got) == "</stream:stream>" {
			return
		}
		if _, _, n, err := s.Next(got); err != nil || n != len(got) {
			t.Fatalf("%q becomes %q: %v", b, got, err)
		}
	})
}

func TestDeadline(t *testing.T) {
	var d deadline
	d.init()
	over := func() bool {
		select {
		case <-d.passed():
			return true
		default:
			return false
		}
	}
	d.set(time.Now().Add(time.Hour))
	waiting := d.passed()
	d.set(time.Now().Add(-time.Second)) // wakes who waits already
	select {
	case <-waiting:
	default:
		t.Error("a reader that waits is not woken")
	}
	if !over() {
		t.Error("the past is not over")
	}
	d.set(time.Time{})
	if over() {
		t.Error("no deadline is over")
	}
	d.set(time.Now().Add(time.Millisecond))
	select {
	case <-d.passed():
	case <-time.After(30 * time.Second):
		t.Error("the time does not come")
	}
}
