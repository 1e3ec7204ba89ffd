package negotiate_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
)

// wire is a client that says just what its script tells it to.
type wire struct{ script.Stream }

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
				wires[c.Name] = &wire{script.Stream{Conn: s.dial(t)}}
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
		conn := tls.Client(w.Conn, clientTLS())
		w.Conn = conn
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
