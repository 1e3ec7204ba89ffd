package framing

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// boshWorld is a BOSH without a server behind it: the test is that.
type boshWorld struct {
	t    *testing.T
	bosh *BOSH
	conn *BOSHConn // of the last session
	full bool      // no session is taken
}

func newBOSHWorld(t *testing.T) *boshWorld {
	w := &boshWorld{t: t}
	w.bosh = NewBOSH(BOSHOptions{MaxBody: 1000, BodyTimeout: 10 * time.Second}, func(_ *http.Request, c *BOSHConn) error {
		if w.full {
			return errors.New("full")
		}
		w.conn = c
		return nil
	})
	return w
}

// ask sends a request; the channel gets the status and the answer.
func (w *boshWorld) ask(ctx context.Context, body string) chan string {
	answer := make(chan string, 1)
	go func() {
		rec := httptest.NewRecorder()
		w.bosh.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodPost, "/http-bind", strings.NewReader(body)))
		answer <- strings.TrimPrefix(strconv.Itoa(rec.Code)+" "+rec.Body.String(), "200 ")
	}()
	synctest.Wait()
	return answer
}

// body makes a request.
func (w *boshWorld) body(rid int, attrs, content string) string {
	sid := ""
	if w.conn != nil {
		sid = w.conn.sid
	}
	return fmt.Sprintf("<body xmlns='http://jabber.org/protocol/httpbind' rid='%d' sid='%s' %s>%s</body>", rid, sid, attrs, content)
}

// open begins a session with rid 1.
func (w *boshWorld) open(attrs string) {
	w.t.Helper()
	if !strings.Contains(attrs, "ver=") {
		attrs += " ver='1.6'"
	}
	answer := w.ask(w.t.Context(), "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='example.org' "+attrs+"/>")
	if got := w.read(); !strings.HasPrefix(got, "<?xml version='1.0'?><stream:stream ") || !strings.Contains(got, " to='example.org'") {
		w.t.Fatalf("the stream begins with %s", got)
	}
	w.write("<?xml version='1.0'?><stream:stream id='i' from='example.org'><stream:features/>")
	if got := w.take(answer); !strings.Contains(got, "sid='"+w.conn.sid+"'") || !strings.Contains(got, "<stream:features") {
		w.t.Fatalf("the first answer is %s", got)
	}
}

func (w *boshWorld) read() string {
	w.t.Helper()
	p := make([]byte, 4096)
	n, err := w.conn.Read(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(p[:n])
}

// write writes in a goroutine of its own; the channel gets the error.
func (w *boshWorld) write(text string) chan error {
	done := make(chan error, 1)
	go func() {
		n, err := w.conn.Write([]byte(text))
		if err == nil && n != len(text) {
			err = fmt.Errorf("%d of %d bytes", n, len(text))
		}
		done <- err
	}()
	synctest.Wait()
	return done
}

// take takes an answer that has come.
func (w *boshWorld) take(answer chan string) string {
	w.t.Helper()
	select {
	case got := <-answer:
		return strings.NewReplacer("<body xmlns='http://jabber.org/protocol/httpbind'", "<body", " xmlns='jabber:client'", "").Replace(got)
	default:
		w.t.Fatal("there is no answer")
		return ""
	}
}

func (w *boshWorld) none(answer chan string) {
	w.t.Helper()
	select {
	case got := <-answer:
		w.t.Fatalf("answered already: %s", got)
	default:
	}
}

func (w *boshWorld) want(what string, answer chan string, want string) {
	w.t.Helper()
	if got := w.take(answer); got != want {
		w.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

const itemNotFound = "<body type='terminate' condition='item-not-found'/>"

func TestBOSHRequestsAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBOSHWorld(t)
		w.open("hold='5' wait='20'")
		defer w.conn.Close()
		began := time.Now()

		// A request waits as long as the client wanted; then the answer is empty.
		two := w.ask(t.Context(), w.body(2, "", ""))
		time.Sleep(19 * time.Second)
		w.none(two)
		time.Sleep(time.Second)
		synctest.Wait()
		w.want("after the wait", two, "<body/>")
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("waited %s", waited)
		}

		// What is written goes out with the request that waits, and only then is the write done.
		done := w.write("<message><body>a</body></message>")
		select {
		case err := <-done:
			t.Fatalf("written to nobody: %v", err)
		default:
		}
		three := w.ask(t.Context(), w.body(3, "", ""))
		w.want("with what was written", three, "<body><message><body>a</body></message></body>")
		if err := <-done; err != nil {
			t.Error(err)
		}

		// The same answer for whoever asks again; what comes behind it waits.
		done = w.write("<message>b</message>")
		w.want("again", w.ask(t.Context(), w.body(3, "", "")), "<body><message><body>a</body></message></body>")
		w.want("the next", w.ask(t.Context(), w.body(4, "", "<message/>")), "<body><message>b</message></body>")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := w.read(); got != "<message/>" {
			t.Errorf("read %s", got)
		}

		// A request whose connection breaks can be asked again, and nothing is heard twice.
		ctx, cut := context.WithCancel(t.Context())
		w.ask(ctx, w.body(5, "", "<iq/>"))
		cut()
		synctest.Wait()
		five := w.ask(t.Context(), w.body(5, "", "<iq/>"))
		if got := w.read(); got != "<iq/>" {
			t.Errorf("read %s", got)
		}
		done = w.write("<message>c</message>")
		w.want("asked again", five, "<body><message>c</message></body>")
		if err := <-done; err != nil {
			t.Error(err)
		}

		// So can one whose first connection still stands.
		first := w.ask(t.Context(), w.body(6, "", ""))
		second := w.ask(t.Context(), w.body(6, "", ""))
		w.take(first)
		w.none(second)

		// The end.
		go func() { _, _ = w.conn.Write([]byte("<stream:error><conflict/></stream:error></stream:stream>")) }()
		synctest.Wait()
		w.want("the end", second, "<body type='terminate' condition='remote-stream-error'><stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict/></stream:error></body>")
		w.conn.Close()
		w.want("after the end", w.ask(t.Context(), w.body(7, "", "")), "<body type='terminate' condition='remote-stream-error'><stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict/></stream:error></body>")
		time.Sleep(boshLinger)
		synctest.Wait()
		w.want("long after", w.ask(t.Context(), w.body(7, "", "")), itemNotFound)
	})
}

