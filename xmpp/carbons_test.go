package xmpp

import (
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// TestForwardedMeansTheSame holds that a stanza is in the namespace of stanzas wherever it is forwarded to,
// and that nothing a client writes makes it malformed.
func TestForwardedMeansTheSame(t *testing.T) {
	for _, raw := range []string{
		"<message/>",
		"<message><body>a</body></message>",
		"<message\n\tid='1'><body>a</body></message>",
		"<message xmlns='jabber:client'><body>a</body></message>",
		"<message id='1' xmlns \n=\t\"jabber:client\"><body>a</body></message>",
		"<message xmlns:x='urn:x' id='a>b'><body>a</body></message>",
		"<x:message xmlns:x='jabber:client'><body>a</body></x:message>",
	} {
		outer := append([]byte("<forwarded xmlns='"+nsForwarding+"'>"), appendQualified(nil, []byte(raw))...)
		n, err := scan.Parse(append(outer, "</forwarded>"...))
		if err != nil {
			t.Errorf("%s: %v in %s", raw, err, outer)
			continue
		}
		m := n.Child(scan.NSClient, "message")
		if m == nil || len(m.Nodes) > 0 && m.ChildText(scan.NSClient, "body") != "a" {
			t.Errorf("%s is forwarded as %s", raw, outer)
		}
	}
}

// TestCopyIsNotDeliveredTwice loses a client that has not acknowledged a message of which another has a copy.
func TestCopyIsNotDeliveredTwice(t *testing.T) {
	w := start(t, func(c *Config) { c.ResumeTimeout = 100 * time.Millisecond })
	b := w.must("ben", "b")
	desk, mobile := w.must("anna", "desk"), w.must("anna", "mobile")
	mobile.manage(t)
	mobile.send(t, "<presence><priority>1</priority></presence>")
	mobile.expect(t, "<presence")
	desk.send(t, "<iq type='set' id='on'><enable xmlns='urn:xmpp:carbons:2'/></iq><presence/>")
	desk.expect(t, "id='on'")
	desk.expect(t, "<presence")
	desk.expect(t, "<presence")
	b.send(t, chat(mobile.jid, "full")+chat("anna@example.org", "bare"))
	for _, id := range []string{"full", "bare"} {
		desk.expect(t, "<received ", "id='"+id+"'")
	}
	w.cut(mobile)
	desk.expect(t, "type='unavailable'")
	desk.expectNothing(t)
	if n, _, _ := w.store.CountOffline(t.Context(), anna); n != 0 {
		t.Errorf("%d messages were kept although a client has them", n)
	}
}

// TestPrivateStaysPrivate: a message that is not to be copied goes to the next client of its recipient, or waits, without
// copies for the others, when the one that it was sent to is lost. No client sees that it is private (XEP-0280 §9).
func TestPrivateStaysPrivate(t *testing.T) {
	private := func(to, id string) string {
		return "<message to='" + to + "' id='" + id + "' type='chat'><body>x</body><private xmlns='urn:xmpp:carbons:2'/></message>"
	}
	w := start(t, func(c *Config) { c.ResumeTimeout = 100 * time.Millisecond })
	b := w.must("ben", "b")
	desk, mobile := w.must("anna", "desk"), w.must("anna", "mobile")
	other := w.must("anna", "other")
	mobile.manage(t)
	other.send(t, "<iq type='set' id='on'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
	other.expect(t, "id='on'")
	desk.send(t, "<presence/>")
	desk.expect(t, "<presence")
	b.send(t, private(mobile.jid, "full")+"<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	b.expect(t, "id='p'")
	w.cut(mobile)
	if got := desk.expect(t, "id='full'", "<delay "); strings.Contains(got, "private") {
		t.Errorf("it came as %s", got)
	}
	other.expectNothing(t)
	desk.send(t, "<presence type='unavailable'/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	desk.expect(t, "id='p'")
	b.send(t, private("anna@example.org", "bare")+"<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>")
	b.expect(t, "id='q'")
	desk.send(t, "<presence/>")
	desk.expect(t, "<presence")
	if got := desk.expect(t, "id='bare'", "<delay "); strings.Contains(got, "private") {
		t.Errorf("it was kept as %s", got)
	}
	other.expectNothing(t)
}

// TestOnlyTheMessageIsPrivate: what a client sends together with a private message is not private.
func TestOnlyTheMessageIsPrivate(t *testing.T) {
	r := &request{}
	for _, c := range []struct {
		raw  string
		want bool
	}{
		{"<message><body>x</body><private xmlns='urn:xmpp:carbons:2'/></message>", true},
		{"<message><body>private</body></message>", false},
	} {
		r.raw = []byte(c.raw)
		if _, private := withoutPrivate(r.raw); r.forgesCopy() || private != c.want {
			t.Errorf("%s: private is %v", c.raw, private)
		}
	}
}
