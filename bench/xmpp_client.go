package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

const (
	domain   = "localhost"
	password = "Reachable1"
)

// client is one XMPP session of the generator. It speaks just enough to sign in and then only counts
// what arrives: a generator that parsed everything would be slower than the server.
type client struct {
	name string
	conn net.Conn
	r    *bufio.Reader

	messages, presences atomic.Int64
	lastPresence        atomic.Int64          // when it came, in nanoseconds since 1970
	tally               atomic.Pointer[tally] // where presences are counted as well; nil: nowhere
	// onMessage, if set, is called by the reading goroutine with how many messages came in one piece.
	onMessage atomic.Pointer[func(n int)]
}

// tally counts what comes to many clients, and tells when it is enough.
type tally struct {
	n, enough atomic.Int64
	reached   chan struct{}
}

func (t *tally) add(n int) {
	if t.n.Add(int64(n)) >= t.enough.Load() {
		select {
		case t.reached <- struct{}{}:
		default:
		}
	}
}

// dials chooses the addresses from which clients connect: one has too few ports for all of a run.
var dials atomic.Uint32

// clientTLS has every server do the same: ours would take the post-quantum key exchange, which costs both sides more and which
// the peers do not know.
var clientTLS = &tls.Config{
	InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"xmpp-client"}, //nolint:gosec // a load generator on loopback
	CurvePreferences: []tls.CurveID{tls.X25519},
}

// signIn connects, signs in and binds a resource.
func signIn(ctx context.Context, address, name string, overTLS bool) (*client, error) {
	from := net.IPv4(127, 0, 1, byte(1+dials.Add(1)%50))
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, KeepAlive: -1}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if overTLS {
		conn = tls.Client(conn, clientTLS)
	}
	c := &client{name: name, conn: conn, r: bufio.NewReaderSize(conn, 2048)}
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return nil, err
	}
	if err := c.negotiate(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s signs in: %w", name, err)
	}
	return c, conn.SetDeadline(time.Time{})
}

func (c *client) negotiate() error {
	if err := c.openStream(); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.openStream(); err != nil {
		return err
	}
	answer, err := c.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>", "</iq>")
	if err != nil {
		return err
	}
	if !strings.Contains(answer, "</jid>") {
		return errors.New(answer)
	}
	return nil
}

const rosterRequest = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"

// askRoster reads the roster to its end.
func (c *client) askRoster() error {
	_, err := c.ask(rosterRequest, "</iq>", "id='r'/>", `id="r"/>`)
	return err
}

func (c *client) openStream() error {
	_, err := c.ask("<?xml version='1.0'?><stream:stream to='"+domain+"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "</stream:features>")
	return err
}

func (c *client) authenticate() error {
	var s scram
	answer, err := c.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>"+base64.StdEncoding.EncodeToString([]byte(s.first(c.name)))+"</auth>", "</challenge>", "</failure>")
	if err != nil {
		return err
	}
	challenge, err := textOf(answer)
	if err != nil {
		return err
	}
	response, err := s.final(challenge)
	if err != nil {
		return err
	}
	answer, err = c.ask("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"+base64.StdEncoding.EncodeToString([]byte(response))+"</response>", "</success>", "</failure>")
	if err != nil {
		return err
	}
	verdict, err := textOf(answer)
	if err != nil {
		return err
	}
	return s.check(verdict)
}

// textOf decodes the base64 text of the last element in an answer.
func textOf(answer string) (string, error) {
	end := strings.LastIndex(answer, "</")
	start := strings.LastIndexByte(answer[:max(end, 0)], '>')
	if end < 0 || start < 0 || strings.Contains(answer, "<failure") {
		return "", errors.New(answer)
	}
	text, err := base64.StdEncoding.DecodeString(answer[start+1 : end])
	return string(text), err
}

// ask sends something and reads until one of the texts has come.
func (c *client) ask(text string, until ...string) (string, error) {
	if _, err := c.conn.Write([]byte(text)); err != nil {
		return "", err
	}
	var got []byte
	for {
		part, err := c.r.ReadSlice('>')
		got = append(got, part...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", fmt.Errorf("%w after %q", err, got)
		}
		for _, u := range until {
			if bytes.HasSuffix(got, []byte(u)) {
				return string(got), nil
			}
		}
	}
}

func (c *client) send(text string) error {
	_, err := c.conn.Write([]byte(text))
	return err
}

// count reads until the connection ends and counts stanzas by their start tags.
func (c *client) count() {
	var carry []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := c.r.Read(buf[copy(buf, carry):])
		if err != nil {
			return
		}
		chunk := buf[:len(carry)+n]
		if n := bytes.Count(chunk, []byte("<message")); n > 0 {
			c.messages.Add(int64(n))
			if react := c.onMessage.Load(); react != nil {
				(*react)(n)
			}
		}
		if n := bytes.Count(chunk, []byte("<presence")); n > 0 {
			c.presences.Add(int64(n))
			c.lastPresence.Store(time.Now().UnixNano())
			if t := c.tally.Load(); t != nil {
				t.add(n)
			}
		}
		carry = append(carry[:0], tail(chunk)...)
	}
}

// tail returns the end of a chunk that may be the beginning of a start tag.
func tail(chunk []byte) []byte {
	at := bytes.LastIndexByte(chunk, '<')
	if at < 0 || len(chunk)-at >= len("<presence") || bytes.HasPrefix(chunk[at:], []byte("<message")) {
		return nil
	}
	return chunk[at:]
}
