package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolecall/rolecall/admin"
	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/presence"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles"
	"github.com/rolecall/rolecall/profiles/graph"
	"github.com/rolecall/rolecall/sip"
	"github.com/rolecall/rolecall/xmpp"
	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/s2s"
	"github.com/rolecall/rolecall/xmpp/upload"
)

// The names of settings that the server keeps in its database.
const (
	secretSetting = "secret"
	clockSetting  = "demo.clock"
)

// httpGrace is how long HTTP requests and chat connections get to end in order.
const httpGrace = 2 * time.Second

// Options are what New takes besides the settings.
type Options struct {
	Log *slog.Logger
	// Resolver finds other XMPP servers; nil means DNS.
	Resolver s2s.Resolver
	// Demo makes a server to be tried out: its clock can be moved, and the control socket tells of the
	// demo company. It is called for what the control socket tells.
	Demo func(*uc.Directory) DemoInfo
}

// App is one server.
type App struct {
	cfg      Config
	log      *slog.Logger
	zone     *time.Location
	clock    *Clock
	demo     func(*uc.Directory) DemoInfo
	resolver s2s.Resolver

	bus       *bus.Bus
	store     *store.Store
	directory *directory.Directory
	presence  *presence.Reducer
	profiles  *profiles.Engine
	graph     *graph.Poller // nil without Teams
	sip       *sip.Server
	xmpp      *xmpp.Server
	uploads   *upload.Store // nil if switched off
	admin     *admin.Server

	control        net.Listener
	xmppSTLS       net.Listener // nil if switched off
	xmppTLS        net.Listener
	xmppComponents net.Listener
	federation     *s2s.Federation // nil if switched off
	s2s, s2sTLS    net.Listener
	web            net.Listener
	webGate        *admission.Gate

	stop chan bool // gets true to start again, false to stop

	firstLogin      string
	oneTimePassword string
	closers         []io.Closer // in the order in which they were opened
}

