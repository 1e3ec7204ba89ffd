package s2s

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strconv"
	"strings"

	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// receive serves a stream that another server has begun. It is the stream's reader goroutine.
func (f *Federation) receive(conn net.Conn, place *admission.Place, direct bool) {
	s := f.newLink(conn, false)
	s.release = place.Prove
	defer place.Leave()
	f.enter(s)
	err := s.guarded(func() error {
		if err := s.welcome(direct); err != nil {
			return err
		}
		return s.serve(s.incoming)
	})
	if reason := s.ended(); reason != nil {
		err = reason
	}
	s.teardown(err)
}

// welcome takes a connection to the first header and features inside of TLS.
func (s *link) welcome(direct bool) error {
	if !direct {
		if err := s.greet(); err != nil {
			return err
		}
		// There is nothing that may be done without TLS (RFC 7590 §3.1).
		if err := s.say([]byte("<stream:features><starttls xmlns='" + nsTLS + "'><required/></starttls></stream:features>")); err != nil {
			return err
		}
		if err := s.awaitStartTLS(); err != nil {
			return err
		}
	}
	if err := s.secureWith(tls.Server(s.raw, s.fed.serverTLS(s.local, direct))); err != nil {
		return err
	}
	if err := s.greet(); err != nil {
		return err
	}
	if !s.startWriting() {
		return stream.SystemShutdown
	}
	return s.say(s.features())
}

func (s *link) awaitStartTLS() error {
	head, _, err := s.element()
	switch {
	case err != nil:
		return err
	case head.Kind != scan.Other:
		return stream.NotAuthorized
	case !is(&head, nsTLS, "starttls"):
		return stream.PolicyViolation
	case s.pending():
		return stream.PolicyViolation // it would count as if it had come through TLS
	}
	return s.say([]byte("<proceed xmlns='" + nsTLS + "'/>"))
}

// secureWith makes the stream one inside of TLS.
func (s *link) secureWith(conn *tls.Conn) error {
	ctx, cancel := context.WithDeadline(s.fed.ctx, s.until)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.broken = true
		return err
	}
	s.conn, s.secure, s.tlsState = conn, true, conn.ConnectionState()
	s.buf, s.from = nil, 0
	s.restart()
	return nil
}

// greet takes the header of a stream and answers it with ours.
func (s *link) greet() error {
	head, _, err := s.next()
	if err != nil {
		return err
	}
	if err := s.addressed(&head); err != nil {
		return err
	}
	s.id, s.opened = s.fed.newID(), true
	return s.say(header(s.local, s.remote, s.id))
}

// addressed checks the header's version and addresses (RFC 6120 §4.7). Once the other side has been verified, they
// may not become others.
func (s *link) addressed(head *scan.Head) error {
	if major, _, _ := strings.Cut(string(head.Version), "."); major == "" || major == "0" || !numeric(major) {
		return stream.UnsupportedVersion // RFC 6120 §4.7.5
	}
	if len(head.To) == 0 {
		return stream.ImproperAddressing
	}
	to, err := normalise(string(head.To))
	if err != nil || !s.fed.cfg.Local(to) {
		return stream.HostUnknown // RFC 6120 §4.9.3.6
	}
	if s.authentic.Load() {
		if from, err := normalise(string(head.From)); head.From != nil && (err != nil || !s.isVerified(pair{to, from})) {
			return stream.InvalidFrom
		}
		return nil
	}
	s.local = to
	if head.From == nil { // as of servers that wait for TLS with it (RFC 6120 §4.7.1)
		return nil
	}
	from, err := normalise(string(head.From))
	switch {
	case err != nil:
		return stream.ImproperAddressing
	case s.fed.cfg.Local(from):
		return stream.InvalidFrom
	case !s.fed.cfg.Allowed(from):
		return stream.PolicyViolation
	}
	s.remote = from
	s.log = s.fed.cfg.Log.With("stream", s.number, "address", s.address, "domain", from)
	return nil
}

