package portable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
)

const domain = "example.org"

func readFile(t testing.TB, name string) []*User {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	users, err := Read(f, nil, domain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func TestReadWhatProsodyWrites(t *testing.T) {
	users := readFile(t, "prosody.xml")
	if len(users) != 1 {
		t.Fatalf("%d users", len(users))
	}
	u := users[0]
	if u.Login != "juliet" || u.Password != "" || !u.HasKeys() || u.Keys.SHA1.Iterations != 4096 || u.Keys.SHA1.StoredKey[0] != 20 || u.Keys.SHA1.ServerKey[0] != 1 || u.Keys.SHA256.Iterations != 0 {
		t.Errorf("credentials: %+v", u)
	}
	if len(u.Roster) != 3 || u.Roster[0].JID != "romeo@example.org" || strings.Join(u.Roster[0].Groups, ",") != "Friends,Verona" || u.Roster[0].Subscription != "both" ||
		!u.Roster[1].Ask || u.Roster[2].JID != "paris@example.net" || u.Roster[2].Subscription != "" ||
		string(u.Roster[2].PendingIn) != "<presence type='subscribe' from='paris@example.net' to='juliet@example.org'><status>Marry me</status></presence>" {
		t.Errorf("roster: %+v", u.Roster)
	}
	if string(u.VCard) != "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><N><FAMILY>Capulet</FAMILY><GIVEN>Juliet</GIVEN></N></vCard>" {
		t.Errorf("vCard: %s", u.VCard)
	}
	if len(u.Private) != 1 || u.Private[0].Namespace != "storage:bookmarks" || u.Private[0].Name != "storage" ||
		!strings.HasPrefix(string(u.Private[0].XML), "<storage xmlns='storage:bookmarks'><conference name='Balcony'") {
		t.Errorf("private: %+v", u.Private)
	}
	if len(u.Nodes) != 2 || len(u.Items) != 2 || string(u.Items[0].Payload) != "<nick xmlns='http://jabber.org/protocol/nick'>Jule</nick>" || u.Items[0].Publisher != "juliet@example.org" {
		t.Fatalf("nodes: %+v, %+v", u.Nodes, u.Items)
	}
	nick, err := pubsub.Load(u.Nodes[0].Name, u.Nodes[0].Settings)
	if err != nil || nick.Config.Access != pubsub.Open || nick.Config.MaxItems != 3 {
		t.Errorf("configured: %+v, %v", nick, err)
	}
	if nick.Affiliations["mercutio@example.org"] != pubsub.Outcast || len(nick.Affiliations) != 1 || strings.Join(nick.Subscribers, ",") != "nurse@example.org/attic" {
		t.Errorf("people of the node: %+v", nick)
	}
	if p := u.Preferences; p == nil || p.Standard != "roster" || strings.Join(p.Always, ",") != "romeo@example.org" || len(p.Never) != 0 {
		t.Errorf("archive preferences: %+v", p)
	}
	bookmarks, err := pubsub.Load(u.Nodes[1].Name, u.Nodes[1].Settings)
	if err != nil || bookmarks.Config.Access != pubsub.Whitelist {
		t.Errorf("not configured: %+v, %v", bookmarks, err)
	}
	if len(u.Blocked) != 1 || u.Blocked[0] != "tybalt@example.org" || len(u.Ignored) != 1 || !strings.Contains(u.Ignored[0], "publish-only") || u.Archived != 4 {
		t.Errorf("blocked %v, ignored %v", u.Blocked, u.Ignored)
	}
}

// Archives are read one message at a time, with the other side of each.
func TestReadArchive(t *testing.T) {
	f, err := os.Open("testdata/prosody.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	if _, err := Read(f, nil, domain, func(login string, m uc.ArchivedMessage) error {
		got = append(got, strings.Join([]string{login, m.At().Format(time.RFC3339Nano), m.Peer, m.Resource, string(m.Stanza)}, " "))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"juliet 2024-07-10T23:08:25Z romeo@example.org orchard <message to='juliet@example.org/balcony' from='romeo@example.org/orchard' type='chat'><body>Call me but love</body><stanza-id xmlns='urn:xmpp:sid:0' by='example.net' id='x'/></message>",
		"juliet 2024-07-10T23:08:25Z romeo@example.org  <message to='Romeo@example.org' from='juliet@example.org/balcony' type='chat' id='8a54s'><body>What man art thou?</body></message>",
		"juliet 2024-07-10T23:08:25.123456Z nurse@example.org  <message to='nurse@example.org'><body>Nurse!</body></message>",
		"juliet 2024-07-12T00:00:00Z juliet@example.org  <message from='juliet@example.org/balcony'><body>Note</body></message>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(f, nil, domain, func(string, uc.ArchivedMessage) error { return io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a reader that cannot go on: %v", err)
	}
}

// bigArchive is a file with an archive of so many messages, made as it is read.
type bigArchive struct {
	messages int
	rest     []byte
	begun    bool
}

func (b *bigArchive) Read(p []byte) (int, error) {
	switch {
	case len(b.rest) > 0:
	case !b.begun:
		b.begun = true
		b.rest = []byte("<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'><user name='anna'><archive xmlns='urn:xmpp:pie:0#mam'>")
	case b.messages > 0:
		b.messages--
		b.rest = fmt.Appendf(nil, "<result xmlns='urn:xmpp:mam:2' id='%d'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/>"+
			"<message xmlns='jabber:client' from='ben@example.org'><body>%s</body></message></forwarded></result>", b.messages, strings.Repeat("x", 10000))
		if b.messages == 0 {
			b.rest = append(b.rest, "</archive></user></host></server-data>"...)
		}
	default:
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// An archive is as big as it is, and never in memory as a whole: neither when it is read nor when it is written.
func TestBigArchive(t *testing.T) {
	const messages, limit = 2000, 8 << 20 // of 20 MB
	var most uint64
	measure := func(i int) {
		if i%500 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	n := 0
	users, err := Read(&bigArchive{messages: messages}, nil, domain, func(string, uc.ArchivedMessage) error { n++; measure(n); return nil })
	if err != nil || n != messages || users[0].Archived != n || most > limit {
		t.Errorf("read %d messages in %d bytes: %v", n, most, err)
	}
	most = 0
	stanza := []byte("<message from='ben@example.org'><body>" + strings.Repeat("x", 10000) + "</body></message>")
	u := &User{Login: "anna", Archive: func(yield func(uc.ArchivedMessage, error) bool) {
		for i := range messages {
			if measure(i); !yield(uc.ArchivedMessage{ID: int64(i + 1), Stanza: stanza}, nil) {
				return
			}
		}
	}}
	if err := Write(io.Discard, domain, func(yield func(*User, error) bool) { yield(u, nil) }); err != nil || most > limit {
		t.Errorf("written in %d bytes: %v", most, err)
	}
	u.Archive = func(yield func(uc.ArchivedMessage, error) bool) { yield(uc.ArchivedMessage{}, io.ErrUnexpectedEOF) }
	if err := Write(io.Discard, domain, func(yield func(*User, error) bool) { yield(u, nil) }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an archive that cannot be read: %v", err)
	}
}

func TestReadWhatEjabberdWrites(t *testing.T) {
	u := readFile(t, "ejabberd.xml")[0]
	if u.Login != "romeo" || u.Password != "Montague1" || len(u.Roster) != 1 || len(u.Ignored) != 1 {
		t.Errorf("%+v", u)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if len(u.Offline) != 1 || !u.Offline[0].At.Equal(at) ||
		string(u.Offline[0].Stanza) != "<message from='juliet@example.org/balcony' to='romeo@example.org' type='chat' id='m1'><body>Wherefore art thou?</body></message>" {
		t.Errorf("offline: %s at %v", u.Offline[0].Stanza, u.Offline[0].At)
	}
}

func write(t testing.TB, users []*User) string {
	t.Helper()
	var out bytes.Buffer
	err := Write(&out, domain, func(yield func(*User, error) bool) {
		for _, u := range users {
			if !yield(u, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What was written is read as it was.
func TestRoundTrip(t *testing.T) {
	users := append(readFile(t, "prosody.xml"), readFile(t, "ejabberd.xml")...)
	once := write(t, users)
	again, err := Read(strings.NewReader(once), nil, domain, nil)
	if err != nil {
		t.Fatal(err)
	}
	if twice := write(t, again); twice != once {
		t.Errorf("once\n%s\ntwice\n%s", once, twice)
	}
}

// A file may be made of others, beside it and below (XEP-0227 §5), and of none elsewhere.
func TestIncludes(t *testing.T) {
	const xi = " xmlns:xi='http://www.w3.org/2001/XInclude'"
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"example.org.xml":               "<?xml version='1.0'?><host xmlns='urn:xmpp:pie:0' jid='example.org'" + xi + "><xi:include href='example.org/anna%2ea.xml'/><user name='ben'/></host>",
		"example.org/anna.a.xml":        "<user xmlns='urn:xmpp:pie:0' name='anna'" + xi + "><xi:include href='parts/blocked.xml'/><query xmlns='jabber:iq:private'><xi:include href='mine.xml'/></query></user>",
		"example.org/parts/blocked.xml": "<blocklist xmlns='urn:xmpp:blocking'><item jid='carl@example.org'/></blocklist>",
		"loop.xml":                      "<host xmlns='urn:xmpp:pie:0'" + xi + "><xi:include href='loop.xml'/></host>",
		"broken.xml":                    "<host xmlns='urn:xmpp:pie:0'><user",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	main := func(include string) string {
		return "<server-data xmlns='urn:xmpp:pie:0'" + xi + "><xi:include " + include + "/></server-data>"
	}
	users, err := Read(strings.NewReader(main("href='example.org.xml'")), files, domain, nil)
	if err != nil || len(users) != 2 || users[0].Login != "anna" || users[1].Login != "ben" {
		t.Fatalf("%d users, %v", len(users), err)
	}
	// What stands deeper in a user is the user's own.
	if u := users[0]; len(u.Blocked) != 1 || len(u.Private) != 1 || u.Private[0].Namespace != nsXInclude {
		t.Errorf("%+v", u)
	}
	for include, want := range map[string]string{
		"href='nowhere.xml'":                  "nowhere.xml",
		"href='../example.org.xml'":           "not the name of a file",
		"href='/etc/passwd'":                  "not the name of a file",
		"href='file:///etc/passwd'":           "not the name of a file",
		"href='//evil.example/x.xml'":         "not the name of a file",
		"":                                    "not the name of a file",
		"href='example.org.xml' parse='text'": "parse is not understood",
		"href='example.org.xml' xpointer='element(1)'": "xpointer is not understood",
		"href='loop.xml'":   "",
		"href='broken.xml'": "broken.xml, line 1",
	} {
		users, err := Read(strings.NewReader(main(include)), files, domain, nil)
		if len(users) > 0 || (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d users, %v, want %q", include, len(users), err, want)
		}
	}
}

// Everything that is wrong is told, with the user.
func TestRefused(t *testing.T) {
	around := func(inside string) string {
		return "<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'>" + inside + "</host></server-data>"
	}
	archived := func(inside string) string {
		return "<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='7'>" + inside + "</result></archive>"
	}
	user := func(inside string) string { return around("<user name='anna'>" + inside + "</user>") }
	for file, want := range map[string][]string{
		"":                     {"no server-data"},
		"<html/>":              {"begins with html"},
		"<server-data/>":       {"begins with server-data"},
		"<!DOCTYPE a><x/>":     {"document type"},
		around("<user name='"): {"line 1"},
		around("<user name='Anna'/><user name='ben'/><user name='ben'/><user/><user name='team-40'/>"):                                 {`user Anna: "Anna" cannot be`, "user ben: stands in the file twice", `user : ""`, `"team-40" is kept`},
		"<server-data xmlns='urn:xmpp:pie:0'><host jid='example.net'/></server-data>":                                                  {"about example.net"},
		"<server-data xmlns='urn:xmpp:pie:0'><include xmlns='http://www.w3.org/2001/XInclude' href='x'/></server-data>":                {"made of several"},
		user("<query xmlns='jabber:iq:roster'><item jid='a@b' subscription='all'/></query>"):                                           {`user anna: contact a@b: "all"`},
		user("<query xmlns='jabber:iq:roster'><item jid='@'/></query><blocklist xmlns='urn:xmpp:blocking'><item/></blocklist>"):        {`"@" is not`, "blocked"},
		user("<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>1</iter-count></scram-credentials>"): {"credentials for SCRAM-SHA-1 are broken"},
		user("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item id='1'/></items></pubsub>"):                      {"an item needs"},
		user("<prefs xmlns='urn:xmpp:mam:2' default='some'/>"):                                                                         {`"some" is no preference`},
		user("<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>@</jid></always></prefs>"):                                    {`archive: "@" is not`},
		user(archived("")): {"message 7: it has no forwarded"},
		user(archived("<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/></forwarded>")):                                          {"no message"},
		user(archived("<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='today'/><message xmlns='jabber:client'/></forwarded>")):                         {`cannot be of "today"`},
		user(archived("<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2200-01-01T00:00:00Z'/><message xmlns='jabber:client'/></forwarded>")):          {"cannot be of"},
		user(archived("<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/><message xmlns='jabber:client' from='@'/></forwarded>")): {`"@" is not`},
		user(strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)):                                                                                                            {"too deep"},
	} {
		users, err := Read(strings.NewReader(file), nil, domain, nil)
		if err == nil {
			t.Errorf("%s was read: %+v", file, users)
			continue
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %q", file, err, text)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"prosody.xml", "ejabberd.xml"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, file string) {
		users, err := Read(strings.NewReader(file), nil, domain, nil)
		if err != nil {
			return
		}
		var out bytes.Buffer
		_ = Write(&out, domain, func(yield func(*User, error) bool) {
			for _, u := range users {
				if !yield(u, nil) {
					return
				}
			}
		})
	})
}
