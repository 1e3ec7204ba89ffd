package sip

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// Server is the telephony engine. Make it with [New], run it with [Server.Run].
type Server struct {
	cfg  Config
	deps Deps
	log  *limitedLog

	udp     *udpSocket
	streams []*streamListener
	addrs   Addrs

	edge      *edge
	digest    *digestServer
	failures  failures
	registrar *registrar
	calls     *calls
	records   *records
	history   *history
	lamps     *lamps
	pool      *media.Pool

	draining atomic.Bool
}

// New opens the sockets and loads the bindings. Nothing is served before Run. An error about an address
// that cannot be listened on names it; errors of the configuration are uc.ErrInvalid.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if len(cfg.NonceSecret) == 0 {
		cfg.NonceSecret = make([]byte, 32)
		rand.Read(cfg.NonceSecret) //nolint:errcheck // never fails
	}
	log := newLimitedLog(deps.Log)
	s := &Server{
		cfg: cfg, deps: deps, log: log, edge: newEdge(log),
		digest:    newDigestServer(cfg.Domain, cfg.Digests, cfg.NonceSecret, deps.Now),
		registrar: newRegistrar(deps.Store, deps.Bus, deps.Log, deps.Now),
		calls:     newCalls(deps.Bus),
		records:   newRecords(deps.Store, deps.Log),
		history:   newHistory(),
	}
	s.edge.core = s
	s.lamps = newLamps(s)
	if err := s.open(); err != nil {
		s.closeSockets()
		return nil, err
	}
	return s, nil
}

// open opens the sockets, the media ports and what was saved.
func (s *Server) open() error {
	ctx := context.Background()
	if err := s.listen(ctx); err != nil {
		return err
	}
	first := s.addrs.UDP
	for _, at := range []netip.AddrPort{s.addrs.TCP, s.addrs.TLS} {
		if !first.IsValid() {
			first = at
		}
	}
	s.cfg.completeMedia(first.Addr())
	var err error
	if s.pool, err = media.NewPool(s.cfg.Media); err != nil {
		return err
	}
	return s.registrar.restore(ctx, s.deps.Directory.Snapshot(), s.udp)
}

func (s *Server) listen(ctx context.Context) error {
	if s.cfg.UDP != "" {
		conn, err := listenUDP(ctx, s.cfg.UDP)
		if err != nil {
			return &ListenError{"udp", err}
		}
		s.udp = &udpSocket{conn: conn, edge: s.edge}
		if s.udp.self, err = s.reachable(conn.LocalAddr()); err != nil {
			return err
		}
		s.addrs.UDP = s.udp.self
	}
	for _, l := range []struct {
		name, addr string
		tls        *tls.Config
		at         *netip.AddrPort
	}{{"TCP", s.cfg.TCP, nil, &s.addrs.TCP}, {"TLS", s.cfg.TLSAddr, s.cfg.TLS, &s.addrs.TLS}} {
		if l.addr == "" {
			continue
		}
		listener, err := s.listenStream(ctx, l.name, l.addr, l.tls)
		if err != nil {
			return &ListenError{strings.ToLower(l.name), err}
		}
		*l.at = listener.self
	}
	return nil
}

func (s *Server) listenStream(ctx context.Context, name, addr string, secure *tls.Config) (*streamListener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &streamListener{Listener: ln, name: name, edge: s.edge, open: make(map[*stream]struct{}), perHost: make(map[netip.Addr]int)}
	s.streams = append(s.streams, l)
	if l.self, err = s.reachable(ln.Addr()); err != nil {
		return nil, err
	}
	if secure != nil {
		l.Listener = tls.NewListener(ln, secure)
	}
	return l, nil
}

// reachable is the address under which phones reach a socket.
func (s *Server) reachable(addr net.Addr) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return at, err
	}
	ip := at.Addr().Unmap()
	if s.cfg.Advertise.IsValid() {
		ip = s.cfg.Advertise
	}
	if ip.IsUnspecified() {
		return at, uc.FieldError(uc.ErrInvalid, "advertise", "listening on %s needs the address that phones reach", addr)
	}
	return netip.AddrPortFrom(ip, at.Port()), nil
}

// Addrs returns the addresses that the engine listens on, as phones reach them.
func (s *Server) Addrs() Addrs { return s.addrs }

// Close closes the sockets of a server that is not going to run. After Run it does nothing.
func (s *Server) Close() error {
	s.closeSockets()
	return nil
}

// Run serves until ctx ends. Then new calls are refused with 503, calls in progress may go on for the
// grace period, are hung up after it, and everything that was opened is closed before Run returns.
func (s *Server) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var sockets, workers sync.WaitGroup
	if s.udp != nil {
		sockets.Go(s.udp.read)
	}
	for _, l := range s.streams {
		sockets.Go(l.accept)
	}
	for _, worker := range []func(context.Context){s.registrar.tell, s.registrar.save, s.records.write, s.follow, s.lamps.run} {
		workers.Go(func() { worker(work) })
	}
	<-ctx.Done()
	s.drain()
	stop()
	workers.Wait()
	s.edge.tx.close()
	s.closeSockets()
	sockets.Wait()
	return nil
}

