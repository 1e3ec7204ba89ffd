package scan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// limits are small, so that tests reach them.
var limits = scan.Limits{Stanza: 2048, Depth: 6, Attrs: 8}

func TestAccepts(t *testing.T) {
	for _, stanza := range []string{
		small,
		big,
		`<message/>`,
		`<message xmlns='jabber:client'/>`,
		`<message xmlns="jabber:client" ></message >`,
		`<c:message xmlns:c='jabber:client'><c:body/></c:message>`,
		"<message\n\tto = 'a'\r\nfrom\n=\n\"b\"\n/>",
		`<message><body>&lt;&gt;&amp;&apos;&quot;&#65;&#x41;&#x10FFFF;</body></message>`,
		`<message><body>a > b ]] c ] &gt; ]]&gt;</body></message>`,
		`<message><body><![CDATA[<not> & a ]] tag ]> <![CDATA[]]></body></message>`,
		`<message><body><![CDATA[]]]]><![CDATA[>]]></body></message>`,
		"<message><body>\tgr\u00fc\u00df dich \U0001F600 \u2028</body></message>",
		`<message a='"' b="'" c='>' d='/>' e=']]>'/>`,
		`<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>`,
		`<presence xml:lang='en'><status xml:lang='de'>da</status></presence>`,
		`<message xmlns:xml='http://www.w3.org/XML/1998/namespace'/>`,
		`<message><x xmlns='a'><y xmlns=''/></x></message>`,
		`<message xmlns:a='urn:a' xmlns:b='urn:b' a:x='1' b:x='2' x='3'/>`,
		`<message><a:x xmlns:a='urn:a' a:y='1'/><a:x xmlns:a='urn:b'/></message>`,
		`<a1._-b/>`,
		`<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
		`</stream:stream>`,
		`<message><a><b><c><d><e/></d></c></b></a></message>`,
		`<message a='' b='' c='' d='' e='' f='' g='' h=''/>`,
		`<message>` + strings.Repeat("x", 2048-len(`<message></message>`)) + `</message>`,
	} {
		if err := wholly(stanza); err != nil {
			t.Errorf("%s: %v", stanza, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct {
		condition scan.Condition
		stanza    string
	}{
		{scan.RestrictedXML, `<!DOCTYPE x>`},
		{scan.RestrictedXML, `<message><!DOCTYPE x></message>`},
		{scan.RestrictedXML, `<message><!-- hello --></message>`},
		{scan.RestrictedXML, `<!-- hello --><message/>`},
		{scan.RestrictedXML, `<message><?php x?></message>`},
		{scan.RestrictedXML, `<?xml version='1.0'?><message/>`},
		{scan.RestrictedXML, `<message><body>&nbsp;</body></message>`},
		{scan.RestrictedXML, `<message id='&x;'/>`},
		{scan.RestrictedXML, "<gr\u00fc\u00df/>"},
		{scan.RestrictedXML, "<message \u00fc='1'/>"},

		{scan.NotWellFormed, `<message><body></message></body>`},
		{scan.NotWellFormed, `<message></messag>`},
		{scan.NotWellFormed, `</message>`},
		{scan.NotWellFormed, `<message to='a' to='b'/>`},
		{scan.NotWellFormed, `<message xmlns='jabber:client' xmlns='jabber:client'/>`},
		{scan.NotWellFormed, `<message xmlns:a='u' xmlns:a='u'/>`},
		{scan.NotWellFormed, `<message xmlns:a='urn:x' xmlns:b='urn:x' a:y='1' b:y='2'/>`},
		{scan.NotWellFormed, `<message xmlns:a='urn:x' xmlns:b='urn:&#120;' a:y='1' b:y='2'/>`},
		{scan.NotWellFormed, `<x xmlns:a='u'><y xmlns:b='u' a:z='' b:z=''/></x>`},
		{scan.NotWellFormed, `<message to='a'id='b'/>`},
		{scan.NotWellFormed, `<message to=a/>`},
		{scan.NotWellFormed, `<message to/>`},
		{scan.NotWellFormed, `<message to />`},
		{scan.NotWellFormed, `<message to='a<b'/>`},
		{scan.NotWellFormed, `<message <body/>`},
		{scan.NotWellFormed, `<message / >`},
		{scan.NotWellFormed, `<message></message x='1'>`},
		{scan.NotWellFormed, `< message/>`},
		{scan.NotWellFormed, `<1/>`},
		{scan.NotWellFormed, `<-a/>`},
		{scan.NotWellFormed, `<a:/>`},
		{scan.NotWellFormed, `<:a/>`},
		{scan.NotWellFormed, `<a:b:c xmlns:a='u'/>`},
		{scan.NotWellFormed, `<a:1 xmlns:a='u'/>`},
		{scan.NotWellFormed, `<message><body>a & b</body></message>`},
		{scan.NotWellFormed, `<message><body>&;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#x;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#X41;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#4a;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#0;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#x1F;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#xD800;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#xFFFE;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#x110000;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#99999999999;</body></message>`},
		{scan.NotWellFormed, `<message><body>&#00000000000000000065;</body></message>`},
		{scan.NotWellFormed, `<message><body>]]></body></message>`},
		{scan.NotWellFormed, "<message><body>\x01</body></message>"},
		{scan.NotWellFormed, "<message><body>\x00</body></message>"},
		{scan.NotWellFormed, "<message id='\x0b'/>"},
		{scan.NotWellFormed, "<message><body><![CDATA[\x1f]]></body></message>"},
		{scan.NotWellFormed, "<message><body>\uffff</body></message>"},

		{scan.UnsupportedEncoding, "<message><body>\xff</body></message>"},
		{scan.UnsupportedEncoding, "<message><body>\xc3(</body></message>"},
		{scan.UnsupportedEncoding, "<message><body>\xed\xa0\x80</body></message>"},
		{scan.UnsupportedEncoding, "<message><body>\xc0\xaf</body></message>"},
		{scan.UnsupportedEncoding, "<message id='\xe2\x82'/>"},

		{scan.BadNamespacePrefix, `<x:message/>`},
		{scan.BadNamespacePrefix, `<message><x:y/></message>`},
		{scan.BadNamespacePrefix, `<message x:y='1'/>`},
		{scan.BadNamespacePrefix, `<message><stream:error/></message>`},
		{scan.BadNamespacePrefix, `<message stream:x='1'/>`},
		{scan.BadNamespacePrefix, `<message><a:b xmlns:a='u'/><a:b/></message>`},
		{scan.BadNamespacePrefix, `<message><a:b xmlns:a='u'></a:b><a:b/></message>`},
		{scan.BadNamespacePrefix, `<message xmlns:p=''/>`},
		{scan.BadNamespacePrefix, `<message xmlns:xml='urn:x'/>`},
		{scan.BadNamespacePrefix, `<message xmlns:xmlns='urn:x'/>`},
		{scan.BadNamespacePrefix, `<message xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>`},
		{scan.BadNamespacePrefix, `<message xmlns:x='http://www.w3.org/XML/1998/namespace'/>`},
		{scan.BadNamespacePrefix, `<message xmlns='http://www.w3.org/2000/xmlns/'/>`},
		{scan.BadNamespacePrefix, `<message xmlns:x='http://www.w3.org/2000/xmlns&#47;'/>`},
		{scan.BadNamespacePrefix, `<xmlns:a/>`},

		{scan.BadFormat, `hello<message/>`},
		{scan.BadFormat, "\ufeff<message/>"},
		{scan.BadFormat, `<![CDATA[x]]>`},
		{scan.BadFormat, `<stream:features/>`},
		{scan.BadFormat, `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`},

		{scan.PolicyViolation, `<a><b><c><d><e><f><g/></f></e></d></c></b></a>`},
		{scan.PolicyViolation, `<a a='' b='' c='' d='' e='' f='' g='' h='' i=''/>`},
		{scan.PolicyViolation, `<a>` + strings.Repeat("x", 2048) + `</a>`},
		{scan.PolicyViolation, `<a a='` + strings.Repeat("x", 2048) + `'/>`},
		{scan.PolicyViolation, `<a>` + strings.Repeat("x", 2048)},
		{scan.PolicyViolation, `<a ` + strings.Repeat(" ", 2048)},
	} {
		checkCondition(t, c.condition, c.stanza, wholly(c.stanza))
		checkCondition(t, c.condition, c.stanza+" (in single bytes)", inBytes(c.stanza))
	}
}

