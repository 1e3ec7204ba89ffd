package app

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// imported is the password of those who come from another server, which kept it for SHA-1 only.
const imported = "Pencil 12"

// importEarly imports users with keys for SHA-1.
func importEarly(t *testing.T, cfg *Config, logins ...string) {
	t.Helper()
	salted := saltedPassword(t, sha1.New, []byte("of the other server"), 4096)
	stored := sha1.Sum(signed(sha1.New, salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	var users strings.Builder
	for _, login := range logins {
		fmt.Fprintf(&users, "<user name='%s'><scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>4096</iter-count><salt>%s</salt>"+
			"<server-key>%s</server-key><stored-key>%s</stored-key></scram-credentials></user>",
			login, b64([]byte("of the other server")), b64(signed(sha1.New, salted, "Server Key")), b64(stored[:]))
	}
	var told strings.Builder
	if err := ImportXMPP(t.Context(), cfg, strings.NewReader("<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"+users.String()+"</host></server-data>"), nil, false, &told); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told.String(), "can sign in by SCRAM-SHA-1 and PLAIN") {
		t.Errorf("the import says %s", told.String())
	}
}

func saltedPassword(t *testing.T, h func() hash.Hash, salt []byte, iterations int) []byte {
	t.Helper()
	salted, err := pbkdf2.Key(h, imported, salt, iterations, h().Size())
	if err != nil {
		t.Fatal(err)
	}
	return salted
}

func signed(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// chatClient is a client that knows SASL2 and its tasks.
type chatClient struct {
	t    *testing.T
	conn net.Conn
	said string // by the server, not read yet
}

// signsIn opens a stream as somebody and sends a request to log in. It returns what is offered.
func signsIn(t *testing.T, a *App, login, mechanism, initial, inner string) (*chatClient, string) {
	t.Helper()
	conn, err := tls.Dial("tcp", a.Info().XMPPTLS, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}}) //nolint:gosec // self-signed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &chatClient{t: t, conn: conn}
	c.send("<stream:stream from='" + login + "@localhost' to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	offered := strings.ReplaceAll(c.until("</stream:features>"), `"`, "'")
	c.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'><initial-response>" + base64.StdEncoding.EncodeToString([]byte(initial)) + "</initial-response>" +
		"<bind xmlns='urn:xmpp:bind:0'/>" + inner + "</authenticate>")
	return c, offered
}

func (c *chatClient) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// until reads up to one of the texts.
func (c *chatClient) until(ends ...string) string {
	c.t.Helper()
	for {
		for _, end := range ends {
			if at := strings.Index(c.said, end); at >= 0 {
				got := c.said[:at+len(end)]
				c.said = c.said[at+len(end):]
				return got
			}
		}
		var b [4096]byte
		n, err := c.conn.Read(b[:])
		if c.said += string(b[:n]); n == 0 {
			c.t.Fatalf("%v after %s", err, c.said)
		}
	}
}

// between returns what stands between two texts, decoded from base64.
func (c *chatClient) between(text, from, to string) string {
	c.t.Helper()
	_, rest, _ := strings.Cut(text, from)
	rest, _, _ = strings.Cut(rest, to)
	raw, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		c.t.Fatal(err, text)
	}
	return string(raw)
}

// byScram logs in by SCRAM, carries out all tasks and returns the end, and what was offered.
func byScram(t *testing.T, a *App, login, mechanism string, h func() hash.Hash, inner string) (end, offered string) {
	t.Helper()
	bare := "n=" + login + ",r=client"
	c, offered := signsIn(t, a, login, mechanism, "n,,"+bare, inner)
	told := c.until("</challenge>", "</failure>")
	if strings.Contains(told, "<failure") {
		return told, offered
	}
	challenge := c.between(told, "'>", "<")
	parts := strings.Split(challenge, ",")
	salt, err := base64.StdEncoding.DecodeString(parts[1][2:])
	if err != nil {
		t.Fatal(err)
	}
	var iterations int
	if _, err := fmt.Sscanf(parts[2], "i=%d", &iterations); err != nil {
		t.Fatal(err)
	}
	key := signed(h, saltedPassword(t, h, salt, iterations), "Client Key")
	stored := h()
	stored.Write(key)
	final := "c=biws," + parts[0]
	subtle.XORBytes(key, key, signed(h, stored.Sum(nil), bare+","+challenge+","+final))
	c.send("<response xmlns='urn:xmpp:sasl:2'>" + base64.StdEncoding.EncodeToString([]byte(final+",p="+base64.StdEncoding.EncodeToString(key))) + "</response>")
	for {
		told := c.until("</continue>", "</failure>", "</stream:features>")
		if !strings.Contains(told, "<continue") {
			return told, offered
		}
		_, rest, _ := strings.Cut(told, "<task>")
		task, _, _ := strings.Cut(rest, "<")
		c.send("<next xmlns='urn:xmpp:sasl:2' task='" + task + "'/>")
		data := c.until("</task-data>")
		_, about, _ := strings.Cut(data, "iterations=")
		if _, err := fmt.Sscanf(about, "'%d'", &iterations); err != nil || iterations < 4096 {
			t.Fatal(err, data)
		}
		made := map[string]func() hash.Hash{"UPGR-SCRAM-SHA-256": sha256.New, "UPGR-SCRAM-SHA-512": sha512.New}[task]
		salted := saltedPassword(t, made, []byte(c.between(data, fmt.Sprintf("'%d'>", iterations), "<")), iterations)
		c.send("<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>" + base64.StdEncoding.EncodeToString(salted) + "</hash></task-data>")
	}
}

// TestImportedUsersGetStrongerKeys is about people who come from a server that kept their passwords for SHA-1 only.
// However they sign in first, afterwards they can do so by every mechanism, also when the server has started again.
func TestImportedUsersGetStrongerKeys(t *testing.T) {
	cfg := loopback(t)
	cfg.XMPP.ListenTLS = "127.0.0.1:0"
	importEarly(t, &cfg, "anna", "ben", "carl", "dora")
	t.Run("the first time", func(t *testing.T) {
		a := runApp(t, cfg)
		const both = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
		end, offered := byScram(t, a, "anna", "SCRAM-SHA-1", sha1.New, both)
		if !strings.Contains(end, "<success") || strings.Contains(offered, ">SCRAM-SHA-512<") || !strings.Contains(offered, ">SCRAM-SHA-1<") || !strings.Contains(offered, both) {
			t.Errorf("anna is offered %s and told %s", offered, end)
		}
		c, _ := signsIn(t, a, "ben", "PLAIN", "\x00ben\x00"+imported, "")
		if told := c.until("</stream:features>", "</failure>"); !strings.Contains(told, "<success") {
			t.Errorf("ben is told %s", told)
		}
		administrates(t, a, "carl")
		for _, login := range []string{"anna", "ben", "carl"} {
			for mechanism, h := range map[string]func() hash.Hash{"SCRAM-SHA-1": sha1.New, "SCRAM-SHA-256": sha256.New, "SCRAM-SHA-512": sha512.New} {
				if end, offered := byScram(t, a, login, mechanism, h, both); !strings.Contains(end, "<success") || !strings.Contains(offered, ">"+mechanism+"<") {
					t.Errorf("%s by %s: offered %s, told %s", login, mechanism, offered, end)
				}
			}
		}
		if end, offered := byScram(t, a, "dora", "SCRAM-SHA-512", sha512.New, both); strings.Contains(offered, ">SCRAM-SHA-512<") || !strings.Contains(end, "<invalid-mechanism") {
			t.Errorf("dora, who has not signed in: offered %s, told %s", offered, end)
		}
	})
	t.Run("after a start", func(t *testing.T) {
		a := runApp(t, cfg)
		for _, login := range []string{"anna", "ben", "carl"} {
			if end, _ := byScram(t, a, login, "SCRAM-SHA-512", sha512.New, ""); !strings.Contains(end, "<success") {
				t.Errorf("%s: %s", login, end)
			}
		}
	})
}

// administrates makes somebody an administrator who then uses the admin page.
func administrates(t *testing.T, a *App, login string) {
	t.Helper()
	u := *a.directory.Snapshot().UserByLogin(login)
	u.AdminLevel = uc.LevelAdmin
	if err := a.directory.UpdateUser(t.Context(), uc.System, u); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	t.Cleanup(browser.CloseIdleConnections)
	got, err := browser.PostForm(a.Info().Web+"signin", url.Values{"login": {login}, "password": {imported}})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != http.StatusOK || got.Request.URL.Path == "/signin" || !strings.Contains(string(text), "signout") {
		t.Errorf("%s is at %s: %v, status %d", login, got.Request.URL, err, got.StatusCode)
	}
}
