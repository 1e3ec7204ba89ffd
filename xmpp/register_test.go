package xmpp

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Off by default: neither announced nor answered.
func TestPasswordChangeIsOff(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	a.send(t, "<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
	if strings.Contains(a.expect(t, "id='d'"), nsRegister) {
		t.Error("registration is announced")
	}
	a.send(t, "<iq type='set' id='r' to='example.org'><query xmlns='jabber:iq:register'><username>anna</username><password>Other1234</password></query></iq>")
	a.expect(t, "id='r'", "service-unavailable")
}

// The directory's rules hold, and users whose password is elsewhere cannot change it.
func TestPasswordChangeIsRefused(t *testing.T) {
	w := start(t, func(c *Config) { c.PasswordChange = true })
	a, b := w.must("anna", "a"), w.must("ben", "b")
	a.send(t, "<iq type='set' id='r' to='example.org'><query xmlns='jabber:iq:register'><username>anna</username><password>short</password></query></iq>")
	a.expect(t, "id='r'", "not-acceptable", "too short")
	a.send(t, "<iq type='set' id='s' to='example.org'><query xmlns='jabber:iq:register'><username>anna</username><password>Other1234</password></query></iq>")
	a.expect(t, "id='s'", "type='result'") // whoever typed too short a password need not wait
	a.send(t, "<iq type='set' id='t' to='example.org'><query xmlns='jabber:iq:register'><username>anna</username><password>Other1234</password></query></iq>")
	a.expect(t, "id='t'", "resource-constraint", "try again")
	u := *w.dir.Load().UserByLogin("ben")
	u.Auth = uc.AuthLDAP
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	b.send(t, "<iq type='set' id='r' to='example.org'><query xmlns='jabber:iq:register'><username>ben</username><password>Other1234</password></query></iq>")
	b.expect(t, "id='r'", "not-allowed", "not kept here")
	acc := new(account)
	now := time.Now()
	if !acc.mayChangePassword(now) || acc.mayChangePassword(now.Add(passwordPause-1)) || !acc.mayChangePassword(now.Add(passwordPause)) {
		t.Error("the pause between two changes does not hold")
	}
}

// A new password ends the sessions that were opened by the old one, of clients that are between two connections too; the
// client that changed it stays.
func TestNewPasswordEndsSessions(t *testing.T) {
	w := start(t, func(c *Config) { c.PasswordChange = true })
	a, other := w.must("anna", "a"), w.must("anna", "other")
	lost := w.must("anna", "lost")
	lost.send(t, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
	lost.expect(t, "<enabled", "resume='true'")
	witness := w.witness()
	w.cut(lost)
	u := *w.dir.Load().Users.Get(anna)
	u.Name = "Anna Adler"
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}}) // which ends nothing
	a.send(t, "<iq type='set' id='r' to='example.org'><query xmlns='jabber:iq:register'><username>anna</username><password>Other1234</password></query></iq>")
	a.expect(t, "id='r'", "type='result'")
	if got := drainUntilEnd(t, other.conn); !strings.Contains(got, "<reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>") {
		t.Errorf("the other session ends with %s, want reset", got)
	}
	w.eventually(func() bool { return w.server.router.session([]byte(lost.jid)) == nil })
	witness.unharmed(t)
	a.send(t, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='p'", "type='result'")
	u.Password = keysOf(4) // by an administrator
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	if got := drainUntilEnd(t, a.conn); !strings.Contains(got, "<reset ") {
		t.Errorf("the session ends with %s, want reset", got)
	}
}

// Nor does it help to sign in by the old password and to bind a resource later.
func TestNewPasswordBeforeTheBind(t *testing.T) {
	w := start(t)
	w.settle()
	c := &client{conn: dialTLS(t, w)}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00anna\x00Secret12"))
	for _, step := range []struct{ send, want string }{
		{streamHeader, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{streamHeader, "</stream:features>"},
	} {
		c.send(t, step.send)
		if got, err := c.until(step.want); err != nil {
			t.Fatalf("%v in answer to %s: %s", err, step.send, got)
		}
	}
	u := *w.dir.Load().Users.Get(anna)
	u.Password = keysOf(3)
	w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{u}}})
	c.send(t, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	if got := drainUntilEnd(t, c.conn); !strings.Contains(got, "<reset ") {
		t.Errorf("the session ends with %s, want reset", got)
	}
}

func TestContactAddresses(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Contacts = Contacts{Abuse: []string{"mailto:abuse@example.org", "xmpp:anna@example.org"}, Support: []string{"https://example.org/help"}}
	})
	a := w.must("anna", "a")
	a.send(t, "<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
	a.expect(t, "<field type='hidden' var='FORM_TYPE'><value>http://jabber.org/network/serverinfo</value></field>"+
		"<field type='list-multi' var='abuse-addresses'><value>mailto:abuse@example.org</value><value>xmpp:anna@example.org</value></field>"+
		"<field type='list-multi' var='support-addresses'><value>https://example.org/help</value></field></x>")
}
