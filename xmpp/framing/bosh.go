package framing

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// What BOSH sessions are given (XEP-0124 §7.2). A client may ask for less.
const (
	boshWait       = 60 * time.Second  // how long a request waits for something to answer
	boshInactivity = 60 * time.Second  // how long a session lives without a request
	boshMaxPause   = 120 * time.Second // and how long if the client has said so
	boshPolling    = 5 * time.Second   // between empty requests of a client that does not wait
	boshLinger     = 30 * time.Second  // how long the reason of an end is kept for the client
)

// The limits of what clients may cause that send more than they should.
const (
	maxLingering = 1000 // sessions that are over, of which the reason is kept
	maxReading   = 4    // requests of one session that are being read and are bigger than before login; some may be of connections that broke
)

// BOSHOptions say what BOSH sessions may take. Sizes and times must be set.
type BOSHOptions struct {
	MaxBody     int           // bytes of a request; see also BOSHConn.SetLimit
	BodyTimeout time.Duration // from the first to the last byte of a request, and of its answer
}

// BOSH serves XMPP over BOSH (XEP-0124, XEP-0206). Each of its sessions looks like a TCP connection. It starts
// no goroutine.
type BOSH struct {
	opts  BOSHOptions
	begin func(*http.Request, *BOSHConn) error

	mu        sync.Mutex
	sessions  map[string]*BOSHConn
	lingering []lingering // the oldest first
}

// lingering is a session that is over.
type lingering struct {
	sid  string
	drop *time.Timer
}

// NewBOSH makes the handler. begin takes the connection of a new session, and must not block; an error is why
// there is none.
func NewBOSH(o BOSHOptions, begin func(*http.Request, *BOSHConn) error) *BOSH {
	return &BOSH{opts: o, begin: begin, sessions: make(map[string]*BOSHConn)}
}

// ServeHTTP implements http.Handler.
func (h *BOSH) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Access-Control-Allow-Origin", "*") // XEP-0124 §18: pages of any origin; no cookies are looked at
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodOptions:
		head.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		head.Set("Access-Control-Allow-Headers", "Content-Type")
		head.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		h.post(w, r)
	default:
		head.Set("Allow", "POST, OPTIONS")
		http.Error(w, "this is for chat clients that speak BOSH (XEP-0124)", http.StatusMethodNotAllowed)
	}
}

func (h *BOSH) post(w http.ResponseWriter, r *http.Request) {
	raw, err := h.read(w, r)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		h.refuse(w, http.StatusRequestEntityTooLarge, "policy-violation")
		return
	case err != nil:
		h.refuse(w, http.StatusBadRequest, "bad-request") // if the client is still there
		return
	}
	b, err := parseBody(raw)
	if err != nil {
		h.refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	c := h.session(b.sid)
	switch {
	case b.sid == "":
		h.create(w, r, b)
	case c == nil:
		h.refuse(w, http.StatusOK, "item-not-found") // XEP-0124 §17.2
	default:
		c.serve(w, r, b)
	}
}

// read reads a request: as much as its session may send, which the beginning tells.
func (h *BOSH) read(w http.ResponseWriter, r *http.Request) (raw []byte, err error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(h.opts.BodyTimeout)) // a recorder in a test has none
	defer func() {
		if err == nil {
			_ = rc.SetReadDeadline(time.Time{}) // else the rest of the request, too, must not take for ever
		}
	}()
	raw, err = io.ReadAll(io.LimitReader(r.Body, int64(h.opts.MaxBody)+1))
	if err != nil || len(raw) <= h.opts.MaxBody {
		return raw, err
	}
	limit := h.opts.MaxBody
	if c := h.session(sidOf(raw)); c != nil {
		limit = c.beginReading(limit)
		defer c.endReading()
	}
	rest, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(max(0, limit-len(raw)))))
	if err == nil && len(raw) > limit {
		err = &http.MaxBytesError{Limit: int64(limit)}
	}
	return append(raw, rest...), err
}