// TestBOSHInactivity lets sessions alone: each ends when no request was there for too long.
func TestBOSHInactivity(t *testing.T) {
	for name, tt := range map[string]struct {
		pause string
		lives time.Duration
	}{
		"without a word": {"", boshInactivity},
		"paused":         {"pause='100'", 100 * time.Second},
		"paused too far": {"pause='9000'", boshMaxPause},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBOSHWorld(t)
				w.open("hold='1' wait='60'")
				two := w.ask(t.Context(), w.body(2, "", ""))
				w.none(two)
				three := w.ask(t.Context(), w.body(3, tt.pause, ""))
				w.take(two)
				if tt.pause == "" {
					time.Sleep(boshWait)
					synctest.Wait()
				}
				w.take(three)
				began := time.Now()
				done := w.write("<message/>")
				_ = w.conn.SetWriteDeadline(time.Now().Add(30 * time.Second)) // does not count
				_, err := w.conn.Read(make([]byte, 1))
				if !errors.Is(err, io.ErrUnexpectedEOF) || time.Since(began) != tt.lives {
					t.Errorf("%v after %s, want %s", err, time.Since(began), tt.lives)
				}
				if err := <-done; err == nil {
					t.Error("what nobody fetched counts as written")
				}
				w.conn.Close()
			})
		})
	}
}

// TestBOSHBackPressure is a server that does not read: the client is not answered, so it cannot send more.
func TestBOSHBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBOSHWorld(t)
		w.open("hold='1'")
		defer w.conn.Close()
		stanza := "<message>" + strings.Repeat("x", 700) + "</message>"
		two := w.ask(t.Context(), w.body(2, "", stanza))
		three := w.ask(t.Context(), w.body(3, "", stanza))
		w.none(two)
		w.none(three)
		w.read()
		synctest.Wait()
		w.want("when it has read", two, "<body/>")
	})
}

// TestBOSHOveractive sends on while the server does not read: more requests than there may be end the session. One more
// may pause or end it.
func TestBOSHOveractive(t *testing.T) {
	stanza := "<message>" + strings.Repeat("x", 700) + "</message>"
	for attrs, want := range map[string]string{
		"":                 "<body type='terminate' condition='policy-violation'/>",
		"type='terminate'": "",
		"pause='10'":       "",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newBOSHWorld(t)
			w.open("hold='1'")
			defer w.conn.Close()
			two, three := w.ask(t.Context(), w.body(2, "", stanza)), w.ask(t.Context(), w.body(3, "", stanza))
			four := w.ask(t.Context(), w.body(4, attrs, ""))
			if want == "" {
				w.none(four)
				return
			}
			for _, answer := range []chan string{two, three, four} {
				w.want("one too many", answer, want)
			}
			five := w.ask(t.Context(), w.body(5, "", stanza))
			w.want("afterwards", five, want)
			w.read()
			if _, err := w.conn.Read(make([]byte, 4096)); err == nil {
				t.Error("the session goes on")
			}
		})
	}
}

