// Package agent is a small SIP telephone without a handset: it registers with digest authentication,
// calls, rings, answers and hangs up over UDP, and sends and counts RTP (G.711 µ-law silence) while it
// talks. The demo and the end-to-end tests ring it where a person would have a desk phone.
//
// Unlike the server it may use the dialogs of the SIP library: it has one call at a time and begins no
// transfer, hold or forking; it follows a re-INVITE. An agent owns the library's goroutines and one for each call's media;
// [Agent.Close] ends them all.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Options say who the telephone is and where its server listens.
type Options struct {
	Name   string // display name
	User   string // SIP user name
	Secret string // digest secret
	Domain string // SIP domain of the server
	Server string // "ip:port" of the server, UDP
	Log    *slog.Logger
}

// EventKind is what happened at the telephone.
type EventKind string

// The kinds of event.
const (
	Ringing  EventKind = "ringing"  // a call came in
	Canceled EventKind = "canceled" // it stopped ringing before it was answered; Text says why
	Answered EventKind = "answered" // a call in either direction was answered
	Ended    EventKind = "ended"    // the other side hung up
)

// Event is what happened at the telephone.
type Event struct {
	Kind EventKind
	From string // display name of the caller, or the number
	Text string // the Reason of a CANCEL or BYE (RFC 3326), as sent
}

// StatusError is a call or registration that the server refused.
type StatusError struct {
	Status int
	Reason string
}

// Error returns the status line without the version.
func (e *StatusError) Error() string { return fmt.Sprintf("%d %s", e.Status, e.Reason) }

// Agent is one telephone.
type Agent struct {
	opts   Options
	conn   net.PacketConn
	ua     *sipgo.UserAgent
	client *sipgo.Client
	dialog sipgo.DialogUA
	events chan Event

	mu       sync.Mutex
	incoming *sipgo.DialogServerSession
	outgoing *sipgo.DialogClientSession
	media    *media
	callID   string
	cseq     uint32
}

// Listen opens the telephone's UDP socket on the loopback address. It does not register yet.
func Listen(opts Options) (*Agent, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // lives as long as the agent
	if err != nil {
		return nil, err
	}
	a := &Agent{opts: opts, conn: conn, events: make(chan Event, 64), callID: opts.User + "@" + conn.LocalAddr().String()}
	if err := a.start(); err != nil {
		conn.Close()
		return nil, err
	}
	return a, nil
}

func (a *Agent) start() error {
	var err error
	if a.ua, err = sipgo.NewUA(sipgo.WithUserAgent("Rolecall test phone"), sipgo.WithUserAgentHostname(a.opts.Domain)); err != nil {
		return err
	}
	local := a.conn.LocalAddr().(*net.UDPAddr)
	if a.client, err = sipgo.NewClient(a.ua, sipgo.WithClientLogger(a.opts.Log),
		sipgo.WithClientHostname(local.IP.String()), sipgo.WithClientPort(local.Port),
		sipgo.WithClientConnectionAddr(local.String())); err != nil {
		return err
	}
	server, err := sipgo.NewServer(a.ua, sipgo.WithServerLogger(a.opts.Log))
	if err != nil {
		return err
	}
	a.dialog = sipgo.DialogUA{Client: a.client, ContactHDR: sip.ContactHeader{
		Address: sip.Uri{Scheme: "sip", User: a.opts.User, Host: local.IP.String(), Port: local.Port}}}
	server.OnInvite(a.onInvite)
	server.OnAck(a.onAck)
	server.OnBye(a.onBye)
	server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		a.respond(tx, sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	})
	conn := &readyConn{PacketConn: a.conn, ready: make(chan struct{})}
	go func() {
		if err := server.ServeUDP(conn); err != nil && !errors.Is(err, net.ErrClosed) {
			a.opts.Log.Debug("phone stopped listening", "user", a.opts.User, "cause", err)
		}
	}()
	<-conn.ready
	return nil
}

// readyConn tells when it is first read from: from then on the library sends from this socket instead of
// opening another one.
type readyConn struct {
	net.PacketConn
	once  sync.Once
	ready chan struct{}
}

// ReadFrom implements net.PacketConn.
func (c *readyConn) ReadFrom(p []byte) (int, net.Addr, error) {
	c.once.Do(func() { close(c.ready) })
	return c.PacketConn.ReadFrom(p)
}

// Close hangs up nothing and unregisters nothing: it is a phone whose plug was pulled.
func (a *Agent) Close() error {
	a.mu.Lock()
	a.stopMedia()
	a.mu.Unlock()
	return errors.Join(a.client.Close(), a.ua.Close(), a.conn.Close())
}

// Events returns what happens at the telephone. Events that nobody reads are dropped after 64.
func (a *Agent) Events() <-chan Event { return a.events }

