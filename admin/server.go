// Package admin is the server's HTTP side: the admin page with its live board, and the REST API under
// /api/v1. It shows what the engines say and hands commands to them; it owns no state but the signed-in
// sessions. Its parts are desk (what both sides share), access (who may do what), feed (server-sent
// events), api (REST) and web (pages).
//
// The package starts no goroutine; streams of events run in their requests and end with [Server.Close].
package admin

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/api"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/admin/web"
)

// GuardAccounts returns the directory as administrators may use it who do not come by this package's pages: with the same
// rules about whose account they may touch.
func GuardAccounts(d desk.Directory) desk.Directory { return desk.Guard(d) }

// Deps are the parts of the server that are shown and commanded here.
type Deps = desk.Deps

// Config sets up the HTTP side. Its zero value is fit for use.
type Config struct {
	access.Config          // sessions, proxies
	Origins       []string // origins beside the server's own that may send forms, like "https://pbx.example.com"
	MaxStreams    int      // live connections at once; 0 means 512
	Version       string   // of the product, for the OpenAPI document
}

// The limits of what a request may carry.
const (
	maxBody      = 1 << 20          // bytes
	bodyPatience = 30 * time.Second // until it is there
)

// Server is the HTTP side of Rolecall.
type Server struct {
	handler http.Handler
	hub     *feed.Hub
}

// New makes the server. It listens nowhere: the caller serves Handler.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = 512
	}
	deps.Directory = desk.Guard(deps.Directory)
	gate := access.NewGate(cfg.Config, deps.Directory, deps.Now, deps.Log)
	hub := feed.NewHub(deps.Bus, cfg.MaxStreams)
	mux := http.NewServeMux()
	if err := api.Register(mux, deps, gate, hub, cfg.Version); err != nil {
		return nil, err
	}
	if err := web.Register(mux, deps, gate, hub); err != nil {
		return nil, err
	}
	handler, err := protect(mux, cfg.Origins, gate)
	if err != nil {
		return nil, err
	}
	return &Server{handler: recovering(handler, deps.Log), hub: hub}, nil
}

// Handler returns the handler of all pages and REST routes.
func (s *Server) Handler() http.Handler { return s.handler }

// LocalHandler is Handler for a listener that only the owner of the machine can reach: see
// access.AsOwner.
func (s *Server) LocalHandler() http.Handler { return access.AsOwner(s.handler) }

// Close ends all streams of events, so that an http.Server can shut down. It is safe to call twice.
func (s *Server) Close() { s.hub.Close() }

// policy lets a page load nothing but the server's own files, and no inline script or style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect refuses forged requests of other sites and sets the headers that keep browsers strict.
func protect(next http.Handler, origins []string, gate *access.Gate) (http.Handler, error) {
	forgery := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := forgery.AddTrustedOrigin(o); err != nil {
			return nil, err
		}
	}
	next = forgery.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if gate.Secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.ContentLength != 0 { // nobody may send it drop by drop; a recorder in a test has no deadline
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	}), nil
}

// recovering keeps a mistake in one request from hurting others.
func recovering(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause) // net/http's own way to cut a connection
			default:
				log.ErrorContext(r.Context(), "HTTP request failed", "method", r.Method, "path", r.URL.Path, "cause", cause)
				http.Error(w, desk.Unknown, http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
