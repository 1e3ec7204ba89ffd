package xmpp

import (
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsLast = "jabber:iq:last"

// uptime answers how long the server has been running (XEP-0012 §5).
func (r *request) uptime() error {
	return r.replyLast(time.Since(r.server.since), "")
}

// lastActivity answers when a user was last here, to those who see the user's presence (XEP-0012 §4). To all
// others it is forbidden, whether there is such a user or not.
func (r *request) lastActivity() error {
	a := r.to.account
	if a == nil || !r.server.sees(r.from.account, a) {
		return errForbidden
	}
	if a.isAvailable() {
		return r.replyLast(0, "") // XEP-0012 §4
	}
	seen, err := r.server.lastSeen.get(r.server.ctx, a.user)
	if err != nil {
		return err
	}
	if seen.Logout.IsZero() {
		return errItemNotFound // never
	}
	return r.replyLast(time.Since(seen.Logout), seen.Status)
}

func (r *request) replyLast(ago time.Duration, status string) error {
	e := newElement("query").attr("xmlns", nsLast).attr("seconds", strconv.FormatInt(int64(max(0, ago)/time.Second), 10))
	if status != "" {
		e.chars(status)
	}
	return r.reply(e.close("query").bytes())
}

// mayAskIdle keeps those who do not see a user's presence from learning by a client's idle time that it is there
// (XEP-0012 §3, §6).
func (r *request) mayAskIdle() bool {
	if string(r.head.ChildNS) != nsLast || string(r.head.Type) != "get" {
		return true
	}
	r.batch.mayWait() // for rosters
	return r.to.abroad != nil || r.to.account != nil && r.server.sees(r.from.account, r.to.account)
}

// isAvailable reports whether a client of the user has sent presence.
func (a *account) isAvailable() bool {
	for _, c := range a.bound() {
		if c.available.Load() {
			return true
		}
	}
	return false
}

// seenLeaving notes that a client which was available no longer is; raw is what it said.
func (s *Server) seenLeaving(a *account, raw []byte) {
	if a.isAvailable() {
		return // others are still there
	}
	seen := uc.LastSeen{User: a.user, Logout: time.Now()}
	if n, err := scan.Parse(raw); err == nil {
		seen.Status = n.ChildText(scan.NSClient, "status")
	}
	s.lastSeen.note(seen)
}
