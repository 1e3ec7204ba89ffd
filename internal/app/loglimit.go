package app

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// What others can have written into the log: so many lines of one text at once, then so many a second, of at most so many texts; and
// so many bytes of one value.
const (
	logBurst     = 10_000 // a company signs in
	logPerSecond = 10
	maxLogTexts  = 1000
	maxLogValue  = 1000
)

// limitedHandler keeps whoever can cause lines of the log, as by signing in again and again, from filling the disk. Lines of one text
// beyond the limit are left out, and the next one that is not tells how many were. Lines for debugging are all written.
type limitedHandler struct {
	slog.Handler
	texts *logTexts
}

// logTexts counts the lines of each text. The texts are constants of the program.
type logTexts struct {
	mu     sync.Mutex
	byText map[string]*logText
}

type logText struct {
	limit   *rate.Limiter
	leftOut int
}

func newLimitedHandler(h slog.Handler) slog.Handler {
	return limitedHandler{h, &logTexts{byText: make(map[string]*logText)}}
}

// Handle writes a line or leaves it out.
func (h limitedHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		leftOut, ok := h.texts.admit(r)
		if !ok {
			return nil
		}
		if leftOut > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("left-out", leftOut))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler under the same limits.
func (h limitedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limitedHandler{h.Handler.WithAttrs(attrs), h.texts}
}

// WithGroup returns a handler under the same limits.
func (h limitedHandler) WithGroup(name string) slog.Handler {
	return limitedHandler{h.Handler.WithGroup(name), h.texts}
}

// admit reports whether a line may be written, and how many of its kind were left out before it.
func (t *logTexts) admit(r slog.Record) (leftOut int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := r.Message
	if t.byText[text] == nil && len(t.byText) >= maxLogTexts {
		text = "" // not all are constants after all: these share one limit
	}
	of := t.byText[text]
	if of == nil {
		of = &logText{limit: rate.NewLimiter(logPerSecond, logBurst)}
		t.byText[text] = of
	}
	if !of.limit.AllowN(r.Time, 1) {
		of.leftOut++
		return 0, false
	}
	leftOut, of.leftOut = of.leftOut, 0
	return leftOut, true
}

// shortened cuts values that others can make as long as they like.
func shortened(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "stack" {
		return a
	}
	var text string
	switch a.Value.Kind() {
	case slog.KindString:
		text = a.Value.String()
	case slog.KindAny:
		err, ok := a.Value.Any().(error)
		if !ok {
			return a
		}
		text = err.Error()
	default:
		return a
	}
	if len(text) <= maxLogValue {
		return a
	}
	return slog.String(a.Key, strings.ToValidUTF8(text[:maxLogValue], "")+"…")
}

// httpLog takes the lines of net/http. That somebody does not speak TLS is said at every connection of a scanner, and is no fault here.
type httpLog struct{ log *slog.Logger }

func newHTTPLog(l *slog.Logger) *log.Logger { return log.New(httpLog{l}, "", 0) }

// Write logs a line, which may hold the stack of a panic.
func (h httpLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	switch {
	case strings.Contains(text, "TLS handshake error"):
		h.log.Debug("http: no TLS", "cause", text)
	case strings.Contains(text, "panic"):
		h.log.Error("http: handler panicked", "stack", text)
	default:
		h.log.Warn("http: something went wrong", "cause", text)
	}
	return len(line), nil
}
