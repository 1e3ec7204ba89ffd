package negotiate_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const (
	upgradeTo256 = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"
	upgradeTo512 = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
)

// upgrading is a login by SCRAM with all tasks that the server sets.
type upgrading struct {
	login, mechanism string
	inner            string // of the request
}

// run returns the end and the tasks that were set. The server must prove itself once, by what it says first.
func (u upgrading) run(t *testing.T, w *wire) (end *answer, tasks []string) {
	t.Helper()
	tried := try{login: u.login, mechanism: u.mechanism, hash: hashNamed[u.mechanism]}
	w.send(t, "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='"+u.mechanism+"'><initial-response>"+
		base64.StdEncoding.EncodeToString([]byte(tried.completed().gs2()+tried.bare()))+"</initial-response><user-agent id='"+phone+"'/>"+u.inner+"</authenticate>")
	challenge, err := base64.StdEncoding.DecodeString(strings.Split(strings.ReplaceAll(w.receive(t), "<", ">"), ">")[2])
	if err != nil {
		t.Fatal(err)
	}
	final, want := tried.answer(t, string(challenge))
	w.send(t, "<response xmlns='urn:xmpp:sasl:2'>"+base64.StdEncoding.EncodeToString([]byte(final))+"</response>")
	for {
		said := w.receive(t)
		var a answer
		if err := xml.Unmarshal([]byte(said), &a); err != nil {
			t.Fatal(err)
		}
		if proof, err := base64.StdEncoding.DecodeString(a.Data); a.XMLName.Local != "failure" && (err != nil || string(proof) != want) {
			t.Errorf("the server proves itself by %q, want %q", proof, want)
		}
		if want = ""; a.XMLName.Local != "continue" {
			return &a, tasks
		}
		_, rest, _ := strings.Cut(said, "<task>")
		task, _, _ := strings.Cut(rest, "<")
		tasks = append(tasks, task)
		w.send(t, "<next xmlns='urn:xmpp:sasl:2' task='"+task+"'/>")
		_, rest, _ = strings.Cut(w.receive(t), "'128'>")
		salt, _, _ := strings.Cut(rest, "<")
		w.send(t, taskData(t, strings.TrimPrefix(task, "UPGR-SCRAM-"), salt))
	}
}

// serveAccounts runs a server with accounts of its own.
func serveAccounts(t *testing.T, change ...func(*negotiate.Config)) (*server, *accounts) {
	t.Helper()
	cfg, who := config(), newAccounts()
	cfg.Accounts = who
	for _, f := range change {
		f(cfg)
	}
	return serve(t, cfg), who
}

// A password that is changed while its keys are made keeps the new keys only.
func TestPasswordChangedDuringUpgrade(t *testing.T) {
	s, who := serveAccounts(t)
	fresh := uc.PasswordKeys{SHA1: annaKeys.SHA1}
	fresh.SHA1.StoredKey = slices.Repeat([]byte("x"), 20)
	who.between = func() { who.set("early", fresh) }
	end, tasks := upgrading{"early", "SCRAM-SHA-1", upgradeTo256 + upgradeTo512}.run(t, openTLS(t, s, clientTLS()))
	if end.outcome() != "not-authorized" || len(tasks) != 1 {
		t.Errorf("%s after %v", end.outcome(), tasks)
	}
	if keys := who.of("early"); keys.Hashes() != uc.SHA1 || !keys.Same(&fresh) {
		t.Errorf("keys %+v", keys)
	}
}

// Another session that makes the same keys first is no matter.
func TestKeysAddedDuringUpgrade(t *testing.T) {
	s, who := serveAccounts(t)
	who.between = func() { who.set("early", annaKeys) }
	end, tasks := upgrading{"early", "SCRAM-SHA-1", upgradeTo256 + upgradeTo512}.run(t, openTLS(t, s, clientTLS()))
	if keys := who.of("early"); end.outcome() != "success" || len(tasks) != 2 || !keys.Same(&annaKeys) {
		t.Errorf("%s after %v, keys %+v", end.outcome(), tasks, keys)
	}
}

