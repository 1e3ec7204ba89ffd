package xmpp

import (
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// A report is understood in the form of today and in that which Gajim 1.7 sends.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		inside, reason, text string
		ok                   bool
	}{
		{"", "", "", false},
		{"<report xmlns='urn:x'/>", "", "", false},
		{"<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'><text>Go away</text></report>", "urn:xmpp:reporting:spam", "Go away", true},
		{"<report xmlns='urn:xmpp:reporting:0'><spam/></report>", "spam", "", true},
		{"<report xmlns='urn:xmpp:reporting:0'><text>Go away</text><abuse/></report>", "abuse", "Go away", true},
		{"<report xmlns='urn:xmpp:reporting:0'/>", "", "", true},
	} {
		n, err := scan.Parse([]byte("<item jid='ben@example.org'>" + c.inside + "</item>"))
		if err != nil {
			t.Fatal(err)
		}
		if reason, text, ok := readReport(n); reason != c.reason || text != c.text || ok != c.ok {
			t.Errorf("%s: %q, %q, %v", c.inside, reason, text, ok)
		}
	}
}
