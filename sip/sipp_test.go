package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// sipp plays one of its scenarios as a phone of the company at a port of its own.
type sipp struct {
	program string
	world   *world
	dir     string // for what it writes
	tcp     bool
}

func newSIPp(t *testing.T, w *world) *sipp {
	t.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is not installed: run make deps")
	}
	return &sipp{program: program, world: w, dir: t.TempDir()}
}

// freePort is a port that was free a moment ago, for UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort(udp.LocalAddr().String())
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		udp.Close()
		if err == nil {
			tcp.Close()
			return int(at.Port())
		}
	}
	t.Fatal("no port is free for both UDP and TCP")
	return 0
}

// start starts a scenario: a file below testdata/sipp, or one of sipp's own if it has no suffix. wait
// returns its outcome.
func (s *sipp) start(t *testing.T, scenario string, device uc.DeviceID, port int, args ...string) (wait func() error) {
	t.Helper()
	d := s.world.dir.Snapshot().Devices.Get(device)
	at := s.world.Addrs().UDP
	transport := "u1"
	if s.tcp {
		at, transport = s.world.Addrs().TCP, "t1"
	}
	how := []string{"-sn", scenario}
	if filepath.Ext(scenario) != "" {
		file, err := filepath.Abs(filepath.Join("testdata", "sipp", scenario))
		if err != nil {
			t.Fatal(err)
		}
		how = []string{"-sf", file}
	}
	media := freePort(t)
	args = append(append(how, "-i", "127.0.0.1", "-p", strconv.Itoa(port), "-mp", strconv.Itoa(media), "-t", transport, "-m", "1",
		"-key", "user", d.SIPUser, "-au", d.SIPUser, "-ap", d.SIPSecret, "-nostdin", "-timeout", "15", "-timeout_error", "-trace_err"), args...)
	args = append(args, at.String())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Dir = s.dir
	out, err := os.CreateTemp(s.dir, "out")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(cancel)
	return func() error {
		err := <-done
		if err != nil {
			text, _ := os.ReadFile(out.Name())
			logs, _ := filepath.Glob(filepath.Join(s.dir, "*errors.log"))
			for _, l := range logs {
				more, _ := os.ReadFile(l)
				text = append(text, more...)
			}
			return fmt.Errorf("sipp %s: %w\n%s", scenario, err, text)
		}
		return nil
	}
}

// TestSIPp has sipp register, call, ring and cancel.
func TestSIPp(t *testing.T) {
	w := newWorld(t, nil)
	s := newSIPp(t, w)
	phone, caller := freePort(t), freePort(t)
	play := func(scenario string, device uc.DeviceID, port int, args ...string) {
		t.Helper()
		if err := s.start(t, scenario, device, port, args...)(); err != nil {
			t.Fatal(err)
		}
	}
	play("register.xml", annaDesk, phone)
	if !w.Registered(annaDesk) {
		t.Fatal("not registered")
	}
	for _, test := range []struct{ phone, caller string }{{"uas", "call.xml"}, {"uas", "stock.xml"}, {"ring.xml", "cancel.xml"}} {
		answer := s.start(t, test.phone, annaDesk, phone)
		play(test.caller, benDesk, caller, "-s", "12")
		if err := answer(); err != nil {
			t.Error(err)
		}
	}
	w.stop()
	records := w.store.callRecords()
	if len(records) != 3 || records[0].Answered.IsZero() || records[1].Answered.IsZero() || !records[2].Answered.IsZero() {
		t.Errorf("records are %+v", records)
	}
}
