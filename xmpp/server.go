package xmpp

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/component"
	"github.com/rolecall/rolecall/xmpp/muc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// Server is an XMPP server for one domain.
type Server struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	router     *router
	blocklists blocklists
	keeping    *keeping
	archive    *archive // nil if there is none
	archiving  sync.Map // by uc.UserID: *uc.ArchivePreferences of who has set some
	groups     atomic.Pointer[groups]
	generation atomic.Uint64 // rises whenever who is available, or who sees whom, changes
	numbers    atomic.Uint64 // of sessions
	commands   *commandSessions
	caps       *capsCache
	phones     atomic.Pointer[phoneBook] // as last searched
	publishers publishers
	gate       *admission.Gate
	flushers   flushers
	watch      watch
	readers    readers
	crew       *crew // of readers and negotiations
	// (*session).serve; by its name the tables of handlers would refer to themselves
	serveSession func(*session, *reader)
	notifier     *notifier
	lastSeen     *lastSeen
	since        time.Time // when the server began
	queued       queued
	dialled      *dialled
	motd         atomic.Pointer[motd] // nil if there is none
	stopping     atomic.Bool          // an administrator has asked for it
	dnd          *dndSwitch
	pushes       pusher
	questions    questions
	rooms        *muc.Service
	components   *component.Service
	federation   atomic.Pointer[Carrier] // nil: no stanza leaves for other servers
	returned     returned
	abroad       *followersAbroad
	delivering   sync.RWMutex // read-held while a stanza from another domain is handled

	ctx             context.Context // ends when Shutdown has ended the sessions
	cancel          context.CancelFunc
	negotiating     context.Context // ends when Shutdown begins
	stopNegotiating context.CancelFunc
	stopped         atomic.Bool
	serving         sync.WaitGroup // sessions and negotiations
	writers         sync.WaitGroup // writers of slow clients
	workers         sync.WaitGroup // flushers, follower, notifier
	events          *bus.Reader
	postponed       postponed // the follower's
	pauses          pauses    // the follower's

	resumptions resumptions
}

// New makes a server and starts to follow the bus. The caller ends it with [Server.Shutdown].
func New(cfg Config, deps Deps) (*Server, error) {
	cfg.setDefaults()
	parsed, err := jid.Parse(cfg.Domain)
	if err != nil || parsed.Domainpart() != cfg.Domain {
		return nil, uc.FieldError(uc.ErrInvalid, "domain", "%q is not the normal form of a domain", cfg.Domain)
	}
	if cfg.TLS == nil && !cfg.Insecure {
		return nil, uc.FieldError(uc.ErrInvalid, "tls", "a certificate is required")
	}
	if err := cfg.validRelays(); err != nil {
		return nil, err
	}
	if err := cfg.validComponents(); err != nil {
		return nil, err
	}
	gate := admission.New(withinDescriptors(cfg.MaxConnections, admission.Descriptors()), cfg.MaxHalfOpen)
	s := &Server{cfg: cfg, deps: deps, log: deps.Log, router: newRouter(), gate: gate, since: time.Now()}
	s.pauses = pauses{pushesAtOnce, s.meanwhile}
	s.serveSession = (*session).serve
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.negotiating, s.stopNegotiating = context.WithCancel(s.ctx)
	s.commands = newCommandSessions(cfg.CommandTimeout)
	if err := s.load(); err != nil {
		s.cancel()
		return nil, err
	}
	s.keeping = newKeeping(s)
	s.caps = newCapsCache()
	s.dialled = newDialled()
	s.abroad = newFollowersAbroad()
	s.components, s.returned.wake = s.newComponents(), make(chan struct{}, 1)
	if err := s.startRooms(s.ctx); err != nil {
		s.cancel()
		return nil, err
	}
	// Subscribed before the snapshot is read, so that no change falls between the two.
	s.events = deps.Bus.Subscribe(followLimit, uc.DirectoryChanged{}, uc.PresenceChanged{}, uc.ProfileSwitched{}, uc.CallChanged{})
	s.groups.Store(newGroups(deps.Directory.Snapshot(), cfg.Domain))
	s.crew = newCrew(&s.workers, s.ctx.Done())
	s.startReaders()
	s.flushers = startFlushers(s.ctx, &s.workers)
	s.notifier = newNotifier(s)
	s.dnd = newDNDSwitch(s)
	s.lastSeen = newLastSeen(deps.Store)
	s.workers.Go(func() {
		s.lastSeen.run(s.ctx, func(err error) { s.log.Error("xmpp: not written when users were seen", "cause", err) })
	})
	s.workers.Go(func() { s.keeping.run(s.ctx) })
	s.workers.Go(s.notifier.run)
	s.workers.Go(s.follow)
	s.workers.Go(s.tellReturned)
	if s.archive != nil {
		s.workers.Go(func() { s.archive.run(s.ctx) })
		s.workers.Go(func() { s.archive.expire(s.ctx, cfg.Archive) })
	}
	return s, nil
}

// load reads what must be at hand from the store.
func (s *Server) load() error {
	if err := s.loadMOTD(s.ctx); err != nil {
		return err
	}
	if err := s.publishers.load(s.ctx, s.deps.Store); err != nil {
		return err
	}
	if err := s.loadPushTargets(s.ctx); err != nil {
		return err
	}
	if err := s.loadBlocklists(s.ctx); err != nil || s.cfg.Archive == 0 {
		return err
	}
	if err := s.loadArchivePreferences(s.ctx); err != nil {
		return err
	}
	var err error
	s.archive, err = s.newArchive(s.ctx)
	return err
}

