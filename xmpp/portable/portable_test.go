package portable

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

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
	users, err := Read(f, nil, domain)
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
	bookmarks, err := pubsub.Load(u.Nodes[1].Name, u.Nodes[1].Settings)
	if err != nil || bookmarks.Config.Access != pubsub.Whitelist {
		t.Errorf("not configured: %+v, %v", bookmarks, err)
	}
	if len(u.Blocked) != 1 || u.Blocked[0] != "tybalt@example.org" || len(u.Ignored) != 1 || !strings.Contains(u.Ignored[0], "archive") {
		t.Errorf("blocked %v, ignored %v", u.Blocked, u.Ignored)
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
	again, err := Read(strings.NewReader(once), nil, domain)
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
	users, err := Read(strings.NewReader(main("href='example.org.xml'")), files, domain)
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
		users, err := Read(strings.NewReader(main(include)), files, domain)
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
	user := func(inside string) string { return around("<user name='anna'>" + inside + "</user>") }
	for file, want := range map[string][]string{
		"":                     {"no server-data"},
		"<html/>":              {"begins with html"},
		"<server-data/>":       {"begins with server-data"},
		"<!DOCTYPE a><x/>":     {"document type"},
		around("<user name='"): {"line 1"},
		around("<user name='Anna'/><user name='ben'/><user name='ben'/><user/>"):                                                       {`user Anna: "Anna" cannot be`, "user ben: stands in the file twice", `user : ""`},
		"<server-data xmlns='urn:xmpp:pie:0'><host jid='example.net'/></server-data>":                                                  {"about example.net"},
		"<server-data xmlns='urn:xmpp:pie:0'><include xmlns='http://www.w3.org/2001/XInclude' href='x'/></server-data>":                {"made of several"},
		user("<query xmlns='jabber:iq:roster'><item jid='a@b' subscription='all'/></query>"):                                           {`user anna: contact a@b: "all"`},
		user("<query xmlns='jabber:iq:roster'><item jid='@'/></query><blocklist xmlns='urn:xmpp:blocking'><item/></blocklist>"):        {`"@" is not`, "blocked"},
		user("<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>1</iter-count></scram-credentials>"): {"credentials for SCRAM-SHA-1 are broken"},
		user("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item id='1'/></items></pubsub>"):                      {"an item needs"},
		user(strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)):                                                                 {"too deep"},
	} {
		users, err := Read(strings.NewReader(file), nil, domain)
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
		users, err := Read(strings.NewReader(file), nil, domain)
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
