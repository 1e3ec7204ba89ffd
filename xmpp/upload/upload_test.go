package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	anna uc.UserID = 1
	ben  uc.UserID = 2
)

// world is a store behind a real listener, with a clock that is moved by hand.
type world struct {
	t     *testing.T
	cfg   Config
	store *Store
	http  *httptest.Server

	mu  sync.Mutex
	now time.Time
}

func start(t *testing.T, change ...func(*Config)) *world {
	w := &world{t: t, now: time.Now()}
	w.http = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/upload", w.store.Handler()).ServeHTTP(rw, r)
	}))
	t.Cleanup(w.http.Close)
	w.cfg = Config{
		Dir: filepath.Join(t.TempDir(), "files"), URL: w.http.URL + "/upload", MaxFile: 1 << 20, Quota: 4 << 20, Keep: time.Hour,
		Now: w.clock, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	w.open()
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = Open(w.cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) slot(user uc.UserID, f File) string {
	w.t.Helper()
	address, err := w.store.Slot(user, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return address
}

// do makes a request and returns the answer with its body read.
func (w *world) do(method, address string, body io.Reader, header ...string) (*http.Response, []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, address, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer, b
}

func (w *world) status(want int, method, address string, body io.Reader) {
	w.t.Helper()
	if answer, b := w.do(method, address, body); answer.StatusCode != want {
		w.t.Errorf("%s %s: %d %s, want %d", method, address, answer.StatusCode, b, want)
	}
}

func (w *world) upload(user uc.UserID, f File, content []byte) string {
	w.t.Helper()
	f.Size = int64(len(content))
	address := w.slot(user, f)
	w.status(http.StatusCreated, http.MethodPut, address, bytes.NewReader(content))
	return address
}

var content = bytes.Repeat([]byte("0123456789"), 100)

func TestOnePutOfTheRightSize(t *testing.T) {
	w := start(t)
	address := w.slot(anna, File{Name: "a.png", Size: int64(len(content)), Type: "image/png"})
	w.status(http.StatusNotFound, http.MethodGet, address, nil)
	w.status(http.StatusRequestEntityTooLarge, http.MethodPut, address, bytes.NewReader(content[1:]))
	w.status(http.StatusLengthRequired, http.MethodPut, address, io.MultiReader(bytes.NewReader(content))) // chunked
	w.status(http.StatusNotFound, http.MethodPut, strings.Replace(address, "a.png", "b.png", 1), bytes.NewReader(content))
	w.status(http.StatusMethodNotAllowed, http.MethodPost, address, bytes.NewReader(content))
	w.status(http.StatusCreated, http.MethodPut, address, bytes.NewReader(content))
	w.status(http.StatusNotFound, http.MethodPut, address, bytes.NewReader(content))
	w.status(http.StatusNotFound, http.MethodGet, strings.Replace(address, "a.png", "b.html", 1), nil)
	if answer, b := w.do(http.MethodGet, address, nil); answer.StatusCode != http.StatusOK || !bytes.Equal(b, content) {
		t.Errorf("got %d and %d bytes", answer.StatusCode, len(b))
	}
	w.status(http.StatusNotFound, http.MethodGet, w.cfg.URL+"/..%2f..%2fetc/passwd", nil)
}

func TestAddressesCannotBeGuessed(t *testing.T) {
	w := start(t)
	seen := map[string]bool{}
	for range 30 {
		u, err := url.Parse(w.slot(anna, File{Name: "a", Size: 1}))
		if err != nil {
			t.Fatal(err)
		}
		token := strings.Split(u.Path, "/")[2]
		if len(token) != 26 || seen[token] { // 26 letters of 5 bits
			t.Errorf("token %q", token)
		}
		seen[token] = true
	}
}

func TestRanges(t *testing.T) {
	w := start(t)
	address := w.upload(anna, File{Name: "a.mp4", Type: "video/mp4"}, content)
	for _, tt := range []struct {
		header []string
		status int
		want   string
	}{
		{[]string{"Range", "bytes=3-7"}, http.StatusPartialContent, "34567"},
		{[]string{"Range", "bytes=-3"}, http.StatusPartialContent, "789"},
		{[]string{"Range", "bytes=995-"}, http.StatusPartialContent, "56789"},
		{[]string{"Range", "bytes=1000-"}, http.StatusRequestedRangeNotSatisfiable, ""},
		{[]string{"Range", "bytes=3-7", "If-Range", `"other"`}, http.StatusOK, string(content)},
		{[]string{"Range", "bytes=0-,0-,0-,0-,0-"}, http.StatusOK, string(content)}, // no more than the file itself
		{[]string{"Range", "nonsense"}, http.StatusRequestedRangeNotSatisfiable, ""},
	} {
		answer, b := w.do(http.MethodGet, address, nil, tt.header...)
		if answer.StatusCode != tt.status || tt.want != "" && string(b) != tt.want {
			t.Errorf("%q: %d %.50s", tt.header, answer.StatusCode, b)
		}
	}
	answer, _ := w.do(http.MethodGet, address, nil, "Range", "bytes=3-7")
	if got := answer.Header.Get("Content-Range"); got != "bytes 3-7/1000" {
		t.Errorf("Content-Range is %q", got)
	}
	answer, b := w.do(http.MethodGet, address, nil, "Range", "bytes=0-1,5-6")
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(string(b), "\r\n\r\n56\r\n") {
		t.Errorf("two ranges: %s\n%s", answer.Header.Get("Content-Type"), b)
	}
	answer, b = w.do(http.MethodHead, address, nil)
	if answer.ContentLength != 1000 || len(b) != 0 || answer.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %d bytes, header %v", answer.ContentLength, answer.Header)
	}
	if answer, _ := w.do(http.MethodGet, address, nil, "If-None-Match", answer.Header.Get("ETag")); answer.StatusCode != http.StatusNotModified {
		t.Errorf("what is known already is sent again: %d", answer.StatusCode)
	}
}

// TestHeaders holds that what people upload cannot run on the server's origin.
func TestHeaders(t *testing.T) {
	w := start(t)
	for _, tt := range []struct{ name, typ, wantType, wantDisposition string }{
		{"a.png", "image/png", "image/png", "inline; filename=a.png"},
		{"a.txt", "text/plain", "text/plain; charset=utf-8", "inline; filename=a.txt"},
		{"a.txt", `text/plain; charset=latin1; x="<b>"`, "text/plain; charset=latin1", "inline; filename=a.txt"},
		{"a.html", "text/html", "application/octet-stream", "attachment; filename=a.html"},
		{"a.svg", "image/svg+xml", "application/octet-stream", "attachment; filename=a.svg"},
		{"a.js", "text/javascript", "application/octet-stream", "attachment; filename=a.js"},
		{"a.pdf", "application/pdf", "application/octet-stream", "attachment; filename=a.pdf"},
		{"a.html", "IMAGE/PNG", "image/png", "inline; filename=a.html"},
		{"a", "", "application/octet-stream", "attachment; filename=a"},
		{`q"uo;te.png`, "image/png", "image/png", `inline; filename="q\"uo;te.png"`},
		{"naïve.png", "image/png", "image/png", "inline; filename*=utf-8''na%C3%AFve.png"},
	} {
		answer, _ := w.do(http.MethodGet, w.upload(anna, File{Name: tt.name, Type: tt.typ}, content), nil)
		h := answer.Header
		if h.Get("Content-Type") != tt.wantType || h.Get("Content-Disposition") != tt.wantDisposition {
			t.Errorf("%s as %s: %q, %q", tt.name, tt.typ, h.Get("Content-Type"), h.Get("Content-Disposition"))
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
			"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin", "Referrer-Policy": "no-referrer",
			"Cache-Control": "private, immutable, max-age=3600",
		} {
			if h.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, h.Get(name), want)
			}
		}
	}
	answer, _ := w.do(http.MethodOptions, w.cfg.URL+"/x/y", nil, "Origin", "https://chat.example", "Access-Control-Request-Method", "PUT")
	if answer.StatusCode != http.StatusNoContent || !strings.Contains(answer.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("a browser that asks first: %d, %v", answer.StatusCode, answer.Header)
	}
	for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Access-Control-Allow-Origin"} {
		if answer, _ := w.do(http.MethodGet, w.cfg.URL+"/nothing/there", nil); answer.StatusCode != http.StatusNotFound || answer.Header.Get(name) == "" {
			t.Errorf("%d without %s", answer.StatusCode, name)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.png": "a.png", "/etc/passwd": "passwd", `C:\x\y.doc`: "y.doc", "..": "", "x/..": "", "": "", "\u0020a\u0020": "a", "a\x00\n\u202eb": "ab",
		strings.Repeat("é", 300): strings.Repeat("é", maxName/2), "\xff": "",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestQuota(t *testing.T) {
	w := start(t, func(c *Config) { c.MaxFile, c.Quota = 1000, 2500 })
	var large TooLarge
	if _, err := w.store.Slot(anna, File{Name: "a", Size: 1001}); !errors.As(err, &large) || large.Max != 1000 {
		t.Errorf("a big file: %v", err)
	}
	first := w.upload(anna, File{Name: "a"}, content)
	began := w.clock()
	w.pass(time.Minute)
	w.upload(anna, File{Name: "b"}, content)
	var full QuotaReached
	if _, err := w.store.Slot(anna, File{Name: "c", Size: 1000}); !errors.As(err, &full) || !full.Retry.Equal(began.Add(time.Hour)) {
		t.Errorf("a full store: %v, retry at %v, want %v", err, full.Retry, began.Add(time.Hour))
	}
	w.slot(ben, File{Name: "c", Size: 1000})
	w.pass(time.Hour - time.Minute)
	w.status(http.StatusNotFound, http.MethodGet, first, nil)
	w.slot(anna, File{Name: "c", Size: 1000}) // before the file is deleted
	for _, deleted := range []bool{false, true} {
		if deleted {
			w.store.sweep()
		}
		if _, err := w.store.Slot(anna, File{Name: "d", Size: 1000}); !errors.As(err, &full) {
			t.Errorf("the room of a file is given twice, deleted %v: %v", deleted, err)
		}
	}
}

func TestSlotsAreLimitedAndExpire(t *testing.T) {
	w := start(t)
	var last string
	for range maxSlots {
		last = w.slot(anna, File{Name: "a", Size: 10})
	}
	var full QuotaReached
	if _, err := w.store.Slot(anna, File{Name: "a", Size: 10}); !errors.As(err, &full) {
		t.Errorf("one slot too many: %v", err)
	}
	w.pass(slotLife + time.Second)
	w.status(http.StatusNotFound, http.MethodPut, last, strings.NewReader("0123456789"))
	w.slot(anna, File{Name: "a", Size: 10})
}

// TestRestart opens the folder again, as after a crash in the middle of an upload.
func TestRestart(t *testing.T) {
	w := start(t, func(c *Config) { c.Quota = 3000 })
	address := w.upload(anna, File{Name: "a.png", Type: "image/png"}, content)
	folder := w.store.folder(anna)
	torn := filepath.Join(folder, "torn"+partial)
	if err := os.WriteFile(torn, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := os.Stat(torn); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an upload left is still there: %v", err)
	}
	if answer, b := w.do(http.MethodGet, address, nil); !bytes.Equal(b, content) || answer.Header.Get("Content-Type") != "image/png" {
		t.Errorf("after a restart: %d", answer.StatusCode)
	}
	var full QuotaReached
	if _, err := w.store.Slot(anna, File{Name: "b", Size: 2500}); !errors.As(err, &full) {
		t.Errorf("the quota forgot the file: %v", err)
	}
	w.pass(time.Hour + time.Minute)
	w.store.sweep()
	w.status(http.StatusNotFound, http.MethodGet, address, nil)
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the cleaner left %v, %v", left, err)
	}
	if len(w.store.users) > 0 || len(w.store.files) > 0 || len(w.store.slots) > 0 {
		t.Error("the store remembers what is gone")
	}
}