func TestKeysCannotBeStored(t *testing.T) {
	s, who := serveAccounts(t)
	who.breakage = errors.New("the disk is full")
	w := openTLS(t, s, clientTLS())
	if end, _ := (upgrading{"early", "SCRAM-SHA-1", upgradeTo256}).run(t, w); end.outcome() != "temporary-auth-failure" {
		t.Error(end.outcome())
	}
	if end, tasks := (upgrading{"early", "SCRAM-SHA-1", ""}).run(t, w); end.outcome() != "success" || tasks != nil {
		t.Error("without the task:", end.outcome())
	}
}

// PLAIN works with whichever keys there are, and sets no task: who checks the password makes the others.
func TestPlainByAnyKeys(t *testing.T) {
	for set := uc.HashSet(1); set <= uc.AllHashes; set++ {
		s, who := serveAccounts(t)
		var had uc.PasswordKeys
		for h := uc.SHA1; h < uc.AllHashes; h <<= 1 {
			if set&h != 0 {
				*had.Of(h) = *annaKeys.Of(h)
			}
		}
		who.set("old", had)
		w := openTLS(t, s, clientTLS())
		if end := w.authenticate(t, request{"PLAIN", "\x00old\x00Secret124", phone, ""}); end.outcome() != "not-authorized" {
			t.Errorf("hashes %b, wrong password: %s", set, end.outcome())
		}
		if end := w.authenticate(t, request{"PLAIN", "\x00old\x00" + password, phone, upgradeTo512}); end.outcome() != "success" {
			t.Errorf("hashes %b: %s", set, end.outcome())
		}
	}
}

// Tokens are given to who has keys for SHA-1 only, and outlive the upgrade but not the password. Who logs in by one makes no keys.
func TestTokensAndUpgrade(t *testing.T) {
	s, who := serveAccounts(t)
	const ask = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
	by := func(token string) (*answer, string) {
		w := openTLS(t, s, clientTLS())
		r, proof := byToken(w, "HT-SHA-256-NONE", token, phone, "")
		r.initial = strings.Replace(r.initial, "anna", "early", 1)
		r.inner += upgradeTo256 + upgradeTo512
		return w.authenticate(t, r), proof
	}
	first, _ := upgrading{"early", "SCRAM-SHA-1", ask}.run(t, openTLS(t, s, clientTLS()))
	if end, proof := by(first.Token.Token); end.outcome() != "success" || end.Data != proof || who.added != nil {
		t.Fatalf("%+v, made %v", end, who.added)
	}
	second, tasks := upgrading{"early", "SCRAM-SHA-1", upgradeTo512 + ask}.run(t, openTLS(t, s, clientTLS()))
	if second.outcome() != "success" || len(tasks) != 1 || second.Token.Token == "" {
		t.Fatalf("%+v after %v", second, tasks)
	}
	for _, token := range []string{first.Token.Token, second.Token.Token} { // from before and with the upgrade
		if end, _ := by(token); end.outcome() != "success" {
			t.Errorf("after the upgrade: %s", end.outcome())
		}
	}
	if end, _ := (upgrading{"early", "SCRAM-SHA-1", upgradeTo256}).run(t, openTLS(t, s, clientTLS())); end.outcome() != "success" {
		t.Error(end.outcome())
	}
	if end, _ := by(second.Token.Token); end.outcome() != "success" {
		t.Errorf("after another upgrade: %s", end.outcome())
	}
	changed := who.of("early")
	for h := uc.SHA1; h < uc.AllHashes; h <<= 1 {
		changed.Of(h).StoredKey = slices.Repeat([]byte("x"), len(changed.Of(h).StoredKey))
	}
	who.set("early", changed)
	if end, _ := by(second.Token.Token); end.outcome() != "not-authorized" {
		t.Errorf("with another password: %s", end.outcome())
	}
}

