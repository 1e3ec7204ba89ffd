package web

import (
	"net/http"
	"time"

	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

const journalPage = 50

// journalView is what the journal's template gets.
type journalView struct {
	Entries []uc.JournalEntry
	User    int64
	Older   int64 // id to read on from, 0 at the end
	Form    *form.Form
}

func (q *request) journal() error {
	query := uc.JournalQuery{User: uc.UserID(number(q.FormValue("user"))), Before: number(q.FormValue("before")), Limit: journalPage + 1}
	entries, err := q.web.Profiles.Journal(q.Context(), query)
	if err != nil {
		return err
	}
	v := journalView{Entries: entries, User: int64(query.User), Form: &form.Form{Values: q.Form}}
	if len(entries) > journalPage {
		v.Entries = entries[:journalPage]
		v.Older = v.Entries[journalPage-1].ID
	}
	return q.ok("journal", "Journal", v)
}

// UserName names a user of the journal, who may have been deleted since.
func (p page) UserName(id uc.UserID) string {
	if u := p.Dir.Users.Get(id); u != nil {
		return u.Name
	}
	return "deleted user"
}

// DeviceName names a device of a plan.
func (p page) DeviceName(id uc.DeviceID) string {
	if d := p.Dir.Devices.Get(id); d != nil {
		return d.Name
	}
	return "deleted device"
}

// RoleTitles names roles.
func (p page) RoleTitles(ids []uc.RoleID) []string {
	var list []string
	for _, id := range ids {
		if r := p.Dir.Roles.Get(id); r != nil {
			list = append(list, r.Title)
		}
	}
	return list
}

// explainView is what the page Explain gets.
type explainView struct {
	Form *form.Form
	Plan *uc.Plan // nil before a question was asked
	At   time.Time
}

func (q *request) explain() error {
	v := explainView{Form: &form.Form{Values: q.Form}}
	if !q.Form.Has("to") {
		return q.ok("explain", "Explain", v)
	}
	question := desk.Question{
		From: q.FormValue("from"), To: q.FormValue("to"), At: q.FormValue("at"),
		Class: uc.Class(q.FormValue("class")), Team: q.FormValue("team"), Zone: q.zone(),
	}
	req, err := question.Plan(q.dir, q.web.Now())
	if err != nil {
		status, err := reject(v.Form, err)
		if err != nil {
			return err
		}
		return q.show(status, "explain", "Explain", v)
	}
	plan := q.web.Phones.Explain(req)
	v.Plan, v.At = &plan, req.Now
	return q.show(http.StatusOK, "explain", "Explain", v)
}

func (q *request) teamsSync() error {
	return q.ok("teams_sync", "Teams sync", q.web.Sync())
}