// refuse answers a request that belongs to no session.
func (h *BOSH) refuse(w http.ResponseWriter, status int, condition string) {
	h.write(w, status, boshAnswer{body: []byte("<body xmlns='" + nsBOSH + "' type='terminate' condition='" + condition + "'/>")})
}

// write sends an answer and reports whether the connection took it.
func (h *BOSH) write(w http.ResponseWriter, status int, a boshAnswer) bool {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(h.opts.BodyTimeout)) // a recorder in a test has none
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(status)
	_, err := w.Write(a.body)
	return errors.Join(err, rc.Flush()) == nil
}

func (h *BOSH) session(sid string) *BOSHConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[sid]
}

// linger keeps a session that is over for a while, as long as there are not too many of them.
func (h *BOSH) linger(sid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lingering = append(h.lingering, lingering{sid, time.AfterFunc(boshLinger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.sessions, sid)
		for len(h.lingering) > 0 && h.sessions[h.lingering[0].sid] == nil {
			h.lingering = h.lingering[1:]
		}
	})})
	if len(h.lingering) > maxLingering {
		oldest := h.lingering[0]
		h.lingering = h.lingering[1:]
		oldest.drop.Stop()
		delete(h.sessions, oldest.sid)
	}
}

// create begins a session (XEP-0124 §7).
func (h *BOSH) create(w http.ResponseWriter, r *http.Request, b *boshBody) {
	if !b.hasRID || b.to == "" {
		h.refuse(w, http.StatusOK, "improper-addressing")
		return
	}
	c := newBOSHConn(h, rand.Text(), b)
	h.mu.Lock()
	h.sessions[c.sid] = c
	h.mu.Unlock()
	if err := h.begin(r, c); err != nil {
		c.idle.Stop()
		h.mu.Lock()
		delete(h.sessions, c.sid)
		h.mu.Unlock()
		h.refuse(w, http.StatusServiceUnavailable, "undefined-condition")
		return
	}
	c.serve(w, r, b)
}

// boshAnswer is the answer to one request.
type boshAnswer struct {
	body []byte
	upto uint64 // what the client has, counted in bytes written in all
	end  bool   // it ends the session
	key  string // of the request
}

// boshRequest is a request that waits for its answer.
type boshRequest struct {
	rid    uint64
	key    string
	answer chan boshAnswer // has room for the one
	timer  *time.Timer
	due    bool // it has waited long enough
}

// BOSHConn is a BOSH session as a stream. A write succeeds once it went out in an answer. Unlike with a TCP
// connection a read deadline that has passed leaves it as it is, so that the client can be told why its stream ends.
type BOSHConn struct {
	bosh    *BOSH
	sid     string
	remote  net.Addr
	secured bool
	to      string // as the client wrote it
	lang    string
	version string
	wait    time.Duration
	hold    int
	tells   bool // the client wants to be told which requests have come (XEP-0124 §9)
	legacy  bool // the client knows only HTTP's errors (XEP-0124 §17)

	readBy deadline
	unsent []byte // what was written of an element that is not whole

	mu       sync.Mutex
	limit    int
	reading  int           // requests that are being read, but for small ones
	changed  chan struct{} // closed, and made anew, when something below has changed
	last     uint64        // all requests up to this one have been taken
	early    map[uint64]*boshBody
	held     []*boshRequest        // by rid
	answers  map[uint64]boshAnswer // of the last requests, in case they are lost
	opened   bool                  // the first request has been taken
	greeted  bool                  // and has its answer
	empty    bool                  // the last request said nothing
	idling   bool                  // no request waits; the clock runs
	in       []byte                // what the client has said and Read has not returned
	out      []byte                // what was written and is in no answer
	farewell []byte                // a stream error
	total    uint64                // bytes written in all
	got      uint64                // of which the client has these
	ended    bool                  // there is nothing more to say
	told     bool                  // the client knows
	failure  error                 // why nothing more can be read
	reason   string                // condition of the end (XEP-0124 §17.2)
	closed   bool
	key      string // the next request's is the one that hashes to it (XEP-0124 §15); empty without keys
	idle     *time.Timer
	pause    time.Duration // until the next request
	polled   time.Time     // when the last empty request was answered with nothing
	writeBy  time.Time
	from, id string // of the server's stream
}