// A session may be resumed by the same request.
func TestResumeAfterUpgrade(t *testing.T) {
	s, who := serveAccounts(t, func(cfg *negotiate.Config) {
		cfg.Resume = func(user uc.UserID, request *scan.Node) (string, error) {
			if user != 9 || request.Attr("previd") != "p" {
				return "", uc.Errorf(uc.ErrNotFound, "no such session")
			}
			return "desk", nil
		}
	})
	const resume = "<resume xmlns='urn:xmpp:sm:3' previd='p' h='1'/><bind xmlns='urn:xmpp:bind:0'/>"
	w := openTLS(t, s, clientTLS())
	done := make(chan []string, 1)
	go func() {
		end, tasks := upgrading{"early", "SCRAM-SHA-1", upgradeTo512 + resume}.run(t, w)
		if end.outcome() != "success" || end.Who != "early@example.org/desk" {
			t.Errorf("%+v", end)
		}
		done <- tasks
	}()
	o := s.outcome(t)
	if o.err != nil || o.bound.JID.String() != "early@example.org/desk" {
		t.Fatalf("%+v", o)
	}
	if _, err := fmt.Fprintf(o.bound.Conn, "%s%s", o.bound.Before, o.bound.After); err != nil {
		t.Fatal(err)
	}
	if tasks, keys := <-done, who.of("early"); !slices.Equal(tasks, []string{"UPGR-SCRAM-SHA-512"}) || keys.Hashes() != uc.SHA1|uc.SHA512 {
		t.Errorf("tasks %v, keys for %b", tasks, keys.Hashes())
	}
}

// What is offered to who says to be somebody is what they can use. It does not tell who exists: of the logins that there are
// not as many lack keys as of the accounts, always the same ones, and they look the same whatever is tried.
func TestOfferByKeys(t *testing.T) {
	s, who := serveAccounts(t)
	all := []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"}
	offered := func(login string) uc.HashSet {
		t.Helper()
		_, features := openTold(t, s, clientTLS(), strings.Replace(header, "to=", "from='"+login+"' to=", 1))
		if !slices.Equal(features.Classic, features.Extensible) {
			t.Errorf("%s is offered %v and %v", login, features.Classic, features.Extensible)
		}
		var set uc.HashSet
		for i, name := range all {
			if there := slices.Contains(features.Classic, name); there {
				set |= uc.SHA512 >> i
			} else if slices.Contains(features.Classic, name+"-PLUS") {
				t.Errorf("%s is offered %v", login, features.Classic)
			}
		}
		if !slices.Contains(features.Classic, "PLAIN") {
			t.Errorf("%s is offered %v", login, features.Classic)
		}
		return set
	}
	for login, want := range map[string]uc.HashSet{
		"anna@example.org": uc.AllHashes, "old@example.org": uc.SHA1 | uc.SHA256, "early@example.org": uc.SHA1, "early@example.org/desk": uc.SHA1,
		"example.org": uc.AllHashes, "early@example.com": uc.AllHashes,
	} {
		if got := offered(login); got != want {
			t.Errorf("%s is offered %b, want %b", login, got, want)
		}
	}
	var few string // one of those who seem to have keys for SHA-1 only
	seen := map[uc.HashSet]int{}
	for i := range 60 {
		nobody := fmt.Sprintf("nobody%d", i)
		set := offered(nobody + "@example.org")
		if seen[set]++; set == uc.SHA1 {
			few = nobody
		}
		if i < 10 && offered(nobody+"@example.org") != set {
			t.Errorf("%s is offered something else each time", nobody)
		}
	}
	if len(seen) != 3 || seen[uc.AllHashes] < 8 || seen[uc.SHA1|uc.SHA256] < 8 || seen[uc.SHA1] < 8 {
		t.Errorf("those that there are not are offered %v, want a third each", seen)
	}
	for _, name := range []string{"early", few} {
		for _, from := range []string{"", "from='" + name + "@example.org' "} {
			for i, h := range []func() hash.Hash{sha512.New, sha256.New, sha1.New} {
				w, _ := openTold(t, s, clientTLS(), strings.Replace(header, "to=", from+"to=", 1))
				_, got, challenge := try{mechanism: all[i], hash: h, login: name, password: "Secret124"}.run(t, w)
				want := "not-authorized"
				if from != "" && all[i] != "SCRAM-SHA-1" {
					want = "invalid-mechanism"
				}
				if got != want || (challenge == "") != (want == "invalid-mechanism") {
					t.Errorf("%s %sby %s: %s, want %s", name, from, all[i], got, want)
				}
			}
		}
	}
	// What was told on a stream holds on it, also for those that get more keys meanwhile (XEP-0474).
	w, features := openTold(t, s, clientTLS(), strings.Replace(header, "to=", "from='early@example.org' to=", 1))
	who.set("early", annaKeys)
	_, got, challenge := try{mechanism: "SCRAM-SHA-1", hash: sha1.New, login: "early"}.run(t, w)
	sum := sha1.Sum([]byte(strings.Join(slices.Sorted(slices.Values(features.Classic)), "\x1e") + "\x1ftls-exporter\x1etls-server-end-point"))
	if _, h, _ := strings.Cut(challenge, ",h="); got == "invalid-mechanism" || h != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("%s after the challenge %s", got, challenge)
	}
	// When nobody lacks keys nobody seems to.
	who.set("old", annaKeys)
	if got := offered(few + "@example.org"); got != uc.AllHashes {
		t.Errorf("%s is offered %b", few, got)
	}
	who.set("nobody", uc.PasswordKeys{}) // an account without a password does not count
	if got := offered("nobody@example.org"); got != uc.AllHashes {
		t.Errorf("who has no password is offered %b", got)
	}
}

