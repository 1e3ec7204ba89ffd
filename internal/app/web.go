package app

import (
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/rolecall/rolecall/xmpp"
	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/upload"
)

// Where chat clients find what is theirs on the HTTP server.
const (
	webSocketPath = "/xmpp-websocket"
	boshPath      = "/http-bind"
	uploadPath    = "/upload"
)

// webPerNetwork is how many HTTP connections one address may have, without those of chat clients that are signed in. A browser
// has one, or six without HTTP/2.
const webPerNetwork = 1000

// newWebGate makes the gate of the HTTP listener. HTTP leaves half of the descriptors to chat, telephones and files.
func newWebGate() *admission.Gate {
	return admission.New(int(min(admission.Descriptors()/2, math.MaxInt32)), webPerNetwork) //nolint:gosec // bounded
}

// fromProxy reports whether an address may be that of a proxy, from which everybody's connections come: this machine, and with
// http.plain its network.
func (c HTTPConfig) fromProxy(a netip.Addr) bool { return a.IsLoopback() || c.Plain && a.IsPrivate() }

// listenWeb opens the HTTP listener, if there is to be one.
func (a *App) listenWeb(cert tls.Certificate) (err error) {
	if a.web, err = a.listen("http.listen", a.cfg.HTTP.Listen); err != nil || a.web == nil {
		return err
	}
	a.webGate = newWebGate()
	a.web = a.webGate.Listen(a.web, a.cfg.HTTP.fromProxy)
	if a.cfg.HTTP.Plain {
		return nil
	}
	a.web = tls.NewListener(a.web, &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	return nil
}

// newUploads opens the folder of uploaded files; nil if there are to be none.
func (a *App) newUploads() (*upload.Store, error) {
	if a.web == nil || !a.cfg.Upload.On() {
		return nil, nil
	}
	c := a.cfg.Upload
	store, err := upload.Open(upload.Config{
		Dir: filepath.Join(a.cfg.Data, "upload"), URL: a.publicURL() + uploadPath, MaxFile: c.MaxFile, Quota: c.Quota, Keep: c.Keep, Log: a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("uploads: %w", err)
	}
	return store, nil
}

// webHandler puts what chat clients use beside the admin page, whose rules for browsers do not hold for it:
// pages of other origins may use it, and it knows no cookies.
func (a *App) webHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", a.admin.Handler())
	mux.Handle(webSocketPath, a.xmpp.WebSocket(a.cfg.HTTP.Plain))
	bosh := a.xmpp.BOSH(a.cfg.HTTP.Plain)
	mux.Handle(boshPath, bosh)
	mux.Handle(boshPath+"/{$}", bosh) // as some clients ask
	asXML, asJSON := xmpp.HostMeta("ws"+strings.TrimPrefix(a.publicURL(), "http")+webSocketPath, a.publicURL()+boshPath)
	mux.Handle("GET /.well-known/host-meta", asXML)
	mux.Handle("GET /.well-known/host-meta.json", asJSON)
	if a.uploads != nil {
		mux.Handle(uploadPath+"/", http.StripPrefix(uploadPath, a.uploads.Handler()))
	}
	return patient(mux)
}

// How long a request's body and its answer may take, unless their handler gives them another time.
const (
	bodyPatience   = time.Minute
	answerPatience = 2 * time.Minute
)

// patient lets nobody hold a connection by a body that comes drop by drop, also one that no handler reads, or by not reading the answer.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.ContentLength != 0 { // without a body the deadline would be that of the handler
			_ = rc.SetReadDeadline(time.Now().Add(bodyPatience))
		}
		_ = rc.SetWriteDeadline(time.Now().Add(answerPatience)) // what fails now fails at the next write
		next.ServeHTTP(w, r)
	})
}

// publicURL returns the address at which clients reach the HTTP server, without a slash at the end.
func (a *App) publicURL() string {
	if a.cfg.HTTP.URL != "" {
		return strings.TrimRight(a.cfg.HTTP.URL, "/")
	}
	scheme, usual := a.webScheme()
	_, port, err := net.SplitHostPort(a.web.Addr().String())
	if err != nil || port == usual {
		return scheme + a.cfg.Domain
	}
	return scheme + net.JoinHostPort(a.cfg.Domain, port)
}

// localURL returns the address at which this machine's owner reaches the HTTP server, without a slash at the end.
func (a *App) localURL() string {
	scheme, _ := a.webScheme()
	return scheme + reachable(a.web.Addr().String(), a.cfg.Domain)
}

// webScheme returns how the listener is spoken to, and the port that then need not be said.
func (a *App) webScheme() (scheme, port string) {
	if a.cfg.HTTP.Plain {
		return "http://", "80"
	}
	return "https://", "443"
}
