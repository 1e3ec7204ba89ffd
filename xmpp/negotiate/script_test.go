package negotiate_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
)

// wire is a client that says just what its script tells it to. A message is a stream header, a whole
// element, or the end of the stream.
type wire struct {
	conn net.Conn
	buf  []byte
}

func (w *wire) Close() error { return w.conn.Close() }

func (w *wire) Send(_ context.Context, message string) error {
	_, err := io.WriteString(w.conn, message)
	return err
}

func (w *wire) Receive(ctx context.Context) (string, error) {
	deadline, _ := ctx.Deadline()
	if err := w.conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	for {
		if n := messageEnd(w.buf); n > 0 {
			message := string(w.buf[:n])
			w.buf = w.buf[n:]
			return message, nil
		}
		var chunk [4096]byte
		n, err := w.conn.Read(chunk[:])
		w.buf = append(w.buf, chunk[:n]...)
		if n == 0 && err != nil {
			return "", errors.Join(err, fmt.Errorf("after %q", w.buf))
		}
	}
}

// messageEnd returns where the first message of b ends, or 0.
func messageEnd(b []byte) int {
	const header, end = "<stream:stream", "</stream:stream>"
	if bytes.HasPrefix(b, []byte(end)) {
		return len(end)
	}
	if bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte(header)) {
		at := bytes.Index(b, []byte(header))
		return at + bytes.IndexByte(b[max(at, 0):], '>') + 1
	}
	d := xml.NewDecoder(io.MultiReader(strings.NewReader("<stream:stream>"), bytes.NewReader(b)))
	depth := 0
	for {
		tok, err := d.Token()
		if err != nil {
			return 0
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 1 {
				return int(d.InputOffset()) - len("<stream:stream>")
			}
		}
	}
}

func TestConversations(t *testing.T) {
	plain := func(login, password string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
	}
	script.Run(t, "testdata/*.script", func(t *testing.T) *script.Runner {
		cfg := config()
		who := newAccounts()
		cfg.Accounts = who
		s := serve(t, cfg)
		wires := map[string]*wire{}
		return &script.Runner{
			Dialect: script.XMPP(),
			Vars: script.Vars{
				"good": plain("anna", password), "bad": plain("anna", "wrong"), "nobody": plain("nobody", password),
				"other":    base64.StdEncoding.EncodeToString([]byte("ben@example.org\x00anna\x00" + password)),
				"self":     base64.StdEncoding.EncodeToString([]byte("anna@example.org\x00anna\x00" + password)),
				"panic":    plain("panic", password),
				"early":    base64.StdEncoding.EncodeToString([]byte("n,,n=early,r=client-nonce")),
				"old":      base64.StdEncoding.EncodeToString([]byte("n,,n=old,r=client-nonce")),
				"kilobyte": strings.Repeat("x", 1024),
			},
			Connect: func(_ context.Context, c script.Client) (script.Transport, error) {
				wires[c.Name] = &wire{conn: s.dial(t)}
				return wires[c.Name], nil
			},
			Do: func(ctx context.Context, words string) error {
				name, deed, _ := strings.Cut(words, " ")
				return wires[name].do(ctx, t, who, name, deed)
			},
			Timeout: 10 * time.Second,
		}
	})
}

// do is what happens in the scripts beside what they say.
func (w *wire) do(ctx context.Context, t *testing.T, who *accounts, name, deed string) error {
	words := strings.Fields(deed)
	switch {
	case deed == "starts TLS":
		conn := tls.Client(w.conn, clientTLS())
		w.conn = conn
		return conn.HandshakeContext(ctx)
	case deed == "opens a stream under TLS":
		w.open(t)
		w.secure(t, clientTLS())
	case deed == "has keys for SHA-1 only":
		if keys := who.of(name); keys.Hashes() != uc.SHA1 {
			return fmt.Errorf("%s has keys for other hashes, too: %b", name, keys.Hashes())
		}
	case strings.HasPrefix(deed, "proves the password by "): // MECHANISM to CHALLENGE
		challenge, err := base64.StdEncoding.DecodeString(words[len(words)-1])
		if err != nil {
			return err
		}
		final, _ := try{hash: hashNamed[words[4]], login: name}.answer(t, string(challenge))
		return w.Send(ctx, "<response xmlns='urn:xmpp:sasl:2'>"+base64.StdEncoding.EncodeToString([]byte(final))+"</response>")
	case strings.HasPrefix(deed, "sends the password salted by "): // HASH with SALT
		return w.Send(ctx, taskData(t, words[5], words[len(words)-1]))
	default:
		return fmt.Errorf("nobody %s", deed)
	}
	return nil
}

// hashNamed has the hashes by the names of mechanisms and by their own.
var hashNamed = map[string]func() hash.Hash{
	"SCRAM-SHA-1": sha1.New, "SCRAM-SHA-256": sha256.New, "SCRAM-SHA-512": sha512.New, "SHA-256": sha256.New, "SHA-512": sha512.New,
}

// taskData makes what a client answers in the task of a hash.
func taskData(t *testing.T, name, salt string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	h := hashNamed[name]
	salted, err := pbkdf2.Key(h, password, raw, iterations, h().Size())
	if err != nil {
		t.Fatal(err)
	}
	return "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>" + base64.StdEncoding.EncodeToString(salted) + "</hash></task-data>"
}