func newBOSHConn(h *BOSH, sid string, b *boshBody) *BOSHConn {
	c := &BOSHConn{
		bosh: h, sid: sid, to: b.to, lang: b.lang, version: b.version, limit: h.opts.MaxBody, last: b.rid - 1,
		wait: boshWait, hold: 1, tells: b.ack == "1", legacy: b.ver == "",
		changed: make(chan struct{}), early: make(map[uint64]*boshBody), answers: make(map[uint64]boshAnswer),
	}
	if b.hasWait {
		c.wait = min(boshWait, time.Duration(b.wait)*time.Second)
	}
	if b.hasHold {
		c.hold = min(1, b.hold)
	}
	if c.wait == 0 {
		c.hold = 0
	}
	c.readBy.init()
	c.idle = time.AfterFunc(boshInactivity, func() { c.fail(io.ErrUnexpectedEOF, "") })
	return c
}

// Secure says that TLS lies beneath.
func (c *BOSHConn) Secure() { c.secured = true }

// Secured reports whether TLS lies beneath.
func (c *BOSHConn) Secured() bool { return c.secured }

// SetRemote says where the client is, if a proxy stands before it.
func (c *BOSHConn) SetRemote(a net.Addr) { c.remote = a }

// SetLimit changes how big a stanza may be. A request may hold some of them.
func (c *BOSHConn) SetLimit(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = 4 * n
}

// beginReading returns how big a request may be that turns out to be bigger than small; endReading follows.
func (c *BOSHConn) beginReading(small int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading++; c.reading > maxReading {
		return small
	}
	return c.limit
}

func (c *BOSHConn) endReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading--
}

// requests is how many requests a client may have open (XEP-0124 §7.2).
func (c *BOSHConn) requests() uint64 { return uint64(c.hold) + 1 }

// signal wakes who waits for a change.
func (c *BOSHConn) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// fail ends the session for a reason. Read returns err when it has returned what came before.
func (c *BOSHConn) fail(err error, condition string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err, condition)
	c.settle()
}

func (c *BOSHConn) failLocked(err error, condition string) {
	if c.failure == nil {
		c.failure, c.reason, c.ended = err, condition, true
		c.out = nil
	}
	c.signal()
}

// serve answers one request.
func (c *BOSHConn) serve(w http.ResponseWriter, r *http.Request, b *boshBody) {
	q := &boshRequest{rid: b.rid, key: b.key, answer: make(chan boshAnswer, 1)}
	c.take(q, b)
	var a boshAnswer
	select {
	case a = <-q.answer:
	case <-r.Context().Done():
		c.leave(q)
		return
	}
	status := http.StatusOK
	if a.end && c.legacy && bytes.Contains(a.body, []byte("condition=")) {
		status = http.StatusNotFound // XEP-0124 §17.1
	}
	if c.bosh.write(w, status, a) {
		c.delivered(a)
	}
}

// leave gives up a request whose connection is gone. The client may ask again (XEP-0124 §14.3).
func (c *BOSHConn) leave(q *boshRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.held {
		if other == q {
			c.held = append(c.held[:i:i], c.held[i+1:]...)
		}
	}
	q.stop()
	c.settle()
}

// delivered notes that an answer went out.
func (c *BOSHConn) delivered(a boshAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = max(c.got, a.upto)
	c.told = c.told || a.end
	c.signal()
}