func TestTooManyDeclarations(t *testing.T) {
	var b strings.Builder
	b.WriteString("<a>")
	for i := range 32 {
		b.WriteString("<a")
		for j := range 5 {
			b.WriteString(" xmlns:a" + string(rune('a'+i)) + string(rune('a'+j)) + "='u'")
		}
		b.WriteString(">")
	}
	checkCondition(t, scan.PolicyViolation, "160 declarations",
		func() error { _, _, _, err := scan.New(scan.DefaultLimits).Next([]byte(b.String())); return err }())
}

func checkCondition(t *testing.T, want scan.Condition, what string, err error) {
	t.Helper()
	var e *scan.Error
	if !errors.As(err, &e) {
		t.Errorf("%.100s: got %v, want %s", what, err, want)
	} else if e.Condition != want {
		t.Errorf("%.100s: got %v, want %s", what, err, want)
	}
}

// wholly scans text that should be one top-level element.
func wholly(text string) error {
	_, stanza, n, err := scan.New(limits).Next([]byte(text))
	if err == nil && (n != len(text) || string(stanza) != text) {
		return errors.New("cut at the wrong place: " + string(stanza))
	}
	return err
}

// inBytes scans text that comes one byte at a time, each time in a new buffer.
func inBytes(text string) error {
	s := scan.New(limits)
	from := 0
	for to := range len(text) + 1 {
		_, _, n, err := s.Next([]byte(text[from:to]))
		from += n
		if err == nil || !errors.Is(err, scan.ErrIncomplete) {
			return err
		}
	}
	return scan.ErrIncomplete
}

