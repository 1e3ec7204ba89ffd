package s2s

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// noNames finds nothing.
type noNames struct{}

func (noNames) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no names")
}

func (noNames) LookupHost(context.Context, string) ([]string, error) {
	return nil, errors.New("no names")
}

// recording is a connection on which everything has been sent.
type recording struct {
	net.Conn
	text []byte
}

func (r *recording) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

func (*recording) Write(p []byte) (int, error)      { return len(p), nil }
func (*recording) SetReadDeadline(time.Time) error  { return nil }
func (*recording) SetWriteDeadline(time.Time) error { return nil }
func (*recording) Close() error                     { return nil }
func (*recording) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// FuzzIncoming: whatever is sent inside of TLS, nothing panics, nobody becomes anybody, and only stanzas of who is
// verified are delivered, whole and readable.
func FuzzIncoming(f *testing.F) {
	for _, text := range []string{
		`<db:result from='a.example' to='b.example'>key</db:result>`, `<db:verify from='a.example' to='b.example' id='1'>key</db:verify>`,
		`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`, `<bidi xmlns='urn:xmpp:bidi'/>`,
		`<message from='x@a.example/y' to='b.example'/>`, `<iq xmlns='jabber:server' from='a.example' to='x@b.example'><q xmlns='x'/></iq>`,
		`</stream:stream>`, `<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text+text), true)
	}
	cert := newAuthority(f).issue(f, validUntil, b)
	f.Fuzz(func(t *testing.T, text []byte, verified bool) {
		delivered := 0
		fed, err := New(Config{
			Local: func(d string) bool { return d == b },
			Deliver: func(remote string, _ scan.Head, raw []byte) {
				delivered++
				n, err := scan.Parse(raw)
				if err != nil || remote != a || string(domainOf([]byte(n.Attr("to")))) == "" || n.NS != scan.NSClient {
					t.Errorf("delivered %q of %s: %v", raw, remote, err)
				}
			},
			Undeliverable: func(string, string, []byte, stanza.Condition) {},
			TLS:           &tls.Config{Certificates: []tls.Certificate{cert}}, Resolver: noNames{},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := fed.newLink(&recording{text: append(header(a, b, ""), text...)}, false)
		fed.enter(s)
		if verified {
			s.trust(pair{b, a}, "test")
		}
		err = s.guarded(func() error {
			if err := s.greet(); err != nil {
				return err
			}
			return s.serve(s.incoming)
		})
		s.teardown(err)
		if err := fed.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if delivered > 0 && !verified || len(fed.links) > 0 || s.isVerified(pair{b, ""}) || s.isVerified(pair{"", a}) {
			t.Errorf("%d delivered, %d streams left", delivered, len(fed.links))
		}
	})
}
