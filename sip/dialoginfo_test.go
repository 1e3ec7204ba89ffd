package sip

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// TestDialogsOf shows what a lamp tells: to whom, and how much.
func TestDialogsOf(t *testing.T) {
	rings := uc.Call{ID: "1", Caller: uc.Party{User: ben, Number: "34", Name: `B"en`}, Called: uc.Party{User: anna, Number: "12"},
		Legs: []uc.Leg{{User: ben, Caller: true, State: uc.LegRinging}, {User: anna, Device: annaDesk, State: uc.LegTrying},
			{User: anna, Device: annaSoft, State: uc.LegRinging}, {User: cleo, State: uc.LegEnded}}}
	talks := uc.Call{ID: "2", Caller: uc.Party{Number: "0891234"}, Legs: []uc.Leg{{Caller: true, State: uc.LegAnswered}, {User: dora, State: uc.LegHeld}}}
	const head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		`<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:x">`
	for _, test := range []struct {
		name         string
		user         uc.UserID
		dnd, details bool
		want         string
	}{
		{"two phones ring, one dialog", anna, false, false, `<dialog id="1" direction="recipient"><state>early</state></dialog>`},
		{"with whom", anna, false, true, `<dialog id="1" direction="recipient"><state>early</state><remote><identity display="B&#34;en">sip:34@example.org</identity></remote></dialog>`},
		{"the caller", ben, true, true, `<dialog id="1" direction="initiator"><state>early</state><remote><identity>sip:12@example.org</identity></remote></dialog>`},
		{"a leg that has ended", cleo, false, true, ""},
		{"on hold is on the phone", dora, false, true, `<dialog id="2" direction="recipient"><state>confirmed</state><remote><identity>sip:0891234@example.org</identity></remote></dialog>`},
		{"do not disturb", cleo, true, false, `<dialog id="presence"><state>confirmed</state></dialog>`},
	} {
		t.Run(test.name, func(t *testing.T) {
			info := dialogInfo{State: "full", Entity: "sip:x", Dialogs: dialogsOf(test.user, []uc.Call{rings, talks}, test.dnd, test.details, "example.org")}
			if got, want := string(info.write()), head+test.want+"</dialog-info>"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
