package xmpp

import "time"

const (
	nsPing    = "urn:xmpp:ping"
	nsVersion = "jabber:iq:version"
	nsTime    = "urn:xmpp:time"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
)

// ping answers XEP-0199 §4.2.
func (r *request) ping() error { return r.reply(nil) }

// beginSession answers clients that ask for a session as RFC 3921 §3 has it. It begins with the bind since RFC 6121,
// so there is nothing to do, but libpurple (Pidgin, Finch, BitlBee) leaves if it is refused.
func (r *request) beginSession() error { return r.reply(nil) }

// version answers XEP-0092. The operating system is nobody's business.
func (r *request) version() error {
	e := newElement("query").attr("xmlns", nsVersion)
	e.text("name", "Rolecall").text("version", r.server.cfg.Version)
	return r.reply(e.close("query").bytes())
}

// entityTime answers XEP-0202.
func (r *request) entityTime() error {
	now := time.Now()
	e := newElement("time").attr("xmlns", nsTime)
	e.text("tzo", now.Format("-07:00")).text("utc", now.UTC().Format("2006-01-02T15:04:05Z"))
	return r.reply(e.close("time").bytes())
}
