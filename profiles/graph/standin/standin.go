package standin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say how the cloud is made. The zero value is a cloud as Microsoft documents it, with a tenant
// and a client of its own.
type Options struct {
	Listen        string // address of Entra and Graph, TLS; empty means a free port on loopback
	ControlListen string // address of the control port, plain HTTP; empty means a free port on loopback
	Dir           string // where the CA certificate is written as ca.pem; empty means nowhere

	TenantID          string            // empty means a fixed one
	ClientID          string            // empty means a fixed one
	ClientSecret      string            // empty means a random one
	ClientCertificate *x509.Certificate // with an RSA key; accepted in place of the secret; nil means none

	TokenLife time.Duration // 0 means one hour
	UsersPage int           // most users on one page, whatever $top says; 0 means 999
	Limit     int           // presence requests in 30 s before a 429; 0 means 1,500
	CountIDs  bool          // the limit counts each object id instead of each request
}

const (
	defaultTenant = "5a11c0de-0000-4000-8000-000000000001"
	defaultClient = "5a11c0de-0000-4000-8000-000000000002"
)

func (o *Options) fill() {
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.ControlListen = cmp.Or(o.ControlListen, "127.0.0.1:0")
	o.TenantID = cmp.Or(o.TenantID, defaultTenant)
	o.ClientID = cmp.Or(o.ClientID, defaultClient)
	if o.ClientSecret == "" {
		o.ClientSecret = rand.Text()
	}
	o.TokenLife = cmp.Or(o.TokenLife, time.Hour)
	o.UsersPage = cmp.Or(o.UsersPage, maxTop)
	o.Limit = cmp.Or(o.Limit, 1500)
}

// Settings are what a client must be configured with.
type Settings struct {
	TenantID      string `json:"tenantID"`
	ClientID      string `json:"clientID"`
	ClientSecret  string `json:"clientSecret"`
	AuthorityHost string `json:"authorityHost"`
	GraphURL      string `json:"graphURL"`
	CAFile        string `json:"caFile,omitempty"`
}

// Server is a Cloud that listens on loopback.
type Server struct {
	*Cloud
	settings Settings
	control  string
	caPEM    []byte
	servers  []*http.Server
	serving  sync.WaitGroup
}

// Start makes a cloud and serves it until Close.
func Start(opts Options) (*Server, error) {
	s := &Server{Cloud: New(opts)}
	authority, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("making certificates: %w", err)
	}
	s.caPEM = authority.caPEM
	if err := s.writeCA(s.opts.Dir); err != nil {
		return nil, err
	}
	cloud, err := listen(s.opts.Listen)
	if err != nil {
		return nil, err
	}
	control, err := listen(s.opts.ControlListen)
	if err != nil {
		return nil, errors.Join(err, cloud.Close())
	}
	url := "https://" + cloud.Addr().String()
	s.settings.AuthorityHost, s.settings.GraphURL = url, url
	s.settings.TenantID, s.settings.ClientID = s.opts.TenantID, s.opts.ClientID
	s.control = "http://" + control.Addr().String()
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{authority.leaf}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	s.serve(tls.NewListener(cloud, tlsConfig), s.Handler(), tlsConfig)
	s.serve(control, s.controlHandler(), nil)
	return s, nil
}

func listen(address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return l, nil
}

func (s *Server) writeCA(dir string) error {
	if dir == "" {
		return nil
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, s.caPEM, 0o644); err != nil {
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	s.settings.CAFile = file
	return nil
}

func (s *Server) serve(l net.Listener, h http.Handler, tlsConfig *tls.Config) {
	server := &http.Server{
		Handler:           h,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that mistrusts the certificate says so itself
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		// Serve ends with ErrServerClosed after Close; there is nobody to tell of anything else.
		_ = server.Serve(l)
	})
}

// Close ends all connections and waits until nothing is served any more.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// Settings returns what a client must be configured with.
func (s *Server) Settings() Settings {
	settings := s.settings
	settings.ClientSecret = s.currentSecret()
	return settings
}

// ControlURL returns the address of the control port, without a path.
func (s *Server) ControlURL() string { return s.control }

// CAPEM returns the certificate that signed the server's, in PEM.
func (s *Server) CAPEM() []byte { return s.caPEM }
