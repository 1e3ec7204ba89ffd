package xmpp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

func TestCompose(t *testing.T) {
	lunch := makeOverlay(uc.Presence{
		Floor:   uc.Floor{Show: uc.ShowAway, StatusText: "Lunch & more"},
		Profile: &uc.ProfileView{Name: "Lunch", Since: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)},
	})
	const profile = `<profile xmlns='urn:rolecall:presence:0' name='Lunch' since='2026-03-02T12:00:00Z'/>`
	neutral := makeOverlay(uc.Presence{})
	for _, c := range []struct {
		story, raw string
		overlay    overlay
		want       string
	}{
		{"nothing to add", `<presence from='a@b/c'><show>dnd</show></presence>`, neutral, `<presence from='a@b/c'><show>dnd</show></presence>`},
		{"an empty element", `<presence from='a@b/c'/>`, lunch, `<presence from='a@b/c'><show>away</show><status>Lunch &amp; more</status>` + profile + `</presence>`},
		{"the client is stricter, the text is the profile's", `<presence from='a@b/c'><status>x</status><show>xa</show><x xmlns='u'><show>no</show></x></presence>`, lunch,
			`<presence from='a@b/c'><show>xa</show><status>Lunch &amp; more</status><x xmlns='u'><show xmlns='u'>no</show></x>` + profile + `</presence>`},
		{"the client says the same", `<presence from='a@b/c'><show>away</show><status>Lunch &amp; more</status ></presence >`, lunch,
			`<presence from='a@b/c'><show>away</show><status>Lunch &amp; more</status >` + profile + `</presence >`},
		{"an empty show is not passed on", `<presence from='a@b/c'><show></show><priority/></presence>`, neutral, `<presence from='a@b/c'><priority/></presence>`},
		{"a prefix", `<c:presence xmlns:c='jabber:client' from='a@b/c'/>`, makeOverlay(uc.Presence{Profile: &uc.ProfileView{Name: "X"}}),
			`<c:presence xmlns:c='jabber:client' from='a@b/c'><profile xmlns='urn:rolecall:presence:0' name='X'/></c:presence>`},
	} {
		p, err := readPresence([]byte(c.raw))
		if err != nil {
			t.Errorf("%s: %v", c.story, err)
			continue
		}
		p.raw = []byte(c.raw)
		got := c.overlay.compose(&p).full
		if !sameXML(t, string(got), c.want) {
			t.Errorf("%s:\n%s, want\n%s", c.story, got, c.want)
		}
	}
}

// sameXML compares two stanzas as decoded.
func sameXML(t *testing.T, a, b string) bool {
	t.Helper()
	var list [2]string
	for i, text := range []string{a, b} {
		n, err := scan.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		list[i] = string(n.AppendXML(nil, scan.NSClient))
	}
	return list[0] == list[1]
}

// FuzzCompose lays an overlay over whatever passes the scanner: it must still pass, with the extras in it.
func FuzzCompose(f *testing.F) {
	for _, raw := range []string{
		`<presence/>`, `<presence ><show>away</show></presence>`, `<presence xml:lang='de'><status><![CDATA[</x>]]></status></presence >`,
		`<x:presence xmlns:x='jabber:client' a='>'/>`, `<presence xmlns:y='u'><y:show/><priority> 5 </priority></presence>`,
	} {
		f.Add(raw)
	}
	o := makeOverlay(uc.Presence{Floor: uc.Floor{Show: uc.ShowDND}, Profile: &uc.ProfileView{Name: "it's <DND>"}})
	f.Fuzz(func(t *testing.T, text string) {
		head, raw, _, err := scan.New(scan.DefaultLimits).Next([]byte(text))
		if err != nil || head.Kind != scan.Presence {
			return
		}
		p, err := readPresence(raw)
		if err != nil {
			return
		}
		p.raw = scan.AppendStamped(nil, raw, &head, []byte("a@b/c"), nil)
		composed := o.compose(&p).full
		head, _, n, err := scan.New(unlimited).Next(composed)
		if err != nil || n != len(composed) || head.Kind != scan.Presence || string(head.From) != "a@b/c" {
			t.Fatalf("%s became %s: %v", text, composed, err)
		}
		tree, err := scan.Parse(composed)
		if err != nil || tree.Child(nsPresence, "profile").Attr("name") != "it's <DND>" || tree.ChildText(scan.NSClient, "show") != "dnd" {
			t.Fatalf("%s became %s: %v", text, composed, err)
		}
	})
}

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 28, 16, 0, 0, 0, berlin)
	for text, want := range map[string]time.Time{
		"17:30":                time.Date(2026, 3, 28, 17, 30, 0, 0, berlin),
		" 09:00 ":              time.Date(2026, 3, 29, 9, 0, 0, 0, berlin), // tomorrow, behind the change to summer time
		"90m":                  now.Add(90 * time.Minute),
		"2026-04-01 08:00":     time.Date(2026, 4, 1, 8, 0, 0, 0, berlin),
		"2026-04-01T08:00:00Z": time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC),
	} {
		if got, err := parseTime(text, now, berlin); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "-5m", "25:00"} {
		if got, err := parseTime(text, now, berlin); !errors.Is(err, uc.ErrInvalid) {
			t.Errorf("%q is %v (%v), want invalid", text, got, err)
		}
	}
}

func TestWorthKeeping(t *testing.T) {
	for raw, want := range map[string]bool{
		`<message type='chat'><body>x</body></message>`:                                                      true,
		`<message><subject>x</subject></message>`:                                                            true,
		`<message type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>`:             false,
		`<message type='chat'><e xmlns='u'/><store xmlns='urn:xmpp:hints'/></message>`:                       true,
		`<message><body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>`:                      false,
		`<message type='chat'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>`:                    false,
		`<message type='chat'><body>x</body><no-copy xmlns='urn:xmpp:hints'/></message>`:                     true,
		`<message type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>`:                        true,
		`<message type='chat'><e xmlns='eu.siacs.conversations.axolotl'/></message>`:                         true,
		`<message><paused xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread></message>`:       false,
		`<message type='chat'><thread>t</thread><no-copy xmlns='urn:xmpp:hints'/></message>`:                 false,
		`<message type='chat'><gone xmlns='http://jabber.org/protocol/chatstates'/><x xmlns='u'/></message>`: true,
		`<message/>`: false,
		`<x:message xmlns:x='jabber:client' type='chat'><x:body>prefixed</x:body></x:message>`:            true,
		`<message type='chat'><body>` + strings.Repeat("long ", 1000) + `</body><a xmlns='u'/></message>`: true,
	} {
		if got := worthKeeping([]byte(raw)); got != want {
			t.Errorf("%.80s: %v, want %v", raw, got, want)
		}
	}
}
