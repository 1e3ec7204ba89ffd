package sip

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

// The limits of subscriptions.
const (
	maxLamps          = 50_000 // of all phones
	maxLampsPerDevice = 200
)

// lamps are the subscriptions of telephones to the dialog state of users (RFC 4235, RFC 6665). One
// goroutine owns them all; requests, responses, timers and the bus reach it as posted acts and events.
type lamps struct {
	s         *Server
	box       *mailbox
	subs      map[dialogID]*subscription
	watchers  map[uc.UserID]map[*subscription]bool
	perDevice map[uc.DeviceID]int
	dnd       map[uc.UserID]bool
	idle      chan struct{} // closed by the goroutine when it has ended all subscriptions
}

// subscription is one lamp on one phone.
type subscription struct {
	*dialog
	device  uc.DeviceID
	user    uc.UserID // who is watched
	entity  string    // URI that was subscribed to
	event   string    // Event header field as it came, with its id
	until   time.Time
	timer   *time.Timer
	version uint32
	sent    string // what was told last, version aside
	waiting bool   // a NOTIFY waits for its response
	again   bool   // and another has to follow
	ended   string // reason of the last NOTIFY; empty while active
}

func newLamps(s *Server) *lamps {
	return &lamps{
		s: s, box: newMailbox(), subs: make(map[dialogID]*subscription),
		watchers: make(map[uc.UserID]map[*subscription]bool), perDevice: make(map[uc.DeviceID]int),
		dnd: make(map[uc.UserID]bool), idle: make(chan struct{}),
	}
}

// run owns the subscriptions until ctx ends.
func (l *lamps) run(ctx context.Context) {
	events := l.s.deps.Bus.Subscribe(4096, uc.CallChanged{}, uc.PresenceChanged{})
	defer events.Close()
	for {
		select {
		case <-l.box.ready:
			for _, act := range l.box.take() {
				act()
			}
		case <-events.Ready():
			l.drain(events)
		case <-ctx.Done():
			return
		}
	}
}

// drain takes all events that wait and then tells each watcher at most once.
func (l *lamps) drain(events *bus.Reader) {
	touched := map[uc.UserID]bool{}
	for {
		e, err, ok := events.TryNext()
		if !ok {
			break
		}
		if errors.Is(err, bus.ErrOverflow) {
			for user := range l.watchers {
				touched[user] = true
			}
			continue
		}
		switch e := e.(type) {
		case uc.CallChanged:
			touched[e.Call.Caller.User] = true
			for _, leg := range e.Call.Legs {
				touched[leg.User] = true
			}
		case uc.PresenceChanged:
			touched[e.Presence.User] = true
			delete(l.dnd, e.Presence.User)
			if e.Presence.Show == uc.ShowDND && e.Presence.Call == nil {
				l.dnd[e.Presence.User] = true
			}
		}
	}
	for user := range touched {
		for sub := range l.watchers[user] {
			l.notify(sub, false)
		}
	}
}

// subscribe handles SUBSCRIBE outside a dialog.
func (s *Server) subscribe(r *request) {
	device := s.authenticate(r, sip.StatusUnauthorized)
	if device == nil {
		return
	}
	if fault := checkSubscribe(r); fault != nil {
		r.refuse(fault)
		return
	}
	target, _ := s.deps.Directory.Snapshot().ByExt(r.Recipient.User)
	if target.User == 0 {
		r.answer(sip.StatusNotFound, "Not Found")
		return
	}
	if s.draining.Load() {
		r.answer(sip.StatusServiceUnavailable, "Shutting Down", "Retry-After", "30")
		return
	}
	s.lamps.box.post(func() { s.lamps.open(r, device.ID, target.User) })
}

// checkSubscribe checks what RFC 6665 §4.2.1 asks.
func checkSubscribe(r *request) *fault {
	event, _, _ := strings.Cut(header(r, "event"), ";")
	if strings.TrimSpace(event) != "dialog" {
		return &fault{status: 489, reason: "Bad Event", header: [2]string{"Allow-Events", "dialog"}}
	}
	accepted := len(headers(r, "accept")) == 0
	for _, t := range tokens(r, "accept") {
		t, _, _ = strings.Cut(t, ";")
		accepted = accepted || strings.EqualFold(strings.TrimSpace(t), dialogInfoType) || t == "*/*"
	}
	if !accepted {
		return &fault{status: sip.StatusNotAcceptable, reason: "Not Acceptable"}
	}
	if n := expiresOf(header(r, "expires"), defaultExpires); n > 0 && n < minExpires {
		return &fault423
	}
	return nil
}

// open begins a subscription. Expires 0 asks for the state once (RFC 6665 §4.4.3).
func (l *lamps) open(r *request, device uc.DeviceID, user uc.UserID) {
	if len(l.subs) >= maxLamps || l.perDevice[device] >= maxLampsPerDevice {
		r.answer(sip.StatusServiceUnavailable, "Too Many Subscriptions", "Retry-After", "300")
		return
	}
	sub := &subscription{dialog: acceptDialog(r, newTag()), device: device, user: user, event: clean(header(r, "event")),
		entity: "sip:" + userPart(r.Recipient.User) + "@" + l.s.cfg.Domain}
	l.subs[sub.id] = sub
	l.perDevice[device]++
	if l.watchers[user] == nil {
		l.watchers[user] = make(map[*subscription]bool)
	}
	l.watchers[user][sub] = true
	l.extend(sub, r)
}

