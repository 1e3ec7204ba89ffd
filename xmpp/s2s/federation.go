package s2s

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Federation has the streams of all local domains to all others.
type Federation struct {
	cfg     Config
	keys    keyring
	gate    *admission.Gate
	ctx     context.Context // ends with Shutdown: for what waits for others
	cancel  context.CancelFunc
	paces   *paces
	numbers atomic.Uint64

	sendingSlots   chan struct{} // a token for each stream that is being opened
	verifyingSlots chan struct{} // the same to verify keys, so that neither starves the other

	work sync.WaitGroup // all goroutines but those of Serve

	mu       sync.Mutex
	closed   bool
	links    map[*link]struct{}
	routes   map[pair]*route
	size     int                 // bytes of stanzas that are not written, of all routes
	shares   map[string]*share   // by sender
	failures map[string]*failure // by remote domain
	bounces  []bounce
	bouncing bool // a goroutine is at it
}

// New makes a federation. It has no goroutines until it is used.
func New(cfg Config) (*Federation, error) {
	cfg.setDefaults()
	switch {
	case cfg.Local == nil || cfg.Deliver == nil || cfg.Undeliverable == nil:
		return nil, errors.New("s2s: Local, Deliver and Undeliverable are required")
	case cfg.TLS == nil || len(cfg.TLS.Certificates) == 0 && cfg.TLS.GetCertificate == nil:
		return nil, errors.New("s2s: a certificate is required")
	}
	if len(cfg.Secret) == 0 {
		cfg.Secret = []byte(rand.Text())
	}
	f := &Federation{
		cfg: cfg, keys: newKeyring(cfg.Secret), gate: admission.New(cfg.MaxConnections, cfg.MaxHalfOpen),
		paces:        newPaces(cfg.MaxRate, cfg.MaxBytes),
		sendingSlots: make(chan struct{}, cfg.MaxConnecting), verifyingSlots: make(chan struct{}, cfg.MaxConnecting),
		links: map[*link]struct{}{}, routes: map[pair]*route{}, shares: map[string]*share{}, failures: map[string]*failure{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Serve accepts servers that begin in the clear and upgrade by STARTTLS (RFC 6120 §5). It returns nil when ctx
// ends or after Shutdown, and otherwise the error of the listener when it is closed by somebody else.
func (f *Federation) Serve(ctx context.Context, l net.Listener) error { return f.accept(ctx, l, false) }

// ServeTLS accepts servers that begin with TLS (XEP-0368). It returns like Serve.
func (f *Federation) ServeTLS(ctx context.Context, l net.Listener) error {
	return f.accept(ctx, l, true)
}

func (f *Federation) accept(ctx context.Context, l net.Listener, direct bool) error {
	return f.gate.Serve(ctx, l, f.cfg.Log, func(conn net.Conn, place *admission.Place) {
		f.work.Go(func() { f.receive(conn, place, direct) })
	})
}

// spawn starts a goroutine that Shutdown waits for, unless that has begun.
func (f *Federation) spawn(work func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spawnLocked(work)
}

// spawnLocked is spawn for who holds the lock.
func (f *Federation) spawnLocked(work func()) bool {
	if f.closed {
		return false
	}
	f.work.Go(work)
	return true
}

// enter makes a stream known to Shutdown.
func (f *Federation) enter(s *link) {
	f.mu.Lock()
	f.links[s] = struct{}{}
	closed := f.closed
	f.mu.Unlock()
	if closed {
		s.end(stream.SystemShutdown)
	}
}

func (f *Federation) newID() string { return rand.Text() }

func (f *Federation) stanzaLimits() scan.Limits {
	return scan.Limits{Stanza: f.cfg.MaxStanza, Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}
}

// Shutdown sends what waits on open streams, ends them with the stream error system-shutdown and returns when all
// goroutines have ended. What could not be sent is Undeliverable. When ctx ends connections are closed as they are.
func (f *Federation) Shutdown(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	links := make([]*link, 0, len(f.links))
	for s := range f.links {
		links = append(links, s)
	}
	f.mu.Unlock()
	f.gate.Close()
	f.cancel()
	for _, s := range links {
		s.end(stream.SystemShutdown)
	}
	done := make(chan struct{})
	go func() { f.work.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		f.cut()
		<-done
	}
	f.bounceAll()
	return err
}

// cut closes all connections.
func (f *Federation) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.links {
		s.raw.Close()
	}
}

// Stream tells of a stream whose domain is verified.
type Stream struct {
	Local, Remote string // as in its header; Remote may have been verified later, and more domains too
	Domains       []string
	Outgoing      bool
	Bidi          bool   // stanzas go both ways (XEP-0288)
	Method        string // EXTERNAL, dialback or certificate
	Address       netip.Addr
	Since         time.Time
}

// Streams lists the streams, oldest first.
func (f *Federation) Streams() []Stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Stream
	for s := range f.links {
		if !s.authentic.Load() || s.ended() != nil {
			continue
		}
		st := Stream{Local: s.local, Remote: s.remote, Outgoing: s.outgoing, Bidi: s.bidi.Load(), Method: s.method, Address: s.address, Since: s.since}
		for p := range *s.verified.Load() {
			st.Domains = append(st.Domains, p.remote)
		}
		slices.Sort(st.Domains)
		st.Domains = slices.Compact(st.Domains)
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b Stream) int { return a.Since.Compare(b.Since) })
	return list
}

// String names the pair.
func (p pair) String() string { return fmt.Sprintf("%s to %s", p.local, p.remote) }

// bounce is a stanza on its way back.
type bounce struct {
	pair
	raw    []byte
	reason stanza.Condition
}

// bounceLocked gives stanzas back to who sent them, in a goroutine of its own, for the caller may hold locks that
// Undeliverable needs. f.mu is held.
func (f *Federation) bounceLocked(b ...bounce) {
	f.bounces = append(f.bounces, b...)
	if !f.bouncing && len(f.bounces) > 0 {
		f.bouncing = f.spawnLocked(f.bounceAll) // else Shutdown does it
	}
}

func (f *Federation) bounceAll() {
	for {
		f.mu.Lock()
		list := f.bounces
		f.bounces = nil
		if len(list) == 0 {
			f.bouncing = false
		}
		f.mu.Unlock()
		if len(list) == 0 {
			return
		}
		for _, b := range list {
			f.bounceOne(b)
		}
	}
}

func (f *Federation) bounceOne(b bounce) {
	defer func() {
		if p := recover(); p != nil {
			f.cfg.Log.Error("s2s: handler panicked", "domain", b.remote, "panic", p)
		}
	}()
	f.cfg.Undeliverable(b.local, b.remote, b.raw, b.reason)
}
