package s2s

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"time"

	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// open opens the stream of a route when it is the sender's turn, sends what waits for it, and then serves the stream as its reader.
func (f *Federation) open(r *route, turns chan struct{}) {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.ConnectTimeout)
	s, err := f.connectInTurn(ctx, r.pair, turns)
	cancel()
	if err != nil {
		f.cfg.Log.Info("s2s: no stream", "domain", r.remote, "from", r.local, "cause", err)
		f.openFailed(r, conditionOf(err))
		return
	}
	if !s.startWriting() {
		err = stream.SystemShutdown
	} else {
		f.attach(r, s)
		err = s.guarded(func() error { return s.serve(s.onward) })
	}
	if reason := s.ended(); reason != nil {
		err = reason
	}
	s.teardown(err)
}

// connectInTurn is connect for stanzas. No sender has more than a part of the slots.
func (f *Federation) connectInTurn(ctx context.Context, p pair, turns chan struct{}) (*link, error) {
	if err := await(ctx, turns); err != nil {
		return nil, err
	}
	defer func() { <-turns }()
	return f.connect(ctx, f.sendingSlots, p, (*link).authenticate)
}

// onward handles an element of a verified stream that was begun here.
func (s *link) onward(head *scan.Head, raw []byte) error {
	switch {
	case head.Kind != scan.Other && s.bidi.Load():
		return s.stanza(head, raw)
	case head.Kind != scan.Other:
		return stream.NotAuthorized // stanzas come on the other side's own stream (RFC 6120 §4.4)
	case is(head, scan.NSDialback, "verify"):
		return s.answerVerify(raw)
	case is(head, scan.NSDialback, "result") && s.bidi.Load():
		return s.claim(raw) // of another pair: who may send here may multiplex, too
	case string(head.NS) == scan.NSDialback, is(head, scan.NSStreams, "features"):
		return nil // late
	}
	return stream.UnsupportedStanzaType
}

// conditionOf says what the senders of stanzas are told of a failure: remote-server-not-found if DNS or the domain's
// server says that there is nothing for us, remote-server-timeout if later it may be different.
func conditionOf(err error) stanza.Condition {
	var r refusal
	var dns *net.DNSError
	var answer peerError
	var dialing *net.OpError
	switch {
	case errors.As(err, &r):
		return r.reason
	case errors.As(err, &answer) && !answer.passing(),
		errors.As(err, &dns) && dns.IsNotFound,
		errors.As(err, &dialing) && dialing.Op == "dial" && !dialing.Timeout():
		return stanza.RemoteServerNotFound
	}
	return stanza.RemoteServerTimeout
}

// connect opens a stream to the domain and hands it to use, with the features of the other side. If that fails
// the next server of the domain is tried, unless the domain has given an answer.
func (f *Federation) connect(ctx context.Context, slots chan struct{}, p pair, use func(*link, *scan.Node) error) (*link, error) {
	if err := await(ctx, slots); err != nil {
		return nil, err
	}
	defer func() { <-slots }()
	targets, err := f.resolve(ctx, p.remote)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		var s *link
		if s, err = f.try(ctx, t, p, use); err == nil {
			return s, nil
		}
		f.cfg.Log.Debug("s2s: cannot use a server", "domain", p.remote, "host", t.host, "port", t.port, "direct", t.direct, "cause", err)
		if ctx.Err() != nil || definite(err) {
			break
		}
	}
	return nil, err
}

// definite reports whether an error is the domain's own answer, which another of its servers would give too.
func definite(err error) bool {
	var answer peerError
	return errors.As(err, &answer) && !answer.passing()
}