// resubscribe handles SUBSCRIBE inside a dialog: a refresh, or the end with Expires 0.
func (l *lamps) resubscribe(r *request, id dialogID) {
	device := l.s.authenticate(r, sip.StatusUnauthorized)
	if device == nil {
		return
	}
	if fault := checkSubscribe(r); fault != nil {
		r.refuse(fault)
		return
	}
	l.box.post(func() {
		sub := l.subs[id]
		switch {
		case sub == nil || sub.device != device.ID || sub.ended != "":
			r.answer(sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist")
		case !sub.accepts(r):
			r.answer(sip.StatusInternalServerError, "CSeq Out Of Order")
		default:
			sub.retarget(r)
			l.extend(sub, r)
		}
	})
}

// extend answers a SUBSCRIBE and sends the state (RFC 6665 §4.2.1.2: at once, and for a refresh too).
func (l *lamps) extend(sub *subscription, r *request) {
	seconds := min(expiresOf(header(r, "expires"), defaultExpires), maxExpires)
	res := response(r.Request, sip.StatusOK, "OK", sub.id.localTag)
	res.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(seconds)))
	res.AppendHeader(&sip.ContactHeader{Address: *sub.contact.Clone()})
	r.respond(res)
	life := time.Duration(seconds) * time.Second
	sub.until = l.s.deps.Now().Add(life)
	if sub.timer != nil {
		sub.timer.Stop()
	}
	if seconds == 0 {
		l.end(sub, "timeout")
		return
	}
	sub.timer = time.AfterFunc(life, func() { l.box.post(func() { l.end(sub, "timeout") }) })
	l.notify(sub, true)
}

// end sends the last NOTIFY of a subscription.
func (l *lamps) end(sub *subscription, reason string) {
	if sub.ended == "" {
		sub.ended = reason
		l.notify(sub, true)
	}
}

// notify tells a phone the state, if it is new or force is set. One NOTIFY is on its way at a time, so
// that a phone never sees an older state after a newer one.
func (l *lamps) notify(sub *subscription, force bool) {
	info := l.describe(sub)
	state := string(info.write())
	if !force && state == sub.sent {
		return
	}
	if sub.waiting {
		sub.again = true
		return
	}
	sub.sent = state
	info.Version = sub.version
	sub.version++
	req := sub.request(sip.NOTIFY)
	req.AppendHeader(sip.NewHeader("Event", sub.event))
	req.AppendHeader(sip.NewHeader("Subscription-State", sub.stateAt(l.s.deps.Now())))
	req.AppendHeader(sip.NewHeader("Content-Type", dialogInfoType))
	req.SetBody(info.write())
	sub.waiting = true
	done := func(res *sip.Response) { l.box.post(func() { l.notified(sub, res) }) }
	if _, err := l.s.edge.tx.request(req, sub.flow, done); err != nil {
		done(nil)
	}
}

// stateAt is the value of Subscription-State (RFC 6665 §8.2.3).
func (s *subscription) stateAt(now time.Time) string {
	if s.ended != "" {
		return "terminated;reason=" + s.ended
	}
	return "active;expires=" + strconv.Itoa(max(int(s.until.Sub(now).Seconds()), 0))
}

// notified takes the response to a NOTIFY. Without one, or when the phone knows nothing of the
// subscription, it is dropped (RFC 6665 §4.2.2).
func (l *lamps) notified(sub *subscription, res *sip.Response) {
	if res != nil && res.IsProvisional() {
		return
	}
	sub.waiting = false
	final := sub.ended != "" && !sub.again
	if res == nil || res.StatusCode >= 300 || final {
		l.drop(sub)
		return
	}
	if sub.again {
		sub.again = false
		l.notify(sub, sub.ended != "")
	}
}

func (l *lamps) drop(sub *subscription) {
	if l.subs[sub.id] != sub {
		return
	}
	if sub.timer != nil {
		sub.timer.Stop()
	}
	delete(l.subs, sub.id)
	delete(l.watchers[sub.user], sub)
	if len(l.watchers[sub.user]) == 0 {
		delete(l.watchers, sub.user)
	}
	add(l.perDevice, sub.device, -1)
}

// describe is the state of the user as the phone may see it: with whom they talk is for holders of
// presence.details, for supervisors, and for the user.
func (l *lamps) describe(sub *subscription) *dialogInfo {
	dir := l.s.deps.Directory.Snapshot()
	viewer := dir.DeviceUser(sub.device)
	details := viewer == sub.user || dir.HasType(viewer, uc.TypePresenceDetails) || dir.MaySupervise(viewer, sub.user)
	return &dialogInfo{State: "full", Entity: sub.entity,
		Dialogs: dialogsOf(sub.user, l.s.calls.list(), l.dnd[sub.user], details, l.s.cfg.Domain)}
}

// shutdown tells all phones that their subscriptions have ended, and waits a moment for their answers.
func (l *lamps) shutdown() {
	l.box.post(func() {
		for _, sub := range l.subs {
			l.end(sub, "deactivated")
		}
		l.leave(time.Now().Add(time.Second))
	})
	select {
	case <-l.idle:
	case <-time.After(2 * time.Second):
	}
}

// leave closes idle when no subscription is left or the time is over.
func (l *lamps) leave(until time.Time) {
	if len(l.subs) == 0 || time.Now().After(until) {
		close(l.idle)
		return
	}
	time.AfterFunc(20*time.Millisecond, func() { l.box.post(func() { l.leave(until) }) })
}
