package xmpp

import "log/slog"

// sessionLog logs with what tells a session from the others. A logger of its own would cost every session
// more memory than it is worth.
type sessionLog struct{ c *session }

func (l sessionLog) with() *slog.Logger {
	return l.c.server.log.With("jid", l.c.jid, "conn", l.c.number)
}

func (l sessionLog) Info(msg string, args ...any)  { l.with().Info(msg, args...) }
func (l sessionLog) Warn(msg string, args ...any)  { l.with().Warn(msg, args...) }
func (l sessionLog) Error(msg string, args ...any) { l.with().Error(msg, args...) }
