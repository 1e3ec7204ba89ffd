package scan_test

import (
	"errors"
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

func TestStamp(t *testing.T) {
	const from = "anna@example.org/o'hara&co"
	for _, c := range []struct{ stanza, to, want string }{
		{`<iq/>`, "", `<iq from='anna@example.org/o&apos;hara&amp;co'/>`},
		{`<iq type='get'/>`, "", `<iq from='anna@example.org/o&apos;hara&amp;co' type='get'/>`},
		{`<iq  from="evil"  type='get'>x</iq>`, "", `<iq from='anna@example.org/o&apos;hara&amp;co'  type='get'>x</iq>`},
		{`<iq to='t' from='evil'/>`, "", `<iq from='anna@example.org/o&apos;hara&amp;co' to='t'/>`},
		{`<iq to='t' from='evil' id='1'/>`, "b", `<iq from='anna@example.org/o&apos;hara&amp;co' to='b' id='1'/>`},
		{`<iq from='evil' id='1' to='t'/>`, "b", `<iq from='anna@example.org/o&apos;hara&amp;co' to='b' id='1'/>`},
		{`<iq id='1'/>`, "b", `<iq from='anna@example.org/o&apos;hara&amp;co' to='b' id='1'/>`},
		{`<iq to='t'/>`, "b", `<iq from='anna@example.org/o&apos;hara&amp;co' to='b'/>`},
	} {
		h, stanza, _, err := scan.New(limits).Next([]byte(c.stanza))
		if err != nil {
			t.Fatal(err)
		}
		var to []byte
		if c.to != "" {
			to = []byte(c.to)
		}
		if got := string(scan.AppendStamped([]byte("> "), stanza, &h, []byte(from), to)); got != "> "+c.want {
			t.Errorf("%s became %s, want %s", c.stanza, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	n, err := scan.Parse([]byte("<iq type='set'>\r\n<x:query xmlns:x='urn:q' x:a='1' a='2' xml:lang='de'>on&amp;" +
		"<item/><![CDATA[<\r\n>]]></x:query></iq>\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{jabber:client}iq {}type="set" "\n"({urn:q}query {urn:q}a="1" {}a="2" ` +
		`{http://www.w3.org/XML/1998/namespace}lang="de" "on&<\n>"({jabber:client}item ""))`
	if got := describe(n); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	q := n.Child("urn:q", "query")
	if q.Attr("a") != "2" || n.ChildText("urn:q", "query") != "on&<\n>" || n.Child("", "query") != nil ||
		n.Child("urn:none", "x").Child("a", "b") != nil || n.ChildText("urn:none", "x") != "" {
		t.Error("lookups went wrong")
	}
	const xml = `<query xmlns='urn:q' xmlns:a0='urn:q' a0:a='1' a='2' xml:lang='de'>on&amp;&lt;&#10;&gt;<item xmlns='jabber:client'/></query>`
	if got := string(q.AppendXML(nil, scan.NSClient)); got != xml {
		t.Errorf("got  %s\nwant %s", got, xml)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{``, ` `, `text`, `<a>`, `<a/><b/>`, `<a/>x`, `</stream:stream>`, `<a></b>`, `<x:a/>`, `<a/`} {
		var e *scan.Error
		if n, err := scan.Parse([]byte(text)); !errors.As(err, &e) {
			t.Errorf("%q: got %v, %v", text, n, err)
		}
	}
}
