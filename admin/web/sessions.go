package web

import (
	"bytes"
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/feed"
	"github.com/rolecall/rolecall/internal/uc"
)

// sessions lists the chat clients that are connected.
func (q *request) sessions() error {
	list := slices.DeleteFunc(q.web.Chats.Sessions(), func(s uc.ChatSession) bool {
		name := ""
		if u := q.dir.Users.Get(s.User); u != nil {
			name = u.Name
		}
		return !q.search(s.JID, name, s.Address, s.Client)
	})
	return q.ok("sessions", "Chat sessions", listOf(q, list))
}

// sessionPage is what the page of a chat session gets.
type sessionPage struct {
	Session uc.ChatSession
	Stanzas []stanzaRow // newest first
}

// stanzaRow is one stanza as the page shows it.
type stanzaRow struct {
	uc.TracedStanza
	Clock template.HTML
}

// chatSession finds the session that the path names.
func (q *request) chatSession() (uc.ChatSession, error) {
	id := uint64(q.id())
	for _, s := range q.web.Chats.Sessions() {
		if s.ID == id {
			return s, nil
		}
	}
	return uc.ChatSession{}, uc.Errorf(uc.ErrNotFound, "This session has ended.")
}

func (q *request) session() error {
	s, err := q.chatSession()
	if err != nil {
		return err
	}
	stanzas, err := q.web.Chats.Trace(s.JID)
	if err != nil {
		return err
	}
	p := sessionPage{Session: s}
	for _, t := range slices.Backward(stanzas) {
		p.Stanzas = append(p.Stanzas, q.row(t))
	}
	return q.ok("session", s.JID, p)
}

// row shows the time to the millisecond, since it is for finding out what came first.
func (q *request) row(t uc.TracedStanza) stanzaRow {
	at := t.Time.In(q.zone())
	return stanzaRow{t, template.HTML(`<time datetime="` + at.Format(time.RFC3339Nano) + `">` + at.Format("15:04:05.000") + `</time>`)} //nolint:gosec // made of digits only
}

// sessionEvents sends the rows of stanzas as they pass.
func (q *request) sessionEvents() error {
	s, err := q.chatSession()
	if err != nil {
		return err
	}
	next, stop, err := q.web.Chats.FollowTrace(s.JID)
	if err != nil {
		return err
	}
	defer stop()
	changes := func() (list []feed.Message, more bool) {
		_, err := q.chatSession()
		for _, t := range next() {
			list = append(list, feed.Message{Name: "stanza", Data: q.rowHTML(t)})
		}
		if err != nil {
			list = append(list, feed.Message{Name: "gone"})
		}
		return list, err == nil
	}
	return q.web.hub.Poll(q.w, q.Request, changes, func() bool { return q.web.gate.StillAdmits(q.Request, q.who, access.ReadChats) })
}

func (q *request) rowHTML(t uc.TracedStanza) string {
	var b bytes.Buffer
	if err := q.web.pages["session"].ExecuteTemplate(&b, "stanza", q.row(t)); err != nil {
		q.web.Log.Error("row of a trace failed", "cause", err)
	}
	return b.String()
}

func (q *request) askEndSession() error {
	s, err := q.chatSession()
	if err != nil {
		return err
	}
	return q.ok("session_end", "End "+s.JID+"?", s)
}

func (q *request) endSession() error {
	if err := q.web.Chats.EndSession(q.Context(), q.actor(), uint64(q.id())); err != nil {
		return err
	}
	return q.done("/sessions", "ended")
}

// SessionPath is the page of a chat session.
func (p page) SessionPath(id uint64) string { return "/sessions/" + strconv.FormatUint(id, 10) }
