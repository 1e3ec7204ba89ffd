package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// certificate is a self-signed one for the loopback address.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestTLS has two phones register over TLS from one address: each gets its own calls, also while a third
// client has connected and says nothing.
func TestTLS(t *testing.T) {
	cert := certificate(t)
	w := newWorld(t, func(c *Config, _ *uc.Tables) {
		c.TLSAddr, c.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}}
	})
	ctx := deadline(t)
	var plain net.Dialer
	silent, err := plain.DialContext(ctx, "tcp", w.Addrs().TLS.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	phones := map[uc.DeviceID]*wire{}
	for _, d := range []uc.DeviceID{annaDesk, doraDesk} {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		conn, err := dialer.DialContext(ctx, "tcp", w.Addrs().TLS.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		dev := w.dir.Snapshot().Devices.Get(d)
		phones[d] = newWire(conn, dev.SIPUser, dev.SIPSecret, "")
		if err := phones[d].register(ctx); err != nil {
			t.Fatal(err)
		}
	}
	caller := w.phone(t, benDesk)
	for d, ext := range map[uc.DeviceID]string{annaDesk: "12", doraDesk: "78"} {
		go func() { _ = caller.Call(ctx, ext, nil) }() // refused below
		invite := phones[d].expect(t, ctx, "INVITE")
		if want := fmt.Sprintf("Via: SIP/2.0/TLS %s;", w.Addrs().TLS); !strings.Contains(invite, want) {
			t.Errorf("no %q in\n%s", want, invite)
		}
		phones[d].say(t, answer(invite, "486 Busy Here", ""))
		phones[d].expect(t, ctx, "ACK")
	}
}