func numeric(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// features tells what can be done inside of TLS.
func (s *link) features() []byte {
	b := []byte("<stream:features>")
	if !s.authentic.Load() {
		if s.offersExternal() {
			b = append(b, "<mechanisms xmlns='"+nsSASL+"'><mechanism>EXTERNAL</mechanism></mechanisms>"...)
		}
		b = append(b, "<bidi xmlns='"+nsBidiFeature+"'/>"...)
	}
	b = append(b, "<dialback xmlns='"+nsDialbackFeature+"'><errors/></dialback>"...) // also for more domains
	b = append(b, "<limits xmlns='"+nsLimits+"'><max-bytes>"+strconv.Itoa(s.fed.cfg.MaxStanza)+"</max-bytes></limits>"...)
	return append(b, "</stream:features>"...)
}

// offersExternal reports whether the other side's certificate proves the domain of its header (XEP-0178 §3).
func (s *link) offersExternal() bool {
	if s.remote == "" {
		return false
	}
	err := s.fed.verify(&s.tlsState, s.remote)
	if err != nil {
		s.log.Debug("s2s: the certificate proves nothing", "cause", err)
	}
	return err == nil
}

// serve handles what comes in until the stream ends.
func (s *link) serve(handle func(head *scan.Head, raw []byte) error) error {
	for {
		head, raw, err := s.element()
		if err == nil {
			err = handle(&head, raw)
		}
		if err != nil {
			return err
		}
	}
}

// incoming handles an element of a stream that the other side has begun.
func (s *link) incoming(head *scan.Head, raw []byte) error {
	switch {
	case head.Kind != scan.Other:
		return s.stanza(head, raw)
	case is(head, scan.NSDialback, "result"):
		return s.claim(raw)
	case is(head, scan.NSDialback, "verify"):
		return s.answerVerify(raw)
	case is(head, nsSASL, "auth"):
		return s.authenticated(raw)
	case is(head, nsBidi, "bidi") && !s.authentic.Load() && s.verifying.Load() == 0:
		s.bidi.Store(true) // XEP-0288 §2.1; it takes effect for each pair of domains when that is verified
		return nil
	}
	return stream.UnsupportedStanzaType
}

// maxFailures is how often a server may fail to authenticate on one stream (RFC 6120 §6.4.5).
const maxFailures = 3

// authenticated answers SASL EXTERNAL (XEP-0178 §3). What is offered is already proved, by the certificate.
func (s *link) authenticated(raw []byte) error {
	n, err := scan.ParseServer(raw)
	if err != nil {
		return err
	}
	response := n.Text
	switch {
	case s.authentic.Load():
		return stream.PolicyViolation
	case n.Attr("mechanism") != "EXTERNAL":
		return s.fail("invalid-mechanism")
	case !s.offersExternal():
		return s.fail("not-authorized")
	}
	if response == "" { // RFC 6120 §6.4.2: it wants to be asked
		if response, err = s.challenge(); err != nil {
			return err
		}
	}
	if !s.isAuthzid(response) {
		return s.fail("invalid-authzid")
	}
	s.trust(pair{s.local, s.remote}, "EXTERNAL")
	if err := s.say([]byte("<success xmlns='" + nsSASL + "'/>")); err != nil {
		return err
	}
	s.restart()
	if err := s.greet(); err != nil {
		return err
	}
	if err := s.say(s.features()); err != nil {
		return err
	}
	s.startBidi(pair{s.local, s.remote})
	return nil
}

func (s *link) challenge() (string, error) {
	if err := s.say([]byte("<challenge xmlns='" + nsSASL + "'/>")); err != nil {
		return "", err
	}
	head, raw, err := s.element()
	if err != nil {
		return "", err
	}
	if !is(&head, nsSASL, "response") {
		return "", stream.NotAuthorized
	}
	n, err := scan.ParseServer(raw)
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

// isAuthzid reports whether a response names the domain of the stream, or none.
func (s *link) isAuthzid(response string) bool {
	if response == "" || response == "=" {
		return true
	}
	name, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return false
	}
	domain, err := normalise(string(bytes.TrimSpace(name)))
	return err == nil && domain == s.remote
}

func (s *link) fail(condition string) error {
	if s.failures++; s.failures > maxFailures {
		return stream.PolicyViolation
	}
	return s.say([]byte("<failure xmlns='" + nsSASL + "'><" + condition + "/></failure>"))
}
