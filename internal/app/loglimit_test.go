package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogFlood: who can cause a line causes a limited number of them, whatever their values are; the number of the others is told, and
// other lines are written meanwhile.
func TestLogFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := NewLogger(LogConfig{Level: "info"}, &out)
		for i := range 100_000 {
			log.With("stream", i).Warn("somebody knocks", "cause", i)
		}
		log.Info("something else")
		text := out.String()
		if n := strings.Count(text, "somebody knocks"); n != logBurst {
			t.Errorf("%d lines at once, want %d", n, logBurst)
		}
		if !strings.Contains(text, "something else") || !strings.Contains(text, "cause=999\n") {
			t.Error("a cause or another line is missing")
		}
		time.Sleep(time.Second)
		out.Reset()
		for i := range 100 {
			log.Warn("somebody knocks", "cause", i)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != logPerSecond || !strings.Contains(lines[0], "left-out=90000") || strings.Contains(lines[1], "left-out") {
			t.Errorf("a second later: %q", lines)
		}
	})
}

// TestLogManyTexts: texts that are no constants do not make the limits useless.
func TestLogManyTexts(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(LogConfig{Level: "info"}, &out)
	for i := range 10_000 {
		log.Info("text " + strings.Repeat("x", i%5000))
	}
	if n := strings.Count(out.String(), "\n"); n > maxLogTexts*2+logBurst+logPerSecond*60 {
		t.Errorf("%d lines", n)
	}
}

// TestLogDebug: who looks for a fault sees all.
func TestLogDebug(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(LogConfig{Level: "debug"}, &out)
	for range 2 * logBurst {
		log.Debug("detail")
	}
	if n := strings.Count(out.String(), "detail"); n != 2*logBurst {
		t.Errorf("%d lines", n)
	}
}

// TestLogValues: nobody fills the log by long values; where the program failed is told in full.
func TestLogValues(t *testing.T) {
	long := strings.Repeat("ü", 50_000)
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := NewLogger(LogConfig{Format: format}, &out)
		log.Info("x", "a", long, slog.Group("g", "b", long), "cause", errors.New(long), "n", 5)
		if n := out.Len(); n < 3*maxLogValue || n > 4*maxLogValue || !strings.Contains(out.String(), "…") || !strings.Contains(out.String(), "5") {
			t.Errorf("%s: %d bytes", format, n)
		}
		out.Reset()
		log.Error("x", "stack", long)
		if out.Len() < len(long) {
			t.Errorf("%s: a stack of %d bytes", format, out.Len())
		}
	}
}

// TestHTTPLog: who does not speak TLS fills no log, and a fault of the program is told in full.
func TestHTTPLog(t *testing.T) {
	var out bytes.Buffer
	server := newHTTPServer(nil, NewLogger(LogConfig{Level: "info"}, &out))
	for range 10 {
		server.ErrorLog.Printf("http: TLS handshake error from 192.0.2.1:5: EOF")
	}
	if out.Len() > 0 {
		t.Errorf("said of strangers: %s", out.String())
	}
	server.ErrorLog.Printf("http: panic serving 192.0.2.1:5: oh\n%s", strings.Repeat("frame\n", 1000))
	server.ErrorLog.Printf("http: Accept error: too many open files")
	for _, want := range []string{"level=ERROR msg=\"http: handler panicked\"", strings.Repeat(`frame\n`, 999), "level=WARN", "too many open files"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %.30s", want)
		}
	}
}
