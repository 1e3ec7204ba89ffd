package xmpp

import (
	"crypto/tls"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

var (
	errNotResumed = errors.New("the client did not come back")
	errMoved      = errors.New("the client came back on another connection")
)

// resumption lets a session outlive its connection (XEP-0198 §5). The session's reader waits for the client
// to come back; until then the session stays in the router and keeps its presence and what it is sent.
type resumption struct {
	token  string
	limit  time.Duration
	claims chan claim    // taken by the reader when there is no connection
	links  chan link     // the connection of the claim that was granted
	wake   chan struct{} // gets one token when the session is to end
}

// claim is the wish of a client to resume a session.
type claim struct {
	h      uint32 // stanzas that the client has handled
	answer chan error
}

// link is a connection under a session.
type link struct {
	bound *negotiate.Bound
	wire  *wire
}

func newResumption(token string, limit time.Duration) *resumption {
	return &resumption{token: token, limit: limit, claims: make(chan claim), links: make(chan link), wake: make(chan struct{}, 1)}
}

// resumptions finds sessions by the tokens that resume them. Its zero value is empty.
type resumptions struct {
	mu       sync.Mutex
	sessions map[string]*session
}

func (l *resumptions) add(token string, c *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = make(map[string]*session)
	}
	l.sessions[token] = c
}

func (l *resumptions) get(token string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[token]
}

func (l *resumptions) drop(c *session) {
	r := c.resumption.Load()
	if r == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, r.token)
}

// claimPatience is how long the old connection may take to let go of a session.
const claimPatience = 5 * time.Second

// claim gets a session ready for the connection of a client that wants to resume it. A connection that it
// still has is ended (XEP-0198 §5). Whose session it is, is not told to anyone else.
func (s *Server) claim(user uc.UserID, token string, h uint32) (*session, error) {
	c := s.resumptions.get(token)
	if c == nil || c.account.user != user {
		return nil, uc.Errorf(uc.ErrNotFound, "there is no such session")
	}
	wish := claim{h, make(chan error, 1)}
	c.moved.Store(true)
	c.wakeReader()
	timer := time.NewTimer(claimPatience)
	defer timer.Stop()
	select {
	case c.resumption.Load().claims <- wish:
		return c, <-wish.answer
	case <-c.gone:
	case <-timer.C:
	}
	return nil, uc.Errorf(uc.ErrNotFound, "the session cannot be resumed")
}

// hibernate waits for the client to come back after its connection was lost, and reports whether it has.
// It is false at once for a session that ends with its connection.
func (c *session) hibernate(reason error) bool {
	r := c.resumption.Load()
	if r == nil || c.ended() != nil || !isLoss(reason) {
		return false
	}
	c.letGo(reason)
	c.log.Info("xmpp: connection lost, session kept", "cause", reason)
	timer := time.NewTimer(r.limit)
	defer timer.Stop()
	for c.ended() == nil {
		select {
		case wish := <-r.claims:
			if c.grant(wish) {
				return c.awaitLink(r)
			}
		case <-r.wake:
		case <-timer.C:
			c.end(errNotResumed)
		}
	}
	return false
}

// grant checks a claim and drops what the client has handled.
func (c *session) grant(wish claim) bool {
	sent, ok := c.queue.acknowledge(wish.h)
	if !ok {
		wish.answer <- negotiate.TooHigh{Handled: wish.h, Sent: sent}
		return false
	}
	wish.answer <- nil
	return true
}

// awaitLink waits for the connection that a claim was granted for.
func (c *session) awaitLink(r *resumption) bool {
	timer := time.NewTimer(c.server.cfg.NegotiateTimeout)
	defer timer.Stop()
	select {
	case l := <-r.links:
		c.relink(r, l)
		return true
	case <-r.wake:
	case <-timer.C:
		c.end(errNotResumed)
	}
	return false
}

// letGo gives the connection up. What was sent before the counting began and did not go out goes elsewhere.
func (c *session) letGo(reason error) {
	_ = c.wire.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // for who is writing now
	c.queue.detach()
	if errors.Is(reason, errMoved) {
		c.sayMoved()
	}
	_ = c.wire.Close()
	c.server.saveUnsent(c, time.Now())
	if c.queue.discard() {
		c.account.stopDraining(c)
	}
	if !errors.Is(reason, errMoved) {
		c.server.pushes.left(c)
	}
}

// sayMoved tells the old connection why it ends, unless it is in the middle of something.
func (c *session) sayMoved() {
	if writing, written, _ := c.queue.rest(); written < len(writing) {
		return
	}
	farewell := append(appendStreamError(nil, errReplaced.Err, ""), "</stream:stream>"...)
	deadline := time.Now().Add(100 * time.Millisecond)
	if c.tls == nil {
		_, _ = c.wire.writeSlowly(farewell, deadline)
	} else if _, err := c.tls.Write(farewell); err == nil {
		_ = c.wire.sendRecordsSlowly(deadline)
	}
}

// relink goes on over a new connection: the answer and everything that the client has not acknowledged are
// one write (XEP-0198 §5).
func (c *session) relink(r *resumption, l link) {
	c.moved.Store(false)
	c.use(l)
	c.awaitStored()
	e := newElement("resumed").attr("xmlns", nsManagement).attr("previd", r.token)
	e.attr("h", strconv.FormatUint(uint64(c.handled), 10)).close("resumed")
	c.queue.reattach(slices.Concat(l.bound.Before, e.bytes(), l.bound.After))
	c.catchUp() // if the client had handled all of it
	c.server.flushers.of(c).addOne(c)
	c.server.pushes.present(c)
	b := c.server.newBatch()
	c.activate(b) // XEP-0352 §5.2
	b.done()
	c.log.Info("xmpp: session resumed", "address", l.wire.RemoteAddr())
}

// use makes a connection the session's.
func (c *session) use(l link) {
	c.linkMu.Lock()
	c.wire, c.conn, c.rest = l.wire, l.bound.Conn, l.bound.Rest
	c.tls, _ = l.bound.Conn.(*tls.Conn)
	c.watched = false
	c.hungUp.Store(false)
	c.linkMu.Unlock()
	_ = l.wire.SetDeadline(time.Time{}) // the end of the negotiation may have left one
	c.attached.Store(true)
	if c.interrupted() != nil {
		c.wakeReader()
	}
	l.wire.startCollecting()
}

func (c *session) currentWire() *wire {
	c.linkMu.Lock()
	defer c.linkMu.Unlock()
	return c.wire
}

// lost is called by who finds out that a connection cannot be used any more.
func (c *session) lost(w *wire, reason error) {
	if c.resumption.Load() == nil {
		c.end(reason)
		return
	}
	_ = w.Close() // the reader finds out
	c.wakeIdle()
}

// deliverTo hands the connection of a granted claim to the session.
func (c *session) deliverTo(l link) {
	select {
	case c.resumption.Load().links <- l:
	case <-c.gone:
		_ = l.wire.Close()
	}
}

// resumeFor makes the function by which the negotiation of one connection resumes a session; claimed gets
// the session.
func (s *Server) resumeFor(claimed **session) negotiate.ResumeFunc {
	return func(user uc.UserID, request *scan.Node) (string, error) {
		h, err := strconv.ParseUint(request.Attr("h"), 10, 32)
		if err != nil {
			return "", uc.Errorf(uc.ErrInvalid, "malformed count")
		}
		c, err := s.claim(user, request.Attr("previd"), uint32(h))
		if err != nil {
			return "", err
		}
		*claimed = c
		return c.resource, nil
	}
}
