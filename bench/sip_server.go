package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
)

// sipServer is a server that was started with telephones, each with an extension of its own.
type sipServer struct {
	*process
	name    string
	address string
	phones  []sipPhone
}

// startSIP is how each server is started; dir is an empty folder for its files.
type startSIP func(ctx context.Context, dir string, o options) (*sipServer, error)

// startRolecallSIP founds the company in the database and starts the binary.
func startRolecallSIP(ctx context.Context, dir string, o options) (*sipServer, error) {
	phones, err := foundPhones(ctx, dir)
	if err != nil {
		return nil, err
	}
	port, err := freeUDPPort()
	if err != nil {
		return nil, err
	}
	p, err := launch(dir, nil, o.binary, "serve", "--data="+dir, "--domain="+domain, "--http.listen=", "--xmpp.listen=",
		"--xmpp.listen-tls=", "--xmpp.listen-s2s=", "--sip.ip=127.0.0.1", "--sip.udp="+strconv.Itoa(port), "--sip.tcp=", "--sip.tls=",
		"--sip.rtp-min=10000", "--sip.rtp-max=32767", "--grace=1s", "--log.level=warn")
	if err != nil {
		return nil, err
	}
	return &sipServer{p, "rolecall", fmt.Sprintf("127.0.0.1:%d", port), phones}, nil
}

// foundPhones adds users who have a desk phone each. It writes them in one commit: ten thousand commands
// of the directory would take minutes.
func foundPhones(ctx context.Context, dir string) ([]sipPhone, error) {
	db, err := store.Open(ctx, "sqlite://"+filepath.Join(dir, "rolecall.db"), nil)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	d, err := directory.Open(ctx, db, bus.New(), directory.Options{}) // founds the company
	if err != nil {
		return nil, err
	}
	base := d.Snapshot().Version
	rows, phones := deskPhones()
	return phones, db.SaveDirectory(ctx, base, []uc.Commit{{
		Version: base + 1, Change: uc.ChangeSet{Put: rows},
		Sequences: uc.Sequences{uc.KindUser: sipContacts, uc.KindDevice: sipContacts, uc.KindAssignment: sipContacts},
		Audit:     uc.AuditEntry{Time: time.Now(), By: by, Text: "added the telephones of the measurement"},
	}})
}

func deskPhones() (rows uc.Tables, phones []sipPhone) {
	for i := range sipContacts {
		phone := sipPhone{sipNumber(i), rand.Text()}
		user, device := uc.UserID(i+1), uc.DeviceID(i+1)
		rows.Users = append(rows.Users, uc.User{ID: user, Login: "u" + phone.number, Name: "User " + phone.number, Ext: phone.number,
			Auth: uc.AuthNone, Voicemail: uc.VoicemailOff, CallWaiting: true})
		rows.Devices = append(rows.Devices, uc.Device{ID: device, Name: "Desk " + phone.number, Kind: uc.DeviceDesk,
			SIPUser: phone.number, SIPSecret: phone.secret})
		rows.Assignments = append(rows.Assignments, uc.Assignment{ID: uc.AssignmentID(i + 1), Device: device, User: user,
			Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing})
		phones = append(phones, phone)
	}
	return rows, phones
}

func sipNumber(i int) string { return strconv.Itoa(20000 + i) }

//go:embed testdata/sip_kamailio.cfg
var kamailioConfig string

// startKamailio starts Kamailio with one worker: it has one processor. All telephones have the password
// that stands in its script, so nothing is looked up for it.
func startKamailio(_ context.Context, dir string, _ options) (*sipServer, error) {
	port, err := freeUDPPort()
	if err != nil {
		return nil, err
	}
	phones := make([]sipPhone, sipContacts)
	for i := range phones {
		phones[i] = sipPhone{sipNumber(i), password}
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	file := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(kamailioConfig, "ADDRESS", address)), 0o644); err != nil {
		return nil, err
	}
	// With its default allocator and receive buffer it loses calls from 1,000 a second on.
	p, err := launch(dir, nil, "kamailio", "-DD", "-E", "-f", file, "-Y", dir, "-m", "1024", "-M", "64", "-x", "fm", "-X", "fm", "-b", "4194304")
	if err != nil {
		return nil, err
	}
	return &sipServer{p, "kamailio", address, phones}, nil
}

// freeUDPPort returns a port that was free on loopback a moment ago.
func freeUDPPort() (int, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port, nil
}

// proportional returns the group's resident memory in bytes. Unlike [process.memory] it counts memory
// that processes share once, as Kamailio's do.
func (p *process) proportional() int64 {
	var kilobytes int64
	for _, pid := range p.pids() {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		_, raw, _ = bytes.Cut(raw, []byte("\nPss:"))
		var n int64
		if _, err := fmt.Sscan(string(raw), &n); err == nil {
			kilobytes += n
		}
	}
	return kilobytes * 1024
}