// New builds a server: it opens the data folder, the database and all listeners, so that what cannot
// work is told at once. On error everything that was opened is closed again.
func New(ctx context.Context, cfg Config, opts Options) (*App, error) {
	a := &App{cfg: cfg, log: opts.Log, demo: opts.Demo, resolver: opts.Resolver, clock: &Clock{}, bus: bus.New(), stop: make(chan bool, 1)}
	if err := a.open(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// open opens what lies in the data folder, then builds the engines.
func (a *App) open(ctx context.Context) (err error) {
	if a.zone, err = a.cfg.Location(); err != nil {
		return err
	}
	if err := writable(a.cfg.Data); err != nil {
		return err
	}
	if a.control, err = opened(a, func() (net.Listener, error) { return listenControl(a.cfg.Data) }); err != nil {
		return err
	}
	cert, err := certificate(&a.cfg)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if a.store, err = opened(a, func() (*store.Store, error) { return store.Open(ctx, a.cfg.DatabaseURL(), a.log) }); err != nil {
		return err
	}
	secret, err := a.settings(ctx)
	if err != nil {
		return err
	}
	return a.build(ctx, cert, secret)
}

// build makes the engines in the order in which they need one another.
func (a *App) build(ctx context.Context, cert tls.Certificate, secret []byte) (err error) {
	a.directory, err = directory.Open(ctx, a.store, a.bus, directory.Options{Now: a.clock.Now, Log: a.log, Secret: secret})
	if err != nil {
		return err
	}
	if err := a.firstAdmin(ctx); err != nil {
		return err
	}
	a.presence = presence.New(a.bus)
	if a.profiles, err = a.newProfiles(ctx); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if a.cfg.Teams.On() {
		if a.graph, err = a.newGraph(); err != nil {
			return fmt.Errorf("teams: %w", err)
		}
	}
	if a.sip, err = opened(a, func() (*sip.Server, error) { return a.newSIP(cert, secret) }); err != nil {
		return fmt.Errorf("sip: %w", err)
	}
	if err := a.listenWeb(cert); err != nil {
		return err
	}
	roots, err := a.cfg.S2S.roots()
	if err != nil {
		return err
	}
	if err = a.newXMPP(cert, roots, secret); err != nil {
		return fmt.Errorf("xmpp: %w", err)
	}
	if err := a.newFederation(cert, roots, secret, a.resolver); err != nil {
		return fmt.Errorf("s2s: %w", err)
	}
	return a.newAdmin()
}

// ErrRestart is what Run returns when the server is to be made and run anew.
var ErrRestart = errors.New("the server is to be started again")

// stopSoon ends Run. It does not wait.
func (a *App) stopSoon(again bool) {
	select {
	case a.stop <- again:
	default: // somebody else was quicker
	}
}

// Run runs the server until ctx ends, then ends it in order: clients are told, calls get their grace.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	a.start(group, work)
	var restart error
	a.log.Info("running", "domain", a.cfg.Domain, "web", a.Info().Web, "xmpp", a.Info().XMPP, "sip", a.Info().SIP)
	select {
	case <-ctx.Done():
		a.log.Info("stopping")
	case <-work.Done(): // a part failed; Wait says which
	case again := <-a.stop:
		a.log.Info("stopping, asked by an administrator", "again", again)
		if again {
			restart = ErrRestart
		}
	}
	return errors.Join(restart, a.shutdown(ctx, stop), ignoreStop(group.Wait()))
}

// start starts all parts; each runs until the context ends or it fails.
func (a *App) start(group *errgroup.Group, ctx context.Context) {
	group.Go(func() error { return a.presence.Run(ctx, a.sources()) })
	group.Go(func() error { return a.profiles.Run(ctx) })
	group.Go(func() error { return a.sip.Run(ctx) })
	if a.graph != nil {
		group.Go(func() error { return a.graph.Run(ctx) })
	}
	if a.xmppSTLS != nil {
		group.Go(func() error { return a.xmpp.Serve(ctx, a.xmppSTLS) })
	}
	if a.xmppTLS != nil {
		group.Go(func() error { return a.xmpp.ServeTLS(ctx, a.xmppTLS) })
	}
	if a.federation != nil {
		a.serveFederation(group, ctx)
	}
	if a.xmppComponents != nil {
		group.Go(func() error { return a.xmpp.ServeComponents(ctx, a.xmppComponents) })
	}
	serve(group, ctx, a.control, a.controlHandler(), a.log)
	if a.web != nil {
		serve(group, ctx, a.web, a.webHandler(), a.log)
	}
	if a.uploads != nil {
		group.Go(func() error { return a.uploads.Run(ctx) })
	}
	group.Go(func() error { trim(ctx); return nil })
	group.Go(func() error { prune(ctx, a.store, a.cfg.Retention, a.clock.Now, a.log); return nil })
}

// newHTTPServer makes a server for which nobody takes long to say what they want: TLS and the header of a
// request have their time, and a size. What comes behind the header is the handlers' to limit.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ConnContext: admission.Context,
		ErrorLog: newHTTPLog(log),
	}
}

func serve(group *errgroup.Group, ctx context.Context, ln net.Listener, handler http.Handler, log *slog.Logger) {
	server := newHTTPServer(handler, log)
	group.Go(func() error {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
		defer cancel()
		if server.Shutdown(limited) != nil {
			return server.Close()
		}
		return nil
	})
	group.Go(func() error { return server.Serve(ln) })
}

// shutdown tells chat clients and the page that the server ends, then stops all parts; the SIP engine
// goes on until the calls in progress have ended or their grace has passed.
func (a *App) shutdown(ctx context.Context, stop func()) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
	defer cancel()
	defer stop()
	a.admin.Close()
	err := a.xmpp.Shutdown(ctx)
	if a.federation != nil { // after it has been sent that everybody is gone
		err = errors.Join(err, a.federation.Shutdown(ctx))
	}
	return err
}

