package xmpp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestSASLInDisorder sends the steps of signing in in an order that there is not, or for somebody else.
func TestSASLInDisorder(t *testing.T) {
	const sasl = " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain := func(message string) string { return "<auth" + sasl + " mechanism='PLAIN'>" + b64(message) + "</auth>" }
	success := plain("\x00anna\x00Secret12")
	scram := "<auth" + sasl + " mechanism='SCRAM-SHA-256'>" + b64("n,,n=anna,r=x") + "</auth>"
	w := start(t)
	witness := w.witness()
	for _, tt := range []struct {
		name string
		send []string // the answers to all but the last are not looked at
		want string
	}{
		{"a response to nothing", []string{"<response" + sasl + ">" + b64("x") + "</response>"}, "<malformed-request"},
		{"a success", []string{"<success" + sasl + "/>"}, "<malformed-request"},
		{"an abort of nothing", []string{"<abort" + sasl + "/>"}, "<aborted"},
		{"a response that is an auth", []string{scram, success}, "<malformed-request"},
		{"a response of another namespace", []string{scram, "<response xmlns='urn:xmpp:sasl:2'/>"}, "<not-authorized"},
		{"a bind instead of a response", []string{scram, "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"}, "<not-authorized"},
		{"a final message for another nonce", []string{scram, "<response" + sasl + ">" + b64("c=biws,r=y,p=AAAA") + "</response>"}, "<not-authorized"},
		{"no mechanism", []string{"<auth" + sasl + ">" + b64("\x00anna\x00Secret12") + "</auth>"}, "<invalid-mechanism"},
		{"not base64", []string{"<auth" + sasl + " mechanism='PLAIN'>%%%</auth>"}, "<incorrect-encoding"},
		{"signing in twice", []string{success, streamHeader, success}, "<stream:error>"},
		{"a second STARTTLS", []string{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, "<stream:error>"},
		{"somebody else's authzid", []string{plain("ben@example.org\x00anna\x00Secret12")}, "<invalid-authzid"},
		{"the authzid of another server", []string{plain("anna@example.com\x00anna\x00Secret12")}, "<invalid-authzid"},
		{"the authzid of the server", []string{plain("example.org\x00anna\x00Secret12")}, "<invalid-authzid"},
		{"an authzid that does not exist", []string{plain("nobody@example.org\x00anna\x00Secret12")}, "<invalid-authzid"},
		{"an authzid by SCRAM", []string{"<auth" + sasl + " mechanism='SCRAM-SHA-1'>" + b64("n,a=ben@example.org,n=anna,r=x") + "</auth>"}, "<invalid-authzid"},
	} {
		c := &client{conn: dialTLS(t, w)}
		steps := append([]string{streamHeader}, tt.send...)
		for i, text := range steps {
			c.send(t, text)
			want := ">"
			if i == len(steps)-1 {
				want = tt.want
			}
			if got, err := c.until(want); err != nil {
				t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
			}
			if i == 0 {
				_, _ = c.until("</stream:features>")
			}
		}
		if a := w.server.router.account([]byte("anna@example.org")); a != nil && len(a.bound()) > 0 {
			t.Errorf("%s: somebody is signed in", tt.name)
		}
		c.conn.Close()
	}
	witness.unharmed(t)
}

// TestForgedFrom says to be somebody else, outside and inside of what is passed on.
func TestForgedFrom(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	b.send(t, "<presence/>")
	b.expect(t, "<presence")
	const forged = " from='carl@example.org/witness'"
	forward := "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'" + forged + " to='ben@example.org'><body>Forged</body></message></forwarded>"
	for _, tt := range []struct{ name, send, want string }{
		{"a message", "<message to='ben@example.org/b'" + forged + "><body>x</body></message>", "from='anna@example.org/a'"},
		{"a message of the server", "<message to='ben@example.org/b' from='example.org'><body>x</body></message>", "from='anna@example.org/a'"},
		{"a message of the receiver", "<message to='ben@example.org/b' from='ben@example.org'><body>x</body></message>", "from='anna@example.org/a'"},
		{"an iq", "<iq type='get' id='1' to='ben@example.org/b'" + forged + "><x xmlns='urn:x'/></iq>", "from='anna@example.org/a'"},
		{"a roster push", "<iq type='set' id='1' to='ben@example.org/b' from='ben@example.org'><query xmlns='jabber:iq:roster'><item jid='x@y'/></query></iq>", "from='anna@example.org/a'"},
		{"presence", "<presence to='ben@example.org/b'" + forged + "/>", "from='anna@example.org/a'"},
		{"a subscription", "<presence type='subscribe' to='ben@example.org'" + forged + "/>", "from='anna@example.org'"},
		{"what is passed on by somebody is so marked", "<message to='ben@example.org/b'" + forged + ">" + forward + "</message>", "from='anna@example.org/a'"},
	} {
		a.send(t, tt.send)
		if got := b.expect(t, tt.want); strings.Contains(strings.Split(got, "<forwarded")[0], "carl") {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
	for _, wrapper := range []string{
		"<received xmlns='urn:xmpp:carbons:2'>%s</received>", "<sent xmlns='urn:xmpp:carbons:2'>%s</sent>",
		"<c:received xmlns:c='urn:xmpp:carbons:&#x32;'>%s</c:received>",
		"<result xmlns='urn:xmpp:mam:2' id='1'>%s</result>", "<m:result xmlns:m='urn:xmpp:mam&#58;2' id='1'>%s</m:result>",
	} {
		a.send(t, "<message id='f' to='ben@example.org/b'>"+fmt.Sprintf(wrapper, forward)+"</message>")
		a.expect(t, "type='error'", "<forbidden")
	}
	// Only the server speaks for the profile and the telephone, to whomever.
	for _, to := range []string{"", " to='ben@example.org/b'", " to='ben@example.org'", " to='hall@rooms.example.org/A'"} {
		for _, ns := range []string{"urn:rolecall:presence:0", "urn:rolecall:presence&#58;0"} {
			a.send(t, "<presence id='p'"+to+"><call xmlns='"+ns+"' with='the boss'/></presence>")
			a.expect(t, "type='error'", "<forbidden")
		}
	}
	a.send(t, "<message id='end' to='ben@example.org/b'/>")
	b.expect(t, "id='end'") // and nothing else came
}

// TestForgedDelay says that the server has kept a message for long. A client may say so of itself.
func TestForgedDelay(t *testing.T) {
	w := start(t)
	far := w.otherServer("far.example")
	a, b := w.must("anna", "a"), w.must("ben", "b")
	const stamp = " stamp='2020-01-01T00:00:00Z'"
	for i, tt := range []struct {
		delay string
		kept  bool
	}{
		{"<delay xmlns='urn:xmpp:delay' from='example.org'" + stamp + "/>", false},
		{"<delay xmlns='urn:xmpp:delay' from='EXAMPLE.org'" + stamp + "/>", false},
		{"<d:delay xmlns:d='urn:xmpp:dela&#121;' from='exampl&#101;.org'" + stamp + "/>", false},
		{"<delay xmlns='urn:xmpp:delay' from='example.org/x'" + stamp + ">kept</delay>", false},
		{"<delay xmlns='urn:xmpp:delay' from='rooms.example.org'" + stamp + "/>", false},
		{"<delay xmlns='urn:xmpp:delay' from='ben@example.org'" + stamp + "/>", false},
		{"<x xmlns='jabber:x:delay' from='example.org' stamp='20200101T00:00:00'/>", false},
		{"<o:x xmlns:o='jabber:x:dela&#121;' from='exampl&#101;.org' stamp='20200101T00:00:00'/>", false},
		{"<x xmlns='jabber:x:delay' from='anna@example.org/a' stamp='20200101T00:00:00'/>", true},
		{"<delay xmlns='urn:xmpp:delay'" + stamp + "/>", true},
		{"<delay xmlns='urn:xmpp:delay' from='anna@example.org/a'" + stamp + "/>", true},
		{"<delay xmlns='urn:xmpp:delay' from='far.example'" + stamp + "/>", true},
		{"<delay xmlns='urn:x' from='example.org'" + stamp + "/>", true},
		{"<x xmlns='urn:x'><delay xmlns='urn:xmpp:delay' from='example.org'" + stamp + "/></x>", true},
	} {
		id := fmt.Sprint("d", i)
		a.send(t, "<message id='"+id+"' type='chat' to='ben@example.org/b'><body>x</body>"+tt.delay+"</message>")
		if got := b.expect(t, "id='"+id+"'", "<body>x</body>"); strings.Contains(got, "2020") != tt.kept {
			t.Errorf("of %s comes %s", tt.delay, got)
		}
		for _, typ := range []string{"", " type='unavailable'"} {
			a.send(t, "<presence id='"+id+"' to='ben@example.org/b'"+typ+">"+tt.delay+"</presence>")
			if got := b.expect(t, "<presence", "id='"+id+"'"); strings.Contains(got, "2020") != tt.kept {
				t.Errorf("of presence with %s comes %s", tt.delay, got)
			}
		}
	}
	for from, kept := range map[string]bool{"example.org": false, "far.example": true} {
		if err := far.Send(t.Context(), "<message id='far' from='zoe@far.example/x' to='ben@example.org/b'><body>x</body><delay xmlns='urn:xmpp:delay' from='"+from+"'"+stamp+"/></message>"); err != nil {
			t.Fatal(err)
		}
		if got := b.expect(t, "id='far'"); strings.Contains(got, "2020") != kept {
			t.Errorf("of one of %s comes %s", from, got)
		}
		if err := far.Send(t.Context(), "<presence id='far' from='zoe@far.example/x' to='ben@example.org/b'><delay xmlns='urn:xmpp:delay' from='"+from+"'"+stamp+"/></presence>"); err != nil {
			t.Fatal(err)
		}
		if got := b.expect(t, "<presence", "id='far'"); strings.Contains(got, "2020") != kept {
			t.Errorf("of presence with one of %s comes %s", from, got)
		}
	}
}

// TestPoisonedCaps announces a hash and answers something that does not fit it, then something that fits
// another client's hash: neither counts for anybody.
func TestPoisonedCaps(t *testing.T) {
	w := start(t)
	// The hash of a client whose one feature is that it wants to hear of moods, as XEP-0115 §5.1 has it.
	query := "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc'/>" +
		"<feature var='http://jabber.org/protocol/mood+notify'/></query>"
	const ver = "CQFb0iYPNa5B2NWJStxfndxsn+c="
	announce := "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='" + ver + "'/></presence>"
	liar := w.must("anna", "liar")
	answer := func(c *client, payload string) {
		t.Helper()
		asked := c.takeUntil(t, "disco#info")
		_, id, _ := strings.Cut(asked[len(asked)-1], " id='")
		id, _, _ = strings.Cut(id, "'")
		c.send(t, "<iq type='result' to='example.org' id='"+id+"'>"+payload+"</iq><iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>")
		c.takeUntil(t, "id='sync'")
	}
	liar.send(t, announce)
	answer(liar, strings.ReplaceAll(query, "mood", "tune"))
	if _, known := w.server.caps.get("sha-1 " + ver); known {
		t.Fatal("the lie is believed")
	}
	honest := w.must("ben", "honest")
	honest.send(t, announce)
	answer(honest, query) // it is asked itself, since the lie is not remembered
	if names, known := w.server.caps.get("sha-1 " + ver); !known || len(names) != 1 || names[0] != "http://jabber.org/protocol/mood" {
		t.Errorf("known %v: %v", known, names)
	}
	liar.send(t, "<iq type='result' to='example.org' id='guess'>"+strings.ReplaceAll(query, "mood", "tune")+"</iq>"+
		"<iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>")
	liar.takeUntil(t, "id='sync'")
	if names, _ := w.server.caps.get("sha-1 " + ver); len(names) != 1 || names[0] != "http://jabber.org/protocol/mood" {
		t.Errorf("an answer that nobody asked for has changed it to %v", names)
	}
}

// TestUnwantedAnswers sends results and errors of requests that nobody made. They are dropped, or reach the
// client they are for, from their true sender; none is answered.
func TestUnwantedAnswers(t *testing.T) {
	w := start(t)
	witness := w.witness()
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for _, typ := range []string{"result", "error"} {
		for _, to := range []string{"", "to='example.org'", "to='anna@example.org'", "to='ben@example.org'", "to='nobody@example.org'",
			"to='nobody@example.org/x'", "to='ben@example.org/gone'", "to='rooms.example.org'", "to='x@rooms.example.org/n'", "to='a@other.example'"} {
			a.send(t, "<iq type='"+typ+"' id='1' "+to+"><query xmlns='jabber:iq:roster'><item jid='x@y'/></query></iq>")
		}
	}
	a.send(t, "<iq type='result' id='1' to='ben@example.org/b' from='ben@example.org'/>")
	b.expect(t, "from='anna@example.org/a'")
	a.send(t, "<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='end'") // and nothing before it
	b.send(t, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	if got := b.expect(t, "id='r'"); strings.Contains(got, "x@y") {
		t.Errorf("Ben's roster is now %s", got)
	}
	witness.unharmed(t)
}

// TestOddAddresses writes addresses in unusual Unicode: what means the same reaches the same user, and what
// cannot be an address is refused (RFC 7622 §3).
func TestOddAddresses(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for _, tt := range []struct{ to, want string }{
		{"BEN@EXAMPLE.ORG/b", ""},
		{"\uff22\uff25\uff2e@example.org/b", ""}, // full width
		{"ben@example\u3002org/b", ""},           // ideographic full stop
		{"be\u200dn@example.org/b", "jid-malformed"},
		{"be\u202en@example.org/b", "jid-malformed"},      // right to left override
		{"b\u0435n@example.org/b", "service-unavailable"}, // a Cyrillic letter is another one
		{"ben@example.org/b\u0000", "not-well-formed"},
		{"ben@example.org/\u0007", "not-well-formed"},
		{"ben@example.org/\u2028", "jid-malformed"},
		{"@example.org", "jid-malformed"},
		{"ben@/b", "jid-malformed"},
		{"ben@example.org/", "jid-malformed"},
		{"ben@@example.org", "jid-malformed"},
		{"b&apos;en@example.org", "jid-malformed"},
		{strings.Repeat("b", 1024) + "@example.org", "jid-malformed"},
		{"ben@" + strings.Repeat("b", 1024), "jid-malformed"},
		{"ben@example.org/" + strings.Repeat("b", 1024), "jid-malformed"},
		{"ben@xn--a.example", "jid-malformed"},
	} {
		if tt.want == "not-well-formed" {
			c := w.must("anna", "")
			if got := offend(t, c.conn, "<iq type='get' id='1' to='"+tt.to+"'><x xmlns='urn:x'/></iq>"); !strings.Contains(got, tt.want) {
				t.Errorf("%q: got %s, want %s", tt.to, got, tt.want)
			}
			continue
		}
		a.send(t, "<iq type='get' id='1' to='"+tt.to+"'><x xmlns='urn:x'/></iq>")
		if tt.want == "" {
			b.expect(t, "<x xmlns='urn:x'/>", "from='anna@example.org/a'")
		} else if got := a.expect(t, "type='error'"); !strings.Contains(got, "<"+tt.want) {
			t.Errorf("%q: got %s, want %s", tt.to, got, tt.want)
		}
	}
	// Two ways to write a resource are one session, and nobody can sit beside another one invisibly.
	w.must("carl", "caf\u00e9")
	second := w.must("carl", "cafe\u0301")
	if n := len(w.server.router.account([]byte("carl@example.org")).bound()); second.jid != "carl@example.org/caf\u00e9" || n != 1 {
		t.Errorf("the second session is %q, and Carl has %d", second.jid, n)
	}
}

// TestLongNames takes names up to their limits, and answers with ids of any length.
func TestLongNames(t *testing.T) {
	w := start(t)
	if c := w.must("anna", strings.Repeat("x", 1023)); len(c.jid) != len("anna@example.org/")+1023 {
		t.Errorf("bound %d bytes", len(c.jid))
	}
	for _, resource := range []string{strings.Repeat("x", 1024), "a\u2028b", "\u202e"} {
		if c, err := w.login(t.Context(), "anna", resource); err == nil || !strings.Contains(err.Error(), "bad-request") && !strings.Contains(err.Error(), "no resource") {
			t.Errorf("%.20q: %v, %v, want bad-request", resource, c, err)
		}
	}
	if c := w.must("anna", "phone"); c.jid == "anna@example.org/phone" {
		t.Error("a client has the resource of the telephones")
	}
	a := w.must("anna", "a")
	id := strings.Repeat("x", 200<<10)
	a.send(t, "<iq type='get' id='"+id+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='"+id+"'")
	a.send(t, "<iq type='get' id='&lt;&quot;&#x27;&amp;'><ping xmlns='urn:xmpp:ping'/></iq>")
	if got := a.expect(t, "type='result'"); strings.Contains(got, "id='<") {
		t.Errorf("got %s", got)
	}
	a.send(t, "<iq type='get' id=''><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "<bad-request")
}

// TestPriorities uses the priority of a client for what it cannot do: to draw other users' messages, or to
// be a number that is none.
func TestPriorities(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	for _, p := range []string{"128", "-129", "99999999999999999999", "x", "1e1", "0x7f"} {
		a.send(t, "<presence id='1'><priority>"+p+"</priority></presence>")
		a.expect(t, "type='error'", "<bad-request")
	}
	if a := w.server.router.session([]byte("anna@example.org/a")); a.available.Load() {
		t.Error("a client is online by presence that was refused")
	}
	a.send(t, "<presence><priority>127</priority></presence>")
	a.expect(t, "<priority>127</priority>")
	b.send(t, "<presence><priority>-128</priority></presence>")
	b.expect(t, "<priority>-128</priority>")
	a.send(t, "<message to='ben@example.org' type='chat' id='kept'><body>x</body></message><iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='end'")
	b.send(t, "<presence><priority>0</priority></presence>")
	b.takeUntil(t, "id='kept'")
}

// TestHostilePaging asks for pages that there are not (XEP-0059).
func TestHostilePaging(t *testing.T) {
	w := start(t, func(c *Config) { c.Archive = 1 << 50 })
	witness := w.witness()
	a := w.must("anna", "a")
	for i := range 3 {
		a.send(t, strings.Replace(publishXML("p", "urn:list", fmt.Sprint("item", i), "<x xmlns='u'/>"), "</publish>", "</publish>"+
			"<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"+
			"<value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#max_items'><value>max</value></field></x></publish-options>", 1))
		a.expect(t, "type='result'")
	}
	rsm := func(inner string) string { return "<set xmlns='http://jabber.org/protocol/rsm'>" + inner + "</set>" }
	nodes := func(attr, set string) string {
		return "<iq type='get' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:list'" + attr + "/>" + set + "</pubsub></iq>"
	}
	archive := func(set string) string {
		return "<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'>" + set + "</query></iq>"
	}
	for _, tt := range []struct{ send, want string }{
		{nodes(" max_items='99999999999999999999'", ""), "<bad-request"},
		{nodes(" max_items='-9223372036854775808'", ""), "<bad-request"},
		{nodes(" max_items='1.5'", ""), "<bad-request"},
		{nodes(" max_items='9223372036854775807'", ""), "item0"},
		{nodes("", rsm("<max>-1</max>")), "<bad-request"},
		{nodes("", rsm("<max>99999999999999999999</max>")), "<bad-request"},
		{nodes("", rsm("<max>x</max>")), "<bad-request"},
		{nodes("", rsm("<max></max>")), "<bad-request"},
		{nodes("", rsm("<max>0</max>")), "<count>3</count>"},
		{nodes("", rsm("<max>9223372036854775807</max><after>item2</after>")), "<count>3</count>"},
		{nodes("", rsm("<max>1</max><after>"+strings.Repeat("x", 100<<10)+"</after>")), "<item-not-found"},
		{nodes("", rsm("<max>1</max><before>' OR 1=1</before>")), "<item-not-found"},
		{nodes("", rsm("<max>2</max><after>item2</after><before>item0</before>")), "<count>3</count>"},
		{archive(rsm("<max>-1</max>")), "<bad-request"},
		{archive(rsm("<max>99999999999999999999</max>")), "<bad-request"},
		{archive(rsm("<index>-1</index>")), "<bad-request"},
		{archive(rsm("<index>2147483647</index>")), "<fin"},
		{archive(rsm("<after>1</after>")), "<item-not-found"},
		{archive(rsm("<before>' OR 1=1</before>")), "<item-not-found"},
		{archive(rsm("<before>" + strings.Repeat("x", 100<<10) + "</before>")), "<item-not-found"},
	} {
		a.send(t, tt.send)
		if got := a.expect(t, "id='1'"); !strings.Contains(got, tt.want) {
			t.Errorf("%.300s: got %.300s, want %s", tt.send, got, tt.want)
		}
	}
	witness.unharmed(t)
}