// TestBOSHBigRequestsAtOnce begins big requests and does not end them: a session may do so a few times.
func TestBOSHBigRequestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBOSHWorld(t)
		w.open("hold='1'")
		defer w.conn.Close()
		w.conn.SetLimit(1 << 20)
		ask := func(body io.Reader) chan int {
			status := make(chan int, 1)
			go func() {
				rec := httptest.NewRecorder()
				w.bosh.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/http-bind", body))
				status <- rec.Code
			}()
			synctest.Wait()
			return status
		}
		begun := w.body(2, "", "<a>"+strings.Repeat("x", 5000)+"</a>")
		var open []*io.PipeWriter
		var slow []chan int
		for range maxReading {
			r, in := io.Pipe()
			slow = append(slow, ask(r))
			if _, err := in.Write([]byte(begun[:2000])); err != nil {
				t.Fatal(err)
			}
			open = append(open, in)
		}
		synctest.Wait()
		select {
		case status := <-ask(strings.NewReader(begun)):
			if status != http.StatusRequestEntityTooLarge {
				t.Errorf("one more is answered with %d", status)
			}
		default:
			t.Error("one more is read")
		}
		for i, in := range open {
			in.CloseWithError(io.ErrUnexpectedEOF)
			<-slow[i]
		}
		w.ask(t.Context(), begun)
		if got := w.read(); !strings.HasPrefix(got, "<a>") {
			t.Errorf("read %s", got)
		}
	})
}

// TestBOSHNothingIsLeft begins sessions that end at once, or are refused: they do not stay in memory.
func TestBOSHNothingIsLeft(t *testing.T) {
	w := newBOSHWorld(t)
	var conns []weak.Pointer[BOSHConn]
	begin := w.bosh.begin
	w.bosh.begin = func(r *http.Request, c *BOSHConn) error {
		conns = append(conns, weak.Make(c))
		if err := begin(r, c); err != nil {
			return err
		}
		return c.Close()
	}
	for i := range 2 * maxLingering {
		w.full = i >= 3*maxLingering/2
		w.bosh.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/http-bind",
			strings.NewReader("<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='x'/>")))
	}
	w.conn = nil
	runtime.GC()
	left := 0
	for _, c := range conns {
		if c.Value() != nil {
			left++
		}
	}
	if left > maxLingering+10 || len(w.bosh.sessions) > maxLingering {
		t.Errorf("%d of %d sessions are left, %d can be found", left, len(conns), len(w.bosh.sessions))
	}
}

func TestBOSHKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBOSHWorld(t)
		keys := []string{"secret"}
		for range 5 {
			keys = append(keys, hashed(keys[len(keys)-1]))
		}
		w.open("hold='0' newkey='" + keys[3] + "'")
		key := func(i int) string { return "key='" + keys[i] + "'" }
		w.want("the first key", w.ask(t.Context(), w.body(2, key(2), "<a/>")), "<body/>")
		w.want("again with its key", w.ask(t.Context(), w.body(2, key(2), "<a/>")), "<body/>")
		w.want("a new series", w.ask(t.Context(), w.body(3, key(1)+" newkey='"+hashed("other")+"'", "<a/>")), "<body/>")
		w.want("its first key", w.ask(t.Context(), w.body(4, "key='other'", "<a/>")), "<body/>")
		w.want("a guessed key", w.ask(t.Context(), w.body(5, key(0), "<a/>")), itemNotFound)
		if got := w.read(); got != "<a/><a/><a/>" {
			t.Errorf("read %s", got)
		}
		if _, err := w.conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the session ended with %v", err)
		}
		w.conn.Close()
	})
}

