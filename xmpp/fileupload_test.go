package xmpp

import (
	"context"
	"crypto/sha1"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	dataform "mellium.im/xmpp/form"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/upload"
)

// startWithUploads runs a server that takes files.
func startWithUploads(t *testing.T, address string, largest, quota int64) *world {
	w := newWorld(t, uc.NewDirectory(1, company()))
	var err error
	w.server.deps.Uploads, err = upload.Open(upload.Config{
		Dir: t.TempDir(), URL: address, MaxFile: largest, Quota: quota, Keep: time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.run(t)
	return w
}

func TestUploadConversations(t *testing.T) {
	script.Run(t, "testdata/upload/*.script", func(t *testing.T) *script.Runner {
		w := startWithUploads(t, "https://files.example/upload", 1000, 2000)
		return &script.Runner{
			Dialect: script.XMPP(),
			Connect: func(ctx context.Context, c script.Client) (script.Transport, error) {
				return w.login(ctx, c.Props["login"], c.Props["resource"])
			},
		}
	})
}

// TestCapsWithUpload compares the verification string with the one that mellium makes of the answer.
func TestCapsWithUpload(t *testing.T) {
	s := startWithUploads(t, "https://files.example/upload", 1000, 2000).server
	told := disco.Info{
		Identity: []info.Identity{{Category: "pubsub", Type: "pep", Name: "Personal eventing"}, {Category: "server", Type: "im", Name: "Rolecall"}, {Category: "store", Type: "file", Name: "Files"}},
		Form:     []dataform.Data{*dataform.New(dataform.Hidden("FORM_TYPE", dataform.Value(nsUpload)), dataform.Text("max-file-size", dataform.Value("1000")))},
	}
	for _, f := range s.features() {
		told.Features = append(told.Features, info.Feature{Var: f})
	}
	if want := told.Hash(sha1.New()); want != s.verification() {
		t.Errorf("the verification string is %s, want %s", s.verification(), want)
	}
}

// filesListener serves uploads as the product does.
func filesListener(t *testing.T) (address string, serve func(*world)) {
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	return s.URL + "/upload", func(w *world) { handler = http.StripPrefix("/upload", w.server.deps.Uploads.Handler()) }
}

func TestUploadBySlixmpp(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import slixmpp, aiohttp").CombinedOutput(); err != nil {
		t.Fatalf("python3-slixmpp with aiohttp: run make deps: %s", out)
	}
	address, serve := filesListener(t)
	w := startWithUploads(t, address, 1<<20, 4<<20)
	serve(w)
	if said := w.slixmpp(t, "upload.py"); said != "done" {
		t.Errorf("it said %q, want done", said)
	}
}
