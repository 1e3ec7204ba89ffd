package component

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// TestPresenceStorm: a component that does not read is told the last word of each sender only, so that a storm of presence does not fill
// its queue; what is more than presence is told in order, and all of it.
func TestPresenceStorm(t *testing.T) {
	played(t, func(c *Config) { c.QueueMax = 8 << 10 }, func(t *testing.T, d *desk) {
		p := d.dial(t)
		p.signIn()
		synctest.Wait()
		const state = "<presence from='u%d@example.org/x' to='me@bot.example.org'><status>%d</status></presence>"
		send := func(text string, args ...any) string {
			text = fmt.Sprintf(text, args...)
			d.Send("u@example.org", domain, []byte(text))
			return text
		}
		want := send("<message from='u0@example.org/x' to='me@bot.example.org'/>")
		synctest.Wait() // it is being written
		for n := range 100 {
			for i := range 20 {
				text := send(state, i, n)
				if n == 99 {
					want += text
				}
			}
		}
		for _, step := range []string{
			"<message from='u0@example.org/x' to='me@bot.example.org'><body>between</body></message>",
			"<presence from='u0@example.org/x' to='me@bot.example.org'><status>after it</status></presence>",
			"<presence from='u1@example.org/x' to='me@bot.example.org' type='subscribe'/>",
			"<presence from='u1@example.org/x' to='me@bot.example.org' type='unavailable'/>",
			"<presence from='u2@example.org/x' to='hall@bot.example.org/u'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
			"<presence from='u2@example.org/x' to='hall@bot.example.org/u' type='unavailable'/>",
		} {
			want += send("%s", step)
		}
		if back := d.back(); len(back) > 0 {
			t.Errorf("%d came back, the first %s", len(back), back[0])
		}
		last := send("<message from='u0@example.org/x' to='me@bot.example.org'><body>last</body></message>")
		if got := p.hear(last); strings.TrimPrefix(got, "\n") != want+last {
			t.Errorf("it was told\n%s\nwant\n%s", got, want+last)
		}
		p.say("</stream:stream>")
		p.end()
	})
}

// TestMessageCost: to queue what is no presence takes no look into the stanza, and no memory but the queue's own.
func TestMessageCost(t *testing.T) {
	raw := []byte("<message from='anna@example.org/desk' to='me@bot.example.org' type='chat'><body>" + strings.Repeat("x", 1000) + "</body></message>")
	head, _, _, err := scan.New(scan.DefaultLimits).Next(raw)
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(New(Config{}), nil, nil, domain, nil)
	if got := testing.AllocsPerRun(100, func() {
		if !l.push(outgoing{"anna@example.org", domain, raw}, &head) {
			t.Fatal("it was not taken")
		}
		l.waiting, l.size = l.waiting[:0], 0
	}); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
