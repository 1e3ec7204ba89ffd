package s2s

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPresenceStorm: a server that does not take anything for a while is told the last word of each sender to each recipient, and
// nothing else is lost or overtaken.
func TestPresenceStorm(t *testing.T) {
	const senders, changes = 50, 1000
	virtual(t, func(t *testing.T, w *world) {
		sa, sb := w.server(nil, a).onPipes("192.0.2.1:5269"), w.server(nil, b).onPipes("192.0.2.2:5269")
		w.listen[sb.addr] = func(c net.Conn) {
			go func() {
				time.Sleep(20 * time.Second)
				sb.admit(c)
			}()
		}
		send := func(text string, args ...any) { sa.Send(a, b, fmt.Appendf(nil, text, args...)) }
		var want []string
		expect := func(text string, args ...any) {
			send(text, args...)
			want = append(want, fmt.Sprintf(text, args...))
		}
		const state, occupant = "<presence from='u%d@a.example/x' to='ben@b.example'><status>%d</status></presence>",
			"<presence from='hall@a.example/Anna' to='ben@b.example/x'>%s<x xmlns='http://jabber.org/protocol/muc#user'><item role='%s'/>%s</x></presence>"
		expect("<message from='anna@a.example/x' to='ben@b.example'><body>first</body></message>")
		for n := range changes {
			for i := range senders {
				if n == changes-1 {
					expect(state, i, n) // in the place of its first
				} else {
					send(state, i, n)
				}
			}
		}
		send(occupant, "1", "visitor", "")
		expect(occupant, "2", "participant", "")
		expect(occupant, "3", "none", "<status code='307'/>")
		send(occupant, "4", "visitor", "")
		expect(occupant, "5", "visitor", "")
		expect("<message from='hall@a.example/Anna' to='ben@b.example/x' type='groupchat'><body>between</body></message>")
		expect(occupant, "6", "visitor", "")
		expect("<presence from='ben@a.example/x' to='hall@b.example/Ben'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		expect("<presence from='ben@a.example/x' to='hall@b.example/Ben'/>")
		expect("<presence from='ben@a.example/x' to='hall@b.example/Ben' type='unavailable'/>")
		expect("<presence from='ben@a.example' to='ben@b.example' type='subscribe'/>")
		expect("<presence from='ben@a.example' to='ben@b.example' type='unsubscribe'/>")
		sa.mu.Lock()
		r := sa.routes[pair{a, b}]
		waiting, size := len(r.waiting), r.size
		sa.mu.Unlock()
		if waiting != len(want) || size > 32<<10 {
			t.Errorf("%d stanzas wait, %d bytes; want %d", waiting, size, len(want))
		}
		for _, text := range want {
			if g := take(t, sb.in, text); g.raw != text {
				t.Fatalf("got %s, want %s", g.raw, text)
			}
		}
		synctest.Wait()
		sa.mu.Lock()
		defer sa.mu.Unlock()
		if len(sb.in) > 0 || len(sa.back) > 0 || sa.size != 0 || len(sa.routes[pair{a, b}].latest) != 0 {
			t.Errorf("%d more came, %d came back, %d bytes wait", len(sb.in), len(sa.back), sa.size)
		}
	})
}

// TestMessageCost: to find out that a message takes the place of nothing takes no look into it, and no memory but its item's.
func TestMessageCost(t *testing.T) {
	raw := message("anna@a.example/a", "ben@b.example", strings.Repeat("x", 1000))
	head := headOf(t, raw)
	r := &route{}
	if got := testing.AllocsPerRun(100, func() {
		if r.place(newItem("anna@a.example", &head, raw), &head) != nil {
			t.Fatal("it took a place")
		}
	}); got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}
