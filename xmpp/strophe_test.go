package xmpp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// stropheFolder is where make deps puts Strophe.js.
const stropheFolder = "testdata/strophe"

// stropheScript returns Strophe.js, which it installs if that was not done yet.
func stropheScript(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(stropheFolder, "node_modules/strophe.js/dist/strophe.umd.cjs")
	if _, err := os.Stat(file); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", stropheFolder, "--no-package-lock", "--no-audit", "--no-fund")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("strophe.js: run make deps: %v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// strophePage signs in, says hello to Ben, waits for his answer, and leaves. Its title says how far it is.
const strophePage = `<!DOCTYPE html><title>-</title><script src="/strophe.js"></script><script>
const S = Strophe.Strophe || Strophe, message = globalThis.$msg || Strophe.$msg, presence = globalThis.$pres || Strophe.$pres;
const c = new S.Connection(%q);
const said = [];
c.addHandler((m) => {
  said.push(m.getElementsByTagName("body")[0].textContent);
  document.title = "heard " + said.join(" ");
  if (said.length == 2) c.disconnect("enough");
  return true;
}, null, "message", "chat");
c.connect("anna@example.org/strophe", "Secret12", (status, why) => {
  if (status == S.Status.CONNECTED) {
    c.send(presence());
    c.send(message({to: "ben@example.org/tcp", type: "chat"}).c("body").t("Hello & <good> bye"));
    document.title = "connected " + c.jid;
  } else if (status == S.Status.DISCONNECTED) document.title = "left, having heard " + said.join(" ");
  else if (status == S.Status.AUTHFAIL || status == S.Status.CONNFAIL) document.title = "failed " + status + " " + why;
});
</script>`

// TestStrophe is a real client of browsers, by BOSH and by WebSocket, from a page of another origin.
func TestStrophe(t *testing.T) {
	text := stropheScript(t)
	for name, address := range map[string]func(*world) string{
		"BOSH":      func(w *world) string { return w.bosh() + "/http-bind" },
		"WebSocket": func(w *world) string { return "ws" + strings.TrimPrefix(w.web(), "http") },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			careful := *w.dir.Load().Users.Get(anna)
			careful.Password = keysOf(4096) // it takes no fewer iterations
			w.change(uc.ChangeSet{Put: uc.Tables{Users: []uc.User{careful}}})
			ben := w.must("ben", "tcp")
			mux := http.NewServeMux()
			page := fmt.Sprintf(strophePage, address(w))
			mux.HandleFunc("/strophe.js", func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "text/javascript")
				_, _ = rw.Write(text)
			})
			mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "text/html")
				fmt.Fprint(rw, page)
			})
			site := httptest.NewServer(mux)
			defer site.Close()
			ctx := testenv.Chromium(t, 2*time.Minute)
			if err := chromedp.Do(ctx, chromedp.Navigate(site.URL)); err != nil {
				t.Fatal(err)
			}
			shows := func(want string) {
				t.Helper()
				var title string
				defer func() {
					if t.Failed() {
						t.Logf("the page says %q", title)
					}
				}()
				waitFor(t, want, func() bool {
					var err error
					if title, err = chromedp.Run(ctx, chromedp.Title()); err != nil {
						t.Fatal(err)
					}
					return strings.HasPrefix(title, want)
				})
			}
			shows("connected anna@example.org/strophe")
			ben.expect(t, "Hello &amp; &lt;good&gt; bye", "from='anna@example.org/strophe'")
			ben.send(t, "<message to='anna@example.org/strophe' type='chat'><body>One</body></message>")
			shows("heard One")
			ben.send(t, "<message to='anna@example.org' type='chat'><body>Two</body></message>")
			shows("left, having heard One Two")
			w.eventually(func() bool { return w.server.router.session([]byte("anna@example.org/strophe")) == nil })
		})
	}
}
