package xmpp

import (
	"context"
	"log/slog"
)

// sessionLog logs with what tells a session from the others. A logger of its own would cost every session
// more memory than it is worth.
type sessionLog struct{ c *session }

func (l sessionLog) log(level slog.Level, msg string, args []any) {
	ctx := context.Background() // a session has none
	if log := l.c.server.log; log.Enabled(ctx, level) {
		log.With("jid", l.c.jid, "conn", l.c.number).Log(ctx, level, msg, args...)
	}
}

func (l sessionLog) Info(msg string, args ...any)  { l.log(slog.LevelInfo, msg, args) }
func (l sessionLog) Warn(msg string, args ...any)  { l.log(slog.LevelWarn, msg, args) }
func (l sessionLog) Error(msg string, args ...any) { l.log(slog.LevelError, msg, args) }