// take puts a request where it belongs (XEP-0124 §14).
func (c *BOSHConn) take(q *boshRequest, b *boshBody) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		q.answer <- c.compose(q)
		return
	case !b.hasRID, b.rid > c.last+c.requests():
		c.failLocked(errors.New("bosh: a request out of the window"), "item-not-found") // XEP-0124 §14.2
	case b.rid <= c.last:
		c.again(q)
	default:
		c.early[b.rid] = b
		c.hang(q)
		c.takeEarly()
	}
	c.settle()
	if c.failure == nil && c.overactive(b) {
		c.failLocked(&scan.Error{Condition: scan.PolicyViolation, Text: "too many requests at once"}, "policy-violation") // XEP-0124 §11
		c.settle()
	}
	if c.failure != nil {
		c.answerLate(q)
	}
}

// overactive reports whether more requests wait than a client may have open (XEP-0124 §11). To pause or to end the session
// it may send one more. Without that there would be no end to what it can send while the server is behind.
func (c *BOSHConn) overactive(b *boshBody) bool {
	most := int(c.requests())
	if b.pause > 0 || b.typ == "terminate" {
		most++
	}
	return len(c.held) > most
}

// answerLate answers a request that is not held when the session has failed.
func (c *BOSHConn) answerLate(q *boshRequest) {
	for _, other := range c.held {
		if other == q {
			return
		}
	}
	select {
	case q.answer <- c.compose(q):
	default: // it has its answer
	}
}

// hang holds a request, in the order of their rids, in the place of one that is asked again.
func (c *BOSHConn) hang(q *boshRequest) {
	at := 0
	for at < len(c.held) && c.held[at].rid < q.rid {
		at++
	}
	if at < len(c.held) && c.held[at].rid == q.rid {
		old := c.held[at]
		old.stop()
		old.answer <- boshAnswer{body: []byte("<body xmlns='" + nsBOSH + "' type='terminate' condition='item-not-found'/>")} // nobody reads it
		c.held[at] = q
	} else {
		c.held = append(c.held[:at:at], append([]*boshRequest{q}, c.held[at:]...)...)
	}
	wait := c.wait
	if !c.greeted {
		wait = max(wait, boshPolling) // time for the features of the stream
	}
	q.timer = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		q.due = true
		c.settle()
	})
}

func (q *boshRequest) stop() {
	if q.timer != nil {
		q.timer.Stop()
	}
}

// again answers a request that has come before: as then, if it was answered (XEP-0124 §14.3).
func (c *BOSHConn) again(q *boshRequest) {
	a, known := c.answers[q.rid]
	switch {
	case known && a.key == q.key:
		q.answer <- a
	case known || q.rid+c.requests() <= c.last:
		c.failLocked(errors.New("bosh: an old request"), "item-not-found")
	default:
		c.hang(q)
	}
}

// takeEarly takes the requests whose turn it is.
func (c *BOSHConn) takeEarly() {
	for b := c.early[c.last+1]; b != nil && c.failure == nil; b = c.early[c.last+1] {
		delete(c.early, c.last+1)
		c.last++
		if !c.opens(b) {
			c.failLocked(errors.New("bosh: a wrong key"), "item-not-found") // XEP-0124 §15.3
			return
		}
		c.hear(b)
	}
}

// opens checks the key of a request, and takes over the next one.
func (c *BOSHConn) opens(b *boshBody) bool {
	if c.key != "" && hashed(b.key) != c.key {
		return false
	}
	switch {
	case b.newKey != "":
		c.key = b.newKey
	case c.key != "":
		c.key = b.key
	}
	return true
}

// hear takes what a request says.
func (c *BOSHConn) hear(b *boshBody) {
	c.pause = 0
	empty := len(b.content) == 0 && b.typ == "" && b.pause == 0 && !b.restart && c.opened
	if empty && c.empty && c.hold == 0 && time.Since(c.polled) < boshPolling-time.Second {
		c.failLocked(&scan.Error{Condition: scan.PolicyViolation, Text: "polling too often"}, "policy-violation") // XEP-0124 §12
		return
	}
	c.empty = empty
	if !c.opened || b.restart {
		c.opened = true
		if b.to == "" {
			b.to = c.to
		}
		c.in = appendBOSHHeader(c.in, b)
	}
	if !b.restart { // XEP-0206 §5
		c.in = append(c.in, b.content...)
	}
	if b.typ == "terminate" {
		c.in = append(c.in, "</stream:stream>"...)
	}
	if b.pause > 0 {
		c.pause = min(boshMaxPause, time.Duration(b.pause)*time.Second)
		for _, q := range c.held {
			q.due = true // XEP-0124 §10: all requests are answered
		}
	}
	c.signal()
}

