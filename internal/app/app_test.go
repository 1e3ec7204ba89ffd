package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// loopback is a configuration with free loopback ports and the data in a folder of the test.
func loopback(t *testing.T) Config {
	t.Helper()
	return Config{Data: t.TempDir(), Domain: "localhost", TimeZone: "UTC", Grace: time.Second,
		XMPP: XMPPConfig{Listen: "127.0.0.1:0", MaxStanza: 262144},
		SIP:  SIPConfig{IP: "127.0.0.1", UDP: "0", RTPMin: 20000, RTPMax: 29999},
		HTTP: HTTPConfig{Listen: "127.0.0.1:0", Plain: true}}
}

// A start that fails at the last listener gives back everything before it.
func TestFailedStartClosesWhatItOpened(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	cfg := loopback(t)
	cfg.HTTP.Listen = taken.Addr().String()
	_, cfg.SIP.UDP, _ = net.SplitHostPort(address)
	_, err = New(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "http.listen: another program listens at "+cfg.HTTP.Listen) {
		t.Fatalf("error %v, want one that names http.listen", err)
	}
	again, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatalf("the SIP socket stayed open: %v", err)
	}
	again.Close()
	cfg.HTTP.Listen = "127.0.0.1:0"
	a, err := New(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("the second try with the same data folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Errorf("a server that is stopped at once: %v", err)
	}
}

// A user named admin who was imported before the first start stays what they are.
func TestFirstAdminBesideAUserOfThatName(t *testing.T) {
	cfg := loopback(t)
	imported := `<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='admin' password='Imported1'/></host></server-data>`
	if err := ImportXMPP(t.Context(), &cfg, strings.NewReader(imported), nil, false, io.Discard); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	dir := a.directory.Snapshot()
	if login, password := a.FirstSignIn(); login != "admin2" || password == "" {
		t.Errorf("the first administrator is %q", login)
	}
	if u := dir.UserByLogin("admin"); u == nil || u.AdminLevel == uc.LevelSystem {
		t.Errorf("the imported user is %+v", u)
	}
}

// Who waits for an LDAP directory that the settings do not name is told of at the start.
func TestUsersOfNoLDAP(t *testing.T) {
	cfg := loopback(t)
	for _, want := range []int{0, 1} {
		var log testenv.Log
		a, err := New(t.Context(), cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if lines := log.Lines("ldap.url is not set"); len(lines) != want || want > 0 && !strings.Contains(lines[0], "users=1") {
			t.Errorf("%q, want %d lines", lines, want)
		}
		_, err = a.directory.AddUser(t.Context(), uc.System, uc.NewUser{User: uc.User{Login: fmt.Sprintf("lena%d", want), Name: "Lena", Auth: uc.AuthLDAP}})
		if err != nil {
			t.Fatal(err)
		}
		a.close()
	}
}