// TestBOSHHostile sends what no client should.
func TestBOSHHostile(t *testing.T) {
	terminated := func(condition string) string { return "<body type='terminate' condition='" + condition + "'/>" }
	for name, tt := range map[string]struct {
		session string // attributes of the session that there is before; "-" if there is none
		body    func(w *boshWorld) string
		want    string
		lives   bool // the session goes on
	}{
		"no XML":          {body: func(*boshWorld) string { return "hello" }, want: "400 " + terminated("bad-request"), lives: true},
		"nothing":         {body: func(*boshWorld) string { return "" }, want: "400 " + terminated("bad-request"), lives: true},
		"another element": {body: func(*boshWorld) string { return "<message/>" }, want: "400 " + terminated("bad-request"), lives: true},
		"half a body":     {body: func(w *boshWorld) string { return strings.TrimSuffix(w.body(2, "", ""), "</body>") }, want: "400 " + terminated("bad-request"), lives: true},
		"two bodies":      {body: func(w *boshWorld) string { return w.body(2, "", "") + w.body(3, "", "") }, want: "400 " + terminated("bad-request"), lives: true},
		"doctype":         {body: func(w *boshWorld) string { return "<!DOCTYPE x>" + w.body(2, "", "") }, want: "400 " + terminated("bad-request"), lives: true},
		"entity":          {body: func(w *boshWorld) string { return w.body(2, "", "<a>&x;</a>") }, want: "400 " + terminated("bad-request"), lives: true},
		"not UTF-8":       {body: func(w *boshWorld) string { return w.body(2, "", "<a>\xff</a>") }, want: "400 " + terminated("bad-request"), lives: true},
		"text between":    {body: func(w *boshWorld) string { return w.body(2, "", "<a/>text<b/>") }, want: "400 " + terminated("bad-request"), lives: true},
		"CDATA between":   {body: func(w *boshWorld) string { return w.body(2, "", "<![CDATA[</body>]]>") }, want: "400 " + terminated("bad-request"), lives: true},
		"a malformed rid": {body: func(w *boshWorld) string { return strings.Replace(w.body(2, "", ""), "rid='2'", "rid='x'", 1) }, want: "400 " + terminated("bad-request"), lives: true},
		"a huge rid": {body: func(w *boshWorld) string {
			return strings.Replace(w.body(2, "", ""), "rid='2'", "rid='9007199254740992'", 1)
		}, want: "400 " + terminated("bad-request"), lives: true},
		"rid zero": {body: func(w *boshWorld) string { return w.body(0, "", "") }, want: "400 " + terminated("bad-request"), lives: true},
		"a malformed wait": {session: "-", body: func(*boshWorld) string {
			return "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='x' wait='-1'/>"
		}, want: "400 " + terminated("bad-request")},
		"no address":          {session: "-", body: func(*boshWorld) string { return "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>" }, want: terminated("improper-addressing")},
		"no rid":              {session: "-", body: func(*boshWorld) string { return "<body xmlns='http://jabber.org/protocol/httpbind' to='x'/>" }, want: terminated("improper-addressing")},
		"a guessed sid":       {body: func(w *boshWorld) string { return strings.Replace(w.body(2, "", ""), w.conn.sid, "guess", 1) }, want: itemNotFound, lives: true},
		"a rid too far":       {body: func(w *boshWorld) string { return w.body(4, "", "") }, want: itemNotFound},
		"a rid from long ago": {session: "far", body: func(w *boshWorld) string { return w.body(2, "", "") }, want: itemNotFound},
		"no rid any more":     {body: func(w *boshWorld) string { return strings.Replace(w.body(2, "", ""), "rid='2'", "", 1) }, want: itemNotFound},
		"oversize":            {body: func(w *boshWorld) string { return w.body(2, "", "<a>"+strings.Repeat("x", 1000)+"</a>") }, want: "413 " + terminated("policy-violation"), lives: true},
		"oversize, no end":    {body: func(*boshWorld) string { return "<body " + strings.Repeat("x='", 1000) }, want: "413 " + terminated("policy-violation"), lives: true},
		"many attributes":     {body: func(*boshWorld) string { return "<body " + strings.Repeat("a='' ", 150) + "/>" }, want: "400 " + terminated("bad-request"), lives: true},
		"oversize quotes":     {body: func(*boshWorld) string { return "<body a=b>" + strings.Repeat("x", 1000) }, want: "413 " + terminated("policy-violation"), lives: true},
		"polls too often":     {session: "wait='0'", body: func(w *boshWorld) string { return w.body(2, "", "") }, want: terminated("policy-violation")},
		"legacy":              {session: "ver=''", body: func(w *boshWorld) string { return w.body(9, "", "") }, want: "404 " + itemNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBOSHWorld(t)
				if tt.session != "-" {
					w.open(cmp.Or(strings.TrimPrefix(tt.session, "far"), "hold='1'"))
					defer w.conn.Close()
				}
				if tt.session == "wait='0'" {
					w.take(w.ask(t.Context(), w.body(2, "", "")))
					w.take(w.ask(t.Context(), w.body(3, "", "")))
					w.want("soon", w.ask(t.Context(), w.body(4, "", "")), tt.want)
					return
				}
				if tt.session == "far" {
					for rid := 2; rid < 9; rid++ {
						w.ask(t.Context(), w.body(rid, "", ""))
					}
				}
				w.want("answer", w.ask(t.Context(), tt.body(w)), tt.want)
				if tt.lives {
					w.ask(t.Context(), w.body(2, "", "<message/>"))
					if got := w.read(); got != "<message/>" {
						t.Errorf("read %s", got)
					}
				} else if tt.session != "-" {
					if _, err := w.conn.Read(make([]byte, 1)); err == nil {
						t.Error("the session goes on")
					}
				}
			})
		})
	}
}