// ignoreStop leaves out the errors by which parts say that they were stopped.
func ignoreStop(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// opened opens something and sees that it is closed with the server.
func opened[C io.Closer](a *App, open func() (C, error)) (C, error) {
	c, err := open()
	if err == nil {
		a.closers = append(a.closers, c)
	}
	return c, err
}

func (a *App) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			a.log.Warn("close", "cause", err)
		}
	}
	a.closers = nil
}

// Directory returns the people and things, for who founds a company.
func (a *App) Directory() *directory.Directory { return a.directory }

// FirstSignIn returns the login and the one-time password of the administrator that this start has made, or
// nothing if it made none.
func (a *App) FirstSignIn() (login, password string) { return a.firstLogin, a.oneTimePassword }

// firstAdmin makes an account for an administrator when there is none yet. It is called admin, unless a user
// who was imported has that name.
func (a *App) firstAdmin(ctx context.Context) error {
	for _, u := range a.directory.Snapshot().Users.All() {
		if u.AdminLevel == uc.LevelSystem {
			return nil
		}
	}
	a.firstLogin = "admin"
	for n := 2; a.directory.Snapshot().UserByLogin(a.firstLogin) != nil; n++ {
		a.firstLogin = fmt.Sprintf("admin%d", n)
	}
	a.oneTimePassword = "Rc1-" + rand.Text()[:16]
	_, err := a.directory.AddUser(ctx, uc.System, uc.NewUser{
		User: uc.User{Login: a.firstLogin, Name: "Administrator", Auth: uc.AuthLocal, Voicemail: uc.VoicemailOff,
			PhonebookHidden: true, AdminLevel: uc.LevelSystem, MustChangePassword: true},
		Password: a.oneTimePassword,
	})
	return err
}

// settings returns the secret that nonces and challenges are made with, and sets a moved clock again.
func (a *App) settings(ctx context.Context) ([]byte, error) {
	if ahead, err := a.store.Setting(ctx, clockSetting); err != nil {
		return nil, err
	} else if d, err := time.ParseDuration(string(ahead)); err == nil && a.demo != nil {
		a.clock.SetAhead(d)
	}
	secret, err := a.store.Setting(ctx, secretSetting)
	if err != nil || secret != nil {
		return secret, err
	}
	secret = make([]byte, 32)
	rand.Read(secret)
	return secret, a.store.PutSetting(ctx, secretSetting, secret)
}

// writable makes the data folder and sees that files can be made in it.
func writable(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	f, err := os.CreateTemp(data, ".write-")
	if err != nil {
		return fmt.Errorf("data folder cannot be written to: %w", err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// Info tells where the server listens.
func (a *App) Info() Info {
	info := Info{
		Domain: a.cfg.Domain, XMPP: address(a.xmppSTLS), XMPPTLS: address(a.xmppTLS),
		S2S: address(a.s2s),
		SIP: sipAddress(a.sip.Addrs().UDP), SIPTCP: sipAddress(a.sip.Addrs().TCP), SIPTLS: sipAddress(a.sip.Addrs().TLS),
		Certificate: filepath.Join(a.cfg.Data, "tls", "cert.pem"), Now: a.clock.Now().In(a.zone),
	}
	if a.cfg.TLS.Cert != "" {
		info.Certificate = a.cfg.TLS.Cert
	}
	if a.web != nil {
		info.Web = a.localURL() + "/"
	}
	if a.demo != nil {
		d := a.demo(a.directory.Snapshot())
		info.Demo = &d
	}
	return info
}

func address(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

// reachable puts a name where a listener has "all addresses".
func reachable(address, name string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = name
	}
	return net.JoinHostPort(host, port)
}

// NewLogger makes the logger that the settings ask for.
func NewLogger(cfg LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: shortened}
	if cfg.Format == "json" {
		return slog.New(newLimitedHandler(slog.NewJSONHandler(w, opts)))
	}
	return slog.New(newLimitedHandler(slog.NewTextHandler(w, opts)))
}
