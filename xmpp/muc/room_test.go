package muc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// read makes a stanza of somebody out of its text.
func read(t testing.TB, from, text string) (*In, jid.JID) {
	t.Helper()
	head, raw, _, err := scan.New(scan.DefaultLimits).Next([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	to, err := jid.Parse(string(head.To))
	if err != nil {
		t.Fatal(err)
	}
	node, err := scan.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	bare, _, _ := strings.Cut(from, "/")
	return &In{Head: head, Raw: raw, From: from, Bare: bare, Nick: to.Resourcepart(), node: node}, to
}

// table is a room with the conversation that goes on in it.
type table struct {
	*Room
	t   testing.TB
	now time.Time
}

func newTable(t testing.TB, limits Limits) *table {
	ids := 0
	r := newRoom("hall", "rooms.example.org", noon, &Config{Limits: limits, NewID: func() string { ids++; return fmt.Sprintf("id%d", ids) }})
	r.people["anna@example.org"] = person{affiliation: owner}
	return &table{r, t, noon}
}

// does lets a user send a stanza; $R stands for the room.
func (tb *table) does(user, text string) ([]Delivery, error) {
	in, _ := read(tb.t, user+"@example.org/x", strings.ReplaceAll(text, "$R", "hall@rooms.example.org"))
	return tb.Handle(tb.now, in)
}

func (tb *table) must(user, text string) []Delivery {
	tb.t.Helper()
	out, err := tb.does(user, text)
	if err != nil {
		tb.t.Fatalf("%s: %s: %v", user, text, err)
	}
	return out
}

func (tb *table) enters(user string) []Delivery {
	tb.t.Helper()
	return tb.must(user, enterAs(user))
}

func enterAs(nick string) string {
	return "<presence to='$R/" + nick + "'><x xmlns='" + NS + "'/></presence>"
}

func adminItem(attrs string) string {
	return "<iq type='set' id='1' to='$R'><query xmlns='" + nsAdmin + "'><item " + attrs + "/></query></iq>"
}

// TestUnconfigured has rooms whose owner never says that the defaults will do.
func TestUnconfigured(t *testing.T) {
	for _, c := range []struct {
		story string
		do    func(*table)
		open  bool
	}{
		{"nothing yet", func(tb *table) { tb.now = tb.now.Add(lockLife - 1) }, false},
		{"time has passed", func(tb *table) { tb.now = tb.now.Add(lockLife) }, true},
		{"something is said", func(tb *table) { tb.must("anna", "<message type='groupchat' to='$R'><body>Hello</body></message>") }, true},
		{"somebody is invited", func(tb *table) {
			tb.must("anna", "<message to='$R'><x xmlns='"+nsUser+"'><invite to='ben@example.org'/></x></message>")
		}, true},
		{"the form is open", func(tb *table) {
			tb.must("anna", "<iq type='get' id='1' to='$R'><query xmlns='"+nsOwner+"'/></iq>")
			tb.must("anna", "<message type='groupchat' to='$R'><body>Hello</body></message>")
			tb.now = tb.now.Add(time.Hour)
		}, false},
	} {
		tb := newTable(t, DefaultLimits)
		tb.locked = true
		tb.enters("anna")
		c.do(tb)
		if _, err := tb.does("ben", enterAs("ben")); (err == nil) != c.open {
			t.Errorf("%s: ben is told %v", c.story, err)
		}
	}
}

// TestPrivileges goes through who may do what to whom (XEP-0045 §5.1.1, §5.2.1, tables 5 and 8).
func TestPrivileges(t *testing.T) {
	const allowed = stanza.Condition("")
	for _, test := range []struct {
		by, whom affiliation
		item     string
		want     stanza.Condition
	}{
		{owner, unaffiliated, "nick='whom' role='none'", allowed},
		{owner, owner, "nick='whom' role='none'", allowed},
		{owner, admin, "nick='whom' role='participant'", stanza.NotAllowed},
		{owner, unaffiliated, "nick='whom' role='moderator'", allowed},
		{owner, admin, "jid='whom@example.org' affiliation='none'", allowed},
		{owner, owner, "jid='whom@example.org' affiliation='outcast'", allowed},
		{owner, unaffiliated, "jid='whom@example.org' affiliation='owner'", allowed},
		{owner, unaffiliated, "jid='by@example.org' affiliation='outcast'", stanza.Conflict},
		{admin, unaffiliated, "nick='whom' role='none'", allowed},
		{admin, admin, "nick='whom' role='none'", allowed},
		{admin, owner, "nick='whom' role='none'", stanza.NotAllowed},
		{admin, owner, "nick='whom' role='visitor'", stanza.NotAllowed},
		{admin, member, "nick='whom' role='moderator'", allowed},
		{admin, unaffiliated, "jid='whom@example.org' affiliation='member'", allowed},
		{admin, member, "jid='whom@example.org' affiliation='outcast'", allowed},
		{admin, unaffiliated, "jid='whom@example.org' affiliation='admin'", stanza.NotAllowed},
		{admin, admin, "jid='whom@example.org' affiliation='none'", stanza.NotAllowed},
		{admin, owner, "jid='whom@example.org' affiliation='member'", stanza.NotAllowed},
		{member, unaffiliated, "nick='whom' role='none'", stanza.Forbidden},
		{member, unaffiliated, "jid='whom@example.org' affiliation='outcast'", stanza.Forbidden},
		{unaffiliated, unaffiliated, "nick='whom' role='visitor'", stanza.Forbidden},
		{unaffiliated, unaffiliated, "jid='by@example.org' affiliation='owner'", stanza.Forbidden},
		{owner, unaffiliated, "nick='nobody' role='none'", stanza.ItemNotFound},
		{owner, unaffiliated, "nick='whom' role='king'", stanza.BadRequest},
		{owner, unaffiliated, "nick='whom' role='participant' affiliation='member'", stanza.BadRequest},
		{owner, unaffiliated, "jid='whom@example.org' affiliation='king'", stanza.BadRequest},
		{owner, unaffiliated, "jid='@@' affiliation='member'", stanza.JIDMalformed},
		{owner, unaffiliated, "jid='example.org' affiliation='outcast'", stanza.JIDMalformed},
	} {
		t.Run(fmt.Sprintf("%v %v %s", test.by, test.whom, test.item), func(t *testing.T) {
			tb := newTable(t, DefaultLimits)
			tb.people["by@example.org"] = person{affiliation: test.by}
			tb.people["whom@example.org"] = person{affiliation: test.whom}
			tb.enters("by")
			tb.enters("whom")
			_, err := tb.does("by", adminItem(test.item))
			var told stanza.Error
			errors.As(err, &told)
			if told.Condition != test.want {
				t.Errorf("told %q, want %q", told.Condition, test.want)
			}
		})
	}
}

// TestBannedHasNoNick bans a member whose nick is reserved: others may have it then (XEP-0045 §9.1).
func TestBannedHasNoNick(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	tb.must("anna", adminItem("jid='ben@example.org' affiliation='member' nick='Bee'"))
	if _, err := tb.does("carl", enterAs("Bee")); !errors.Is(err, errConflict) {
		t.Fatalf("somebody else has a nick that is reserved: %v", err)
	}
	tb.must("anna", adminItem("jid='ben@example.org' affiliation='outcast' nick='Bee'"))
	if _, err := tb.does("carl", enterAs("Bee")); err != nil {
		t.Errorf("the nick of somebody who is banned: %v", err)
	}
	tb.must("anna", adminItem("jid='ben@example.org' affiliation='member'"))
	if nick := tb.people["ben@example.org"].nick; nick != "" {
		t.Errorf("the nick %q came back with the membership", nick)
	}
}

// TestForgedInRoom says something in the name of the room: it is taken out, and the rest is heard (XEP-0359 §5).
func TestForgedInRoom(t *testing.T) {
	for inside, stays := range map[string]bool{
		"<delay xmlns='urn:xmpp:delay' from='$R' stamp='2020-01-01T00:00:00Z'/>":                      false,
		"<delay xmlns='urn:xmpp:delay' from='HALL@Rooms.example.org' stamp='2020-01-01T00:00:00Z'/>":  false,
		"<delay xmlns='urn:xmpp:delay' from='$R/ben' stamp='2020-01-01T00:00:00Z'/>":                  false,
		"<delay xmlns='urn:xmpp:delay' from='rooms.example.org' stamp='2020-01-01T00:00:00Z'/>":       false,
		"<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>":                                true,
		"<delay xmlns='urn:xmpp:delay' from='other@rooms.example.org' stamp='2020-01-01T00:00:00Z'/>": true,
		"<x xmlns='jabber:x:delay' from='$R' stamp='20200101T00:00:00'/>":                             false,
		"<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='Hall@rooms.example.org'/>":                 false,
		"<stanza-id xmlns='urn:xmpp:sid:0' id='other' by='carl@example.org'/>":                        true,
		"<origin-id xmlns='urn:xmpp:sid:0' id='own'/>":                                                true,
	} {
		tb := newTable(t, DefaultLimits)
		tb.enters("anna")
		tb.enters("ben")
		for _, message := range []string{"type='groupchat' to='$R'", "type='chat' to='$R/anna'"} {
			out := tb.must("ben", "<message "+message+"><body>x</body>"+inside+"</message>")
			heard, err := scan.Parse(out[0].Stanza)
			if err != nil {
				t.Fatal(err)
			}
			first := heard.Nodes[1] // after the body; what the room says itself comes at the end
			if said := first.Attr("stamp") != "" || first.Attr("id") == "forged" || first.Attr("id") == "other" || first.Attr("id") == "own"; said != stays {
				t.Errorf("%s: the others hear %s", inside, out[0].Stanza)
			}
			if heard.ChildText(scan.NSClient, "body") != "x" {
				t.Errorf("%s: the message is lost", inside)
			}
		}
		out := tb.must("ben", "<presence to='$R/ben'>"+inside+"<status>here</status></presence>")
		heard, err := scan.Parse(out[0].Stanza)
		if err != nil {
			t.Fatal(err)
		}
		if said := heard.Nodes[0].Name != "status"; said != stays {
			t.Errorf("%s: of presence the others hear %s", inside, out[0].Stanza)
		}
	}
}

// TestHatsAreLimited gives hats with long names to many: what is written with every change of them has an end.
func TestHatsAreLimited(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	hat := values{hatURI: {"urn:x:" + strings.Repeat("x", maxHatURI-10)}, hatTitle: {"x"}}
	if _, err := tb.createHat(hat); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; i < DefaultLimits.Affiliations && err == nil; i++ {
		hat[hatWearer] = []string{fmt.Sprintf("u%d@example.org", i)}
		_, err = tb.assignHat(hat)
	}
	if stored, _ := json.Marshal(tb.hats); !errors.Is(err, errTooMuch) || len(stored) > 2*maxAllWorn {
		t.Errorf("%d bytes are stored, %v", len(stored), err)
	}
	hat[hatWearer] = []string{"u1@example.org"}
	if _, err := tb.unassignHat(hat); err != nil {
		t.Error(err)
	}
	if _, err := tb.assignHat(hat); err != nil {
		t.Errorf("there is no room for what there was before: %v", err)
	}
}

// enrolAs reserves a nick.
func enrolAs(nick string) string {
	return "<iq type='set' id='1' to='$R'><query xmlns='" + nsRegister + "'><x xmlns='jabber:x:data' type='submit'>" +
		"<field var='FORM_TYPE'><value>" + formEnroll + "</value></field><field var='muc#register_roomnick'><value>" + nick + "</value></field></x></query></iq>"
}

// TestReservedNicks reserves nicks, gives them up and lets others have them.
func TestReservedNicks(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	tb.must("anna", "<iq type='set' id='1' to='$R'><query xmlns='"+nsAdmin+"'>"+
		"<item jid='ben@example.org' affiliation='member' nick='Bee'/><item jid='carl@example.org' affiliation='member' nick='bee'/></query></iq>")
	tb.checkInvariants("two want one nick")
	for _, step := range []struct {
		user, text string
		want       error
	}{
		{"carl", enrolAs("BEE"), errConflict},
		{"carl", enterAs("bee"), errConflict},
		{"ben", enrolAs("Ben"), nil},
		{"carl", enrolAs("BEE"), nil},
		{"ben", enrolAs("bee"), errConflict},
		{"carl", "<iq type='set' id='1' to='$R'><query xmlns='" + nsRegister + "'><remove/></query></iq>", nil},
		{"ben", enrolAs("bee"), nil},
		{"anna", adminItem("jid='ben@example.org' affiliation='none'"), nil},
		{"carl", enrolAs("bee"), nil},
	} {
		if _, err := tb.does(step.user, step.text); !errors.Is(err, step.want) {
			t.Errorf("%s sends %s: %v, want %v", step.user, step.text, err, step.want)
		}
		tb.checkInvariants(step.text)
	}
}

// bigTable is a stored room with many members, who have all reserved a nick.
func bigTable(t testing.TB, n int) *table {
	tb := newTable(t, DefaultLimits)
	for i := range n {
		tb.relate(fmt.Sprintf("u%d@example.org", i), person{affiliation: member, nick: fmt.Sprintf("Nick %d", i)})
	}
	tb.kept, tb.settings.Persistent = true, true
	return tb
}

// TestBigRoom: to look for a nick and to store a change costs no more where many have reserved one.
func TestBigRoom(t *testing.T) {
	cost := func(n int) float64 {
		tb := bigTable(t, n)
		return testing.AllocsPerRun(10, func() {
			if err := tb.mayUseNick("zoe@example.org", "Zoe"); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := cost(10), cost(1000); many > few {
		t.Errorf("a nick is looked for with %v allocations, and %v among more", few, many)
	}
	tb := bigTable(t, 1000)
	stored := func(user, text string) (whole, changed int) {
		tb.must(user, text)
		for _, c := range tb.changes() {
			whole, changed = whole+len(c.Put.Members), changed+len(c.Changed)
		}
		return whole, changed
	}
	for _, step := range []struct {
		user, text     string
		whole, changed int
	}{
		{"u1", enrolAs("One"), 0, 1},
		{"u1", enrolAs("One"), 0, 0},
		{"anna", adminItem("jid='u2@example.org' affiliation='none'"), 0, 1},
		{"anna", "<iq type='set' id='1' to='$R'><query xmlns='" + nsOwner + "'><x xmlns='jabber:x:data' type='submit'/></query></iq>", 0, 0},
	} {
		if whole, changed := stored(step.user, step.text); whole != step.whole || changed != step.changed {
			t.Errorf("%s: %d and %d members are stored, want %d and %d", step.text, whole, changed, step.whole, step.changed)
		}
	}
	tb.unsure = true // as after a change that could not be stored
	if whole, _ := stored("u1", enrolAs("Uno")); whole != len(tb.people) {
		t.Errorf("%d members are stored after one was not, want all", whole)
	}
}

// TestHatsAreStoredWhenTheyChange: the hats of a room, which may be many, are not written with each change of something else.
func TestHatsAreStoredWhenTheyChange(t *testing.T) {
	tb := bigTable(t, 1)
	hat := func(command string) string {
		return "<iq type='set' id='1' to='$R'><command xmlns='" + nsCommands + "' node='" + formHats + ":" + command + "'><x xmlns='" + nsForms + "' type='submit'>" +
			"<field var='" + hatTitle + "'><value>Painter</value></field><field var='" + hatURI + "'><value>urn:example:painter</value></field>" +
			"<field var='" + hatWearer + "'><value>u0@example.org</value></field></x></command></iq>"
	}
	for _, step := range []struct {
		user, text string
		hats       bool
		worn       int
	}{
		{"anna", hat("create"), true, 0},
		{"anna", hat("assign"), true, 1},
		{"u0", enrolAs("One"), false, 0},
		{"anna", hat("unassign"), true, 0},
		{"anna", hat("destroy"), true, 0},
	} {
		tb.must(step.user, step.text)
		list := tb.changes()
		if len(list) != 1 || list[0].Hats != step.hats || len(list[0].Put.Hats.Worn) != step.worn {
			t.Errorf("%s: %+v is stored", step.text, list)
		}
	}
	tb.must("anna", hat("create"))
	tb.unsure = true // as after a change that could not be stored
	tb.must("u0", enrolAs("Uno"))
	if list := tb.changes(); !list[0].Hats || len(list[0].Put.Hats.List) != 1 {
		t.Errorf("%+v is stored after something was not", list)
	}
}

// TestFloodOfChanges: who changes a room all the time is told to wait. A change of many counts for so many.
func TestFloodOfChanges(t *testing.T) {
	limits := DefaultLimits
	limits.Rate = Rate{Burst: 10, PerSecond: 1}
	many := "<iq type='set' id='1' to='$R'><query xmlns='" + nsAdmin + "'>"
	for i := range 30 {
		many += fmt.Sprintf("<item jid='m%d@example.org' affiliation='member'/>", i)
	}
	many += "</query></iq>"
	for name, send := range map[string]func(i int) string{
		"nicks":        func(i int) string { return enrolAs(fmt.Sprint("n", i)) },
		"affiliations": func(i int) string { return adminItem(fmt.Sprintf("jid='m%d@example.org' affiliation='member'", i)) },
		"configuration": func(int) string {
			return "<iq type='set' id='1' to='$R'><query xmlns='" + nsOwner + "'><x xmlns='jabber:x:data' type='submit'/></query></iq>"
		},
	} {
		tb := newTable(t, limits)
		for i := range 10 {
			tb.must("anna", send(i))
		}
		if _, err := tb.does("anna", send(11)); !errors.Is(err, errTooFast) {
			t.Errorf("%s: %v", name, err)
		}
		tb.now = tb.now.Add(time.Second)
		tb.must("anna", send(12))
	}
	tb := newTable(t, limits)
	tb.must("anna", many)
	for range 2 {
		tb.now = tb.now.Add(10 * time.Second)
		if _, err := tb.does("anna", many); !errors.Is(err, errTooFast) {
			t.Errorf("many at once: %v", err)
		}
	}
	tb.now = tb.now.Add(10 * time.Second)
	tb.must("anna", many)
}

// TestModeratorByRole is a moderator without an affiliation.
func TestModeratorByRole(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	for _, user := range []string{"anna", "ben", "carl", "dora", "emil"} {
		tb.enters(user)
	}
	tb.must("anna", adminItem("nick='ben' role='moderator'"))
	tb.must("anna", adminItem("jid='carl@example.org' affiliation='member'"))
	tb.must("anna", adminItem("nick='dora' role='moderator'"))
	for item, may := range map[string]bool{
		"nick='carl' role='none'": false, "nick='dora' role='participant'": false, "nick='anna' role='none'": false,
		"nick='carl' role='moderator'": false, "jid='x@example.org' affiliation='outcast'": false, "nick='dora' role='none'": false,
	} {
		if _, err := tb.does("ben", adminItem(item)); (err == nil) != may {
			t.Errorf("%s: %v", item, err)
		}
	}
	tb.must("ben", adminItem("nick='emil' role='none'"))
}

// TestAllOrNothing is a request of which one part is not allowed.
func TestAllOrNothing(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	tb.enters("anna")
	_, err := tb.does("anna", "<iq type='set' id='1' to='$R'><query xmlns='"+nsAdmin+"'>"+
		"<item jid='ben@example.org' affiliation='member'/><item jid='anna@example.org' affiliation='none'/></query></iq>")
	if !errors.Is(err, errConflict) || len(tb.people) != 1 || tb.changed {
		t.Errorf("%v, people %v", err, tb.people)
	}
	tb.must("anna", "<iq type='set' id='1' to='$R'><query xmlns='"+nsAdmin+"'>"+
		"<item jid='ben@example.org' affiliation='owner'/><item jid='anna@example.org' affiliation='none'/></query></iq>")
	if tb.affiliation("ben@example.org") != owner || tb.affiliation("anna@example.org") != unaffiliated {
		t.Errorf("people %v", tb.people)
	}
}

func TestHistory(t *testing.T) {
	tb := newTable(t, DefaultLimits)
	tb.settings.History = 5
	tb.enters("anna")
	for i := range 7 { // a minute apart; the first two are forgotten
		tb.now = noon.Add(time.Duration(i) * time.Minute)
		tb.must("anna", fmt.Sprintf("<message type='groupchat' to='$R'><body>%d</body></message>", i))
	}
	for wish, want := range map[string]string{
		"":                                        "23456",
		"<history maxstanzas='2'/>":               "56",
		"<history maxchars='0'/>":                 "",
		"<history maxchars='300'/>":               "6",
		"<history seconds='60'/>":                 "56",
		"<history seconds='0'/>":                  "6",
		"<history maxstanzas='-1'/>":              "23456",
		"<history maxstanzas='9e99'/>":            "23456",
		"<history seconds='2147483647'/>":         "23456",
		"<history since='2026-03-02T12:04:00Z'/>": "456",
		"<history since='2026-03-02T12:04:00Z' maxstanzas='1'/>":   "6",
		"<history since='yesterday'/>":                             "23456",
		"<history since='2026-03-02T12:05:00Z' seconds='100000'/>": "56",
	} {
		got := ""
		for _, d := range tb.must("ben", "<presence to='$R/ben'><x xmlns='"+NS+"'>"+wish+"</x></presence>") {
			if n, err := scan.Parse(d.Stanza); err == nil && n.Child(nsDelay, "delay") != nil {
				got += n.ChildText(scan.NSClient, "body")
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", wish, got, want)
		}
		tb.now = tb.now.Add(time.Nanosecond)
		tb.must("ben", "<presence type='unavailable' to='$R/ben'/>")
		tb.now = noon.Add(6 * time.Minute)
	}
	if first := tb.history[0]; !strings.Contains(string(first.stanza), ">2<") {
		t.Errorf("the oldest is %s", first.stanza)
	}
}

// TestHistoryOfBigMessages keeps the memory of a room small.
func TestHistoryOfBigMessages(t *testing.T) {
	limits := DefaultLimits
	limits.HistoryBytes = 10_000
	tb := newTable(t, limits)
	tb.enters("anna")
	for range 10 {
		tb.must("anna", "<message type='groupchat' to='$R'><body>"+strings.Repeat("x", 4000)+"</body></message>")
	}
	if len(tb.history) != 2 || tb.weight > limits.HistoryBytes {
		t.Errorf("%d messages of %d bytes", len(tb.history), tb.weight)
	}
}

// TestRate slows a flooder down, and leaving and coming back does not help.
func TestRate(t *testing.T) {
	limits := DefaultLimits
	limits.Rate = Rate{Burst: 5, PerSecond: 1}
	tb := newTable(t, limits)
	tb.enters("anna") // takes one
	message := "<message type='groupchat' to='$R'><body>x</body></message>"
	for range 4 {
		tb.must("anna", message)
	}
	if _, err := tb.does("anna", message); !errors.Is(err, errTooFast) {
		t.Errorf("the flood goes on: %v", err)
	}
	tb.must("anna", "<presence type='unavailable' to='$R/anna'/>")
	if _, err := tb.does("anna", enterAs("anna")); !errors.Is(err, errTooFast) {
		t.Errorf("a new start helps: %v", err)
	}
	tb.now = tb.now.Add(2 * time.Second)
	tb.enters("anna")
	tb.must("anna", message)
	if _, err := tb.does("anna", message); !errors.Is(err, errTooFast) {
		t.Errorf("the flood goes on: %v", err)
	}
}

func TestLimits(t *testing.T) {
	limits := DefaultLimits
	limits.Occupants, limits.Affiliations = 3, 2
	tb := newTable(t, limits)
	for _, user := range []string{"ben", "carl"} {
		tb.enters(user)
	}
	tb.settings.MaxOccupants = 2
	if _, err := tb.does("dora", enterAs("dora")); !errors.Is(err, errFull) {
		t.Errorf("a full room lets others in: %v", err)
	}
	tb.enters("anna") // owners may
	for nick, want := range map[string]error{strings.Repeat("n", 200): errBadValue, strings.Repeat(" ", 3): errBadValue, "ben": errConflict} {
		if _, err := tb.does("anna", "<presence to='$R/"+nick+"'/>"); !errors.Is(err, want) {
			t.Errorf("nick %q: %v", nick, err)
		}
	}
	tb.must("anna", adminItem("jid='ben@example.org' affiliation='member'"))
	if _, err := tb.does("anna", adminItem("jid='carl@example.org' affiliation='member'")); !errors.Is(err, errTooMuch) {
		t.Errorf("a full list takes more: %v", err)
	}
}

// TestRandomConversations plays random stanzas and checks what must always hold.
func TestRandomConversations(t *testing.T) {
	for seed := range uint64(12) {
		said := randomStanzas(rand.New(rand.NewPCG(seed, 1)), 300)
		first, second := newTable(t, DefaultLimits), newTable(t, DefaultLimits)
		for i, s := range said {
			before, was := first.fingerprint(), first.moderators()
			open := first.settings.NonAnonymous
			out, err := first.does(s.user, s.text)
			again, _ := second.does(s.user, s.text)
			if !slices.EqualFunc(out, again, func(a, b Delivery) bool {
				return slices.Equal(a.To, b.To) && string(a.Stanza) == string(b.Stanza)
			}) {
				t.Fatalf("seed %d: step %d has another effect the second time", seed, i)
			}
			if err != nil && (len(out) > 0 || before != first.fingerprint()) {
				t.Fatalf("seed %d: %s: %s has an effect in spite of %v", seed, s.user, s.text, err)
			}
			first.checkInvariants(fmt.Sprintf("seed %d after %s: %s", seed, s.user, s.text))
			first.checkKinds(out)
			if !open && !first.settings.NonAnonymous {
				first.checkAnonymity(out, was, s.text)
			}
			first.now, second.now = first.now.Add(time.Second), second.now.Add(time.Second)
			if first.destroyed {
				break
			}
		}
	}
}

type said struct{ user, text string }

func randomStanzas(r *rand.Rand, n int) []said {
	users := []string{"anna", "ben", "carl", "dora", "emil"}
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	list := []said{{"anna", enterAs("anna")}, {"anna", configForm("persistentroom", "1")}}
	for range n {
		user := users[r.IntN(len(users))]
		whom := one(users...)
		list = append(list, said{user, one(
			enterAs(one(user, user, user, "nick", whom)), enterAs(user), enterAs(user),
			"<presence to='$R/"+one(user, user, whom, "nick")+"'><show>away</show></presence>",
			"<presence type='unavailable' to='$R/x'/>",
			"<message type='groupchat' to='$R'><body>x</body></message>",
			"<message type='groupchat' to='$R'><subject>x</subject></message>",
			"<message type='chat' to='$R/"+whom+"'><body>x</body></message>",
			adminItem("nick='"+whom+"' role='"+one(roleNames[:]...)+"'"),
			adminItem("jid='"+whom+"@example.org' affiliation='"+one(affiliationNames[:]...)+"'"),
			configForm(one("membersonly", "moderatedroom", "changesubject", "allowinvites"), one("0", "0", "1")),
			configForm("whois", one("moderators", "moderators", "anyone")),
			"<message to='$R'><x xmlns='"+nsUser+"'><invite to='"+whom+"@example.org'/></x></message>",
			"<message to='$R'><x xmlns='"+nsForms+"' type='submit'><field var='FORM_TYPE'><value>"+formVoice+"</value></field><field var='muc#roomnick'><value>"+whom+"</value></field><field var='muc#request_allow'><value>1</value></field></x></message>",
			"<iq type='get' id='q' to='$R/"+whom+"'><query xmlns='jabber:iq:version'/></iq>",
			"<iq type='set' id='q' to='$R'><query xmlns='"+nsRegister+"'><x xmlns='"+nsForms+"' type='submit'><field var='muc#register_roomnick'><value>"+one(user, "nick")+"</value></field></x></query></iq>",
		)})
	}
	return list
}

func configForm(name, value string) string {
	return "<iq type='set' id='1' to='$R'><query xmlns='" + nsOwner + "'><x xmlns='" + nsForms + "' type='submit'><field var='muc#roomconfig_" +
		name + "'><value>" + value + "</value></field></x></query></iq>"
}

// fingerprint is what a refused stanza must not change.
func (tb *table) fingerprint() string {
	var b strings.Builder
	fmt.Fprint(&b, tb.stored(), tb.locked, len(tb.history), slices.Sorted(maps.Keys(tb.seats)))
	for _, o := range tb.order {
		fmt.Fprint(&b, o.nick, o.role, len(o.seats), len(o.presence))
	}
	return b.String()
}

func (tb *table) moderators() map[string]bool {
	list := map[string]bool{}
	for _, o := range tb.order {
		if o.role == moderator {
			list[o.bare] = true
		}
	}
	return list
}

func (tb *table) checkInvariants(when string) {
	tb.t.Helper()
	owners, weight, seats := 0, 0, 0
	reserved := map[string]string{}
	for bare, p := range tb.people {
		if p.nick != "" {
			if other := reserved[nickKey(p.nick)]; other != "" {
				tb.t.Fatalf("%s: %s and %s have reserved %q", when, bare, other, p.nick)
			}
			reserved[nickKey(p.nick)] = bare
		}
		if p.affiliation == owner {
			owners++
		}
		if p.affiliation == unaffiliated {
			tb.t.Fatalf("%s: none is stored", when)
		}
	}
	for _, m := range tb.history {
		weight += len(m.stanza)
	}
	for _, o := range tb.order {
		a := tb.affiliation(o.bare)
		seats += len(o.seats)
		switch {
		case len(o.seats) == 0, tb.nicks[o.nick] != o, o.role == noRole:
			tb.t.Fatalf("%s: %s is half there", when, o.nick)
		case a == outcast, tb.settings.MembersOnly && a < member:
			tb.t.Fatalf("%s: %s may not be there", when, o.nick)
		case a >= admin && o.role != moderator:
			tb.t.Fatalf("%s: %s is %v and %v", when, o.nick, a, o.role)
		}
	}
	if !maps.Equal(reserved, tb.reserved) {
		tb.t.Fatalf("%s: %v are reserved, and %v are found", when, reserved, tb.reserved)
	}
	if owners == 0 || weight != tb.weight || seats != len(tb.seats) || len(tb.nicks) != len(tb.order) {
		tb.t.Fatalf("%s: %d owners, weight %d of %d, %d seats of %d, %d nicks of %d", when, owners, tb.weight, weight, seats, len(tb.seats), len(tb.nicks), len(tb.order))
	}
}

// checkKinds fails if what is said of a presence beside its bytes is not what these say.
func (tb *table) checkKinds(out []Delivery) {
	tb.t.Helper()
	for _, d := range out {
		if !strings.HasPrefix(string(d.Stanza), "<presence") {
			if d.Occupant != "" || d.State || d.Left {
				tb.t.Fatalf("counts as presence: %s", d.Stanza)
			}
			continue
		}
		n, err := scan.Parse(d.Stanza)
		if err != nil {
			tb.t.Fatalf("%v in %s", err, d.Stanza)
		}
		x := n.Child(nsUser, "x")
		if x == nil { // an error
			continue
		}
		var codes []string
		for _, c := range x.Nodes {
			if c.Name == "status" {
				codes = append(codes, c.Attr("code"))
			}
		}
		item := x.Child(nsUser, "item")
		more := len(codes) > 0 || item.Attr("nick") != "" || len(item.Nodes) > 0 || x.Child(nsUser, "destroy") != nil
		left := n.Attr("type") == "unavailable" && slices.Contains(codes, "110") && !slices.Contains(codes, "303")
		if d.Occupant != n.Attr("from") || d.State && more || d.Left != left {
			tb.t.Fatalf("counts as presence of %s, state %v, left %v: %s", d.Occupant, d.State, d.Left, d.Stanza)
		}
	}
}

// checkAnonymity fails if somebody who is and was no moderator has been told another's address by presence.
func (tb *table) checkAnonymity(out []Delivery, was map[string]bool, text string) {
	tb.t.Helper()
	is := tb.moderators()
	for _, d := range out {
		if !strings.HasPrefix(string(d.Stanza), "<presence") {
			continue
		}
		n, err := scan.Parse(d.Stanza)
		if err != nil {
			tb.t.Fatalf("%v in %s", err, d.Stanza)
		}
		address, _, _ := strings.Cut(n.Child(nsUser, "x").Child(nsUser, "item").Attr("jid"), "/")
		for _, to := range d.To {
			if bare, _, _ := strings.Cut(to, "/"); address != "" && bare != address && !was[bare] && !is[bare] {
				tb.t.Fatalf("%s learns from %s: %s", to, text, d.Stanza)
			}
		}
	}
}

// BenchmarkBroadcast is a message to a room of a thousand.
func BenchmarkBroadcast(b *testing.B) {
	limits := DefaultLimits
	limits.Rate = Rate{Burst: 1e9, PerSecond: 1e9}
	tb := newTable(b, limits)
	tb.enters("anna")
	tb.locked = false
	for i := range 999 {
		tb.enters(fmt.Sprintf("user%d", i))
	}
	in, _ := read(b, "anna@example.org/x", "<message type='groupchat' to='hall@rooms.example.org' id='1'><body>Hello everybody</body></message>")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tb.Handle(noon, in); err != nil {
			b.Fatal(err)
		}
	}
}
