package component

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // XEP-0114 §3 names it
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/xmpp/admission"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// handshakeMax bounds what is read of a connection that has proved nothing.
const handshakeMax = 4 << 10

// serve takes a connection from its first byte to its end. It is the connection's reader goroutine.
func (s *Service) serve(conn net.Conn, place *admission.Place) {
	defer place.Leave()
	defer conn.Close()
	if !s.note(conn) {
		return
	}
	defer s.forget(conn)
	if tcp, ok := conn.(*net.TCPConn); ok {
		// A component that has vanished without a word must not keep its name for long.
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	}
	log := s.cfg.Log.With("address", conn.RemoteAddr().String())
	l, in, err := s.handshake(conn)
	if err != nil {
		log.Warn("component: refused", "cause", err)
		_ = conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		_, _ = conn.Write(goodbye(err)) // who is gone need not hear it
		return
	}
	place.Prove()
	log = log.With("component", l.domain)
	log.Info("component: connected")
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.write()
	}()
	err = l.guardedRead(in)
	s.leave(l) // first, so that the component can come back as soon as it is told
	l.end(err)
	<-written
	_, reason := l.take()
	log.Info("component: gone", "cause", reason)
}

// guardedRead keeps a fault in Deliver from taking the server with it.
func (l *link) guardedRead(in *input) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.service.cfg.Log.Error("component: delivery panicked", "component", l.domain, "panic", p)
			err = streamError("internal-server-error")
		}
	}()
	return l.read(in)
}

// handshake answers the stream's header and checks the proof (XEP-0114 §3).
func (s *Service) handshake(conn net.Conn) (*link, *input, error) {
	if err := conn.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return nil, nil, err
	}
	in := newInput(conn, s.cfg.StanzaTimeout, scan.NewStreamOf(scan.Limits{Stanza: handshakeMax, Depth: 2, Attrs: 16}, scan.NSComponent))
	in.patient = false
	head, _, err := in.next()
	if err != nil {
		_, _ = fmt.Fprintf(conn, streamHeader, "", "") // RFC 6120 §4.9.1.2: an error comes in a stream
		return nil, nil, told(err)
	}
	domain := normal(head.To)
	secret, known := s.cfg.Secrets[domain]
	id := rand.Text()
	if _, err := fmt.Fprintf(conn, streamHeader, attribute("from", string(head.To)), attribute("id", id)); err != nil {
		return nil, nil, err
	}
	if !known {
		return nil, nil, errHostUnknown
	}
	if err := proves(in, id, secret); err != nil {
		return nil, nil, err
	}
	l := newLink(s, conn, domain)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	if !s.enter(l) {
		return nil, nil, errConflict
	}
	if _, err := conn.Write([]byte("<handshake/>")); err != nil {
		s.leave(l)
		return nil, nil, err
	}
	in.patient = true
	in.scanner = scan.NewOf(scan.Limits{Stanza: s.cfg.MaxStanza, Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}, scan.NSComponent)
	return l, in, nil
}

const streamHeader = "<?xml version='1.0'?><stream:stream xmlns='" + scan.NSComponent + "' xmlns:stream='" + scan.NSStreams + "'%s%s>"

func attribute(name, value string) string {
	return " " + name + "='" + string(scan.AppendEscaped(nil, value)) + "'"
}

// normal returns the normal form of a domain, or "".
func normal(domain []byte) string {
	j, err := jid.Parse(string(domain))
	if err != nil || j.Localpart() != "" || j.Resourcepart() != "" {
		return ""
	}
	return j.Domainpart()
}

// told makes a timeout the error that tells of it.
func told(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout
	}
	return err
}

// proves reads the proof that the component knows the secret. Whatever else comes first is no proof.
func proves(in *input, id, secret string) error {
	head, raw, err := in.next()
	switch {
	case err != nil:
		return told(err)
	case head.Kind != scan.Other || string(head.Name) != "handshake" || head.Child != nil:
		return errNotAuthorized
	}
	n, err := scan.Parse(raw)
	if err != nil {
		return errNotAuthorized
	}
	if subtle.ConstantTimeCompare([]byte(strings.ToLower(strings.TrimSpace(n.Text))), []byte(prove(id, secret))) == 0 {
		return errNotAuthorized
	}
	return nil
}

// prove makes the proof for a stream's id.
func prove(id, secret string) string {
	sum := sha1.Sum([]byte(id + secret)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