// A server without TLS has no PLAIN to fall back to.
func TestOfferByKeysWithoutTLS(t *testing.T) {
	s, _ := serveAccounts(t, func(cfg *negotiate.Config) { cfg.Insecure = true })
	w := &wire{script.Stream{Conn: s.dial(t)}}
	w.send(t, strings.Replace(header, "to=", "from='early@example.org' to=", 1))
	w.receive(t)
	if got := w.receive(t); !strings.Contains(got, ">SCRAM-SHA-1</") || strings.Contains(got, "SHA-256") || strings.Contains(got, "upgrade") {
		t.Error(got)
	}
	if name, text, _ := (try{mechanism: "SCRAM-SHA-1", hash: sha1.New, login: "early"}).run(t, w); name != "success" {
		t.Error(name, text)
	}
}

// TestUnknownLoginsByPlain tries passwords where everybody, and so who is not there, has keys for SHA-1 only.
func TestUnknownLoginsByPlain(t *testing.T) {
	s, who := serveAccounts(t)
	who.set("anna", earlyKeys)
	who.set("old", earlyKeys)
	w := openTLS(t, s, clientTLS())
	for _, login := range []string{"nobody", "early", "a@b"} {
		if end := w.authenticate(t, request{"PLAIN", "\x00" + login + "\x00Secret124", phone, ""}); end.outcome() != "not-authorized" {
			t.Errorf("%s: %s", login, end.outcome())
		}
	}
	if want := []string{"nobody", "early", "a@b"}; !slices.Equal(who.checked, want) {
		t.Errorf("the passwords of %v were checked, want those of %v, so that it takes as long", who.checked, want)
	}
	if _, text, challenge := (try{mechanism: "SCRAM-SHA-256", hash: sha256.New, login: "early"}).run(t, w); text != "not-authorized" || challenge == "" {
		t.Errorf("%s after %q", text, challenge)
	}
}
