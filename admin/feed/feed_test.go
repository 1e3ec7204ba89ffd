package feed

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// timed is a recorder with a deadline.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
	writing  time.Time // the deadline when something was written
}

func (w *timed) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }

func (w *timed) Write(p []byte) (int, error) {
	w.writing = w.deadline
	return w.ResponseRecorder.Write(p)
}

// TestSilence: each write has its deadline, and the time between two has none, at which HTTP/2 would end the stream.
func TestSilence(t *testing.T) {
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	out := writer{w: w, rc: http.NewResponseController(w)}
	if err := out.comment("here"); err != nil {
		t.Fatal(err)
	}
	if w.writing.IsZero() || !w.deadline.IsZero() {
		t.Errorf("the deadline is %v while something is written and %v after", w.writing, w.deadline)
	}
}
