package testenv

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// program returns the path of what make deps installs; not everybody has Debian's folder of servers in PATH.
func program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not installed: run make deps", name)
	}
	return path
}

// launch starts a server that the caller stops, and which dies with the test binary in any case. The channel is
// closed when it has ended.
func launch(t testing.TB, cmd *exec.Cmd) (ended <-chan struct{}) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		// The server dies with the thread that started it, should the test binary be killed.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the caller stops it
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return done
}

// serve starts a server, waits until it takes connections at an address, and stops it after the test. If the test fails what
// it has said is shown.
func serve(t testing.TB, address string, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer // read after ended
	cmd.Stdout, cmd.Stderr = &log, &log
	ended := launch(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(startLimit):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, log.String())
		}
	})
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, log.String())
		default:
		}
		if conn, err := net.Dial("tcp", address); err == nil { //nolint:noctx // loopback
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not start", cmd.Path)
}
