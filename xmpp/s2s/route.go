package s2s

import (
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// pair is a local domain and one that it has to do with.
type pair struct{ local, remote string }

// route is what is sent from a local domain to a remote one, in order. All of it is under Federation.mu.
type route struct {
	pair
	waiting []*item        // while there is no stream
	size    int            // bytes of stanzas that are not written, here and on a stream
	sizes   map[string]int // the same by sender
	owner   string         // the sender that it exists because of
	opening bool           // a stream is being opened
	held    bool           // the last stream is ending and may give stanzas back, which come first
	own     *link          // the stream that was opened for it
	bidi    *link          // a stream of the other side's that goes both ways

	latest map[string]*item // what a later presence may take the place of, by sender and recipient; see presence.go
}

// stream returns where stanzas go now, or nil.
func (r *route) stream() *link {
	switch {
	case r.held || r.opening:
		return nil
	case r.own != nil:
		return r.own
	}
	return r.bidi
}

// failure is what is remembered of a domain that could not be reached.
type failure struct {
	until  time.Time // before it nobody tries again
	delay  time.Duration
	reason stanza.Condition
}

// Send queues a stanza for another domain's server. The stanza has full from and to addresses, of the domains of the sender and the
// one given, which are normalised, and names no content namespace itself (see scan.Neutral); it is copied. What the head says
// of it is read until Send returns. The sender is an address of whom the stanza is on account of: no sender gets all the room
// that there is. Stanzas of one pair of domains are sent in order. Send never waits; what becomes of a stanza that cannot be sent is told to Config.Undeliverable.
func (f *Federation) Send(sender, to string, head scan.Head, raw []byte) {
	p := pair{string(domainOf([]byte(sender))), to}
	it := newItem(sender, &head, append([]byte(nil), raw...))
	if f.cfg.Local(to) || !f.cfg.Allowed(to) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.bounceLocked(bounce{p, it.raw, stanza.NotAllowed})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if reason := f.queue(p, it, &head); reason != "" {
		f.bounceLocked(bounce{p, it.raw, reason})
	}
}

// queue puts a stanza in line, or says why it does not.
func (f *Federation) queue(p pair, it *item, head *scan.Head) stanza.Condition {
	r := f.routes[p]
	switch {
	case f.closed:
		return stanza.RemoteServerTimeout
	case r == nil:
		r = &route{pair: p}
	}
	it.route = r
	old := r.place(it, head)
	more := len(it.raw)
	if old != nil {
		more -= len(old.raw)
	}
	if !f.admits(r, it.sender, more) {
		return stanza.ResourceConstraint
	}
	s := r.stream()
	if s == nil && !r.opening && !r.held {
		if fail := f.failures[p.remote]; fail != nil && time.Now().Before(fail.until) {
			return fail.reason
		}
	}
	if f.routes[p] != r {
		f.addRoute(r, it.sender)
	}
	if old != nil {
		f.count(r, old.sender, more)
		old.raw = it.raw
		return ""
	}
	f.count(r, it.sender, more)
	r.note(it)
	if s != nil {
		s.out.items = append(s.out.items, it)
		s.signal()
		return ""
	}
	r.waiting = append(r.waiting, it)
	f.openIfNeeded(r)
	return ""
}

// openIfNeeded opens a stream for what waits.
func (f *Federation) openIfNeeded(r *route) {
	if len(r.waiting) == 0 || r.opening || r.held {
		return
	}
	if s := r.stream(); s != nil {
		f.hand(r, s)
		return
	}
	r.opening = true
	turns := f.shareOf(r.waiting[0].sender).turns
	if !f.spawnLocked(func() { f.open(r, turns) }) {
		r.opening = false
		f.bounceRoute(r, stanza.RemoteServerTimeout)
	}
}

// hand gives a stream what waits for one.
func (f *Federation) hand(r *route, s *link) {
	s.out.items = append(s.out.items, r.waiting...)
	r.waiting = nil
	s.signal()
}

// attach lets a route use the stream that was opened for it.
func (f *Federation) attach(r *route, s *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.failures, r.remote)
	r.own, r.opening = s, false
	s.routes = append(s.routes, r)
	f.hand(r, s)
}