// settle answers what can be answered, the oldest first, and watches for the client to go away.
func (c *BOSHConn) settle() {
	for len(c.held) > 0 && c.answerable() {
		q := c.held[0]
		c.held = c.held[1:]
		q.stop()
		a := c.compose(q)
		c.greeted = true
		c.answers[q.rid] = a
		delete(c.answers, q.rid-c.requests()-1)
		q.answer <- a
	}
	switch idle := len(c.held) == 0 || c.held[0].rid > c.last; {
	case c.closed:
	case !idle:
		c.idle.Stop()
		c.idling = false
	case !c.idling:
		c.idling = true
		c.idle.Reset(max(c.pause, boshInactivity))
	}
}

// answerable reports whether the oldest request is to be answered now.
func (c *BOSHConn) answerable() bool {
	q := c.held[0]
	switch {
	case c.ended:
		return true
	case q.rid > c.last, len(c.in) > c.limit: // one before it is missing, or the server is behind
		return false
	case len(c.out) > 0, q.due:
		return true
	}
	return c.greeted && len(c.held) > c.hold
}

// compose makes the answer to a request of everything that there is to say.
func (c *BOSHConn) compose(q *boshRequest) boshAnswer {
	a := boshAnswer{upto: c.total, end: c.ended, key: q.key}
	b := append(make([]byte, 0, len(c.out)+len(c.farewell)+256), "<body xmlns='"+nsBOSH+"'"...)
	if !c.greeted && !c.ended {
		b = c.appendGreeting(b)
	}
	if c.tells && !c.ended && (c.last != q.rid || !c.greeted) {
		b = append(strconv.AppendUint(append(b, " ack='"...), c.last, 10), '\'')
	}
	reason := c.reason
	if c.ended {
		b = append(b, " type='terminate'"...)
		if reason == "" && len(c.farewell) > 0 {
			reason = "remote-stream-error"
		}
		if reason != "" {
			b = append(append(append(b, " condition='"...), reason...), '\'')
		}
	}
	if len(c.out)+len(c.farewell) == 0 {
		c.polled = time.Now()
		b = append(b, "/>"...)
		a.body = b
		return a
	}
	c.empty = false
	b = append(append(b, '>'), c.out...)
	if c.ended {
		b = append(b, c.farewell...)
	}
	c.out = nil
	b = append(b, "</body>"...)
	a.body = b
	return a
}

// appendGreeting appends what the client is told of its session (XEP-0124 §7.2, XEP-0206 §3).
func (c *BOSHConn) appendGreeting(b []byte) []byte {
	number := func(name string, n int) {
		b = append(append(append(b, ' '), name...), "='"...)
		b = append(strconv.AppendInt(b, int64(n), 10), '\'')
	}
	b = append(append(append(b, " sid='"...), c.sid...), '\'')
	number("wait", int(c.wait/time.Second))
	number("hold", c.hold)
	number("requests", c.hold+1)
	number("inactivity", int(boshInactivity/time.Second))
	number("polling", int(boshPolling/time.Second))
	number("maxpause", int(boshMaxPause/time.Second))
	b = append(b, " ver='1.11'"...)
	for _, a := range [][2]string{{"from", c.from}, {"authid", c.id}} {
		if a[1] != "" {
			b = append(append(append(b, ' '), a[0]...), "='"...)
			b = append(scan.AppendEscaped(b, a[1]), '\'')
		}
	}
	return append(b, " xmlns:xmpp='"+nsXBOSH+"' xmpp:version='1.0' xmpp:restartlogic='true'"...)
}

