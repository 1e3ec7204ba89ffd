package scan

import "testing"

func TestStreamsOfOtherContent(t *testing.T) {
	const header = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='echo.example.org'>"
	if _, _, _, err := NewStream(DefaultLimits).Next([]byte(header)); err == nil {
		t.Error("a client's stream is none of a component")
	}
	s := NewStreamOf(DefaultLimits, NSComponent)
	head, _, n, err := s.Next([]byte(header))
	if err != nil || head.Kind != StreamStart || n != len(header) {
		t.Fatalf("header: %v %v", head.Kind, err)
	}
	for _, test := range []struct{ name, stanza, want string }{
		{"inherited", "<message to='a@b'><body>x</body></message>", "<message to='a@b'><body>x</body></message>"},
		{"declared", "<message xmlns='jabber:component:accept' to='a@b'><body>x</body></message>", "<message to='a@b'><body>x</body></message>"},
		{"by a prefix", "<c:message xmlns:c='jabber:component:accept' to='a@b'><c:body>x</c:body><d xmlns='e'><c:f/></d></c:message>",
			"<message to='a@b'><body>x</body><d xmlns='e'><f xmlns='jabber:client'/></d></message>"},
		{"hidden", "<message xmlns='jabber:component&#58;accept' to='a@b'/>", "<message to='a@b'/>"},
		{"of a client", "<message xmlns='jabber:client' to='a@b'/>", "<message xmlns='jabber:client' to='a@b'/>"},
	} {
		head, raw, _, err := s.Next([]byte(test.stanza))
		if err == nil {
			head, raw, err = Client(head, raw, NSComponent)
		}
		if err != nil || head.Kind != Message || string(head.To) != "a@b" || string(raw) != test.want {
			t.Errorf("%s: %s %v, want %s", test.name, raw, err, test.want)
		}
	}
	if head, _, _, err := s.Next([]byte("<message xmlns='jabber:server' to='a@b'/>")); err != nil || head.Kind != Other {
		t.Errorf("a stanza of a third namespace is %v %v, want none", head.Kind, err)
	}
}

func TestNeutral(t *testing.T) {
	for _, test := range []struct{ name, stanza, want string }{
		{"as it is", "<iq  to='a@b'><q xmlns='x:y'/></iq>", "<iq  to='a@b'><q xmlns='x:y'/></iq>"},
		{"declared", "<message xmlns='jabber:client' to='a@b'><body>x</body></message>", "<message to='a@b'><body>x</body></message>"},
		{"inside", "<message to='a@b'><body xmlns='jabber:client'>x</body></message>", "<message to='a@b'><body>x</body></message>"},
		{"hidden", "<message xmlns='jabber&#58;client' to='a@b'/>", "<message to='a@b'/>"},
		{"mixed content", "<message to=\"a@b\" xmlns = 'jabber:client' ><h xmlns='x'>a<b/>c<b/>d</h></message>", "<message to=\"a@b\" ><h xmlns='x'>a<b/>c<b/>d</h></message>"},
		{"a prefix", "<c:message xmlns:c='jabber:client' to='a@b'/>", "<message to='a@b'/>"},
		{"passed on", "<message to='a@b'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded></message>",
			"<message to='a@b'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded></message>"},
	} {
		head, raw, _, err := New(DefaultLimits).Next([]byte(test.stanza))
		if err == nil {
			head, raw, err = Neutral(head, raw)
		}
		if err != nil || string(raw) != test.want || string(head.To) != "a@b" {
			t.Errorf("%s: %s %v, want %s", test.name, raw, err, test.want)
		}
	}
}
