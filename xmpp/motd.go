package xmpp

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// motdSetting is where the message of the day is kept.
const motdSetting = "xmpp.motd"

// motd is the message of the day: each user is told it once.
type motd struct {
	Text string    `json:"text"`
	Set  time.Time `json:"set"`
}

func (s *Server) loadMOTD(ctx context.Context) error {
	raw, err := s.deps.Store.Setting(ctx, motdSetting)
	if err != nil || len(raw) == 0 {
		return err
	}
	m := new(motd)
	if err := json.Unmarshal(raw, m); err != nil {
		return err
	}
	s.motd.Store(m)
	return nil
}

// putMOTD replaces the message of the day; nil is none.
func (s *Server) putMOTD(ctx context.Context, m *motd) error {
	var raw []byte
	if m != nil {
		var err error
		if raw, err = json.Marshal(m); err != nil {
			return err
		}
	}
	if err := s.deps.Store.PutSetting(ctx, motdSetting, raw); err != nil {
		return err
	}
	s.motd.Store(m)
	return nil
}

// tellMOTD tells everybody who is online.
func (s *Server) tellMOTD(m *motd) {
	s.announce("Message of the day", m.Text)
	for _, a := range s.router.allAccounts() {
		if a.isAvailable() {
			s.lastSeen.note(uc.LastSeen{User: a.user, Told: m.Set})
		}
	}
}

// greet tells a client that has come online the message of the day, unless its user knows it.
func (s *Server) greet(b *batch, c *session) {
	m := s.motd.Load()
	if m == nil {
		return
	}
	seen, err := s.lastSeen.get(s.ctx, c.account.user)
	if err != nil {
		c.log.Error("xmpp: message of the day not told", "cause", err)
		return
	}
	if !seen.Told.Before(m.Set) {
		return
	}
	s.lastSeen.note(uc.LastSeen{User: c.account.user, Told: m.Set})
	b.push(c, s.notice(c, "Message of the day", m.Text))
}

// announce sends a message to all clients that are online, and returns to how many.
func (s *Server) announce(subject, text string) (sent int) {
	b := s.newBatch()
	defer b.done()
	for _, c := range s.router.allSessions() {
		if c.available.Load() && c.priority.Load() >= 0 && b.push(c, s.notice(c, subject, text)) {
			if sent++; sent%1000 == 0 {
				b.flush()
			}
		}
	}
	return sent
}

// notice is a message of the server to one client.
func (s *Server) notice(to *session, subject, text string) []byte {
	e := newElement("message").attr("id", randomID()).attr("from", s.cfg.Domain).attr("to", to.jid)
	return e.open().text("subject", subject).text("body", text).close("message").bytes()
}
