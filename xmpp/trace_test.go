package xmpp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestTraceShowsHeads(t *testing.T) {
	type head struct{ name, ns, typ, id, from, to, payload, payloadNS string }
	long := strings.Repeat("x", 500)
	for raw, want := range map[string]head{
		`<message from='a@b/c' to="d@e" type='chat' id='1'><body>secret</body></message>`: {"message", "", "chat", "1", "a@b/c", "d@e", "body", ""},
		`<iq type='get' id='&lt;1'><query xmlns='jabber:iq:roster'/></iq>`:                {"iq", "", "get", "<1", "", "", "query", "jabber:iq:roster"},
		`<iq type='set' id='2'><p:query xmlns:p='urn:x'><secret/></p:query></iq>`:         {"iq", "", "set", "2", "", "", "query", "urn:x"},
		`<presence/>`: {name: "presence"},
		`<presence type='unavailable'></presence>`:                   {name: "presence", typ: "unavailable"},
		`<message to='x'>secret<body/></message>`:                    {name: "message", to: "x"},
		`<message to='a>b'><body>secret</body></message>`:            {name: "message", to: "a>"}, // not the whole truth, but no secret
		`<r xmlns='urn:xmpp:sm:3'/>`:                                 {name: "r", ns: "urn:xmpp:sm:3"},
		`<iq type='result' id='` + long + `'/>`:                      {name: "iq", typ: "result", id: long[:traceHead-len(`<iq type='result' id='`)]},
		`<iq id='3'><query xmlns="` + long + `">secret</query></iq>`: {name: "iq", id: "3"},
	} {
		for cut := 0; cut < len(raw); cut += 7 {
			var tr trace
			tr.note(traceIn, 5, []byte(raw[:cut]), []byte(raw[cut:]))
			list := tr.after(0)
			if len(list) != 1 || list[0].size != len(raw) || list[0].number != 1 || list[0].at != 5 {
				t.Fatalf("%s: %+v", raw, list)
			}
			if bytes.Contains(list[0].head, []byte("secret")) {
				t.Errorf("%s: %q was kept", raw, list[0].head)
			}
			s := uc.TracedStanza{}
			decodeHead(&s, list[0].head)
			got := head{s.Name, s.Namespace, s.Type, s.ID, s.From, s.To, s.Payload, s.PayloadNS}
			if got != want {
				t.Errorf("%s, cut at %d: %+v, want %+v", raw, cut, got, want)
			}
		}
	}
}

// Whatever passes and whoever watches, what is remembered are the last stanzas, whole and in order.
func TestTraceKeepsTheLast(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		tr := trace{bodies: seed%4 == 3}
		var passed [][]byte
		for n := range 1 + r.IntN(400) {
			switch r.IntN(40) {
			case 0:
				tr.watch()
			case 1:
				if tr.watched > 0 {
					tr.unwatch()
				}
			}
			stanza := fmt.Appendf(nil, "<message id='%d' to='%s'><body>hello</body></message>", n, strings.Repeat("a", r.IntN(600)))
			passed = append(passed, stanza)
			tr.note(byte(1+n%2), int64(n), stanza)
		}
		list := tr.after(0)
		if len(list) == 0 || list[len(list)-1].number != uint64(len(passed)) {
			t.Fatalf("seed %d: %d of %d stanzas", seed, len(list), len(passed))
		}
		for i, rec := range list {
			stanza := passed[rec.number-1]
			if rec.at != int64(rec.number-1) || rec.direction != byte(1+rec.at%2) || rec.size != len(stanza) ||
				!bytes.HasPrefix(stanza, rec.head) || len(rec.head) < min(20, len(stanza)) || i > 0 && rec.number != list[i-1].number+1 {
				t.Fatalf("seed %d: record %d is %+v of %s", seed, i, rec, stanza)
			}
		}
		if rest := tr.after(list[0].number); len(rest) != len(list)-1 {
			t.Errorf("seed %d: after the first come %d of %d", seed, len(rest), len(list))
		}
	}
}

