package negotiate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// tokens keeps tokens in memory, by the rules that the store's conformance suite checks.
type tokens struct {
	mu   sync.Mutex
	list []uc.FastToken
}

func (m *tokens) FastTokens(_ context.Context, user uc.UserID, client string) ([]uc.FastToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.list), func(t uc.FastToken) bool { return t.User != user || t.Client != client }), nil
}

func (m *tokens) AddFastToken(_ context.Context, t uc.FastToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(old uc.FastToken) bool { return old.Client == t.Client && old.Fresh })
	m.list = append(m.list, t)
	return nil
}

func (m *tokens) UseFastToken(_ context.Context, t uc.FastToken, count int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := slices.IndexFunc(m.list, func(old uc.FastToken) bool { return bytes.Equal(old.Key, t.Key) })
	if at < 0 || count > 0 && m.list[at].Count >= count {
		return false, nil
	}
	if count > 0 {
		m.list[at].Count = count
	}
	if used := m.list[at]; used.Fresh {
		m.list[at].Fresh = false
		m.list = slices.DeleteFunc(m.list, func(old uc.FastToken) bool {
			return old.Client == used.Client && !old.Fresh && !bytes.Equal(old.Key, used.Key)
		})
	}
	return true, nil
}

func (m *tokens) DeleteFastToken(_ context.Context, t uc.FastToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(old uc.FastToken) bool { return bytes.Equal(old.Key, t.Key) })
	return nil
}

const (
	phone  = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	laptop = "0f5c9a1e-4d72-4749-b3d3-740edbf87771"
)

// request is a request to log in by XEP-0388.
type request struct {
	mechanism, initial, agent, inner string
}

// answer is the end of an attempt.
type answer struct {
	XMLName xml.Name
	Data    string                       `xml:"additional-data"`
	Who     string                       `xml:"authorization-identifier"`
	Inner   []struct{ XMLName xml.Name } `xml:",any"`
	Token   struct {
		Token  string    `xml:"token,attr"`
		Expiry time.Time `xml:"expiry,attr"`
	} `xml:"urn:xmpp:fast:0 token"`
}

// outcome is success or the condition of the failure.
func (a *answer) outcome() string {
	if a.XMLName.Local == "failure" && len(a.Inner) > 0 {
		return a.Inner[0].XMLName.Local
	}
	return a.XMLName.Local
}

func (w *wire) authenticate(t *testing.T, r request) *answer {
	t.Helper()
	w.send(t, "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='"+r.mechanism+"'><initial-response>"+
		base64.StdEncoding.EncodeToString([]byte(r.initial))+"</initial-response><user-agent id='"+r.agent+"'/>"+r.inner+"</authenticate>")
	var a answer
	if err := xml.Unmarshal([]byte(w.receive(t)), &a); err != nil {
		t.Fatal(err)
	}
	return &a
}

// byToken makes the request of a client that has a token, and what the server must prove itself by.
func byToken(w *wire, mechanism, token, agent, attrs string) (r request, proof string) {
	var data []byte
	if c, ok := w.Conn.(*tls.Conn); ok && mechanism == "HT-SHA-256-EXPR" {
		state := c.ConnectionState()
		data, _ = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	} else if ok && mechanism == "HT-SHA-256-ENDP" {
		sum := sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
		data = sum[:]
	}
	made := mac(sha256.New, []byte(token), "Initiator"+string(data))
	proof = base64.StdEncoding.EncodeToString(mac(sha256.New, []byte(token), "Responder"+string(data)))
	return request{mechanism, "anna\x00" + string(made), agent, "<fast xmlns='urn:xmpp:fast:0' " + attrs + "/>"}, proof
}

func newToken(mechanism string) request {
	return request{"PLAIN", anna, phone, "<request-token xmlns='urn:xmpp:fast:0' mechanism='" + mechanism + "'/>"}
}

func TestTokens(t *testing.T) {
	cfg := config()
	s := serve(t, cfg)
	open := func() *wire { return openTLS(t, s, clientTLS()) }
	for _, mechanism := range []string{"HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"} {
		t.Run(mechanism, func(t *testing.T) {
			token := open().authenticate(t, newToken(mechanism)).Token
			if left := time.Until(token.Expiry); len(token.Token) < 70 || left < 20*24*time.Hour || left > 21*24*time.Hour {
				t.Fatalf("%+v", token)
			}
			for range 2 {
				w := open()
				r, proof := byToken(w, mechanism, token.Token, phone, "")
				if a := w.authenticate(t, r); a.outcome() != "success" || a.Data != proof || a.Who != "anna@example.org" || a.Token.Token != "" {
					t.Errorf("%+v", a)
				}
			}
			for what, change := range map[string]func(*request){
				"another client":    func(r *request) { r.agent = laptop },
				"another mechanism": func(r *request) { r.mechanism = "HT-SHA-256-NONE" },
				"no agent":          func(r *request) { r.agent = "phone" },
				"another user":      func(r *request) { r.initial = strings.Replace(r.initial, "anna", "old", 1) },
				"nobody":            func(r *request) { r.initial = strings.Replace(r.initial, "anna", "nobody", 1) },
				"a bit more":        func(r *request) { r.initial += "x" },
				"no fast element":   func(r *request) { r.inner = "" },
			} {
				w := open()
				r, _ := byToken(w, mechanism, token.Token, phone, "")
				change(&r)
				if r.mechanism == mechanism && what == "another mechanism" {
					continue
				}
				if got := w.authenticate(t, r).outcome(); got != "not-authorized" && got != "malformed-request" {
					t.Errorf("%s: %s", what, got)
				}
			}
		})
	}
	for _, kept := range cfg.Tokens.(*tokens).list {
		if len(kept.Key) != sha256.Size {
			t.Errorf("kept is %x", kept.Key)
		}
	}
}