// drain waits for the calls in progress and hangs up those that stay.
func (s *Server) drain() {
	s.draining.Store(true)
	s.calls.shut()
	grace := time.NewTimer(s.cfg.ShutdownGrace)
	defer grace.Stop()
	select {
	case <-s.calls.none():
	case <-grace.C:
	}
	for _, c := range s.calls.actors() {
		c.box.post(func() { c.hangUp(`SIP;cause=503;text="Server shutting down"`, "server shutting down") })
	}
	goodbye := time.NewTimer(2 * time.Second)
	defer goodbye.Stop()
	select {
	case <-s.calls.none():
	case <-goodbye.C:
		for _, c := range s.calls.actors() {
			c.box.post(c.abandon)
		}
		<-s.calls.none()
	}
	s.lamps.shutdown()
}

func (s *Server) closeSockets() {
	if s.udp != nil {
		s.udp.conn.Close()
	}
	for _, l := range s.streams {
		l.Close()
	}
}

// follow drops the bindings of devices that were deleted or got a new secret.
func (s *Server) follow(ctx context.Context) {
	events := s.deps.Bus.Subscribe(1024, uc.DirectoryChanged{})
	defer events.Close()
	s.registrar.reconcile(s.deps.Directory.Snapshot())
	for {
		e, err := events.Next(ctx)
		switch {
		case errors.Is(err, bus.ErrOverflow):
			s.registrar.reconcile(s.deps.Directory.Snapshot())
		case err != nil:
			return
		default:
			s.registrar.reconcileChange(e.(uc.DirectoryChanged))
		}
	}
}

// outside is the dispatch table of requests outside a dialog. They run in the reader's goroutine.
var outside = map[sip.RequestMethod]func(*Server, *request){
	sip.REGISTER:  (*Server).register,
	sip.INVITE:    (*Server).invite,
	sip.CANCEL:    (*Server).cancel,
	sip.SUBSCRIBE: (*Server).subscribe,
	sip.OPTIONS:   (*Server).options,
	sip.ACK:       func(*Server, *request) {}, // of a refused INVITE; its transaction has taken it
	sip.BYE:       (*Server).noDialog,
	sip.UPDATE:    (*Server).noDialog,
	sip.INFO:      (*Server).noDialog,
	sip.REFER:     (*Server).strayRefer,
}

// known are methods that exist but that we do not take; others get 501.
var known = map[sip.RequestMethod]bool{sip.MESSAGE: true, sip.PRACK: true, sip.PUBLISH: true, sip.NOTIFY: true}

// request implements core.
func (s *Server) request(r *request) {
	if tag := tagOf(r.To().Params); tag != "" && r.Method != sip.CANCEL && r.Method != sip.REGISTER {
		s.inDialog(r, dialogID{r.CallID().Value(), tag})
		return
	}
	switch handle := outside[r.Method]; {
	case handle != nil:
		handle(s, r)
	case known[r.Method]:
		r.answer(sip.StatusMethodNotAllowed, "Method Not Allowed", "Allow", allowed)
	default:
		r.answer(sip.StatusNotImplemented, "Not Implemented", "Allow", allowed)
	}
}

// maxWaiting is how many requests of its peers may wait for a call.
const maxWaiting = 100

// inDialog hands a request to the owner of its dialog (RFC 3261 §12.2.2).
func (s *Server) inDialog(r *request, id dialogID) {
	if r.Method == sip.SUBSCRIBE {
		s.lamps.resubscribe(r, id)
		return
	}
	l := s.calls.leg(id)
	if l == nil {
		s.noDialog(r)
		return
	}
	if l.call.box.waiting() > maxWaiting && r.Method != sip.ACK && r.Method != sip.BYE {
		r.answer(sip.StatusServiceUnavailable, "Overloaded", "Retry-After", "1")
		return
	}
	taken := l.call.box.post(func() {
		if l.remoteTag != "" && l.remoteTag != tagOf(r.From().Params) {
			s.noDialog(r)
			return
		}
		l.receive(r)
	})
	if !taken {
		s.noDialog(r)
	}
}

func (s *Server) noDialog(r *request) {
	if r.Method != sip.ACK {
		r.answer(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
	}
}

// strayRefer refuses a REFER outside a dialog: a telephone gives away its own calls and no others.
func (s *Server) strayRefer(r *request) { r.answer(sip.StatusForbidden, "Forbidden") }

// options answers a keep-alive or a question for what we can do (RFC 3261 §11.2).
func (s *Server) options(r *request) {
	r.answer(sip.StatusOK, "OK", "Allow", allowed, "Accept", "application/sdp", "Allow-Events", "dialog")
}

// response implements core: a 2xx to an INVITE whose transaction is over still wants an ACK (RFC 6026 §7.2).
func (s *Server) response(res *sip.Response) {
	if res.CSeq().MethodName != sip.INVITE || !res.IsSuccess() {
		return
	}
	if l := s.calls.leg(dialogID{res.CallID().Value(), tagOf(res.From().Params)}); l != nil {
		l.call.box.post(func() { l.late(res) })
	}
}

// flowClosed implements core.
func (s *Server) flowClosed(flow) { s.registrar.flowClosed() }
