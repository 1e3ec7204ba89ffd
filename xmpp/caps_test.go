package xmpp

import (
	"crypto/sha1" //nolint:gosec // XEP-0115 §5.1 names it
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const exodus = `<identity category='client' name='Exodus 0.9.1' type='pc'/>`

const fourFeatures = `<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/caps'/>` +
	`<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/disco#info'/>`

const psi = `<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/><identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>` + fourFeatures +
	`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>` +
	`<field var='ip_version'><value>ipv6</value><value>ipv4</value></field><field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>` +
	`<field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x>`

// TestVerifyCaps has the examples of XEP-0115 §5.2 and §5.3, and answers that are not believed.
func TestVerifyCaps(t *testing.T) {
	const simple, complexForm = "QgayPKawpkPSDYmwT/WM94uAlu0=", "q07IKJEyjvHSyhy//CH0CxmKi8w="
	for _, c := range []struct {
		name, ver, answer string
		ok                bool
	}{
		{"simple", simple, exodus + fourFeatures, true},
		{"complex", complexForm, psi, true},
		{"one more feature", simple, exodus + fourFeatures + `<feature var='urn:xmpp:avatar:metadata+notify'/>`, false},
		{"a feature twice", simple, exodus + fourFeatures + `<feature var='http://jabber.org/protocol/muc'/>`, false},
		{"an identity twice", simple, exodus + exodus + fourFeatures, false},
		{"two in one", simple, exodus + `<feature var='http://jabber.org/protocol/caps&lt;http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>`, false},
		{"a form twice", complexForm, psi + `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field></x>`, false},
		{"a form of two types", simple, exodus + fourFeatures + `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value><value>b</value></field></x>`, false},
		{"a form without a type", simple, exodus + fourFeatures + `<x xmlns='jabber:x:data' type='result'><field var='a'><value>b</value></field></x>`, true},
	} {
		n, err := scan.Parse([]byte(`<query xmlns='` + nsDiscoInfo + `'>` + c.answer + `</query>`))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := verifyCaps(capsHash{"sha-1", "n", c.ver}, n); ok != c.ok {
			t.Errorf("%s: believed %v", c.name, ok)
		}
	}
}

// TestForgedCaps has answers of the same hash that tell different things. Whoever answers first, those who announce that
// hash are told of the same events.
func TestForgedCaps(t *testing.T) {
	const client = `<identity category='client' type='pc' name='n'/>`
	const nick, tune, muc = `http://jabber.org/protocol/nick+notify`, `http://jabber.org/protocol/tune+notify`, `urn:x:muc`
	parse := func(answer string) *scan.Node {
		n, err := scan.Parse([]byte(`<query xmlns='` + nsDiscoInfo + `'>` + answer + `</query>`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	feature := func(name string) string { return `<feature var='` + name + `'/>` }
	form := func(kind, field string, values ...string) string {
		s := `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>` + kind + `</value></field><field var='` + field + `'>`
		for _, v := range values {
			s += `<value>` + v + `</value>`
		}
		return s + `</field></x>`
	}
	text, _ := capsText(parse(client + feature(nick) + feature(tune) + feature(muc)))
	sum := sha1.Sum([]byte(text)) //nolint:gosec // XEP-0115 §5.1 names it
	h := capsHash{"sha-1", "n", base64.StdEncoding.EncodeToString(sum[:])}
	for _, c := range []struct{ name, answer string }{
		{"honest", client + feature(nick) + feature(tune) + feature(muc)},
		{"a feature of another namespace", client + feature(nick) + feature(tune) + feature(muc) + `<feature xmlns='urn:x' var='urn:x:more+notify'/>`},
		{"a feature as an identity", client + `<identity category='http:' type='' xml:lang='jabber.org' name='protocol/nick+notify'/>` + feature(tune) + feature(muc)},
		{"features as a form", client + form(nick, tune, muc)},
		{"an identity as a feature", feature("client/pc//n") + feature(nick) + feature(tune) + feature(muc)},
	} {
		names, ok := verifyCaps(h, parse(c.answer))
		if want := []string{"http://jabber.org/protocol/nick", "http://jabber.org/protocol/tune"}; ok && !slices.Equal(names, want) {
			t.Errorf("%s: asks for %q", c.name, names)
		} else if !ok && c.name == "honest" {
			t.Error("the honest answer is not believed")
		}
	}
}

// TestCapsForms has several forms, whose types and not whose texts are in order (XEP-0115 §5.1), and one that has two types.
func TestCapsForms(t *testing.T) {
	typed := func(kinds ...string) string {
		s := `<x xmlns='jabber:x:data' type='result'>`
		for _, k := range kinds {
			s += `<field var='FORM_TYPE' type='hidden'><value>` + k + `</value></field>`
		}
		return s + `</x>`
	}
	for _, c := range []struct {
		name, answer, text string
		ok                 bool
	}{
		{"two", typed("urn:x:a-b") + typed("urn:x:a"), "urn:x:a<urn:x:a-b<", true},
		{"the same twice", typed("urn:x:a") + typed("urn:x:a-b") + typed("urn:x:a"), "", false},
		{"two types", typed("urn:x:a", "urn:x:b"), "", false},
	} {
		n, err := scan.Parse([]byte(`<query xmlns='` + nsDiscoInfo + `'>` + c.answer + `</query>`))
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := capsText(n); ok != c.ok || text != c.text {
			t.Errorf("%s: %q, %v", c.name, text, ok)
		}
	}
}

func TestReadCaps(t *testing.T) {
	for _, c := range []struct {
		xml string
		ok  bool
	}{
		{`<c hash='sha-1' node='n' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>`, true},
		{`<c hash='sha-256' node='n' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>`, false},
		{`<c hash='md5' node='n' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>`, false},
		{`<c hash='sha-1' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>`, false},
		{`<c node='n' ver='1.0'/>`, false},
		{`<c/>`, false},
	} {
		n, err := scan.Parse([]byte(c.xml))
		if err != nil {
			t.Fatal(err)
		}
		if got := readCaps(n); (got != capsHash{}) != c.ok {
			t.Errorf("%s: read as %+v", c.xml, got)
		}
	}
}

func TestCapsCacheIsBounded(t *testing.T) {
	c := newCapsCache()
	for i := range 3 * maxCaps {
		c.put(fmt.Sprint(i), []string{"n"})
		c.get("0")
	}
	if c.order.Len() != maxCaps || len(c.byKey) != maxCaps {
		t.Errorf("%d and %d entries", c.order.Len(), len(c.byKey))
	}
	if names, ok := c.get("0"); !ok || !slices.Equal(names, []string{"n"}) {
		t.Error("what is used all the time was dropped")
	}
	if _, ok := c.get("1"); ok {
		t.Error("what was not used for long is kept")
	}
}
