package xmpp

import (
	"errors"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
)

const nsRegister = "jabber:iq:register"

// passwordPause is how long a user must wait to change the password again: making its keys costs time.
const passwordPause = 5 * time.Second

// Accounts come from the directory, so nobody registers (XEP-0077 §3.1) and nobody cancels (§3.2) by a client. What
// clients may do, if it is allowed, is to change their own password (§3.3).

// registered answers a client that asks what it may register: its user is, and the password may be changed.
func (r *request) registered() error {
	if !r.server.cfg.PasswordChange {
		return errServiceUnavailable
	}
	e := newElement("query").attr("xmlns", nsRegister).start("registered").close("")
	e.text("username", r.from.account.login).start("password").close("")
	return r.reply(e.close("query").bytes())
}

// register changes the password of the client's own user, if the connection is encrypted. Tokens end with the
// password that they were given for.
func (r *request) register() error {
	if !r.server.cfg.PasswordChange || r.server.deps.Accounts == nil {
		return errServiceUnavailable
	}
	q, err := r.payload()
	if err != nil {
		return err
	}
	c, err := r.newCall()
	if err != nil {
		return err
	}
	password := q.Child(nsRegister, "password")
	switch {
	case q.Child(nsRegister, "remove") != nil:
		return errNotAllowed // XEP-0077 §3.2: accounts are the administrators' business
	case password == nil || q.Child(nsRegister, "username") == nil:
		return errBadRequest // §3.3
	case q.ChildText(nsRegister, "username") != c.user.Login, !r.from.encrypted():
		return errForbidden
	case c.user.Auth != uc.AuthLocal:
		return stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAllowed, Text: map[string]string{"en": "the password is not kept here"}}
	case !r.from.account.mayChangePassword(c.now):
		return stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: map[string]string{"en": "try again in a few seconds"}}
	}
	r.from.account.passwordBy.Store(r.from)
	err = r.server.deps.Accounts.SetPassword(c.ctx, c.by(), c.user.ID, password.Text)
	if err != nil {
		r.from.account.passwordBy.CompareAndSwap(r.from, nil)
	}
	if errors.Is(err, uc.ErrInvalid) { // no keys were made, and the user will try another at once
		r.from.account.passwordTried.forget()
	}
	if err != nil {
		return err
	}
	return r.reply(nil)
}

// mayChangePassword reports whether enough time has passed since the user last tried.
func (a *account) mayChangePassword(now time.Time) bool {
	return a.passwordTried.due(now, passwordPause)
}