// Read implements net.Conn. One goroutine at a time may call it.
func (c *BOSHConn) Read(p []byte) (int, error) {
	for {
		passed := c.readBy.passed()
		select {
		case <-passed:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		c.mu.Lock()
		n, changed, err := copy(p, c.in), c.changed, c.failure
		if c.in = c.in[n:]; n > 0 {
			if len(c.in) == 0 {
				c.in = nil // an idle session keeps no buffer
			}
			c.settle()
		}
		closed := c.closed
		c.mu.Unlock()
		switch {
		case n > 0:
			return n, nil
		case err != nil:
			return 0, err
		case closed:
			return 0, net.ErrClosed
		}
		select {
		case <-changed:
		case <-passed:
		}
	}
}

// Write implements net.Conn. One goroutine at a time may call it. After an error n is 0: the client has none of it.
func (c *BOSHConn) Write(p []byte) (int, error) {
	kept := len(c.unsent)
	if kept > 0 {
		p = append(c.unsent, p...)
	}
	c.mu.Lock()
	if c.closed || c.failure != nil {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	sent := c.say(p)
	upto, ending := c.total, c.ended
	c.settle()
	c.mu.Unlock()
	if c.unsent = c.unsent[:0]; sent < len(p) {
		c.unsent = append(c.unsent, p[sent:]...)
	}
	if err := c.await(upto, ending); err != nil {
		return 0, err
	}
	return len(p) - kept, nil
}

// say puts the whole parts of p in line and returns how long they are.
func (c *BOSHConn) say(p []byte) (sent int) {
	for {
		n := next(p[sent:])
		if n == 0 {
			return sent
		}
		part := p[sent : sent+n]
		sent += n
		switch {
		case part[0] != '<' || part[1] == '?':
		case part[1] == '/':
			c.ended = true
		case bytes.HasPrefix(part, []byte("<stream:stream ")):
			c.from, c.id = attribute(part, "from"), attribute(part, "id")
		case bytes.HasPrefix(part, []byte("<stream:error")):
			c.farewell = appendElement(nil, part)
		default:
			c.out = appendElement(c.out, part)
			c.total += uint64(n)
		}
	}
}

// farewellTime is the longest write deadline that counts. How long a client may take to fetch what there is
// is a matter of the session, which may even pause.
const farewellTime = 5 * time.Second

// await waits until the client has what was written, and, if ending, knows of the end.
func (c *BOSHConn) await(upto uint64, ending bool) error {
	var timer *time.Timer
	for {
		c.mu.Lock()
		changed, by := c.changed, c.writeBy
		done := c.got >= upto && (!ending || c.told)
		broken := c.closed || c.failure != nil
		c.mu.Unlock()
		switch {
		case done:
			return nil
		case broken:
			return net.ErrClosed
		}
		var late <-chan time.Time
		if wait := time.Until(by); !by.IsZero() && wait <= farewellTime {
			timer = time.NewTimer(wait)
			late = timer.C
		}
		select {
		case <-changed:
		case <-late:
			c.mu.Lock()
			c.out = nil // it goes elsewhere
			c.mu.Unlock()
			return os.ErrDeadlineExceeded
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// Close implements net.Conn. The client is told of the end when it asks next.
func (c *BOSHConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed, c.ended, c.out, c.in = true, true, nil, nil
	c.settle()
	clear(c.answers)
	clear(c.early)
	c.idle.Stop()
	c.signal()
	c.bosh.linger(c.sid)
	return nil
}

// LocalAddr implements net.Conn.
func (c *BOSHConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (c *BOSHConn) RemoteAddr() net.Addr {
	if c.remote == nil {
		return &net.TCPAddr{}
	}
	return c.remote
}

// SetDeadline implements net.Conn.
func (c *BOSHConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *BOSHConn) SetReadDeadline(t time.Time) error {
	c.readBy.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn. One that is further ahead than a few seconds does not count.
func (c *BOSHConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	c.signal()
	return nil
}