// TestBOSHAfterLogin takes bigger requests, but only of who has logged in.
func TestBOSHAfterLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBOSHWorld(t)
		w.open("hold='1'")
		defer w.conn.Close()
		w.conn.SetLimit(2000)
		w.ask(t.Context(), w.body(2, "", "<a>"+strings.Repeat("x", 1900)+"</a>"+"<b>"+strings.Repeat("x", 1900)+"</b>"))
		if got := w.read(); !strings.HasPrefix(got, "<a>") || !strings.Contains(got, "<b>") {
			t.Errorf("read %s", got)
		}
		three := w.ask(t.Context(), w.body(3, "", "<a>"+strings.Repeat("x", 9000)+"</a>"))
		if got := w.take(three); !strings.HasPrefix(got, "413 ") {
			t.Errorf("a request of 9 kB: %s", got)
		}
	})
}

func TestBOSHMethods(t *testing.T) {
	w := newBOSHWorld(t)
	for method, status := range map[string]int{"OPTIONS": 204, "GET": 405, "PUT": 405, "HEAD": 405} {
		rec := httptest.NewRecorder()
		w.bosh.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/http-bind", nil))
		if rec.Code != status || rec.Header().Get("Access-Control-Allow-Origin") != "*" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", method, rec.Code, rec.Header())
		}
		if method == "OPTIONS" && (rec.Header().Get("Access-Control-Allow-Methods") != "POST, OPTIONS" || rec.Header().Get("Access-Control-Allow-Headers") != "Content-Type") {
			t.Errorf("preflight: %v", rec.Header())
		}
	}
	w.full = true
	rec := httptest.NewRecorder()
	w.bosh.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/http-bind", strings.NewReader("<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='x'/>")))
	if rec.Code != http.StatusServiceUnavailable {
		t.Errorf("when the server is full: %d", rec.Code)
	}
}

// TestBOSHSlow is a client that takes too long over a request: its connection is cut, not its session.
func TestBOSHSlow(t *testing.T) {
	bosh := NewBOSH(BOSHOptions{MaxBody: 1000, BodyTimeout: 200 * time.Millisecond}, func(*http.Request, *BOSHConn) error { return nil })
	s := httptest.NewServer(bosh)
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n<body")
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && answer.StatusCode != http.StatusBadRequest {
		t.Errorf("%v %v", answer, err)
	}
	if err == nil {
		answer.Body.Close()
	}
}

func FuzzBOSHBody(f *testing.F) {
	f.Add("<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='x' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>")
	f.Add("<?xml version='1.0'?><body xmlns='http://jabber.org/protocol/httpbind' rid='2' sid='s'><message xmlns='jabber:client'>a&amp;b</message> <presence/></body>")
	f.Add("<body xmlns='http://jabber.org/protocol/httpbind' rid='2' a='>' sid=\"'\"><a b='</body>'><![CDATA[<]]></a></body>")
	f.Add("<body a='")
	f.Fuzz(func(t *testing.T, text string) {
		sidOf([]byte(text))
		b, err := parseBody([]byte(text))
		if err != nil {
			return
		}
		s := scan.New(scan.Limits{Stanza: 1 << 20, Depth: 1 << 10, Attrs: 1 << 10})
		for rest := b.content; len(rest) > 0; {
			head, _, n, err := s.Next(rest)
			if err != nil {
				var fault *scan.Error
				if errors.As(err, &fault) {
					return // a prefix of the body's, or a foreign stanza: the session says so
				}
				t.Fatalf("%q: %v", rest, err)
			}
			if head.Kind == scan.StreamEnd || head.Kind == scan.StreamStart {
				t.Fatalf("%q ends the stream", rest)
			}
			rest = rest[n:]
		}
	})
}
