package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/uc"
)

// chatter is a chat client at the level of bytes.
type chatter struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	got  strings.Builder // since the last wait
}

const chatHeader = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// chat signs a user in.
func chat(t *testing.T, address, login string) *chatter {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	c := &chatter{t: t, conn: conn, in: bufio.NewReader(conn)}
	c.send(chatHeader)
	c.waitFor("</stream:features>")
	c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.waitFor("<proceed")
	c.conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}) //nolint:gosec // made for this test
	c.in = bufio.NewReader(c.conn)
	c.send(chatHeader)
	c.waitFor("</stream:features>")
	c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+chatPassword)) + "</auth>")
	c.waitFor("<success")
	c.send(chatHeader)
	c.waitFor("</stream:features>")
	c.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>kill</resource></bind></iq>")
	c.waitFor("</iq>")
	return c
}

const chatPassword = "Secret12"

func (c *chatter) send(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// waitFor reads until a text has come, and returns all that came.
func (c *chatter) waitFor(text string) string {
	c.t.Helper()
	for !strings.Contains(c.got.String(), text) {
		part, err := c.in.ReadString('>')
		if err != nil {
			c.t.Fatalf("%v, want %q after %s", err, text, c.got.String())
		}
		c.got.WriteString(part)
	}
	defer c.got.Reset()
	return c.got.String()
}

// bodies returns what the archive at an address holds.
func (c *chatter) bodies(to string) map[string]bool {
	c.t.Helper()
	found, last := map[string]bool{}, ""
	for {
		after := ""
		if last != "" {
			after = "<after>" + last + "</after>"
		}
		c.send("<iq type='set' id='q' to='" + to + "'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>250</max>" + after + "</set></query></iq>")
		page := c.waitFor("</fin></iq>")
		for _, m := range regexp.MustCompile("<body>([^<]*)</body>").FindAllStringSubmatch(page, -1) {
			found[m[1]] = true
		}
		if strings.Contains(page, "complete='true'") {
			return found
		}
		_, last, _ = strings.Cut(page, "<last>")
		last, _, _ = strings.Cut(last, "</last>")
	}
}

var acknowledged = regexp.MustCompile(`<a xmlns='urn:xmpp:sm:3' h='(\d+)'/>`)

// TestArchivedMessagesSurviveKill kills a server in the middle of a conversation: what it has acknowledged, to a
// person by <a/> and in a room by the message itself, is in the archives after the next start.
func TestArchivedMessagesSurviveKill(t *testing.T) {
	const messages = 300
	data := filepath.Join(t.TempDir(), "d")
	args := settings(data)
	server := begin(t, args...)
	server.waitFor(t, "one-time password", 30*time.Second)
	client, ctx := app.NewClient(data), context.Background()
	for i, login := range []string{"anna", "ben"} {
		body := map[string]any{"login": login, "name": login, "ext": fmt.Sprint(200 + i), "auth": "local", "password": chatPassword, "voicemail": "off"}
		var u uc.User
		if err := client.Do(ctx, http.MethodPost, "/api/v1/users", body, &u); err != nil {
			t.Fatal(err)
		}
	}
	info, err := client.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	anna, ben := chat(t, info.XMPP, "anna"), chat(t, info.XMPP, "ben")
	ben.send("<presence to='hall@rooms.localhost/Ben'><x xmlns='http://jabber.org/protocol/muc'/></presence>" +
		"<iq type='set' id='c' to='hall@rooms.localhost'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query></iq>")
	ben.waitFor("id='c'")
	anna.send("<enable xmlns='urn:xmpp:sm:3'/>")
	anna.waitFor("<enabled")
	go func() {
		for i := range 100 * messages { // until it is killed
			_, err := fmt.Fprintf(anna.conn, "<message to='ben@localhost/kill' type='chat'><body>chat %d</body></message><r xmlns='urn:xmpp:sm:3'/>", i+1)
			if err == nil && i < messages {
				_, err = fmt.Fprintf(ben.conn, "<message to='hall@rooms.localhost' type='groupchat'><body>room %d</body></message>", i+1)
			}
			if err != nil {
				return
			}
		}
	}()
	heard := ben.waitFor("<body>room 1<") // a slow disk must not keep the room silent until the kill
	acked := 0
	for acked < messages { // killed right behind an acknowledgement
		if acked, err = strconv.Atoi(acknowledged.FindStringSubmatch(anna.waitFor("<a "))[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.ends(t, 10*time.Second)
	heard += ben.rest()

	again := begin(t, args...)
	again.waitFor(t, "running", 30*time.Second)
	if info, err = client.Info(ctx); err != nil {
		t.Fatal(err)
	}
	anna = chat(t, info.XMPP, "anna")
	kept, room := anna.bodies("anna@localhost"), anna.bodies("hall@rooms.localhost")
	for i := range acked {
		if !kept[fmt.Sprintf("chat %d", i+1)] {
			t.Errorf("message %d of %d that were acknowledged is lost", i+1, acked)
		}
	}
	said := regexp.MustCompile("<body>(room [^<]*)</body>").FindAllStringSubmatch(heard, -1)
	if len(said) == 0 {
		t.Error("nothing was heard in the room")
	}
	for _, m := range said {
		if !room[m[1]] {
			t.Errorf("%s of %d that were heard is lost", m[1], len(said))
		}
	}
}

// rest reads until the connection ends, and returns all that came.
func (c *chatter) rest() string {
	for {
		part, err := c.in.ReadString('>')
		c.got.WriteString(part)
		if err != nil {
			return c.got.String()
		}
	}
}
