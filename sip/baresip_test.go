package sip

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/media"
)

// baresip is a real telephone without a screen; it is steered over its TCP control port.
type baresip struct {
	control net.Conn
}

const baresipConfig = `poll_method		epoll
net_interface		127.0.0.1
sip_listen		127.0.0.1:%d
rtp_ports		%d-%d
audio_source		aufile,%s
audio_player		aubridge,none
audio_alert		aubridge,none
ctrl_tcp_listen		127.0.0.1:%[5]d
module_path		/usr/lib/baresip/modules
module			g711.so
module			aubridge.so
module			aufile.so
module_app		account.so
module_app		menu.so
module_app		ctrl_tcp.so
`

func startBaresip(t *testing.T, w *world, device uc.DeviceID, mode string) *baresip {
	t.Helper()
	program, err := exec.LookPath("baresip")
	if err != nil {
		t.Fatal("baresip is not installed: run make deps")
	}
	dir, d, rtp, control := t.TempDir(), w.dir.Snapshot().Devices.Get(device), freePort(t)&^1, freePort(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("speech.wav", silentWAV(60))
	write("config", fmt.Sprintf(baresipConfig, freePort(t), rtp, rtp+20, filepath.Join(dir, "speech.wav"), control))
	write("accounts", fmt.Sprintf("<sip:%s@%s;transport=udp>;auth_user=%[1]s;auth_pass=%[3]s;regint=60;answermode=%[4]s\n",
		d.SIPUser, w.Addrs().UDP, d.SIPSecret, mode))
	write("contacts", "")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-f", dir)
	cmd.Dir = dir
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	events := w.bus.Subscribe(100, uc.RegistrationChanged{})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
		if text, err := os.ReadFile(out.Name()); err == nil && t.Failed() {
			t.Logf("%s says:\n%s", d.SIPUser, text)
		}
	})
	await(t, events, func(e uc.RegistrationChanged) bool { return e.Device == device && e.Contacts > 0 })
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(control))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &baresip{conn}
}

// silentWAV is a file of silence, 8 kHz 16 bit mono.
func silentWAV(seconds int) string {
	size := uint32(seconds * 16000)
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(head[4:], size+36)
	binary.LittleEndian.PutUint32(head[40:], size)
	return string(head) + string(make([]byte, size))
}

// tell gives a command as a netstring of JSON.
func (b *baresip) tell(t *testing.T, command, params string) {
	t.Helper()
	text := fmt.Sprintf(`{"command":%q,"params":%q}`, command, params)
	if _, err := fmt.Fprintf(b.control, "%d:%s,", len(text), text); err != nil {
		t.Fatal(err)
	}
}

// TestBaresip has two telephones of another make register and talk: audio goes both ways through the
// relay, hold and resume pass, and both know that it is over.
func TestBaresip(t *testing.T) {
	w := newWorld(t, nil)
	startBaresip(t, w, annaDesk, "auto")
	phone := startBaresip(t, w, benDesk, "manual")
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	is := func(want func(uc.Call) bool) func(uc.CallChanged) bool {
		return func(e uc.CallChanged) bool { return want(e.Call) }
	}
	phone.tell(t, "dial", "12")
	answered := await(t, events, is(func(c uc.Call) bool { return c.State == uc.CallAnswered })).Call
	if answered.Caller.User != ben || answered.Called.User != anna {
		t.Errorf("call is %+v", answered)
	}
	heard(t, w)
	phone.tell(t, "hold", "")
	await(t, events, is(func(c uc.Call) bool { return c.Legs[0].State == uc.LegHeld }))
	phone.tell(t, "resume", "")
	await(t, events, is(func(c uc.Call) bool { return c.Legs[0].State == uc.LegAnswered }))
	phone.tell(t, "hangup", "")
	ended := await(t, events, is(func(c uc.Call) bool { return c.State == uc.CallEnded })).Call
	if ended.Cause != "the caller hung up" {
		t.Errorf("the call ended because %s", ended.Cause)
	}
}

// TestBaresipDial has a call dialled for Ben: his phone rings and is picked up, Anna's is called, and they talk.
// Then Anna is sent on to Cleo, and they talk.
func TestBaresipDial(t *testing.T) {
	w := newWorld(t, nil)
	for _, d := range []uc.DeviceID{annaDesk, benDesk, cleoDesk} {
		startBaresip(t, w, d, "auto")
	}
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	is := func(want func(uc.Call) bool) func(uc.CallChanged) bool {
		return func(e uc.CallChanged) bool { return want(e.Call) }
	}
	if _, err := w.Dial(t.Context(), ben, "12", boss); err != nil {
		t.Fatal(err)
	}
	answered := await(t, events, is(func(c uc.Call) bool { return c.State == uc.CallAnswered })).Call
	if answered.Caller.User != ben || answered.Caller.Device != benDesk || answered.Called.User != anna {
		t.Errorf("call is %+v", answered)
	}
	heard(t, w)
	if err := w.Transfer(t.Context(), answered.ID, "56", false, boss); err != nil {
		t.Fatal(err)
	}
	before, next := transferred(t, events, answered.ID)
	if next.Caller.User != anna || next.Called.User != cleo {
		t.Errorf("call is %+v", next)
	}
	if before.Cause != "transferred to 56 by boss" {
		t.Errorf("call is %+v", before)
	}
	heardAnew(t, w)
	if err := w.HangUp(t.Context(), next.ID, boss); err != nil {
		t.Fatal(err)
	}
	await(t, events, is(func(c uc.Call) bool { return c.ID == next.ID && c.State == uc.CallEnded }))
}

// TestBaresipRefer has Ben's phone send Anna on to Cleo with its own key.
func TestBaresipRefer(t *testing.T) {
	w := newWorld(t, nil)
	startBaresip(t, w, annaDesk, "auto")
	startBaresip(t, w, cleoDesk, "auto")
	phone := startBaresip(t, w, benDesk, "manual")
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	phone.tell(t, "dial", "12")
	answered := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallAnswered }).Call
	heard(t, w)
	phone.tell(t, "transfer", "56")
	before, next := transferred(t, events, answered.ID)
	if before.Cause != "transferred to 56 by ben" || next.Caller.User != anna || next.Called.User != cleo {
		t.Errorf("call is %+v, before it %+v", next, before)
	}
	heardAnew(t, w)
	if err := w.HangUp(t.Context(), next.ID, boss); err != nil {
		t.Fatal(err)
	}
	await(t, events, func(e uc.CallChanged) bool { return e.Call.ID == next.ID && e.Call.State == uc.CallEnded })
}

// heard waits until both sides of the only call have sent audio through the relay.
func heard(t *testing.T, w *world) {
	t.Helper()
	hear(t, w, media.Stats{}, media.Stats{})
}

// heardAnew is heard for what comes from now on.
func heardAnew(t *testing.T, w *world) {
	t.Helper()
	session := w.calls.actors()[0].media
	hear(t, w, session.Stats(media.Caller), session.Stats(media.Callee))
}

func hear(t *testing.T, w *world, from, to media.Stats) {
	t.Helper()
	session := w.calls.actors()[0].media
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); ; {
		a, b := session.Stats(media.Caller), session.Stats(media.Callee)
		if a.Packets-a.Dropped > from.Packets-from.Dropped+5 && b.Packets-b.Dropped > to.Packets-to.Dropped+5 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("audio: caller %+v, callee %+v", a, b)
		}
	}
}