// WaitFor reads events until one of the kind comes.
func (a *Agent) WaitFor(ctx context.Context, kind EventKind) (Event, error) {
	for {
		select {
		case e := <-a.events:
			if e.Kind == kind {
				return e, nil
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("phone %s waits for %q: %w", a.opts.User, kind, ctx.Err())
		}
	}
}

// Register registers for expires seconds; 0 unregisters (RFC 3261 §10.2).
func (a *Agent) Register(ctx context.Context, expires int) error {
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: a.opts.Domain})
	req.SetDestination(a.opts.Server)
	a.mu.Lock()
	a.cseq += 2 // the library counts one up for the answer to the challenge
	callID, cseq := sip.CallIDHeader(a.callID), sip.CSeqHeader{SeqNo: a.cseq, MethodName: sip.REGISTER}
	a.mu.Unlock()
	req.AppendHeader(a.from())
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", User: a.opts.User, Host: a.opts.Domain}})
	req.AppendHeader(&callID)
	req.AppendHeader(&cseq)
	req.AppendHeader(&a.dialog.ContactHDR)
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(expires)))
	res, err := a.client.Do(ctx, req)
	if err == nil && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired) {
		res, err = a.client.DoDigestAuth(ctx, req, res, sipgo.DigestAuth{Username: a.opts.User, Password: a.opts.Secret})
	}
	return status(res, err)
}

func (a *Agent) from() *sip.FromHeader {
	h := &sip.FromHeader{DisplayName: a.opts.Name, Params: sip.NewParams(),
		Address: sip.Uri{Scheme: "sip", User: a.opts.User, Host: a.opts.Domain}}
	h.Params.Add("tag", sip.GenerateTagN(16))
	return h
}

// Call calls an extension and returns when the call is answered; a refused call is a *StatusError.
// ringing, if not nil, is called when the other side rings. Ending ctx before the answer cancels the call.
func (a *Agent) Call(ctx context.Context, extension string, ringing func()) error {
	m, err := newMedia()
	if err != nil {
		return err
	}
	to := sip.Uri{Scheme: "sip", User: extension, Host: a.opts.Domain}
	invite := sip.NewRequest(sip.INVITE, to)
	// The server is an outbound proxy (RFC 3261 §8.1.2): unlike a destination set on the request, the
	// route also holds for the CANCEL and the ACK that the library makes from it.
	invite.AppendHeader(sip.NewHeader("Route", "<sip:"+a.opts.Server+";lr>"))
	invite.AppendHeader(a.from())
	invite.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	invite.SetBody(m.describe())
	session, err := a.dialog.WriteInvite(ctx, invite)
	if err != nil {
		m.close()
		return err
	}
	a.mu.Lock()
	a.outgoing, a.media = session, m
	a.mu.Unlock()
	err = session.WaitAnswer(ctx, sipgo.AnswerOptions{Username: a.opts.User, Password: a.opts.Secret,
		OnResponse: func(res *sip.Response) error {
			if res.StatusCode == sip.StatusRinging && ringing != nil {
				ringing()
			}
			return nil
		}})
	if err != nil {
		a.mu.Lock()
		a.outgoing = nil
		a.stopMedia()
		a.mu.Unlock()
		var refused *sipgo.ErrDialogResponse
		if errors.As(err, &refused) {
			return &StatusError{refused.Res.StatusCode, refused.Res.Reason}
		}
		return err
	}
	if err := m.start(session.InviteResponse.Body()); err != nil {
		return err
	}
	a.tell(Event{Kind: Answered})
	return session.Ack(ctx)
}

// Answer answers the call that rings and returns when the caller has confirmed (ACK).
func (a *Agent) Answer() error {
	a.mu.Lock()
	session := a.incoming
	a.mu.Unlock()
	if session == nil {
		return errors.New("nothing rings")
	}
	m, err := newMedia()
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.media = m
	a.mu.Unlock()
	// An INVITE without a session description has it in the ACK (RFC 3264 §4).
	if offer := session.InviteRequest.Body(); len(offer) > 0 {
		if err := m.start(offer); err != nil {
			return err
		}
	}
	if err := session.RespondSDP(m.describe()); err != nil {
		return err
	}
	a.tell(Event{Kind: Answered})
	return nil
}

// Reject refuses the call that rings.
func (a *Agent) Reject(code int, reason string) error {
	a.mu.Lock()
	session := a.incoming
	a.incoming = nil
	a.mu.Unlock()
	if session == nil {
		return errors.New("nothing rings")
	}
	return session.Respond(code, reason, nil)
}

// Hangup ends the call (BYE).
func (a *Agent) Hangup(ctx context.Context) error {
	a.mu.Lock()
	in, out := a.incoming, a.outgoing
	a.incoming, a.outgoing = nil, nil
	a.stopMedia()
	a.mu.Unlock()
	switch {
	case in != nil:
		return in.Bye(ctx)
	case out != nil:
		return out.Bye(ctx)
	}
	return errors.New("no call")
}

