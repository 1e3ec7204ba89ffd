package xmpp

import (
	"cmp"
	"fmt"
	"testing"
)

func TestCoalesced(t *testing.T) {
	carbon := func(kind, inner string) string {
		return "<message from='anna@x'><" + kind + " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></" + kind + "></message>"
	}
	inRoom := func(typ, content string) string {
		return "<presence from='r@x/n' type='" + typ + "'><status>s</status><x xmlns='http://jabber.org/protocol/muc#user'>" + content + "</x></presence>"
	}
	const state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
	for raw, want := range map[string]string{
		"<presence from='ben@x/a'/>":                                                                                                              "presence ben@x/a",
		"<presence from='ben@x/a' type='unavailable'/>":                                                                                           "presence ben@x/a",
		"<presence from='ben@x' type='subscribe'/>":                                                                                               "",
		"<presence from='r@x/n'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>":                                                      "",
		inRoom("", "<item affiliation='none' role='participant'/>"):                                                                               "presence r@x/n",
		inRoom("unavailable", "<item affiliation='none' role='none' jid='b@x/a'/>"):                                                               "presence r@x/n",
		inRoom("", "<item affiliation='none' role='participant'/><status code='110'/>"):                                                           "",
		inRoom("unavailable", "<item affiliation='none' role='participant' nick='m'/><status code='303'/>"):                                       "",
		inRoom("unavailable", "<item affiliation='none' role='participant' nick='m'/>"):                                                           "",
		inRoom("", "<item affiliation='none' role='visitor'><reason>noise</reason></item>"):                                                       "",
		inRoom("unavailable", "<destroy/>"):                                                                                                       "",
		"<message from='ben@x/a'><body>a</body>" + state + "</message>":                                                                           "",
		"<message from='ben@x/a'>" + state + "</message>":                                                                                         "state ben@x/a",
		"<message from='ben@x/a' type='error'>" + state + "</message>":                                                                            "",
		"<message from='r@x/n' type='groupchat'>" + state + "<stanza-id xmlns='urn:xmpp:sid:0' id='1'/></message>":                                "state r@x/n",
		"<message from='r@x/n' type='groupchat'>" + state + "<subject>s</subject></message>":                                                      "",
		"<message from='ben@x/a'>" + state + "<received xmlns='urn:xmpp:receipts'/></message>":                                                    "",
		"<message from='ben@x/a'/>":                                                                                                               "",
		"<iq from='ben@x/a' type='result'/>":                                                                                                      "",
		carbon("received", "<message xmlns='jabber:client' from='ben@x/a' to='anna@x/b'>"+state+"</message>"):                                     "received ben@x/a anna@x/b",
		carbon("sent", "<message xmlns='jabber:client' from='anna@x/b' to='ben@x'>"+state+"</message>"):                                           "sent anna@x/b ben@x",
		carbon("sent", "<message xmlns='jabber:client' from='anna@x/b' to='ben@x'><a:body xmlns:a='jabber:client'>t</a:body>"+state+"</message>"): "",
	} {
		if got := cmp.Or(coalesced([]byte(raw)), coalescedInRoom([]byte(raw))); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

// TestHeldBackIsBounded sends an inactive client the presence of more than it is held back for.
func TestHeldBackIsBounded(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	a.send(t, "<inactive xmlns='urn:xmpp:csi:0'/>")
	a.expectNothing(t)
	c := w.server.router.session([]byte(a.jid))
	b := w.server.newBatch()
	for i := range 3*maxHeld + 10 {
		b.push(c, fmt.Appendf(nil, "<presence from='ben@example.org/%d'/>", i))
	}
	b.done()
	if h := c.held.Load(); len(h.stanzas) > maxHeld || h.size > maxHeldSize || len(h.at) != len(h.stanzas) {
		t.Errorf("%d stanzas of %d bytes are held back", len(h.stanzas), h.size)
	}
	a.send(t, "<active xmlns='urn:xmpp:csi:0'/>")
	for i := range 3*maxHeld + 10 {
		a.expect(t, fmt.Sprintf("'ben@example.org/%d'", i))
	}
}

// TestResumedIsActive holds that a client is active when it comes back (XEP-0352 §5.2).
func TestResumedIsActive(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	token := a.manage(t)
	a.send(t, "<inactive xmlns='urn:xmpp:csi:0'/>")
	a.expectNothing(t)
	w.cut(a)
	b.send(t, "<presence to='"+a.jid+"'/>")
	b.expectNothing(t)
	again := w.resume("anna", token, 1)
	again.expect(t, "<resumed")
	again.expect(t, "<presence", "ben@example.org/b")
	b.send(t, "<presence to='"+a.jid+"'><show>away</show></presence>")
	again.expect(t, "<presence", "<show>away</show>")
}
