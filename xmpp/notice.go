package xmpp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	nsJingleMessage = "urn:xmpp:jingle-message:0"
	nsConference    = "jabber:x:conference"
)

// What push services are told of a message beside that there is one ([Config.Push]).
const (
	PushNotice = "notice" // nothing
	PushSender = "sender" // who sent it
	PushBody   = "body"   // and what it says
)

// How notifications are spaced. The first one gathers what comes at once. As long as the client does not
// come each further one waits twice as long as the one before it.
const (
	pushDelay    = time.Second
	pushMaxDelay = time.Minute
)

// How often a notification is sent again that could not be delivered: after pushRetry, and each time after twice the
// time, until it has failed for as long as pushPatience.
const (
	pushRetry    = time.Minute
	pushMaxRetry = time.Hour
	pushPatience = 24 * time.Hour
)

// maxPushText bounds what a notification quotes of a message: what is behind push services takes about 4 kB.
const maxPushText = 1000

// notice is what there is to tell of a message.
type notice struct {
	sender, body string
	call         bool // somebody calls: that cannot wait
}

// noticeOf reads a message as a client gets it; ok is false if it is not worth waking somebody up for. Of
// copies those are that the user's other clients received, not those that they sent.
func noticeOf(raw []byte) (_ notice, ok bool) {
	n, err := scan.Parse(raw)
	if err != nil || n.Name != "message" {
		return notice{}, false
	}
	if copied := n.Child(nsCarbons, "received"); copied != nil {
		n = copied.Child(nsForwarding, "forwarded").Child(scan.NSClient, "message")
	}
	if n == nil || !worthWaking(n) {
		return notice{}, false
	}
	return notice{n.Attr("from"), n.ChildText(scan.NSClient, "body"), n.Child(nsJingleMessage, "propose") != nil}, true
}

func worthWaking(n *scan.Node) bool {
	switch typ := n.Attr("type"); {
	case typ == "error", typ == "headline":
		return false
	case typ == "groupchat" && n.Child(scan.NSClient, "subject") != nil:
		return false
	case n.ChildText(scan.NSClient, "body") != "":
		return true
	}
	return slices.ContainsFunc(n.Nodes, func(c *scan.Node) bool {
		switch {
		case c.Name == "encrypted" && (c.NS == "eu.siacs.conversations.axolotl" || strings.HasPrefix(c.NS, "urn:xmpp:omemo:")):
			return c.Child(c.NS, "payload") != nil // others only exchange keys
		case c.NS == nsJingleMessage:
			return c.Name == "propose"
		case c.NS == nsMUCUser:
			return c.Child(nsMUCUser, "invite") != nil
		}
		return c.NS == nsConference || c.NS == "jabber:x:encrypted" || c.NS == "urn:xmpp:openpgp:0"
	})
}

// arrived tells those clients of a user that have no session of a message. It is theirs to read when they
// come if it was kept, or is in the archive.
func (p *pusher) arrived(a *account, raw []byte) {
	if !a.pushed.Load() || p.server.archive == nil && len(a.mostAvailable()) > 0 || !worthKeeping(raw) {
		return
	}
	p.tell(a, raw, func(t *pushTarget) bool { return a.byResource(t.Resource) == nil })
}

// missed tells a client that its session has ended with a message that it had not taken. Those that came
// while the session waited for it it was told of then, the user's other clients when they came.
func (p *pusher) missed(c *session, raw []byte) {
	if !c.account.pushed.Load() || !worthKeeping(raw) {
		return
	}
	p.tell(c.account, raw, func(t *pushTarget) bool {
		if t.Resource == c.resource {
			return c.resumption.Load() == nil
		}
		return p.server.archive == nil && c.account.byResource(t.Resource) == nil
	})
}

// waiting tells a client whose session waits for it of what it will be sent.
func (p *pusher) waiting(c *session, raw []byte) {
	p.tell(c.account, raw, func(t *pushTarget) bool { return t.Resource == c.resource })
}

// left tells a client that has lost its connection of what it has not acknowledged.
func (p *pusher) left(c *session) {
	if !c.account.pushed.Load() {
		return
	}
	for kept := c.queue.beforeCut(); ; {
		n := stanzaLength(kept)
		if n == 0 {
			return
		}
		p.waiting(c, kept[:n])
		kept = kept[n:]
	}
}

// tell makes a notification of a message due for the targets that match.
func (p *pusher) tell(a *account, raw []byte, match func(*pushTarget) bool) {
	what, ok := noticeOf(raw)
	if !ok {
		return
	}
	list := slices.DeleteFunc(slices.Clone(p.of(a.user)), func(t *pushTarget) bool { return !match(t) })
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range list {
		if !p.closed && !t.gone {
			t.from = a.bare
			p.hear(t, what)
		}
	}
}