// Heard returns how many RTP packets the present call has received.
func (a *Agent) Heard() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.media == nil {
		return 0
	}
	return a.media.received.Load()
}

func (a *Agent) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if m := a.talking(req); m != nil {
		a.reinvited(m, req, tx)
		return
	}
	a.mu.Lock()
	busy := a.incoming != nil || a.outgoing != nil
	a.mu.Unlock()
	if busy {
		a.respond(tx, sip.NewResponseFromRequest(req, sip.StatusBusyHere, "Busy Here", nil))
		return
	}
	session, err := a.dialog.ReadInvite(req, tx)
	if err != nil {
		a.respond(tx, sip.NewResponseFromRequest(req, sip.StatusBadRequest, err.Error(), nil))
		return
	}
	a.mu.Lock()
	a.incoming = session
	a.mu.Unlock()
	tx.OnCancel(a.canceled)
	if err := session.Respond(sip.StatusRinging, "Ringing", nil); err != nil {
		return
	}
	a.tell(Event{Kind: Ringing, From: callerOf(req)})
	<-tx.Done() // the library ends the transaction when its handler returns
}

func (a *Agent) onAck(req *sip.Request, tx sip.ServerTransaction) {
	if m := a.talking(req); m != nil && len(req.Body()) > 0 {
		if err := m.start(req.Body()); err != nil {
			a.opts.Log.Debug("phone got no answer to its offer", "user", a.opts.User, "cause", err)
		}
	}
	if session := a.answering(req); session != nil {
		_ = session.ReadAck(req, tx) // the error says only that the call is over by now
	}
}

// canceled is told by the library of a CANCEL for the call that rings; the library answers it.
func (a *Agent) canceled(req *sip.Request) {
	if a.answering(req) == nil {
		return
	}
	a.mu.Lock()
	a.incoming = nil
	a.mu.Unlock()
	a.tell(Event{Kind: Canceled, Text: reasonOf(req)})
}

func (a *Agent) onBye(req *sip.Request, tx sip.ServerTransaction) {
	a.respond(tx, sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	a.mu.Lock()
	a.incoming, a.outgoing = nil, nil
	a.stopMedia()
	a.mu.Unlock()
	a.tell(Event{Kind: Ended, Text: reasonOf(req)})
}

// talking returns the media of the call that a request belongs to, or nil.
func (a *Agent) talking(req *sip.Request) *media {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := req.CallID().Value()
	if a.incoming != nil && a.incoming.InviteRequest.CallID().Value() == id ||
		a.outgoing != nil && a.outgoing.InviteRequest.CallID().Value() == id {
		return a.media
	}
	return nil
}

// reinvited goes on talking to where the other side has moved to.
func (a *Agent) reinvited(m *media, req *sip.Request, tx sip.ServerTransaction) {
	if offer := req.Body(); len(offer) > 0 {
		if err := m.start(offer); err != nil {
			a.respond(tx, sip.NewResponseFromRequest(req, sip.StatusNotAcceptableHere, "Not Acceptable Here", nil))
			return
		}
	}
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", m.describe())
	res.AppendHeader(&a.dialog.ContactHDR)
	res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	a.respond(tx, res)
	<-tx.Done()
}

// answering returns the incoming call that a request belongs to.
func (a *Agent) answering(req *sip.Request) *sipgo.DialogServerSession {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.incoming == nil || a.incoming.InviteRequest.CallID().Value() != req.CallID().Value() {
		return nil
	}
	return a.incoming
}

func (a *Agent) tell(e Event) {
	select {
	case a.events <- e:
	default:
	}
}

func (a *Agent) respond(tx sip.ServerTransaction, res *sip.Response) {
	if err := tx.Respond(res); err != nil {
		a.opts.Log.Debug("phone could not answer", "user", a.opts.User, "cause", err)
	}
}

// stopMedia is called with mu held.
func (a *Agent) stopMedia() {
	if a.media != nil {
		a.media.close()
		a.media = nil
	}
}

func callerOf(req *sip.Request) string {
	if name := req.From().DisplayName; name != "" {
		return name
	}
	return req.From().Address.User
}

func reasonOf(req *sip.Request) string {
	if h := req.GetHeader("Reason"); h != nil {
		return h.Value()
	}
	return ""
}

func status(res *sip.Response, err error) error {
	switch {
	case err != nil:
		return err
	case !res.IsSuccess():
		return &StatusError{res.StatusCode, res.Reason}
	}
	return nil
}

// packetEvery is the packetization time of the audio that the telephone sends.
const packetEvery = 20 * time.Millisecond
