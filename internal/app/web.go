package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/rolecall/rolecall/xmpp"
	"github.com/rolecall/rolecall/xmpp/upload"
)

// Where chat clients find what is theirs on the HTTP server.
const (
	webSocketPath = "/xmpp-websocket"
	boshPath      = "/http-bind"
	uploadPath    = "/upload"
)

// listenWeb opens the HTTP listener, if there is to be one.
func (a *App) listenWeb(cert tls.Certificate) (err error) {
	if a.web, err = a.listen("http.listen", a.cfg.HTTP.Listen); err != nil || a.web == nil || a.cfg.HTTP.Plain {
		return err
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
	return mux
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
