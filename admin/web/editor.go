package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// editor describes the pages on which a kind of directory entry is added and changed.
type editor[T any] struct {
	path        string // "/teams"; new entries are at path/new, others at path/{id}
	page        string // name of the template
	noun        string
	read, write access.Operation
	blank       func(q *request) T
	get         func(d *uc.Directory, id int64) *T
	setID       func(v *T, id int64)
	title       func(v *T) string
	add         func(c context.Context, by uc.Actor, v T) (T, error)
	update      func(c context.Context, by uc.Actor, v T) error
	next        func(v *T) string                         // where to go after saving
	rows        func(v *T, do string) bool                // carries out a button that changes the form only
	extra       func(q *request, v *T, id int64) any      // what the template shows beside the form
	warn        func(q *request, before, after *T) string // a question to answer before saving
}

// edited is what the template of an editor gets.
type edited[T any] struct {
	Form  *form.Form
	Value *T
	ID    int64 // 0 while new
	Path  string
	Back  string
	Warn  string
	Extra any
}

// routes returns the routes of the editor.
func (e editor[T]) routes() []route {
	return []route{
		{"GET " + e.path + "/new", e.write, e.showNew},
		{"POST " + e.path + "/new", e.write, e.saveNew},
		{"GET " + e.path + "/{id}", e.read, e.showOne},
		{"POST " + e.path + "/{id}", e.write, e.saveOne},
	}
}

func (e editor[T]) showNew(q *request) error {
	v := e.blank(q)
	return e.show(q, http.StatusOK, 0, &v, form.Of(&v), "")
}

func (e editor[T]) showOne(q *request) error {
	v := e.get(q.dir, q.id())
	if v == nil {
		return notFound(e.noun)
	}
	return e.show(q, http.StatusOK, q.id(), v, form.Of(v), "")
}

func (e editor[T]) saveNew(q *request) error {
	v := e.blank(q)
	return e.save(q, 0, nil, v)
}

func (e editor[T]) saveOne(q *request) error {
	before := e.get(q.dir, q.id())
	if before == nil {
		return notFound(e.noun)
	}
	return e.save(q, q.id(), before, *before)
}

// save reads the form over v and hands it to the directory. before is nil for a new entry.
func (e editor[T]) save(q *request, id int64, before *T, v T) error {
	wrong := form.Decode(q.PostForm, &v)
	e.setID(&v, id)
	if do := q.PostForm.Get("do"); do != "" && e.rows != nil && e.rows(&v, do) {
		return e.show(q, http.StatusOK, id, &v, form.Of(&v), "")
	}
	f := &form.Form{Values: q.PostForm, Errors: wrong}
	if len(wrong) > 0 {
		return e.show(q, http.StatusUnprocessableEntity, id, &v, f, "")
	}
	if e.warn != nil && q.PostForm.Get("confirmed") == "" {
		if text := e.warn(q, before, &v); text != "" {
			return e.show(q, http.StatusOK, id, &v, f, text)
		}
	}
	what, err := e.command(q, id, &v)
	if err != nil {
		status, err := reject(f, err)
		if err != nil {
			return err
		}
		return e.show(q, status, id, &v, f, "")
	}
	return q.done(q.back(e.next(&v)), what)
}

func (e editor[T]) command(q *request, id int64, v *T) (what string, err error) {
	if id != 0 {
		return "saved", e.update(q.Context(), q.actor(), *v)
	}
	*v, err = e.add(q.Context(), q.actor(), *v)
	return "added", err
}

func (e editor[T]) show(q *request, status int, id int64, v *T, f *form.Form, warn string) error {
	title := "New " + e.noun
	if id != 0 {
		if now := e.get(q.dir, id); now != nil {
			title = e.title(now)
		}
	}
	data := edited[T]{Form: f, Value: v, ID: id, Path: e.path, Back: q.back(""), Warn: warn}
	if e.extra != nil {
		data.Extra = e.extra(q, v, id)
	}
	return q.show(status, e.page, title, data)
}

// reject puts an error that the person at the form can correct into the form, and returns the status to
// answer with. Other errors come back.
func reject(f *form.Form, err error) (int, error) {
	p := desk.ProblemOf(err)
	switch p.Status {
	case http.StatusUnprocessableEntity, http.StatusConflict, http.StatusForbidden, http.StatusServiceUnavailable:
		f.Reject(p.Field, p.Text)
		return p.Status, nil
	}
	return 0, err
}

func notFound(noun string) error {
	return uc.Errorf(uc.ErrNotFound, "There is no such %s. It may have been deleted.", noun)
}

func pathOf[K ~int64](base string, id K) string { return base + "/" + strconv.FormatInt(int64(id), 10) }
