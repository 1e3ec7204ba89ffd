package xmpp

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rolecall/rolecall/internal/testenv"
)

// chatPage is a page of another origin: it signs in over WebSocket, asks for a slot, uploads, reads back and says
// in its title what came of it.
const chatPage = `<!DOCTYPE html><title>-</title><script>
const ws = new WebSocket(%q, "xmpp");
const open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
const text = "hello from a page";
let features = 0;
const wait = {
  "features": () => ws.send(features++ ? "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    : "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>"),
  "success": () => ws.send(open),
  "iq": async (el) => {
    if (el.getAttribute("id") === "b")
      return ws.send("<iq xmlns='jabber:client' type='get' id='u' to='example.org'><request xmlns='urn:xmpp:http:upload:0' filename='a.txt' size='" + text.length + "' content-type='text/plain'/></iq>");
    const url = el.getElementsByTagName("put")[0].getAttribute("url");
    const put = await fetch(url, {method: "PUT", body: text, headers: {"Content-Type": "text/plain"}});
    const part = await fetch(url, {headers: {Range: "bytes=0-4"}});
    document.title = [ws.protocol, put.status, part.status, await part.text(), part.headers.get("Content-Range")].join(" ");
  },
};
ws.onopen = () => ws.send(open);
ws.onmessage = (m) => {
  const el = new DOMParser().parseFromString(m.data, "text/xml").documentElement;
  const next = wait[el.localName];
  if (next) Promise.resolve(next(el)).catch((e) => { document.title = "failed: " + e; });
};
ws.onclose = (e) => { document.title = "closed " + e.code; };
</script>`

func TestBrowser(t *testing.T) {
	address, serve := filesListener(t)
	w := startWithUploads(t, address, 1<<20, 4<<20)
	serve(w)
	webSocket := "ws" + strings.TrimPrefix(w.web(), "http")
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, chatPage, webSocket, plainOf("anna"))
	}))
	defer page.Close()

	ctx := testenv.Chromium(t, time.Minute)
	if err := chromedp.Do(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	var (
		title string
		err   error
	)
	waitFor(t, "the page to finish", func() bool {
		title, err = chromedp.Run(ctx, chromedp.Title())
		return err != nil || title != "-"
	})
	if want := "xmpp 201 206 hello bytes 0-4/17"; err != nil || title != want {
		t.Errorf("the page says %q, %v, want %q", title, err, want)
	}
}