// hear notes one more message.
func (p *pusher) hear(t *pushTarget, what notice) {
	t.count++
	t.last = what
	wait := min(pushDelay<<min(t.told, 10), pushMaxDelay)
	if t.again {
		t.rest() // something new is reason enough to try
	}
	switch {
	case t.timer == nil && what.call:
		t.timer = time.AfterFunc(0, func() { p.send(t) })
	case t.timer == nil:
		t.timer = time.AfterFunc(wait, func() { p.send(t) })
	case what.call:
		t.timer.Reset(0)
	}
}

// present notes that a client is there: it sees what has come itself.
func (p *pusher) present(c *session) {
	if !c.account.pushed.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets[c.account.user] {
		if t.Resource == c.resource {
			t.rest()
			t.count, t.told = 0, 0
		}
	}
}

// send sends the notification that is due (XEP-0357 §7).
func (p *pusher) send(t *pushTarget) {
	p.mu.Lock()
	if p.closed || t.gone || t.timer == nil {
		p.mu.Unlock()
		return
	}
	t.timer, t.again = nil, false
	t.told++
	from, payload := t.from, p.notification(t)
	p.mu.Unlock()
	s := p.server
	b := s.newBatch()
	defer b.done()
	err := s.ask(b, from, t.Service, payload, func(answer *scan.Node) { p.answered(t, from, answer) })
	if err != nil {
		p.failed(t, from, err.Error())
	}
}

// failed makes the notification due once more, later, unless the client has come meanwhile. It reports whether that has
// been in vain for too long.
func (p *pusher) failed(t *pushTarget, from, cause string) (over bool) {
	p.server.log.Info("xmpp: push service does not take a notification now", "service", t.Service, "jid", from, "cause", cause)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if t.failed == 0 {
		t.failing = now
	}
	t.failed++
	over = now.Sub(t.failing) >= pushPatience
	if p.closed || t.gone || t.count == 0 || t.timer != nil || over {
		return over
	}
	t.again = true
	t.timer = time.AfterFunc(min(pushRetry<<min(t.failed-1, 10), pushMaxRetry), func() { p.send(t) })
	return false
}

// delivered notes that a push service has taken a notification.
func (p *pusher) delivered(t *pushTarget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.failed = 0
}

// notification is what a push service is sent.
func (p *pusher) notification(t *pushTarget) []byte {
	f := form{fields: []field{
		{name: "FORM_TYPE", typ: "hidden", values: []string{"urn:xmpp:push:summary"}},
		{name: "message-count", values: []string{strconv.Itoa(t.count)}},
	}}
	// Services take a notification without a text for one that need not be shown.
	body := "New message"
	if p.server.cfg.Push != PushNotice {
		f.fields = append(f.fields, field{name: "last-message-sender", values: []string{t.last.sender}})
	}
	if p.server.cfg.Push == PushBody && t.last.body != "" {
		body = shortened(t.last.body, maxPushText)
	}
	f.fields = append(f.fields, field{name: "last-message-body", values: []string{body}})
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("publish").attrIf("node", t.Node).start("item")
	e.start("notification").attr("xmlns", nsPush).open()
	f.append(e, "submit")
	e.close("notification").close("item").close("publish")
	if len(t.Options) > 0 {
		e.start("publish-options").raw(t.Options).close("publish-options")
	}
	return e.close("pubsub").bytes()
}

// shortened cuts a text to a number of bytes, between two characters.
func shortened(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}

// answered takes the answer of a push service, nil if there is none. One that does not want the notification gets no
// more of them (XEP-0357 §7.1); one that cannot take it now is asked again, for a day. One that cannot be reached is
// asked again, too, but keeps its place: it has refused nothing.
func (p *pusher) answered(t *pushTarget, from string, answer *scan.Node) {
	if answer == nil {
		p.failed(t, from, "no answer")
		return
	}
	if answer.Attr("type") != "error" {
		p.delivered(t)
		return
	}
	e := answer.Child(scan.NSClient, "error")
	cause := cmp.Or(e.Condition(nsStanzas), "undefined-condition")
	if isTemporary(e) && !p.failed(t, from, cause) {
		return
	}
	s := p.server
	a := s.accountByLogin(s.loginOf(from))
	if a == nil || a.user != t.User {
		return
	}
	if err := p.remove(s.ctx, a, func(other *pushTarget) bool { return other == t }); err != nil {
		s.log.Error("xmpp: cannot remove a push target", "jid", from, "cause", err)
		return
	}
	s.log.Info("xmpp: push service refuses, disabled", "service", t.Service, "jid", from, "cause", cause)
}

// isTemporary reports whether an error may pass by itself.
func isTemporary(e *scan.Node) bool {
	return e != nil && (e.Attr("type") == "wait" || slices.ContainsFunc(e.Nodes, func(c *scan.Node) bool {
		switch c.Name {
		case "internal-server-error", "remote-server-not-found", "remote-server-timeout", "resource-constraint":
			return c.NS == nsStanzas
		}
		return false
	}))
}