// Shutdown tells every client system-shutdown, closes the streams and the listeners and ends all goroutines. It
// returns ctx's error if they have not ended in time.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	s.gate.Close()
	s.stopNegotiating()
	s.shutDownRooms()
	s.pushes.close()
	s.questions.close()
	for _, c := range s.router.allSessions() {
		c.end(errShutdown)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serving.Wait()
		s.components.Shutdown(ctx)
		s.writers.Wait()
		s.cancel()
		s.workers.Wait()
		s.events.Close()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.cancel()
		return ctx.Err()
	}
}

// stop waits until nothing from other domains is being handled, and lets nothing more in.
func (s *Server) stop() {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	s.stopped.Store(true)
}

// Resources lists the available clients of every user who has any.
func (s *Server) Resources() map[uc.UserID][]uc.Resource {
	all := make(map[uc.UserID][]uc.Resource)
	for _, a := range s.router.allAccounts() {
		if list := a.resources(); len(list) > 0 {
			all[a.user] = list
		}
	}
	return all
}

// SendMessage sends a message of the server to a local address. It is kept if the user is offline.
func (s *Server) SendMessage(ctx context.Context, to, text string) error {
	parsed, err := jid.Parse(to)
	if err != nil {
		return uc.FieldError(uc.ErrInvalid, "to", "%q is not an address", to)
	}
	dest, err := s.resolve([]byte(parsed.String()))
	if err != nil {
		return uc.Errorf(uc.ErrUnavailable, "%s is on another server", to)
	}
	if dest.abroad != nil {
		return s.sendAbroad(dest.abroad, text)
	}
	if dest.account == nil {
		return uc.Errorf(uc.ErrNotFound, "there is no user %s", to)
	}
	m := newElement("message").attr("type", "chat").attr("id", randomID()).attr("from", s.cfg.Domain).attr("to", parsed.String())
	m.open().text("body", text).close("message")
	b := s.newBatch()
	defer b.done()
	raw, f := m.bytes(), filed{}
	if s.archive != nil {
		b.scratch = append(b.scratch[:0], raw...)
		raw, f = s.archiveMessage(b, nil, nil, archiveRow{user: dest.account.user, peer: s.cfg.Domain}, dest.account)
		raw = slices.Clone(raw)
	}
	if dest.session != nil && b.push(dest.session, raw) {
		return nil
	}
	err = nil
	if !s.sendMostAvailable(b, dest.account, raw) {
		err = s.keepNow(ctx, dest.account, raw) // whoever asks is told that it was sent
	}
	if err != nil {
		s.withdraw(f)
		var told stanza.Error
		if errors.As(err, &told) {
			return uc.Errorf(uc.ErrUnavailable, "%s cannot be reached: %s", to, told.Condition)
		}
		return err
	}
	s.pushes.arrived(dest.account, raw)
	return nil
}

// sendAbroad sends a message of the server to another domain.
func (s *Server) sendAbroad(to *session, text string) error {
	m := newElement("message").attr("type", "chat").attr("id", randomID()).attr("from", s.cfg.Domain)
	if !s.carry(to.jid, to.account.domain, m.open().text("body", text).close("message").bytes()) {
		return uc.Errorf(uc.ErrUnavailable, "%s is on another server", to.jid)
	}
	return nil
}

// Keys implements negotiate.Accounts.
func (s *Server) Keys(login string) (uc.PasswordKeys, uc.UserID, bool) {
	u := s.deps.Directory.Snapshot().UserByLogin(login)
	switch {
	case u == nil:
		return uc.PasswordKeys{}, 0, false
	case u.Auth != uc.AuthLocal:
		return uc.PasswordKeys{}, u.ID, true
	}
	return u.Password, u.ID, true
}

// Hashes implements negotiate.Accounts.
func (s *Server) Hashes() uc.HashCensus { return s.deps.Directory.Snapshot().Hashes() }

// AddKeys implements negotiate.Accounts.
func (s *Server) AddKeys(ctx context.Context, user uc.UserID, had, add uc.PasswordKeys) error {
	by := uc.System
	if u := s.deps.Directory.Snapshot().Users.Get(user); u != nil {
		by = uc.Actor{User: u.ID, Name: u.Login, Via: "xmpp"}
	}
	return s.deps.Directory.AddKeys(ctx, by, user, had, add)
}

// CheckPassword implements negotiate.Accounts.
func (s *Server) CheckPassword(ctx context.Context, login, password string) (uc.UserID, bool) {
	return s.deps.Directory.CheckPassword(ctx, login, password)
}

func (s *Server) negotiation(directTLS bool) *negotiate.Config {
	cfg := &negotiate.Config{
		Domain: s.cfg.Domain, TLS: s.cfg.TLS, DirectTLS: directTLS, Insecure: s.cfg.Insecure,
		Accounts: s, External: s.external(), Limiter: s.deps.Limiter, Bind: s.bindResource, Inline: s.inline(), AtBind: s.archiveAtBind, Tokens: s.deps.Tokens, Features: s.streamFeatures(),
		MaxStanza: s.cfg.MaxStanza,
		Secret:    s.cfg.Secret, Iterations: s.cfg.Iterations, Timeout: s.cfg.NegotiateTimeout, Log: s.log,
	}
	return cfg.Prepare()
}

// randomID returns a name that nobody can guess.
func randomID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func stackOf() string { return string(debug.Stack()) }
