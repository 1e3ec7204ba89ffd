package component

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // XEP-0114 §3 names it
	"crypto/subtle"
	"crypto/tls"
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
	l, in, err := s.admit(conn)
	if err != nil {
		log.Warn("component: refused", "cause", err)
		return
	}
	place.Prove()
	log = log.With("component", l.name)
	log.Info("component: connected")
	written := make(chan struct{})
	go func() {
		defer close(written)
		l.write()
	}()
	err = l.guardedRead(in)
	s.leaveAll(l) // first, so that the component can come back as soon as it is told
	l.end(err)
	<-written
	_, reason := l.take()
	log.Info("component: gone", "cause", reason)
}

// guardedRead keeps a fault in Deliver from taking the server with it.
func (l *link) guardedRead(in *input) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.service.cfg.Log.Error("component: delivery panicked", "component", l.name, "panic", p)
			err = streamError("internal-server-error")
		}
	}()
	return l.read(in)
}

// admit lets a component prove who it is. Whoever does not is told why not.
func (s *Service) admit(conn net.Conn) (*link, *input, error) {
	if err := conn.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return nil, nil, err
	}
	n := &negotiation{service: s, raw: conn, conn: conn}
	l, err := n.run()
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		if l != nil {
			s.leaveAll(l)
		}
		_ = conn.SetDeadline(time.Now().Add(s.cfg.WriteTimeout))
		_, _ = n.conn.Write(goodbye(err)) // who is gone need not hear it
		return nil, nil, err
	}
	n.in.patient = true
	return l, n.in, nil
}

// negotiation is a connection whose component has not proved who it is.
type negotiation struct {
	service *Service
	raw     net.Conn
	conn    net.Conn // over raw, if it is encrypted
	in      *input
	tls     *tls.ConnectionState
}

// begin expects the header of a stream.
func (n *negotiation) begin(content string) {
	if n.in == nil || n.in.conn != n.conn {
		n.in = newInput(n.conn, n.service.cfg.StanzaTimeout, nil)
	}
	n.in.scanner = scan.NewStreamOf(scan.Limits{Stanza: handshakeMax, Depth: 2, Attrs: 16}, content)
}

// open takes the stanzas of a component.
func (n *negotiation) open(content string) {
	cfg := n.service.cfg
	n.in.scanner = scan.NewOf(scan.Limits{Stanza: cfg.MaxStanza, Depth: scan.DefaultLimits.Depth, Attrs: scan.DefaultLimits.Attrs}, content)
}

// run answers the stream's header, as its content namespace wants it.
func (n *negotiation) run() (*link, error) {
	n.begin(scan.NSComponent)
	head, _, err := n.in.next()
	var fault *scan.Error
	if errors.As(err, &fault) && fault.Condition == scan.InvalidNamespace && n.service.cfg.TLS != nil {
		n.begin(scan.NSClient) // the header is still there
		if head, _, err = n.in.next(); err == nil {
			return n.login(head)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(n.conn, streamHeader, "", "") // RFC 6120 §4.9.1.2: an error comes in a stream
		return nil, told(err)
	}
	return n.handshake(head)
}

// handshake checks the proof that a component knows its secret (XEP-0114 §3).
func (n *negotiation) handshake(head scan.Head) (*link, error) {
	s, domain, id := n.service, normal(head.To), rand.Text()
	if _, err := fmt.Fprintf(n.conn, streamHeader, attribute("from", string(head.To)), attribute("id", id)); err != nil {
		return nil, err
	}
	secret, known := s.cfg.Secrets[domain]
	if !known {
		return nil, errHostUnknown
	}
	if err := proves(n.in, id, secret); err != nil {
		return nil, err
	}
	l := newLink(s, n.raw, n.conn, domain, nil)
	if !s.enter(l, domain) {
		return nil, errConflict
	}
	n.open(scan.NSComponent)
	_, err := n.conn.Write([]byte("<handshake/>"))
	return l, err
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
	case head.Kind != scan.Other || string(head.Name) != "handshake" || head.Child != nil || secret == "":
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
