package testenv

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Slapd is an LDAP server of dc=example,dc=org that lets nobody in without TLS.
type Slapd struct {
	URL         string // by StartTLS
	URLTLS      string // TLS from the first byte
	Certificate string // file to trust
}

// SlapdRoot is the account that may do everything on a Slapd, SlapdPassword its password.
const (
	SlapdRoot     = "cn=admin,dc=example,dc=org"
	SlapdPassword = "rootSecret1"
)

// StartSlapd starts OpenLDAP with the entries of an LDIF text.
func StartSlapd(t testing.TB, ldif string) *Slapd {
	t.Helper()
	slapd := program(t, "slapd")
	dir := t.TempDir()
	s := &Slapd{URL: "ldap://" + freeAddress(t), URLTLS: "ldaps://" + freeAddress(t), Certificate: filepath.Join(dir, "cert.pem")}
	writeCertificate(t, s.Certificate, filepath.Join(dir, "key.pem"))
	conf := filepath.Join(dir, "slapd.conf")
	writeFile(t, conf, strings.ReplaceAll(slapdConf, "DIR", dir))
	writeFile(t, filepath.Join(dir, "entries.ldif"), ldif)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), slapd, "-T", "add", "-f", conf, "-l", filepath.Join(dir, "entries.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	serve(t, strings.TrimPrefix(s.URL, "ldap://"),
		exec.CommandContext(context.Background(), slapd, "-h", s.URL+" "+s.URLTLS, "-f", conf, "-d", "0")) // -d: in the foreground
	return s
}

const slapdConf = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/slapd.pid
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
TLSCACertificateFile DIR/cert.pem
security simple_bind=128
disallow bind_anon
require authc
database mdb
suffix "dc=example,dc=org"
rootdn "` + SlapdRoot + `"
rootpw ` + SlapdPassword + `
directory DIR/db
`

// freeAddress returns an address on which nobody listens now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeCertificate makes a certificate of 127.0.0.1 that signs itself.
func writeCertificate(t testing.TB, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), // also in virtual time
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