// startBidi lets a route use the other side's stream, if that goes both ways and the route has none of its own.
func (s *link) startBidi(p pair) {
	s.fed.mu.Lock()
	defer s.fed.mu.Unlock()
	s.startBidiLocked(p)
}

func (s *link) startBidiLocked(p pair) {
	f := s.fed
	if !s.bidi.Load() || s.out.closed {
		return
	}
	r := f.routes[p]
	if r == nil {
		r = &route{pair: p}
		f.addRoute(r, "")
	}
	if r.bidi != s {
		r.bidi = s
		s.routes = append(s.routes, r)
	}
}

// openFailed gives all stanzas that waited back, and remembers the failure. A stream of the other side's that goes
// both ways may have come meanwhile.
func (f *Federation) openFailed(r *route, reason stanza.Condition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.opening = false
	if s := r.stream(); s != nil {
		f.hand(r, s)
		return
	}
	f.failed(r.remote, reason)
	f.bounceRoute(r, reason)
}

// failed puts the next attempt off.
func (f *Federation) failed(remote string, reason stanza.Condition) {
	now := time.Now()
	fail := f.failures[remote]
	if fail == nil {
		f.forget(now)
		fail = &failure{}
		f.failures[remote] = fail
	}
	fail.delay = min(max(2*fail.delay, f.cfg.BackOff), f.cfg.MaxBackOff)
	fail.until, fail.reason = now.Add(fail.delay), reason
}

// maxFailuresKept is how many domains that could not be reached are remembered.
const maxFailuresKept = 10000

// forget makes room for another failure.
func (f *Federation) forget(now time.Time) {
	if len(f.failures) < maxFailuresKept {
		return
	}
	looked := 0
	for domain, fail := range f.failures {
		if now.After(fail.until) || len(f.failures) >= maxFailuresKept {
			delete(f.failures, domain)
		}
		if looked++; looked >= 100 { // everybody waits meanwhile
			return
		}
	}
}

func (f *Federation) bounceRoute(r *route, reason stanza.Condition) {
	for _, it := range r.waiting {
		f.count(r, it.sender, -len(it.raw))
		f.bounceLocked(bounce{r.pair, it.raw, reason})
	}
	r.waiting, r.latest = nil, nil
	f.dropIfUnused(r)
}

// dropIfUnused forgets a route that has neither stanzas nor a stream.
func (f *Federation) dropIfUnused(r *route) {
	if r.size == 0 && !r.opening && !r.held && r.own == nil && r.bidi == nil && f.routes[r.pair] == r {
		f.removeRoute(r)
	}
}

// detach takes an ending stream out of everything and returns the stanzas that wait on it, unless it is to send them
// still. Routes that used it are held until giveBack.
func (f *Federation) detach(s *link, flush bool) []*item {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.out.closed = true
	for _, r := range s.routes {
		if r.stream() == s {
			r.held = true
			s.holds = append(s.holds, r)
		}
		if r.own == s {
			r.own = nil
		}
		if r.bidi == s {
			r.bidi = nil
		}
	}
	if flush {
		return nil
	}
	var rest, kept []*item
	for _, it := range s.out.items {
		if it.route != nil {
			rest = append(rest, it)
		} else {
			kept = append(kept, it)
		}
	}
	s.out.items = kept
	return rest
}

// giveBack ends what detach began: stanzas that the stream has not sent are sent on another one, once.
func (f *Federation) giveBack(s *link, rest []*item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, s)
	returned := map[*route][]*item{}
	for _, it := range rest {
		if it.route != nil {
			returned[it.route] = append(returned[it.route], it)
		}
	}
	for r, items := range returned {
		r.waiting = append(items, r.waiting...)
	}
	for _, r := range s.holds {
		r.held = false
		if s.outgoing && !s.out.sent && len(r.waiting) > 0 && r.stream() == nil {
			f.failed(r.remote, stanza.RemoteServerTimeout) // it would only go round in circles
			f.bounceRoute(r, stanza.RemoteServerTimeout)
			continue
		}
		f.openIfNeeded(r)
		f.dropIfUnused(r)
	}
}
