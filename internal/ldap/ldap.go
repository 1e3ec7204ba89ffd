// Package ldap checks passwords of users whose account is in an LDAP directory (RFC 4511, RFC 4513), always
// over TLS. It keeps no connection and starts no goroutine that outlives a call.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// nobody names an account that there is not, beneath where accounts are searched.
const nobody = "cn=rolecall-nobody,"

// placeholder stands for the login name in Config.UserDN and Config.Filter.
const placeholder = "{login}"

const (
	timeout = 10 * time.Second // for one check
	atOnce  = 8                // checks; others wait
)

// Config says where the accounts are and how one is found: by UserDN, or by a search.
type Config struct {
	URL    string // ldaps://host:port, or ldap://host:port, which is upgraded by StartTLS
	CAFile string // certificates to trust besides the machine's, PEM

	UserDN string // name of an account, as uid={login},ou=people,dc=example,dc=org

	Base     string // beneath which to search, if there is no UserDN
	Filter   string // that one account meets, as (uid={login})
	SearchDN string // account that may search; empty searches without one
	Password string // of SearchDN
}

// Checker checks passwords. Its methods may be called from many goroutines.
type Checker struct {
	cfg  Config
	tls  *tls.Config
	turn chan struct{} // has room for those who check at the same time
}

// New makes a Checker. It does not connect yet.
func New(cfg Config) (*Checker, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps":
		return nil, errors.New("the URL must be ldaps://host or ldap://host")
	case cfg.UserDN != "" && cfg.Filter != "":
		return nil, errors.New("a user is found by DN or by filter, not by both")
	case !strings.Contains(cfg.UserDN+cfg.Filter, placeholder):
		return nil, fmt.Errorf("the DN or the filter of a user must contain %s", placeholder)
	}
	if cfg.Filter != "" {
		if _, err := ldap.CompileFilter(strings.ReplaceAll(cfg.Filter, placeholder, "x")); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
	}
	c := &Checker{cfg: cfg, turn: make(chan struct{}, atOnce), tls: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}}
	if cfg.CAFile != "" {
		c.tls.RootCAs, err = trust(cfg.CAFile)
	}
	return c, err
}

// trust returns the machine's certificates and those of a file.
func trust(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// Check reports whether the password is the login's. An error means that nobody could tell.
func (c *Checker) Check(ctx context.Context, login, password string) (bool, error) {
	// A bind without a password succeeds for everybody (RFC 4513 §5.1.2).
	if login == "" || password == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return false, fmt.Errorf("ldap: %w", ctx.Err())
	}
	right, err := c.check(ctx, login, password)
	if err != nil {
		return false, fmt.Errorf("ldap: %w", err)
	}
	return right, nil
}

func (c *Checker) check(ctx context.Context, login, password string) (bool, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be said
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	dn, err := c.find(conn, login)
	if err != nil {
		return false, err
	}
	if dn == "" { // takes as many steps as for who has an account, so that a stranger cannot tell
		_ = conn.Bind(nobody+c.cfg.Base, password) // fails
		return false, nil
	}
	err = conn.Bind(dn, password)
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax,
		ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultUnwillingToPerform) {
		return false, nil
	}
	return err == nil, err
}

// dial connects. Nothing is said before there is TLS.
func (c *Checker) dial(ctx context.Context) (*ldap.Conn, error) {
	deadline, _ := ctx.Deadline()
	dialer := &net.Dialer{Deadline: deadline}
	conn, err := ldap.DialURL(c.cfg.URL, ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(c.tls))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(time.Until(deadline))
	if strings.HasPrefix(c.cfg.URL, "ldap://") {
		if err := conn.StartTLS(c.tls); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// find returns the name of the login's account, "" if there is none or more than one.
func (c *Checker) find(conn *ldap.Conn, login string) (string, error) {
	if c.cfg.UserDN != "" {
		return strings.ReplaceAll(c.cfg.UserDN, placeholder, ldap.EscapeDN(login)), nil
	}
	if c.cfg.SearchDN != "" {
		if err := conn.Bind(c.cfg.SearchDN, c.cfg.Password); err != nil {
			return "", fmt.Errorf("sign in to search: %w", err)
		}
	}
	found, err := conn.Search(ldap.NewSearchRequest(c.cfg.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false,
		strings.ReplaceAll(c.cfg.Filter, placeholder, ldap.EscapeFilter(login)), []string{"1.1"}, nil)) // RFC 4511 §4.5.1.8: no attributes
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("search: %w", err)
	case len(found.Entries) != 1:
		return "", nil
	}
	return found.Entries[0].DN, nil
}
