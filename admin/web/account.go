package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// home leads to the first page of the viewer's menu.
func (q *request) home() error {
	if q.who.User.MustChangePassword {
		q.redirect("/password")
		return nil
	}
	if items := q.menu(); len(items) > 0 {
		q.redirect(items[0].Path)
		return nil
	}
	return q.ok("nothing", "Nothing to see", nil)
}

// credentialsForm is what the sign-in page is filled with again; the password never is.
type credentialsForm struct {
	Login string `json:"login"`
	Next  string `json:"next"`
}

func (q *request) signInForm() error {
	return q.ok("signin", "Sign in", form.Of(credentialsForm{Next: q.FormValue("next")}))
}

func (q *request) signIn() error {
	login, next := q.PostFormValue("login"), q.PostFormValue("next")
	_, err := q.web.gate.SignIn(q.w, q.Request, login, q.PostFormValue("password"))
	var early *access.Throttled
	switch {
	case err == nil:
		if !local(next) {
			next = "/"
		}
		q.redirect(next)
		return nil
	case errors.As(err, &early):
		q.w.Header().Set("Retry-After", strconv.Itoa(early.Seconds()))
		return q.refuseSignIn(http.StatusTooManyRequests, login, next, "There were too many failed tries. Try again in "+plural(early.Seconds(), "second", "seconds")+".")
	case errors.Is(err, access.ErrCredentials):
		return q.refuseSignIn(http.StatusUnauthorized, login, next, "Login name or password is wrong, or this account may not sign in here.")
	}
	return err
}

func (q *request) refuseSignIn(status int, login, next, text string) error {
	f := form.Of(credentialsForm{login, next})
	f.Alert = text
	return q.show(status, "signin", "Sign in", f)
}

func (q *request) signOut() error {
	q.web.gate.SignOut(q.w, q.Request)
	return q.done("/signin", "signedout")
}

func (q *request) passwordForm() error {
	return q.ok("password", "Change your password", &form.Form{})
}

// changePassword changes the viewer's own password, which ends all their other sessions.
func (q *request) changePassword() error {
	f, me := &form.Form{}, q.who.User
	old, wanted := q.PostFormValue("old"), q.PostFormValue("password")
	switch {
	case wanted != q.PostFormValue("again"):
		f.Reject("again", "The two passwords differ.")
	case wanted == old:
		f.Reject("password", "The new password must be another one.")
	}
	if len(f.Errors) > 0 {
		return q.show(http.StatusUnprocessableEntity, "password", "Change your password", f)
	}
	if err := q.web.gate.Confirm(q.Request, me, old); err != nil {
		f.Reject("old", "This is not your present password.")
		if errors.As(err, new(*access.Throttled)) {
			f.Reject("old", "There were too many failed tries. Wait a little.")
		}
		return q.show(http.StatusForbidden, "password", "Change your password", f)
	}
	if err := q.web.Directory.SetPassword(q.Context(), q.actor(), me.ID, wanted); err != nil {
		status, err := reject(f, err)
		if err != nil {
			return err
		}
		return q.show(status, "password", "Change your password", f)
	}
	q.web.gate.Open(q.w, q.Request, q.web.Directory.Snapshot().Users.Get(me.ID))
	return q.done("/", "password")
}

func (q *request) metrics() error {
	if q.web.Metrics == nil {
		return uc.Errorf(uc.ErrNotFound, "This server has no metrics.")
	}
	q.web.Metrics.ServeHTTP(q.w, q.Request)
	return nil
}
