package profiles

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	maxRedirects = 3
	maxAnswer    = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
)

// Notice is what a webhook is told, as JSON.
type Notice struct {
	Event   string       `json:"event"` // "enter" or "leave"
	User    string       `json:"user"`  // login name
	Name    string       `json:"name"`
	Profile string       `json:"profile"` // entered or left
	From    string       `json:"from"`
	To      string       `json:"to"`
	Cause   uc.CauseKind `json:"cause"`
	Reason  string       `json:"reason"`
	Time    time.Time    `json:"time"`
	Entry   int64        `json:"entry"` // of the journal; after a crash the same entry may be told twice
}

func (e *Engine) notice(entry *uc.JournalEntry, enter bool) Notice {
	n := Notice{Event: "leave", Profile: entry.FromName, From: entry.FromName, To: entry.ToName,
		Cause: entry.Cause.Kind, Reason: entry.Reason, Time: entry.Time, Entry: entry.ID}
	if enter {
		n.Event, n.Profile = "enter", entry.ToName
	}
	if u := e.directory.Snapshot().Users.Get(entry.User); u != nil {
		n.User, n.Name = u.Login, u.Name
	}
	return n
}

// webhooks posts notices. Addresses in personal profiles are written by ordinary users, so those must
// not reach what only the server can reach: loopback and private networks.
type webhooks struct {
	timeout      time.Duration
	own, foreign *http.Client // for the company's profiles, for personal ones
}

func newWebhooks(timeout time.Duration) *webhooks {
	return &webhooks{timeout, client(nil), client(publicOnly)}
}

func client(control func(network, address string, c syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Control: control}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxAnswer}
	if control == nil {
		transport.Proxy = http.ProxyFromEnvironment // a proxy would hide the address that is checked
	}
	return &http.Client{Transport: transport, CheckRedirect: sameScheme}
}

// sameScheme refuses to be led from one scheme to another, and in circles.
func sameScheme(req *http.Request, via []*http.Request) error {
	switch {
	case req.URL.Scheme != via[0].URL.Scheme:
		return uc.Errorf(uc.ErrForbidden, "it redirects to another scheme")
	case len(via) > maxRedirects:
		return uc.Errorf(uc.ErrForbidden, "it redirects too often")
	}
	return nil
}

// publicOnly refuses to connect to addresses that are not on the public Internet.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || carrierNAT.Contains(ip) || translated.Contains(ip) {
		return uc.Errorf(uc.ErrForbidden, "a personal profile may not call an address inside the network")
	}
	return nil
}

var (
	carrierNAT = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598 §7
	translated = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052 §2.1; may hide a private IPv4 address
)

func (w *webhooks) post(ctx context.Context, address string, personal bool, n Notice) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return uc.Errorf(uc.ErrInvalid, "the address is not an http or https URL")
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Rolecall")
	c := w.own
	if personal {
		c = w.foreign
	}
	return answer(c.Do(req))
}

// answer judges the answer of a webhook. Errors of the client name the whole URL, which may hold a
// secret: only their cause is passed on.
func answer(resp *http.Response, err error) error {
	if err != nil {
		var known *uc.Error
		var failed *url.Error
		switch {
		case errors.As(err, &known):
			return known
		case errors.As(err, &failed) && failed.Timeout():
			return uc.Errorf(uc.ErrUnavailable, "no answer in time")
		case errors.As(err, &failed):
			return uc.Errorf(uc.ErrUnavailable, "not reached: %v", failed.Err)
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // only to let the connection be used again
	if resp.StatusCode/100 != 2 {
		return uc.Errorf(uc.ErrUnavailable, "%s", fmt.Sprint("answered ", resp.Status))
	}
	return nil
}
