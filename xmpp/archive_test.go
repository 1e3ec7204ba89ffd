package xmpp

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

func withArchive(c *Config) { c.Archive = time.Hour }

func TestArchiveConversations(t *testing.T) {
	script.Run(t, "testdata/archive/*.script", func(t *testing.T) *script.Runner {
		w := start(t, withArchive)
		return &script.Runner{
			Dialect: script.XMPP(),
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				return w.login(ctx, c.Props["login"], c.Props["resource"])
			},
			Do:   func(_ context.Context, words string) error { return w.do(words) },
			Vars: script.Vars{"domain": testDomain},
		}
	})
}

// TestSlixmppArchive has a real client page through an archive and block somebody.
func TestSlixmppArchive(t *testing.T) {
	w := start(t, withArchive)
	if said := w.slixmpp(t, "history.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}

// TestArchiveIDs: they rise, are each user's own, and nobody can make one up.
func TestArchiveIDs(t *testing.T) {
	w := start(t, withArchive)
	a := w.server.archive
	before := ""
	for id := int64(1); id < 1<<62; id = id*3 + 1 {
		text := a.textID(uc.Archive{User: anna}, id)
		if text <= before {
			t.Fatalf("%s does not come behind %s", text, before)
		}
		before = text
		if got, ok := a.parseID(uc.Archive{User: anna}, text); !ok || got != id {
			t.Errorf("%s is read as %d, %v", text, got, ok)
		}
		if _, ok := a.parseID(uc.Archive{User: ben}, text); ok {
			t.Errorf("another user's %s is accepted", text)
		}
		if _, ok := a.parseID(uc.Archive{User: anna}, text[:16]+a.textID(uc.Archive{User: anna}, id+1)[16:]); ok {
			t.Errorf("an ID put together of two is accepted")
		}
	}
	for _, text := range []string{"", "zz", strings.Repeat("0", 32), before + "00", strings.ToUpper(before)} {
		if _, ok := a.parseID(uc.Archive{User: anna}, text); ok {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestArchiveOrder: whoever has read up to an ID misses nothing that comes later, however many write.
func TestArchiveOrder(t *testing.T) {
	w := start(t, withArchive)
	a := w.server.archive
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				a.put(nil, nil, nil, &archiveRow{user: anna, peer: "ben@example.org"}, []byte("<message/>"))
			}
		})
	}
	last := int64(0)
	for n := 0; n < 8*500; {
		a.sync()
		page, err := w.store.Archived(t.Context(), uc.ArchiveQuery{Archive: uc.Archive{User: anna}, After: last, Max: 10000})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.ID <= last {
				t.Fatalf("%d comes behind %d", m.ID, last)
			}
			last = m.ID
		}
		n += len(page.Messages)
	}
	wg.Wait()
}

// TestArchiveOutage: what cannot be written for one user is written for the others.
func TestArchiveOutage(t *testing.T) {
	w := start(t, withArchive)
	a := w.server.archive
	for i := range 20 {
		user := anna
		if i%7 == 3 {
			user = gone
		}
		a.put(nil, nil, nil, &archiveRow{user: user, peer: "x"}, fmt.Appendf(nil, "<message id='%d'/>", i))
	}
	a.sync()
	page, err := w.store.Archived(t.Context(), uc.ArchiveQuery{Archive: uc.Archive{User: anna}, Max: 100})
	if err != nil || page.Count != 17 {
		t.Errorf("%d messages are kept, want 17 (%v)", page.Count, err)
	}
}

func TestQualified(t *testing.T) {
	for _, raw := range []string{
		"<message/>", "<message id='1'><body>a</body></message>", "<message\n\tid = \" xmlns='a'\" ><body/></message>",
		"<message xmlns='jabber:client' id='1'/>", "<message id='xmlns=' xmlns\n=\n\"jabber:client\"><body/></message>",
		"<c:message xmlns:c='jabber:client'><body/><c:body/></c:message>",
	} {
		n, err := scan.Parse(append(appendQualified([]byte("<f xmlns='urn:f'>"), []byte(raw)), "</f>"...))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		m := n.Child(scan.NSClient, "message")
		if m == nil {
			t.Errorf("%s has lost its namespace", raw)
			continue
		}
		for _, child := range m.Nodes {
			if child.NS != scan.NSClient {
				t.Errorf("%s: a child is in %q", raw, child.NS)
			}
		}
	}
}

// TestArchivedMessageAllocates holds what a message costs its sender when both sides keep it.
func TestArchivedMessageAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := gather(t, 2, false, withArchive)
	go func() { _, _ = io.Copy(io.Discard, c.clients[1]) }()
	from := c.session(0)
	in := newInput(from)
	message := fmt.Appendf(nil, benchMessage, 1)
	got := testing.AllocsPerRun(2000, func() {
		in.buf, in.from = append(takeReadBuffer(), message...), 0
		if _, err := from.handleInput(in); err != nil {
			t.Fatal(err)
		}
		in.free()
	})
	if got > 8 { // the writer's share is counted too
		t.Errorf("an archived message costs %.1f allocations", got)
	}
	t.Logf("%.1f allocations", got)
	for i := range 2 {
		c.session(i).end(errShutdown)
		c.server.begin(c.session(i))
	}
}
