package xmpp

import (
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
