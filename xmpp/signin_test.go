package xmpp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// vault is an LDAP directory with one password.
type vault struct{}

func (vault) Check(_ context.Context, login, password string) (bool, error) {
	return login == "ben" && password == "Elsewhere1", nil
}

// startWithLDAP runs a server with direct TLS where ben's password is not in the directory.
func startWithLDAP(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	tables := company()
	for i, u := range tables.Users {
		if u.Login == "ben" {
			tables.Users[i].Auth, tables.Users[i].Password = uc.AuthLDAP, uc.PasswordKeys{}
		}
	}
	w := newWorld(t, uc.NewDirectory(1, tables), change...)
	w.server.deps.Passwords = vault{}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.direct = w.listen(ctx, w.server.ServeTLS)
	t.Cleanup(func() {
		if err := w.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		w.wg.Wait()
	})
	return w
}

// inOne signs in and binds in one write (XEP-0388, XEP-0386), followed by the rest, and returns what the
// server said about it.
func (w *world) inOne(login, password, agent, rest string) (*client, string) {
	w.t.Helper()
	return w.authenticate(login, password, "<user-agent id='"+agent+"'/><bind xmlns='urn:xmpp:bind:0'><tag>test</tag></bind>", "</stream:features>", rest)
}

// inAll signs in with other requests; end is what the server says last about it.
func (w *world) inAll(login, requests, end, rest string) (*client, string) {
	w.t.Helper()
	password := map[string]string{"anna": "Secret12", "ben": "Elsewhere1"}[login]
	return w.authenticate(login, password, requests, end, rest)
}

func (w *world) authenticate(login, password, requests, end, rest string) (*client, string) {
	w.t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}}}
	conn, err := dialer.DialContext(w.t.Context(), "tcp", w.direct.String())
	if err != nil {
		w.t.Fatal(err)
	}
	c := &client{conn: conn, scanner: scan.New(scan.DefaultLimits)}
	w.t.Cleanup(func() { c.conn.Close() })
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
	c.send(w.t, streamHeader+"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>"+plain+"</initial-response>"+
		requests+"</authenticate>"+rest)
	said, err := c.until("</stream:features>")
	if err != nil {
		w.t.Fatal(err, said)
	}
	if said, err = c.until(">"); err != nil {
		w.t.Fatal(err)
	}
	if strings.HasPrefix(said, "<failure") {
		return c, said
	}
	more, err := c.until(end)
	if err != nil {
		w.t.Fatal(err, said)
	}
	_, after, _ := strings.Cut(more, "<authorization-identifier>")
	c.jid, _, _ = strings.Cut(after, "<")
	return c, said + more
}

