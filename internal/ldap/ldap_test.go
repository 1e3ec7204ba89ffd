package ldap

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/testenv"
)

const entries = `
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=lena,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: lena
cn: Lena
sn: Lind
mail: twice@example.org
userPassword: Hidden789

dn: uid=mute,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: mute
cn: Mute
sn: Mute
mail: twice@example.org

dn: uid=a\,b*(c,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: a,b*(c
cn: Odd
sn: Odd
userPassword: Hidden789
`

func TestCheck(t *testing.T) {
	s := testenv.StartSlapd(t, entries)
	byDN := Config{URL: s.URLTLS, CAFile: s.Certificate, UserDN: "uid={login},ou=people,dc=example,dc=org"}
	upgraded := byDN
	upgraded.URL = s.URL
	bySearch := Config{
		URL: s.URL, CAFile: s.Certificate, Base: "dc=example,dc=org", Filter: "(&(objectClass=person)(uid={login}))",
		SearchDN: testenv.SlapdRoot, Password: testenv.SlapdPassword,
	}
	for name, cfg := range map[string]Config{"TLS, DN": byDN, "StartTLS, DN": upgraded, "search": bySearch} {
		t.Run(name, func(t *testing.T) {
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, try := range []struct {
				login, password string
				want            bool
			}{
				{"lena", "Hidden789", true},
				{"lena", "hidden789", false},
				{"lena", "", false},
				{"", "Hidden789", false},
				{"nobody", "Hidden789", false},
				{"mute", "Hidden789", false},
				{"a,b*(c", "Hidden789", true},
				{"len*", "Hidden789", false},
				{"lena)(uid=*", "Hidden789", false},
				{"lena,ou=people", "Hidden789", false},
				{"lena", strings.Repeat("x", 10000), false},
			} {
				got, err := c.Check(t.Context(), try.login, try.password)
				if got != try.want || err != nil {
					t.Errorf("%q with %.20q: %v, %v", try.login, try.password, got, err)
				}
			}
		})
	}
	t.Run("ambiguous", func(t *testing.T) {
		cfg := bySearch
		cfg.Filter = "(|(mail=twice@example.org)(uid={login}))"
		if got, err := mustNew(t, cfg).Check(t.Context(), "lena", "Hidden789"); got || err != nil {
			t.Error(got, err)
		}
	})
	for name, change := range map[string]func(*Config){
		"unknown certificate":    func(c *Config) { c.CAFile = "" },
		"wrong name":             func(c *Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) },
		"search account refused": func(c *Config) { c.Password = "wrong" },
		"search without account": func(c *Config) { c.SearchDN = "" },
		"base does not exist":    func(c *Config) { c.Base = "dc=other" },
		"nobody listens":         func(c *Config) { c.URL = "ldaps://127.0.0.1:1" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := bySearch
			change(&cfg)
			if got, err := mustNew(t, cfg).Check(t.Context(), "lena", "Hidden789"); got || err == nil {
				t.Error(got, err)
			}
		})
	}
}

func mustNew(t *testing.T, cfg Config) *Checker {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A server that takes the connection and says nothing must not hold anybody longer than they want to wait.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, scheme := range []string{"ldap://", "ldaps://"} {
		c := mustNew(t, Config{URL: scheme + l.Addr().String(), UserDN: "uid={login}"})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		if got, err := c.Check(ctx, "lena", "Hidden789"); got || err == nil || time.Since(began) > 5*time.Second {
			t.Error(got, err, time.Since(began))
		}
		cancel()
	}
}

func TestNew(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{URL: "http://ldap.example.org", UserDN: "uid={login}"},
		{URL: "ldap://", UserDN: "uid={login}"},
		{URL: "ldap://ldap.example.org"},
		{URL: "ldap://ldap.example.org", UserDN: "uid=lena"},
		{URL: "ldap://ldap.example.org", UserDN: "uid={login}", Filter: "(uid={login})"},
		{URL: "ldap://ldap.example.org", Filter: "(uid={login}"},
		{URL: "ldap://ldap.example.org", UserDN: "uid={login}", CAFile: "/dev/null"},
		{URL: "ldap://ldap.example.org", UserDN: "uid={login}", CAFile: "/does/not/exist"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
