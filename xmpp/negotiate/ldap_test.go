package negotiate_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/ldap"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/negotiate"
)

// elsewhere has anna's password in an LDAP directory.
type elsewhere struct{ *ldap.Checker }

func (elsewhere) Whose(login string) (uc.UserID, bool) { return 7, login == "anna" }

func startLDAP(t *testing.T) elsewhere {
	t.Helper()
	s := testenv.StartSlapd(t, `
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: uid=anna,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: Apfel
userPassword: `+password+`

dn: uid=guest,dc=example,dc=org
objectClass: inetOrgPerson
uid: guest
cn: Guest
sn: Guest
userPassword: `+password+"\n")
	c, err := ldap.New(ldap.Config{URL: s.URL, CAFile: s.Certificate, UserDN: "uid={login},dc=example,dc=org"})
	if err != nil {
		t.Fatal(err)
	}
	return elsewhere{c}
}

func TestLDAP(t *testing.T) {
	cfg := config()
	cfg.External = startLDAP(t)
	s := serve(t, cfg)
	byPlain := func(login, password string) request {
		return request{"PLAIN", "\x00" + login + "\x00" + password, phone, ""}
	}
	for _, c := range []struct {
		what string
		try  request
		want string
	}{
		{"right", byPlain("anna", password), "success"},
		{"wrong", byPlain("anna", "Secret124"), "not-authorized"},
		{"password kept here", byPlain("old", password), "success"},
		{"not a user here", byPlain("guest", password), "not-authorized"},
		{"token", request{"PLAIN", anna, phone, newToken("HT-SHA-256-NONE").inner}, "success"},
		{"SCRAM", request{"SCRAM-SHA-256", "n,,n=anna,r=x", phone, ""}, "invalid-mechanism"},
	} {
		t.Run(c.what, func(t *testing.T) {
			a := openTLS(t, s, clientTLS()).authenticate(t, c.try)
			if a.outcome() != c.want || a.Token.Token != "" {
				t.Errorf("%+v, want %s", a, c.want)
			}
		})
	}
}

// An LDAP server that cannot be reached is not a wrong password. The log names accounts only: half of those that there are
// not are asked for there, too.
func TestNoLDAP(t *testing.T) {
	c, err := ldap.New(ldap.Config{URL: "ldaps://127.0.0.1:1", UserDN: "uid={login}"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config()
	var out testenv.Log
	cfg.External, cfg.Log = elsewhere{c}, slog.New(slog.NewTextHandler(&out, nil))
	s := serve(t, cfg)
	if got := openTLS(t, s, clientTLS()).authenticate(t, request{"PLAIN", anna, phone, ""}).outcome(); got != "temporary-auth-failure" {
		t.Error(got)
	}
	for i := range 20 {
		openTLS(t, s, clientTLS()).authenticate(t, request{"PLAIN", fmt.Sprintf("\x00typed-secret%d\x00x", i), phone, ""})
	}
	for _, want := range []string{`"xmpp: cannot check a password" account=anna`, `"xmpp: cannot check a password" account=unknown`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "typed-secret") {
		t.Errorf("the log says what was typed:\n%s", out.String())
	}
}

// What a stranger is offered depends on whom they claim to be, but does not tell who exists.
func TestOfferByAddress(t *testing.T) {
	cfg := config()
	cfg.External = startLDAP(t)
	s := serve(t, cfg)
	offered := func(from string) []string {
		_, features := openTold(t, s, clientTLS(), strings.Replace(header, "to=", "from='"+from+"' to=", 1))
		if !slices.Equal(features.Classic, features.Extensible) {
			t.Errorf("%s is offered %v and %v", from, features.Classic, features.Extensible)
		}
		return features.Classic
	}
	if got := offered("anna@example.org"); !slices.Equal(got, []string{"PLAIN"}) {
		t.Errorf("who is in LDAP is offered %v", got)
	}
	if got := offered("old@example.org"); len(got) < 4 {
		t.Errorf("who is not is offered %v", got)
	}
	few, many := 0, 0
	for i := range 20 {
		nobody := fmt.Sprintf("nobody%d", i)
		got := offered(nobody + "@example.org")
		_, answer, challenge := try{mechanism: "SCRAM-SHA-256", hash: sha256.New, login: nobody}.run(t, openTLS(t, s, clientTLS()))
		if refused := answer == "invalid-mechanism"; refused != (len(got) == 1) || refused != (challenge == "") {
			t.Errorf("%s is offered %v, then told %s", nobody, got, answer)
		}
		if len(got) == 1 {
			few++
		} else {
			many++
		}
	}
	if few == 0 || many == 0 {
		t.Errorf("of those that there are not %d look like those in LDAP, %d like others", few, many)
	}
}

var _ negotiate.External = elsewhere{}