func TestHead(t *testing.T) {
	const text = ` <iq xml:lang="de" id='a&amp;b' from='x@y/z' type='set' to='` + "\n" + `q'>t<p:query xmlns:p='urn:x&#58;y'/><other/></iq>`
	h, stanza, n, err := scan.New(limits).Next([]byte(text))
	if err != nil || n != len(text) || string(stanza) != text[1:] {
		t.Fatal(string(stanza), n, err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"name", string(h.Name), "iq"}, {"ns", string(h.NS), scan.NSClient},
		{"to", string(h.To), " q"}, {"from", string(h.From), "x@y/z"}, {"id", string(h.ID), "a&b"},
		{"type", string(h.Type), "set"}, {"lang", string(h.Lang), "de"},
		{"child", string(h.Child), "query"}, {"child's ns", string(h.ChildNS), "urn:x:y"},
		{"inner", string(h.Inner(stanza)), `t<p:query xmlns:p='urn:x&#58;y'/><other/>`},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
	if h.Kind != scan.IQ || h.Version != nil {
		t.Errorf("kind %d, version %q", h.Kind, h.Version)
	}
}

func TestKinds(t *testing.T) {
	for text, want := range map[string]scan.Kind{
		`<message/>`: scan.Message, `<presence/>`: scan.Presence, `<iq/>`: scan.IQ,
		`<iq xmlns='jabber:server'/>`: scan.Other, `<r xmlns='urn:xmpp:sm:3'/>`: scan.Other, `<foo/>`: scan.Other,
		`<message xmlns=''/>`: scan.Other, `<c:iq xmlns:c='jabber:client'/>`: scan.IQ,
		`<stream:error/>`: scan.StreamError, `</stream:stream >`: scan.StreamEnd,
	} {
		h, _, _, err := scan.New(limits).Next([]byte(text))
		if err != nil || h.Kind != want {
			t.Errorf("%s: kind %d, error %v; want %d", text, h.Kind, err, want)
		}
	}
}

func TestHeaderThenStanzas(t *testing.T) {
	const text = "<?xml version='1.0' encoding='utf-8'?>\n<stream:stream to='example.org' version='1.0' xml:lang='en'" +
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\n<message/> </stream:stream>"
	kinds := []scan.Kind{}
	s, rest := scan.NewStream(limits), []byte(text)
	for {
		h, _, n, err := s.Next(rest)
		rest = rest[n:]
		if errors.Is(err, scan.ErrIncomplete) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, h.Kind)
		if h.Kind == scan.StreamStart && (string(h.To) != "example.org" || string(h.Version) != "1.0" || string(h.Lang) != "en") {
			t.Errorf("header: %+v", h)
		}
	}
	if len(kinds) != 3 || kinds[0] != scan.StreamStart || kinds[1] != scan.Message || kinds[2] != scan.StreamEnd || len(rest) != 0 {
		t.Errorf("kinds %v, rest %q", kinds, rest)
	}
}

