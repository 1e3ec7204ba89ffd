package testenv

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

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