func TestTraceIsSmallUntilNeeded(t *testing.T) {
	var tr trace
	sizes := func(want int, when string) {
		t.Helper()
		if len(tr.ring) != want {
			t.Errorf("%s: %d bytes, want %d", when, len(tr.ring), want)
		}
	}
	sizes(0, "no stanza yet")
	stanza := []byte("<presence/>")
	tr.note(traceIn, 1, stanza)
	sizes(traceSmall, "one stanza")
	for range traceBusy {
		tr.note(traceIn, 1, stanza)
	}
	sizes(traceLarge, "a busy session")
	tr.watch()
	sizes(traceWatched, "while it is watched")
	tr.unwatch()
	sizes(traceLarge, "afterwards")
}

func TestTraceOfSessions(t *testing.T) {
	w := start(t)
	a, b := w.must("anna", "a"), w.must("ben", "b")
	next, stop, err := w.server.FollowTrace("anna@" + testDomain)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	next()
	a.send(t, "<message to='ben@example.org/b' type='chat' id='m1'><body>secret</body></message>")
	b.expect(t, "m1")
	b.send(t, "<message to='anna@example.org/a' type='chat' id='m2'><body>secret</body></message>")
	a.expect(t, "m2")
	a.send(t, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
	a.expect(t, "id='p'")
	type line struct {
		direction                        uc.StanzaDirection
		name, id, from, to, payload, xml string
	}
	want := []line{
		{"in", "message", "m1", "", "ben@example.org/b", "body", ""},
		{"out", "message", "m2", "ben@example.org/b", "anna@example.org/a", "body", ""},
		{"in", "iq", "p", "", "", "ping", ""},
		{"out", "iq", "p", "", "anna@example.org/a", "", ""},
	}
	var got []line
	for _, s := range next() {
		got = append(got, line{s.Direction, s.Name, s.ID, s.From, s.To, s.Payload, s.XML})
	}
	if !slices.Equal(got, want) {
		t.Errorf("followed %v,\nwant %v", got, want)
	}
	list, err := w.server.Trace("ben@example.org/b")
	if err != nil || list[len(list)-1].ID != "m2" || list[len(list)-2].ID != "m1" {
		t.Errorf("the trace of Ben's session: %+v, %v", list, err)
	}
	if list, err := w.server.Trace("ben"); err != nil || list[len(list)-1].ID != "m2" {
		t.Errorf("the trace of Ben by login name: %+v, %v", list, err)
	}
	for _, address := range []string{"", "nobody", "ben/b", "nobody@example.org", "carl@example.org", "example.org", "anna@elsewhere.example", "@"} {
		if list, err := w.server.Trace(address); err == nil {
			t.Errorf("trace of %s: %v", address, list)
		}
	}
}

func TestTraceWithBodies(t *testing.T) {
	w := start(t, func(c *Config) { c.TraceBodies = true })
	a := w.must("anna", "a")
	a.send(t, "<message to='anna@example.org/a' type='chat' id='m1'><body>all of it</body></message>")
	a.expect(t, "m1")
	list, err := w.server.Trace(a.jid)
	if err != nil || !strings.Contains(list[0].XML, "<body>all of it</body></message>") {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAdministratorEndsSession(t *testing.T) {
	w := start(t)
	a := w.must("anna", "a")
	a.send(t, "<presence><show>xa</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>")
	a.expect(t, "<presence")
	sessions := w.server.Sessions()
	if len(sessions) != 1 || sessions[0].JID != a.jid || sessions[0].LastIn.IsZero() || sessions[0].Client != "https://client.example" || sessions[0].Show != uc.ShowXA {
		t.Fatalf("%+v", sessions)
	}
	if err := w.server.EndSession(t.Context(), uc.System, sessions[0].ID+1); err == nil {
		t.Error("a session that does not exist was ended")
	}
	if err := w.server.EndSession(t.Context(), uc.System, sessions[0].ID); err != nil {
		t.Fatal(err)
	}
	for got := ""; !strings.Contains(got, "policy-violation"); {
		var err error
		if got, err = a.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if len(w.store.audit) != 1 || !strings.Contains(w.store.audit[0].Text, a.jid) {
		t.Errorf("audit: %+v", w.store.audit)
	}
}