func TestSignInByOneWrite(t *testing.T) {
	w := startWithLDAP(t)
	const phone, laptop = "d4565fa7-4d72-4749-b3d3-740edbf87770", "0f5c9a1e-4d72-4749-b3d3-740edbf87771"
	first, said := w.inOne("anna", "Secret12", phone, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	if !strings.HasPrefix(first.jid, "anna@example.org/test/") || strings.Contains(said, "xmpp-bind") || strings.Contains(first.jid, phone[:8]) {
		t.Fatalf("%s, said %s", first.jid, said)
	}
	first.expect(t, "id='p'", "type='result'", "to='"+first.jid+"'")
	other, _ := w.inOne("anna", "Secret12", laptop, "")
	if other.jid == first.jid {
		t.Errorf("two installations are both %s", other.jid)
	}
	// The same installation comes again, perhaps before we know that its connection is gone (XEP-0386 §4.2).
	again, _ := w.inOne("anna", "Secret12", phone, "")
	if again.jid != first.jid {
		t.Errorf("%s at first, then %s", first.jid, again.jid)
	}
	first.expect(t, "<conflict")
}

func TestSignInByLDAP(t *testing.T) {
	w := startWithLDAP(t)
	const agent = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	if c, said := w.inOne("ben", "Elsewhere1", agent, ""); !strings.HasPrefix(c.jid, "ben@example.org/test/") {
		t.Error(said)
	}
	for _, try := range [][2]string{{"ben", "Secret12"}, {"anna", "Elsewhere1"}, {"nobody", "Elsewhere1"}} {
		if c, said := w.inOne(try[0], try[1], agent, ""); c.jid != "" {
			t.Errorf("%v: %s", try, said)
		}
	}
}

// A client on a train signs in, loses its connection and is back in its session with one write each.
func TestResumeWithinTheLogin(t *testing.T) {
	w := startWithLDAP(t)
	b, _ := w.inOne("ben", "Elsewhere1", "d4565fa7-4d72-4749-b3d3-740edbf87770", "")
	a, said := w.inAll("anna", "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>", "</stream:features>", "<presence/>")
	_, after, _ := strings.Cut(said, "<enabled xmlns='urn:xmpp:sm:3' id='")
	token, _, _ := strings.Cut(after, "'")
	if token == "" || !strings.Contains(said, "</bound></success>") {
		t.Fatalf("said %s", said)
	}
	if _, features, _ := strings.Cut(said, "</success>"); strings.Contains(features, "<sm ") {
		t.Errorf("stream management is on, and is offered: %s", features)
	}
	a.expect(t, "<presence", a.jid)
	b.send(t, chat(a.jid, "before"))
	a.expect(t, "id='before'")
	w.cut(a)
	b.send(t, chat(a.jid, "between"))
	b.expectNothing(t)

	resume := "<resume xmlns='urn:xmpp:sm:3' previd='" + token + "' h='1'/><bind xmlns='urn:xmpp:bind:0'/>"
	again, said := w.inAll("anna", resume, "</success>", chat(b.jid, "back"))
	if again.jid != a.jid || !strings.Contains(said, "<resumed xmlns='urn:xmpp:sm:3' previd='"+token+"' h='1'/></success>") || strings.Contains(said, "<bound") {
		t.Fatalf("%s, said %s", again.jid, said)
	}
	again.expect(t, "id='before'") // not acknowledged
	again.expect(t, "id='between'")
	again.expect(t, "<r ")
	b.expect(t, "id='back'", "from='"+a.jid+"'")

	// A session that there is not is told, and the client bound (XEP-0198 §6.2).
	other, said := w.inAll("ben", resume, "</stream:features>", "")
	if !strings.Contains(said, "<failed xmlns='urn:xmpp:sm:3'><item-not-found") || !strings.HasPrefix(other.jid, "ben@example.org/") ||
		!strings.Contains(said, "<bound xmlns='urn:xmpp:bind:0'></bound>") {
		t.Errorf("%s, said %s", other.jid, said)
	}
}

// A client that binds is told how far the archive goes, so that it knows what to ask for (XEP-0386 §4.2).
func TestBoundWithArchive(t *testing.T) {
	w := startWithLDAP(t, withArchive)
	const bind = "<bind xmlns='urn:xmpp:bind:0'/>"
	a, said := w.inAll("anna", bind, "</stream:features>", "")
	if !strings.Contains(said, "<bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'/></bound>") {
		t.Errorf("of an empty archive it said %s", said)
	}
	b, _ := w.inAll("ben", bind, "</stream:features>", "")
	a.send(t, chat(b.jid, "m1"))
	b.expect(t, "id='m1'")
	if _, said := w.inAll("anna", bind, "</stream:features>", ""); !strings.Contains(said, "<metadata xmlns='urn:xmpp:mam:2'><start id='") {
		t.Errorf("said %s", said)
	}
}

func TestCarbonsFromTheStart(t *testing.T) {
	w := startWithLDAP(t)
	a := w.must("anna", "old")
	second, _ := w.inAll("anna", "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:carbons:2'/></bind>", "</stream:features>", "")
	b, _ := w.inAll("ben", "<bind xmlns='urn:xmpp:bind:0'/>", "</stream:features>", "")
	b.send(t, chat(a.jid, "m1"))
	a.expect(t, "id='m1'")
	second.expect(t, "<received xmlns='urn:xmpp:carbons:2'", "id='m1'")
}

// A client that has lost its connection and starts anew, without resuming, does not leave a double behind.
func TestSameInstallationEndsItsLostSession(t *testing.T) {
	w := startWithLDAP(t)
	const requests = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	a, _ := w.inAll("anna", requests, "</stream:features>", "")
	w.cut(a)
	again, _ := w.inAll("anna", requests, "</stream:features>", "<presence/>")
	again.expect(t, "<presence", a.jid)
	if list := w.server.Sessions(); again.jid != a.jid || len(list) != 1 {
		t.Errorf("%s and %s, sessions %+v", a.jid, again.jid, list)
	}
}

// TestInactiveFromTheStart is a client that signs in while nobody looks at it (XEP-0386 §4.1, XEP-0352).
func TestInactiveFromTheStart(t *testing.T) {
	w := startWithLDAP(t)
	a, _ := w.inAll("anna", "<bind xmlns='urn:xmpp:bind:0'><inactive xmlns='urn:xmpp:csi:0'/></bind>", "</stream:features>", "")
	b, _ := w.inAll("ben", "<bind xmlns='urn:xmpp:bind:0'><active xmlns='urn:xmpp:csi:0'/></bind>", "</stream:features>", "")
	for _, state := range []string{"composing", "paused"} { // of which it gets the last
		b.send(t, "<message to='"+a.jid+"' type='chat'><"+state+" xmlns='http://jabber.org/protocol/chatstates'/></message>")
	}
	b.send(t, chat(a.jid, "m1"))
	a.expect(t, "<paused")
	a.expect(t, "id='m1'")
	a.send(t, "<message to='"+b.jid+"' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
	b.expect(t, "<composing")
}

// TestLimitsAreTold reads what a client may send, before and after the login (XEP-0478).
func TestLimitsAreTold(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxStanza = 54321; c.NegotiateTimeout = 20 * time.Second })
	const before = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>16384</max-bytes><idle-seconds>20</idle-seconds></limits>"
	const after = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>54321</max-bytes></limits>"
	conn, err := tls.Dial("tcp", w.direct.String(), &tls.Config{InsecureSkipVerify: true, ServerName: testDomain, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{conn: conn}
	for _, step := range []struct{ send, until, want string }{
		{streamHeader, "</stream:features>", before},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainOf("anna") + "</auth>", "<success", ""},
		{streamHeader, "</stream:features>", after},
	} {
		c.send(t, step.send)
		got, err := c.until(step.until)
		if got = strings.ReplaceAll(got, `"`, "'"); err != nil || !strings.Contains(got, step.want) {
			t.Errorf("%v: %s, want %s", err, got, step.want)
		}
	}
	if _, said := w.inAll("anna", "<bind xmlns='urn:xmpp:bind:0'/>", "</stream:features>", ""); !strings.Contains(said, after) {
		t.Errorf("said %s, want %s", said, after)
	}
}
