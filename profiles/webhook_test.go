package profiles

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestWebhookTellsTheSwitch(t *testing.T) {
	told := make(chan Notice, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n Notice
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.Header, err)
		}
		told <- n
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	e := &Engine{directory: newPeople(nil, nil), webhooks: newWebhooks(time.Second)}
	entry := &uc.JournalEntry{ID: 7, User: anna, FromName: "Office", ToName: "Lunch", Reason: "Lunch (window 12:00–13:00)",
		Cause: uc.Cause{Kind: uc.CauseWindow}, Time: monday(t, 12, 0)}
	if _, err := e.act(t.Context(), entry, step{Do: &uc.Action{Kind: uc.ActionWebhook, URL: server.URL}, Enter: true}); err != nil {
		t.Fatal(err)
	}
	want := Notice{Event: "enter", User: "anna", Name: "Anna", Profile: "Lunch", From: "Office", To: "Lunch",
		Cause: uc.CauseWindow, Reason: "Lunch (window 12:00–13:00)", Entry: 7}
	got := <-told
	if !got.Time.Equal(entry.Time) {
		t.Errorf("time %v", got.Time)
	}
	if got.Time = want.Time; got != want {
		t.Errorf("told %+v, want %+v", got, want)
	}
}

func TestWebhookFailures(t *testing.T) {
	hang := make(chan struct{})
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer secure.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/flood", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(endless{}, 8<<20))
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure.URL, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/circle", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/flood", http.StatusPermanentRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang)

	tests := []struct {
		name, url string
		personal  bool
		want      string // "" means success
	}{
		{"refused", server.URL + "/gone", false, "answered 410 Gone"},
		{"slow", server.URL + "/hang?secret=1", false, "no answer in time"},
		{"a long answer does no harm", server.URL + "/flood", false, ""},
		{"led to another scheme", server.URL + "/elsewhere", false, "it redirects to another scheme"},
		{"led in circles", server.URL + "/circle", false, "it redirects too often"},
		{"led on", server.URL + "/moved", false, ""},
		{"a file", "file:///etc/passwd", false, "the address is not an http or https URL"},
		{"nothing", "", false, "the address is not an http or https URL"},
		{"nobody there", "http://127.0.0.1:1/?secret=1", false, "not reached: "},
		{"inside the network, from a personal profile", server.URL + "/gone", true, "a personal profile may not call an address inside the network"},
	}
	hooks := newWebhooks(200 * time.Millisecond)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := hooks.post(t.Context(), tt.url, tt.personal, Notice{})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("failed: %v", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// endless is a reader of an answer that does not end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestPublicOnly(t *testing.T) {
	for address, public := range map[string]bool{
		"127.0.0.1:80": false, "10.1.2.3:80": false, "192.168.0.1:443": false, "169.254.169.254:80": false, "100.64.0.1:80": false,
		"0.0.0.0:80": false, "224.0.0.1:80": false, "[::1]:80": false, "[fe80::1]:80": false, "[fd00::1]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[64:ff9b::7f00:1]:80": false, "nonsense": false,
		"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true,
	} {
		if err := publicOnly("tcp", address, nil); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestErrorsInTheJournal(t *testing.T) {
	e := &Engine{}
	for text, err := range map[string]error{
		"reserved":         uc.Errorf(uc.ErrForbidden, "reserved"),
		"it took too long": context.DeadlineExceeded,
		"internal error":   errors.New("dial 10.0.0.1: refused"),
	} {
		if got := e.inWords(err); got != text {
			t.Errorf("%v is told as %q, want %q", err, got, text)
		}
	}
}
