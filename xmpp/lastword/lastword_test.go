package lastword

import (
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// TestIsState: what tells nothing but how somebody is now may be left out for something later, nothing else.
func TestIsState(t *testing.T) {
	const user = "http://jabber.org/protocol/muc#user"
	for _, c := range []struct {
		raw   string
		state bool
	}{
		{"<presence from='a@x' to='b@y'/>", true},
		{"<presence from='a@x' to='b@y' type='unavailable'><status>x</status></presence>", true},
		{"<presence from='a@x' to='b@y' type='subscribe'/>", false},
		{"<presence from='a@x' to='b@y' type='probe'/>", false},
		{"<presence from='a@x' to='b@y' type='error'/>", false},
		{"<presence from='a@x' to='b@y/r'/>", false}, // it may be for a room
		{"<presence from='a@x' to='b@y/r'><x xmlns='http://jabber.org/protocol/muc'/></presence>", false},
		{"<presence from='a@x/n' to='b@y/r'><x xmlns='" + user + "'><item role='visitor'/></x></presence>", true},
		{"<presence from='a@x/n' to='b@y/r'><x xmlns='" + user + "'><item nick='m'/></x></presence>", false},
		{"<presence from='a@x/n' to='b@y/r'><x xmlns='" + user + "'><item><reason/></item></x></presence>", false},
		{"<presence from='a@x/n' to='b@y/r'><x xmlns='" + user + "'><item/><status code='110'/></x></presence>", false},
		{"<message from='a@x' to='b@y'/>", false},
		{"<iq from='a@x' to='b@y' type='get' id='1'/>", false},
	} {
		head := headOf(t, c.raw)
		key, state := Key(&head), IsState(&head, []byte(c.raw))
		if state != c.state || key[:3] != "a@x" || key[len(key)-3:] == "a@x" {
			t.Errorf("%s: %q, %v", c.raw, key, state)
		}
	}
	a, b := headOf(t, "<presence from='a@x' to='b@y'/>"), headOf(t, "<presence to='b@y' from='a@x' type='unavailable'/>")
	if Key(&a) != Key(&b) {
		t.Errorf("%q and %q", Key(&a), Key(&b))
	}
	if IsState(&a, []byte("<presence")) {
		t.Error("what cannot be read is taken for a state")
	}
}

func headOf(t *testing.T, raw string) scan.Head {
	head, _, _, err := scan.New(scan.DefaultLimits).Next([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return head
}