// A token that is bound to the connection must not be taken for one that is not: somebody in between
// could choose the weaker mechanism.
func TestTokenStaysWithItsMechanism(t *testing.T) {
	s := serve(t, config())
	token := openTLS(t, s, clientTLS()).authenticate(t, newToken("HT-SHA-256-EXPR")).Token.Token
	w := openTLS(t, s, clientTLS())
	r, _ := byToken(w, "HT-SHA-256-NONE", token, phone, "")
	if got := w.authenticate(t, r).outcome(); got != "not-authorized" {
		t.Error(got)
	}
}

func TestCopiedLogin(t *testing.T) {
	s := serve(t, config())
	token := openTLS(t, s, clientTLS()).authenticate(t, newToken("HT-SHA-256-NONE")).Token.Token
	for _, c := range []struct{ attrs, want string }{
		{"count='2'", "success"}, {"count='2'", "not-authorized"}, {"count='1'", "not-authorized"},
		{"count='0'", "malformed-request"}, {"count='99999999999999999999'", "malformed-request"}, {"count='3'", "success"},
	} {
		w := openTLS(t, s, clientTLS())
		r, _ := byToken(w, "HT-SHA-256-NONE", token, phone, c.attrs)
		if got := w.authenticate(t, r).outcome(); got != c.want {
			t.Errorf("%s: %s, want %s", c.attrs, got, c.want)
		}
	}
}

func TestTokenIsGivenBack(t *testing.T) {
	s := serve(t, config())
	token := openTLS(t, s, clientTLS()).authenticate(t, newToken("HT-SHA-256-NONE")).Token.Token
	for _, want := range []string{"success", "not-authorized"} {
		w := openTLS(t, s, clientTLS())
		r, _ := byToken(w, "HT-SHA-256-NONE", token, phone, "invalidate='true'")
		if a := w.authenticate(t, r); a.outcome() != want || a.Token.Token != "" {
			t.Errorf("%+v, want %s", a, want)
		}
	}
}

func TestNoTokenForTheUnknown(t *testing.T) {
	s := serve(t, config())
	for what, r := range map[string]request{
		"no agent":         {"PLAIN", anna, "", newToken("HT-SHA-256-NONE").inner},
		"unknown":          newToken("HT-MD5-NONE"),
		"not asked":        {"PLAIN", anna, phone, ""},
		"no success":       {"PLAIN", anna + "x", phone, newToken("HT-SHA-256-NONE").inner},
		"other mechanisms": newToken("PLAIN"),
	} {
		if a := openTLS(t, s, clientTLS()).authenticate(t, r); a.Token.Token != "" {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

// logIn logs in over a pipe, in a bubble.
func logIn(t *testing.T, cfg *negotiate.Config, ask func(*wire) request) *answer {
	t.Helper()
	client, done := pipe(t.Context(), cfg)
	conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // the certificate is not of the bubble's time
	w := &wire{script.Stream{Conn: conn}}
	w.send(t, header)
	w.receive(t)
	w.receive(t)
	a := w.authenticate(t, ask(w))
	client.Close()
	<-done
	return a
}

func TestTokenGrowsOld(t *testing.T) {
	certificate() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		who := newAccounts()
		cfg := config()
		cfg.DirectTLS, cfg.Accounts = true, who
		with := func(token string) *answer {
			return logIn(t, cfg, func(w *wire) request { r, _ := byToken(w, "HT-SHA-256-EXPR", token, phone, ""); return r })
		}
		expect := func(what, token, want string, replaced bool) string {
			t.Helper()
			a := with(token)
			if a.outcome() != want || (a.Token.Token != "") != replaced {
				t.Errorf("%s: %s with token %q", what, a.outcome(), a.Token.Token)
			}
			return a.Token.Token
		}
		first := logIn(t, cfg, func(*wire) request { return newToken("HT-SHA-256-EXPR") }).Token.Token
		time.Sleep(23 * time.Hour)
		expect("on the first day", first, "success", false)
		time.Sleep(time.Hour)
		lost := expect("a day later", first, "success", true)
		second := expect("if the answer got lost", first, "success", true)
		expect("the one that got lost", lost, "not-authorized", false)
		expect("the new one", second, "success", false)
		expect("the one before", first, "not-authorized", false)
		time.Sleep(21*24*time.Hour - time.Second)
		third := expect("on the last day", second, "success", true)
		time.Sleep(time.Second)
		expect("too late", second, "credentials-expired", false)
		expect("its successor", third, "success", false)
		who.set("anna", oldKeys)
		expect("the same password", third, "success", false)
		another := oldKeys
		another.SHA256.StoredKey = bytes.Repeat([]byte("x"), 32)
		who.set("anna", another)
		expect("another password", third, "not-authorized", false)
	})
}
