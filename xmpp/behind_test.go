package xmpp

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const hall = "hall@rooms.example.org"

// enterHall takes a client into the hall.
func (c *client) enterHall(t *testing.T, nick string) {
	t.Helper()
	c.send(t, "<presence to='"+hall+"/"+nick+"'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	c.takeUntil(t, "<subject")
}

// done waits until the server has handled what a client has sent.
func (c *client) done(t *testing.T) {
	t.Helper()
	c.send(t, "<iq type='get' id='done'><ping xmlns='urn:xmpp:ping'/></iq>")
	c.takeUntil(t, "id='done'")
}

// lagging opens the hall with Anna, Ben and Carl in it, and has so much sent to Ben that he does not keep up.
func lagging(t *testing.T) (w *world, anna, ben, carl *client) {
	w = start(t, func(c *Config) { c.QueueSoft, c.QueueHard, c.WriteTimeout = 16<<10, 64<<20, 5*time.Minute })
	anna, ben, carl = w.must("anna", "a"), w.must("ben", "b"), w.must("carl", "c")
	anna.enterHall(t, "anna")
	anna.send(t, "<iq type='set' id='1' to='"+hall+"'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
	anna.takeUntil(t, "id='1'")
	ben.enterHall(t, "ben")
	carl.enterHall(t, "carl")
	anna.done(t)
	s := w.server.router.session([]byte("ben@example.org/b"))
	much := "<message to='ben@example.org/b' type='headline'><body>" + strings.Repeat("x", 200<<10) + "</body></message>"
	for range 200 {
		if s.behind.Load() != nil {
			return w, anna, ben, carl
		}
		anna.send(t, much)
		anna.done(t)
	}
	t.Fatal("Ben keeps up with everything")
	return
}

// TestRoomPresenceStorm lets occupants change their presence again and again before one who does not read: of each the
// last word arrives, and everything that cannot be told later.
func TestRoomPresenceStorm(t *testing.T) {
	const changes = 60 // below what a room takes from one user at once
	w, anna, ben, carl := lagging(t)
	dora := w.must("dora", "d")
	for i := range changes {
		anna.send(t, fmt.Sprintf("<presence to='%s/anna'><status>anna %d.</status></presence>", hall, i))
		carl.send(t, fmt.Sprintf("<presence to='%s/carl'><status>carl %d.</status></presence>", hall, i))
	}
	anna.done(t)
	carl.done(t)
	carl.send(t, fmt.Sprintf("<presence to='%s/chief'><status>renamed</status></presence>", hall)) // 303
	carl.done(t)
	dora.enterHall(t, "carl") // somebody else takes the nick
	dora.send(t, fmt.Sprintf("<presence to='%s/carl'><status>dora</status></presence>", hall))
	dora.done(t)
	anna.send(t, "<iq type='set' id='kick' to='"+hall+"'><query xmlns='http://jabber.org/protocol/muc#admin'><item nick='carl' role='none'><reason>enough</reason></item></query></iq>")
	anna.takeUntil(t, "id='kick'")
	carl.send(t, fmt.Sprintf("<presence to='%s/chief'><status>the last of carl</status></presence>", hall))
	carl.done(t)
	anna.send(t, fmt.Sprintf("<presence to='%s/anna'><status>the last of anna</status></presence>", hall))
	anna.done(t)

	last, count, seen := map[string]string{}, map[string]int{}, ""
	for !strings.Contains(last["anna"], "the last of anna") || !strings.Contains(last["chief"], "the last of carl") {
		got, err := ben.Receive(t.Context())
		if err != nil {
			t.Fatalf("%v; last are %v", err, last)
		}
		if _, after, ok := strings.Cut(got, " from='"+hall+"/"); ok && strings.HasPrefix(got, "<presence") {
			nick, _, _ := strings.Cut(after, "'")
			last[nick] = got
			count[nick]++
			for _, code := range []string{"303", "307"} {
				if strings.Contains(got, "<status code='"+code+"'/>") {
					seen += code + " of " + nick + ", "
				}
			}
		}
	}
	if seen != "303 of carl, 307 of carl, " {
		t.Errorf("Ben was told %q", seen)
	}
	if !strings.Contains(last["carl"], "type='unavailable'") {
		t.Errorf("the last that Ben knows of who was kicked: %s", last["carl"])
	}
	if count["anna"] > 1 || count["chief"] > 1 {
		t.Errorf("Ben was told of everything: %v", count)
	}
	waitFor(t, "Ben to keep up again", func() bool {
		return w.server.router.session([]byte("ben@example.org/b")).behind.Load() == nil
	})
	anna.send(t, fmt.Sprintf("<presence to='%s/anna'><status>now</status></presence>", hall))
	ben.takeUntil(t, "<status>now</status>")
}

// TestLeaveRoomWhileBehind leaves a room and enters it again before what was held of it could be told: nothing old comes
// behind what is new.
func TestLeaveRoomWhileBehind(t *testing.T) {
	_, anna, ben, carl := lagging(t)
	carl.send(t, fmt.Sprintf("<presence to='%s/carl'><status>old</status></presence>", hall))
	carl.done(t)
	anna.send(t, fmt.Sprintf("<presence to='%s/anna'><status>old</status></presence>", hall))
	anna.done(t)
	ben.send(t, "<presence to='"+hall+"/ben' type='unavailable'/>")
	anna.takeUntil(t, "from='"+hall+"/ben' type='unavailable'")
	carl.send(t, "<presence to='"+hall+"/carl' type='unavailable'/>")
	anna.takeUntil(t, "from='"+hall+"/carl' type='unavailable'")
	ben.send(t, "<presence to='"+hall+"/ben'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	anna.takeUntil(t, "from='"+hall+"/ben'")
	anna.send(t, fmt.Sprintf("<presence to='%s/anna'><status>end</status></presence>", hall))
	anna.done(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there := false
	for {
		got, err := ben.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got, "from='"+hall+"/ben'") {
			there = !strings.Contains(got, "type='unavailable'")
		}
		if there && strings.HasPrefix(got, "<presence") && strings.Contains(got, "/carl'") {
			t.Errorf("Carl, who left, is told of: %s", got)
		}
		if strings.Contains(got, "<status>end</status>") {
			break
		}
	}
	if !there {
		t.Error("Ben is not in the room")
	}
}
