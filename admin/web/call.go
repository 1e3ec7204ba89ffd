package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// callForm is what the forms of a person's calls have.
type callForm struct {
	Do    string `json:"do"`    // call, dial, transfer or hangup
	To    string `json:"to"`    // the extension to dial, or to transfer to
	Call  string `json:"call"`  // the call to transfer or hang up
	Party string `json:"party"` // who is transferred: caller or called
}

// callPage is what their template gets.
type callPage struct {
	Form  *form.Form
	User  *uc.User
	Mine  bool // the viewer can call the person
	Calls []personCall
	Back  string
}

// personCall is a call that a person is in.
type personCall struct {
	ID             string
	Caller, Called string
	Answered       bool
	Since          time.Time
}

func (q *request) callForm() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	return q.showCall(200, u, form.Of(callForm{}))
}

func (q *request) showCall(status int, u *uc.User, f *form.Form) error {
	viewer := q.who.User
	return q.show(status, "call", "Calls of "+u.Name, callPage{Form: f, User: u, Calls: q.callsOf(u.ID), Back: q.back("/board"),
		Mine: u.Ext != "" && viewer.Ext != "" && viewer.ID != u.ID})
}

// callsOf lists the calls that a person is in.
func (q *request) callsOf(user uc.UserID) []personCall {
	var list []personCall
	for _, c := range q.web.Phones.Calls() {
		in := c.Caller.User == user || slices.ContainsFunc(c.Legs, func(l uc.Leg) bool { return l.User == user && l.State != uc.LegEnded })
		if !in {
			continue
		}
		shown := personCall{ID: c.ID, Caller: cmp.Or(c.Caller.Name, c.Caller.Number), Called: cmp.Or(c.Called.Name, c.Called.Number),
			Answered: c.State == uc.CallAnswered, Since: c.Began}
		if shown.Answered {
			shown.Since = c.Answered
		}
		list = append(list, shown)
	}
	return list
}

// call dials, transfers and hangs up.
func (q *request) call() error {
	u, err := q.user()
	if err != nil {
		return err
	}
	var in callForm
	f := &form.Form{Values: q.PostForm, Errors: form.Decode(q.PostForm, &in)}
	done, err := q.doCall(u, in)
	if err != nil {
		status, err := reject(f, err)
		if err != nil {
			return err
		}
		return q.showCall(status, u, f)
	}
	return q.done(q.back("/board"), done)
}

func (q *request) doCall(u *uc.User, in callForm) (done string, err error) {
	phones, to := q.web.Phones, strings.TrimSpace(in.To)
	switch in.Do {
	case "call":
		_, err = phones.Dial(q.Context(), q.who.User.ID, u.Ext, q.actor())
		return "dialled", err
	case "dial":
		_, err = phones.Dial(q.Context(), u.ID, to, q.actor())
		return "dialled", err
	case "transfer":
		if in.Party != "caller" && in.Party != "called" {
			return "", uc.FieldError(uc.ErrInvalid, "party", "Choose who goes there.")
		}
		return "transferring", phones.Transfer(q.Context(), in.Call, to, in.Party == "caller", q.actor())
	case "hangup":
		return "hungup", phones.HangUp(q.Context(), in.Call, q.actor())
	}
	return "", uc.Errorf(uc.ErrInvalid, "There is nothing to do.")
}