func (f *Federation) try(ctx context.Context, t target, p pair, use func(*link, *scan.Node) error) (*link, error) {
	conn, err := f.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	s := f.newLink(conn, true)
	s.local, s.remote = p.local, p.remote
	s.log = s.log.With("domain", p.remote)
	f.enter(s)
	stop := context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	err = s.guarded(func() error {
		features, err := s.initiate(t.direct)
		if err != nil {
			return err
		}
		return use(s, features)
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		f.dismiss(s, err)
		return nil, err
	}
	return s, nil
}

// initiate takes a connection to the features inside of TLS.
func (s *link) initiate(direct bool) (*scan.Node, error) {
	if !direct {
		features, err := s.hello()
		if err != nil {
			return nil, err
		}
		if err := s.startTLS(features); err != nil {
			return nil, err
		}
	}
	if err := s.secureWith(tls.Client(s.raw, s.fed.clientTLS(s.local, s.remote, direct))); err != nil {
		return nil, err
	}
	return s.hello()
}

// hello opens the stream and awaits the other side's header and features.
func (s *link) hello() (*scan.Node, error) {
	s.opened = true
	if err := s.say(header(s.local, s.remote, "")); err != nil {
		return nil, err
	}
	head, _, err := s.element()
	if err != nil {
		return nil, err
	}
	s.id = string(head.ID)
	if major := string(head.Version); s.id == "" || major == "" || major[0] == '0' {
		return nil, refusal{stanza.RemoteServerNotFound, errors.New("the server does not speak XMPP 1.0")}
	}
	if head, raw, err := s.element(); err != nil {
		return nil, err
	} else if !is(&head, scan.NSStreams, "features") {
		return nil, stream.BadFormat
	} else {
		return scan.ParseServer(raw)
	}
}

func (s *link) startTLS(features *scan.Node) error {
	if features.Child(nsTLS, "starttls") == nil {
		return refusal{stanza.RemoteServerNotFound, errors.New("the server offers no TLS")} // RFC 7590 §3.1
	}
	if err := s.say([]byte("<starttls xmlns='" + nsTLS + "'/>")); err != nil {
		return err
	}
	head, _, err := s.element()
	switch {
	case err != nil:
		return err
	case !is(&head, nsTLS, "proceed"):
		return refusal{stanza.RemoteServerNotFound, errors.New("the server does not begin TLS")}
	case s.pending():
		return stream.PolicyViolation // it would count as if it had come through TLS
	}
	return nil
}

// authenticate proves our domain: by our certificate if the other side offers that, else by dialback. Theirs is
// proved by its certificate, or by DNS having led to it.
func (s *link) authenticate(features *scan.Node) error {
	invalid := s.fed.verify(&s.tlsState, s.remote)
	if invalid != nil && s.fed.cfg.RequireValidCertificates {
		return refusal{stanza.RemoteServerNotFound, fmt.Errorf("the server does not prove that it is %s: %w", s.remote, invalid)}
	}
	wanted := invalid == nil && features.Child(nsBidiFeature, "bidi") != nil
	if wanted {
		// Before authentication (XEP-0288 §2.1), and only with who has proved to be the domain, since it may send
		// us stanzas then.
		if err := s.say([]byte("<bidi xmlns='" + nsBidi + "'/>")); err != nil {
			return err
		}
	}
	method, err := s.proveBy(features)
	if err != nil {
		return err
	}
	s.bidi.Store(wanted)
	s.begin(method, invalid == nil)
	return nil
}

func (s *link) proveBy(features *scan.Node) (method string, err error) {
	if offers(features, "EXTERNAL") {
		done, err := s.external()
		if done || err != nil {
			return "EXTERNAL", err
		}
	}
	return "dialback", s.prove()
}

func offers(features *scan.Node, mechanism string) bool {
	list := features.Child(nsSASL, "mechanisms")
	if list == nil {
		return false
	}
	for _, m := range list.Nodes {
		if m.Name == "mechanism" && m.Text == mechanism {
			return true
		}
	}
	return false
}

// external authenticates by our certificate (XEP-0178 §3). done is false if the other side does not take it, which
// leaves dialback.
func (s *link) external() (done bool, err error) {
	authzid := base64.StdEncoding.EncodeToString([]byte(s.local))
	if err := s.say([]byte("<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>" + authzid + "</auth>")); err != nil {
		return false, err
	}
	for {
		head, _, err := s.element()
		switch {
		case err != nil:
			return false, err
		case is(&head, nsSASL, "success"):
			s.restart()
			_, err := s.hello()
			return err == nil, err
		case is(&head, nsSASL, "failure"):
			return false, nil
		case is(&head, nsSASL, "challenge"):
			if err := s.say([]byte("<response xmlns='" + nsSASL + "'>" + authzid + "</response>")); err != nil {
				return false, err
			}
		}
	}
}

// begin ends the negotiation of a stream that was begun here.
func (s *link) begin(method string, valid bool) {
	if s.bidi.Load() {
		s.verified.Store(&map[pair]bool{{s.local, s.remote}: true})
	}
	s.fed.mu.Lock()
	s.method = method
	s.fed.mu.Unlock()
	s.authentic.Store(true)
	s.used.Store(time.Now().Unix())
	s.log.Info("s2s: stream opened", "from", s.local, "method", method, "certificate", valid, "bidi", s.bidi.Load())
}
