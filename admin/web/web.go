// Package web is the admin page: HTML made on the server, forms that post and redirect, and a little
// JavaScript that adds what a form cannot do (the live board, dialogs). Every page works without it.
//
// The table in routes.go is the way in: each line names a path, the operation it needs and its handler.
// The package starts no goroutine.
package web

import (
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// Web holds what the handlers need.
type Web struct {
	desk.Deps
	gate  *access.Gate
	hub   *feed.Hub
	pages map[string]*template.Template
}

// Register adds the pages to a mux.
func Register(mux *http.ServeMux, deps desk.Deps, gate *access.Gate, hub *feed.Hub) error {
	pages, err := parsePages()
	if err != nil {
		return err
	}
	web := &Web{Deps: deps, gate: gate, hub: hub, pages: pages}
	for _, rt := range web.routes() {
		if _, known := access.Needs(rt.op); !known {
			return errors.New("admin: " + rt.pattern + " names no known operation")
		}
		mux.Handle(rt.pattern, web.admitted(rt))
	}
	files, err := fs.Sub(assets, "static")
	if err != nil {
		return err
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(files))))
	mux.HandleFunc("GET /static/profiles.css", web.profileColors)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/static/logo.svg", http.StatusMovedPermanently)
	})
	return nil
}

// route is one line of the table of pages.
type route struct {
	pattern string
	op      access.Operation
	handler func(*request) error
}

// request is one admitted request for a page.
type request struct {
	*http.Request
	w   http.ResponseWriter
	web *Web
	who access.Identity
	dir *uc.Directory // one snapshot for the whole request
}

// admitted runs a handler if the gate lets the request through.
func (web *Web) admitted(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := web.gate.AdmitPage(r, rt.op)
		q := &request{Request: r, w: w, web: web, who: who, dir: web.Directory.Snapshot()}
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case err == nil:
			err = r.ParseForm()
			if err != nil {
				err = uc.Errorf(uc.ErrInvalid, "The form could not be read.")
			} else {
				err = rt.handler(q)
			}
		case errors.Is(err, access.ErrSignIn):
			q.redirect("/signin?next=" + url.QueryEscape(q.returnPath()))
			return
		case errors.Is(err, access.ErrChangePassword):
			q.redirect("/password")
			return
		}
		if err != nil {
			q.fail(err) //nolint:contextcheck // the request carries the context
		}
	})
}

// returnPath is where to go after signing in: the page asked for, if asking again does no harm.
func (q *request) returnPath() string {
	if q.Method == http.MethodGet && q.URL.Path != "/events" {
		return q.URL.RequestURI()
	}
	return "/"
}

func (q *request) actor() uc.Actor { return q.who.Actor("page") }

// redirect sends the browser on after a form was handled.
func (q *request) redirect(to string) { http.Redirect(q.w, q.Request, to, http.StatusSeeOther) }

// done redirects with a word of confirmation (see doneTexts).
func (q *request) done(to, what string) error {
	glue := "?"
	if strings.Contains(to, "?") {
		glue = "&"
	}
	q.redirect(to + glue + "done=" + what)
	return nil
}

// back returns the page that a form names as where it came from, if it is one of ours.
func (q *request) back(otherwise string) string {
	if to := q.FormValue("back"); local(to) {
		return to
	}
	return otherwise
}

// local reports whether a target stays on this server: "//host" and "/\host" lead elsewhere.
func local(to string) bool {
	return strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.ContainsAny(to, "\\\r\n")
}

// fail shows what went wrong.
func (q *request) fail(err error) {
	if q.Context().Err() != nil {
		return // nobody is there any more
	}
	p := desk.ProblemOf(err)
	if p.Status == http.StatusInternalServerError {
		q.web.Log.ErrorContext(q.Context(), "page failed", "method", q.Method, "path", q.URL.Path, "cause", err)
	}
	if err := q.show(p.Status, "error", http.StatusText(p.Status), p); err != nil {
		http.Error(q.w, p.Text, p.Status)
	}
}

// id reads the identifier in the path.
func (q *request) id() int64 { return number(q.PathValue("id")) }

// cached lets browsers keep the files of this version for an hour.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, max-age=3600")
		next.ServeHTTP(w, r)
	})
}