func TestBadHeaders(t *testing.T) {
	const good = ` xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'`
	for text, want := range map[string]scan.Condition{
		`<stream:stream` + good + `/>`:          scan.BadFormat,
		`<stream:features` + good + `>`:         scan.BadFormat,
		`<message>`:                             scan.InvalidNamespace,
		`</stream:stream>`:                      scan.NotWellFormed,
		`<stream:stream xmlns='jabber:client'>`: scan.BadNamespacePrefix,
		`<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>`:                            scan.InvalidNamespace,
		`<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>`: scan.InvalidNamespace,
		`<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>`:                       scan.InvalidNamespace,
		`<stream xmlns='http://etherx.jabber.org/streams'>`:                                     scan.InvalidNamespace,
		`<?xml version='1.0' encoding='latin1'?>`:                                               scan.UnsupportedEncoding,
		`<?xml version='1.1'?>`:             scan.NotWellFormed,
		`<?xml version=1?>`:                 scan.NotWellFormed,
		`<?xml foo='1'?>`:                   scan.NotWellFormed,
		`<?xmlfoo?>`:                        scan.RestrictedXML,
		`<?foo?>`:                           scan.RestrictedXML,
		`<?xml ` + strings.Repeat(" ", 200): scan.NotWellFormed,
		`<!DOCTYPE stream>`:                 scan.RestrictedXML,
		"GET / HTTP/1.1\r\n\r\n":            scan.BadFormat,
		"\x16\x03\x01":                      scan.BadFormat,
	} {
		_, _, _, err := scan.NewStream(limits).Next([]byte(text))
		checkCondition(t, want, text, err)
	}
}

// A client that sends one byte at a time must not make the scanner read everything again each time:
// that would take minutes here.
func TestSlowSenderCostsLittle(t *testing.T) {
	const size = 200 << 10
	for _, text := range []string{
		`<message id='` + strings.Repeat("x", size) + `'/>`,
		`<message><body>` + strings.Repeat("x", size) + `</body></message>`,
		`<message><body><![CDATA[` + strings.Repeat("x", size) + `]]></body></message>`,
		`<message>` + strings.Repeat("<a/>", size/4) + `</message>`,
		`<message></message` + strings.Repeat(" ", size) + `>`,
	} {
		s, buf := scan.New(scan.DefaultLimits), []byte(text)
		for to := range buf {
			if _, _, _, err := s.Next(buf[:to]); !errors.Is(err, scan.ErrIncomplete) {
				t.Fatal(to, err)
			}
		}
		if _, _, n, err := s.Next(buf); err != nil || n != len(buf) {
			t.Fatal(n, err)
		}
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	s, buf := scan.New(scan.DefaultLimits), []byte(big)
	if n := testing.AllocsPerRun(100, func() { _, _, _, _ = s.Next(buf) }); n != 0 {
		t.Errorf("%v allocations per stanza", n)
	}
}