// TestCutOff ends the connection in the middle of an upload: nothing is kept, and the client may try again.
func TestCutOff(t *testing.T) {
	w := start(t)
	address := w.slot(anna, File{Name: "a", Size: int64(len(content))})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc", u.EscapedPath(), len(content))
	busy := func() bool {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		for _, sl := range w.store.slots {
			return sl.busy
		}
		return false
	}
	until(t, busy)
	w.status(http.StatusNotFound, http.MethodPut, address, bytes.NewReader(content)) // not twice at a time
	conn.Close()
	until(t, func() bool { return !busy() })
	w.status(http.StatusCreated, http.MethodPut, address, bytes.NewReader(content))
	if left, err := os.ReadDir(w.store.folder(anna)); err != nil || len(left) != 1 {
		t.Errorf("in the folder are %v, %v", left, err)
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	w := start(t)
	var wg sync.WaitGroup
	for user := range uc.UserID(8) {
		wg.Go(func() {
			for i := range 10 {
				text := fmt.Appendf(nil, "file %d of %d", i, user)
				address, err := w.store.Slot(user, File{Name: "a", Size: int64(len(text))})
				if err != nil {
					t.Error(err)
					return
				}
				w.status(http.StatusCreated, http.MethodPut, address, bytes.NewReader(text))
				if _, b := w.do(http.MethodGet, address, nil); !bytes.Equal(b, text) {
					t.Errorf("got %q, want %q", b, text)
				}
			}
		})
	}
	wg.Wait()
}
