// Package api is the REST API under /api/v1: JSON over HTTP, described by OpenAPI 3.1 at
// /api/v1/openapi.json and readable at /api/v1/docs. Errors are problem details (RFC 9457); the stream
// of events is server-sent events. It starts no goroutine.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// Prefix is where the API lives.
const Prefix = "/api/v1"

// API holds what the handlers need.
type API struct {
	desk.Deps
	gate *access.Gate
	hub  *feed.Hub
	huma huma.API
	err  error // the first mistake in the table of routes
}

// Register adds the API to a mux.
func Register(mux *http.ServeMux, deps desk.Deps, gate *access.Gate, hub *feed.Hub, version string) error {
	a := &API{Deps: deps, gate: gate, hub: hub}
	a.huma = humago.New(mux, config(version))
	a.huma.UseMiddleware(a.admit)
	a.registerThings()
	a.registerUsers()
	a.registerPeople()
	a.registerPhones()
	a.registerChats()
	a.registerFederation()
	if a.err != nil {
		return a.err
	}
	if err := describeEnums(a.huma.OpenAPI().Components.Schemas.Map()); err != nil {
		return err
	}
	return a.document(mux)
}

func config(version string) huma.Config {
	c := huma.DefaultConfig("Rolecall", version)
	c.Info.Description = "Users, devices, roles, teams and client profiles; presence, calls and the journal. " +
		"Sign in with HTTP Basic and an admin account, or with the session of the admin page."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // served by this package, without outside assets
	c.CreateHooks = nil                                   // no $schema links in answers
	c.FieldsOptionalByDefault = true                      // the directory says what is required
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"basic":   {Type: "http", Scheme: "basic"},
		"session": {Type: "apiKey", In: "cookie", Name: "rolecall"},
	}
	return c
}

// route is one line of the API.
type route struct {
	id      string // of the OpenAPI operation
	method  string
	path    string // below Prefix
	op      access.Operation
	tag     string
	summary string
	status  int // of success; 0 means 200
}

// operationKey is where a route's operation stands in the metadata of the OpenAPI operation.
const operationKey = "operation"

// handle registers one route. The handler's errors are mapped by their kind; extra are statuses that it answers
// beside the usual ones.
func handle[I, O any](a *API, rt route, h func(c *call, in *I) (*O, error), extra ...int) {
	o := a.operation(rt)
	o.Errors = append(o.Errors, extra...)
	huma.Register(a.huma, o, func(ctx ctx, in *I) (*O, error) {
		out, err := h(callOf(ctx), in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}

func (a *API) operation(rt route) huma.Operation {
	level, known := access.Needs(rt.op)
	if !known && a.err == nil {
		a.err = fmt.Errorf("admin: %s names no known operation", rt.id)
	}
	o := huma.Operation{
		OperationID: rt.id, Method: rt.method, Path: Prefix + rt.path, Summary: rt.summary,
		Tags: []string{rt.tag}, DefaultStatus: rt.status,
		Metadata: map[string]any{operationKey: rt.op},
	}
	if rt.op != access.Public {
		o.Description = "Needs the admin level " + strconv.Quote(string(level)) + " or one above."
		o.Security = []map[string][]string{{"basic": {}}, {"session": {}}}
		o.Errors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}
	}
	if rt.method != http.MethodGet {
		o.Errors = append(o.Errors, http.StatusNotFound, http.StatusConflict)
	}
	return o
}

// admit lets a request through to its handler if the gate does.
func (a *API) admit(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	op, _ := ctx.Operation().Metadata[operationKey].(access.Operation)
	who, err := a.gate.AdmitREST(r, op)
	var early *access.Throttled
	switch {
	case err == nil:
		ctx.SetHeader("Cache-Control", "no-store")
		next(huma.WithValue(ctx, callKey{}, &call{Context: ctx.Context(), who: who, request: r}))
	case errors.As(err, &early):
		ctx.SetHeader("Retry-After", strconv.Itoa(early.Seconds()))
		_ = huma.WriteErr(a.huma, ctx, http.StatusTooManyRequests, err.Error())
	case errors.Is(err, access.ErrSignIn), errors.Is(err, access.ErrCredentials):
		ctx.SetHeader("WWW-Authenticate", `Basic realm="Rolecall", charset="UTF-8"`)
		_ = huma.WriteErr(a.huma, ctx, http.StatusUnauthorized, err.Error())
	default:
		_ = huma.WriteErr(a.huma, ctx, http.StatusForbidden, err.Error())
	}
}

// problem turns an error of a handler into problem details.
func (a *API) problem(ctx ctx, err error) error {
	var already huma.StatusError
	if errors.As(err, &already) {
		return already
	}
	p := desk.ProblemOf(err)
	if p.Status == http.StatusInternalServerError {
		a.Log.ErrorContext(ctx, "REST request failed", "cause", err)
	}
	model := &huma.ErrorModel{Status: p.Status, Title: http.StatusText(p.Status), Detail: p.Text}
	if p.Field != "" {
		model.Errors = []*huma.ErrorDetail{{Location: "body." + p.Field, Message: p.Text}}
	}
	return model
}

// document serves the OpenAPI document and the page that shows it, both made once.
func (a *API) document(mux *http.ServeMux) error {
	spec, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return err
	}
	page, err := docsPage(a.huma.OpenAPI())
	if err != nil {
		return err
	}
	mux.HandleFunc("GET "+Prefix+"/openapi.json", serveBytes("application/vnd.oai.openapi+json", spec, a.Log))
	mux.HandleFunc("GET "+Prefix+"/docs", serveBytes("text/html; charset=utf-8", page, a.Log))
	mux.HandleFunc("GET "+Prefix+"/docs.css", serveBytes("text/css; charset=utf-8", docsCSS, a.Log))
	mux.HandleFunc(Prefix+"/", a.unknownRoute)
	return nil
}

func serveBytes(contentType string, content []byte, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if _, err := w.Write(content); err != nil {
			log.DebugContext(r.Context(), "client left", "cause", err)
		}
	}
}

// unknownRoute tells of a path that does not exist in the same form as all other errors.
func (a *API) unknownRoute(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	err := json.NewEncoder(w).Encode(huma.ErrorModel{Status: http.StatusNotFound, Title: "Not Found",
		Detail: "There is no " + r.Method + " " + r.URL.Path + "; see " + Prefix + "/docs."})
	if err != nil {
		a.Log.DebugContext(r.Context(), "client left", "cause", err)
	}
}

// now returns the time of the server.
func (a *API) now() time.Time { return a.Now() }

// list is the body of an answer with several things.
type list[T any] struct{ Body []T }

// one is the body of an answer with one thing.
type one[T any] struct{ Body T }

// empty is an answer without a body.
type empty struct{}

// ByID is the input of a request about one thing. (Exported, because huma reads no unexported embedded fields.)
type ByID struct {
	ID int64 `path:"id" minimum:"1"`
}

func listOf[T any](from []*T) *list[T] {
	body := make([]T, len(from))
	for i, v := range from {
		body[i] = *v
	}
	return &list[T]{Body: body}
}

// full makes a list that JSON shows as [] when it is empty.
func full[T any](from []T) *list[T] {
	if from == nil {
		from = []T{}
	}
	return &list[T]{Body: from}
}

func notFound(kind uc.Kind, id int64) error {
	return uc.Errorf(uc.ErrNotFound, "There is no %s %d.", kind, id)
}

func contains[T comparable](wanted T, zero T, have []T) bool {
	return wanted == zero || slices.Contains(have, wanted)
}
