package scan_test

import (
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const serverHeader = `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' ` +
	`xmlns:stream='http://etherx.jabber.org/streams' from='a.example' to='b.example' id='1' version='1.0'>`

func TestServerHeader(t *testing.T) {
	h, _, _, err := scan.NewServerStream(limits).Next([]byte(serverHeader))
	if err != nil || h.Kind != scan.StreamStart || string(h.From) != "a.example" || string(h.ID) != "1" {
		t.Fatalf("%v %q %q %v", h.Kind, h.From, h.ID, err)
	}
	_, _, _, err = scan.NewServerStream(limits).Next([]byte(`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`))
	checkCondition(t, scan.InvalidNamespace, "the header of a client", err)
}

// afterHeader reads one element of a server's stream.
func afterHeader(t *testing.T, text string) (scan.Head, error) {
	t.Helper()
	s := scan.NewServerStream(limits)
	if _, _, _, err := s.Next([]byte(serverHeader)); err != nil {
		t.Fatal(err)
	}
	h, raw, _, err := s.Next([]byte(text))
	if err == nil {
		if n, err := scan.ParseServer(raw); err != nil || n.Name != string(h.Name) || n.NS != string(h.NS) {
			t.Errorf("%s parsed: %v %v", text, n, err)
		}
	}
	return h, err
}

func TestServerElements(t *testing.T) {
	for _, c := range []struct {
		text, ns, name string
		kind           scan.Kind
	}{
		{`<db:result from='a' to='b'>k</db:result>`, scan.NSDialback, "result", scan.Other},
		{`<d:verify xmlns:d='jabber:server:dialback'/>`, scan.NSDialback, "verify", scan.Other},
		{`<db:x xmlns:db='urn:x'/>`, "urn:x", "x", scan.Other},
		{`<stream:features><x xmlns='y'/></stream:features>`, scan.NSStreams, "features", scan.Other},
		{`<stream:error/>`, scan.NSStreams, "error", scan.StreamError},
		{`<message/>`, scan.NSClient, "message", scan.Message},
		{`<message xmlns='jabber:server'/>`, scan.NSServer, "message", scan.Message},
	} {
		h, err := afterHeader(t, c.text)
		if err != nil || h.Kind != c.kind || string(h.NS) != c.ns || string(h.Name) != c.name {
			t.Errorf("%s: kind %d, %s %s, %v", c.text, h.Kind, h.NS, h.Name, err)
		}
	}
	for _, c := range []struct {
		condition scan.Condition
		text      string
	}{
		{scan.BadNamespacePrefix, `<message><db:result/></message>`},
		{scan.BadNamespacePrefix, `<db:result db:x=''/>`},
		{scan.BadFormat, `<stream:stream>`},
	} {
		_, err := afterHeader(t, c.text)
		checkCondition(t, c.condition, c.text, err)
	}
}
