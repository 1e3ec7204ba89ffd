package sip

import (
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/rolecall/rolecall/internal/uc"
)

// authenticate returns the device whose credentials a request carries. If there are none, or wrong
// ones, it answers with a challenge: 401 where we are the destination, 407 where the request asks us to
// reach somebody else (RFC 3261 §22.1, §22.3). A user name that does not exist is treated like a wrong
// secret in every respect.
func (s *Server) authenticate(r *request, status int) *uc.Device {
	field, answer := "www-authenticate", "authorization"
	if status == sip.StatusProxyAuthRequired {
		field, answer = "proxy-authenticate", "proxy-authorization"
	}
	value := header(r, answer)
	if value == "" {
		s.challenge(r, status, field, false)
		return nil
	}
	cred, err := digest.ParseCredentials(value)
	if err != nil {
		r.answer(sip.StatusBadRequest, "Malformed Credentials")
		return nil
	}
	device := s.deps.Directory.Snapshot().DeviceBySIPUser(cred.Username)
	known := device != nil && device.Kind.SIP() && device.SIPSecret != ""
	secret := "unknown"
	if known {
		secret = device.SIPSecret
	}
	got := s.digest.check(cred, string(r.Method), secret, known)
	if got == verdictGood && !sameTarget(cred.URI, &r.Recipient) {
		got = verdictWrong
	}
	switch got {
	case verdictGood:
		r.flow.trust()
		return device
	case verdictStale:
		s.challenge(r, status, field, true)
	default:
		s.denied(r, status, field, cred.Username)
	}
	return nil
}

// sameTarget reports whether the digest was made for the user that the request names, so that an
// overheard one cannot be turned to somebody else. Hosts are not compared: phones name us as they like,
// and some sign our address alone.
func sameTarget(uri string, target *sip.Uri) bool {
	var signed sip.Uri
	return sip.ParseUri(uri, &signed) == nil && (signed.User == target.User || signed.User == "")
}

func (s *Server) challenge(r *request, status int, field string, stale bool) {
	reason := "Unauthorized"
	name := "WWW-Authenticate"
	if field == "proxy-authenticate" {
		reason, name = "Proxy Authentication Required", "Proxy-Authenticate"
	}
	res := response(r.Request, status, reason, steadyTag(r.Request))
	for _, c := range s.digest.challenges(stale) {
		res.AppendHeader(sip.NewHeader(name, c))
	}
	r.respond(res)
	// RFC 3261 §8.2.7: strangers cannot make us hold state. A retransmission is challenged anew, and an ACK
	// is not waited for: scripts of sipp send it with a branch of its own.
	r.tx.Terminate()
}

// denied answers wrong credentials. Whoever sends many of them gets no more answers to wrong ones for
// the rest of the minute; right ones are never held up, so nobody can lock out somebody else.
func (s *Server) denied(r *request, status int, field, user string) {
	s.log.warn("sip: sign-in refused", "account", clean(user), "address", r.flow.remote().Addr(), "port", r.flow.remote().Port(), "method", r.Method)
	if s.failures.exceeded(r.flow.remote().Addr(), s.deps.Now()) {
		r.tx.Terminate()
		return
	}
	s.challenge(r, status, field, false)
}

// maxFailures is how many wrong credentials of one address are answered in a minute.
const maxFailures = 60

// failures counts wrong credentials by address, one minute at a time. The zero value is ready.
type failures struct {
	mu    sync.Mutex
	count map[netip.Addr]int
	since time.Time
}

func (f *failures) exceeded(from netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil || now.Sub(f.since) >= time.Minute {
		f.count, f.since = make(map[netip.Addr]int), now
	}
	f.count[from]++
	return f.count[from] > maxFailures
}
