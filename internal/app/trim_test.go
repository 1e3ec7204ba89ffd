package app

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestBallast holds what the ballast is for: the collector waits for more garbage, and no memory is used for that. It
// looks at a process of its own, since memory that was used before is cleared, and so used again.
func TestBallast(t *testing.T) {
	const fresh = "ROLECALL_TEST_FRESH"
	if os.Getenv(fresh) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBallast$", "-test.v")
		again.Env = append(os.Environ(), fresh+"=1")
		if out, err := again.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	resident := func() (pages int64) {
		raw, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		var size int64
		if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
			t.Fatal(err)
		}
		return pages
	}
	goal := func() uint64 {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	goalBefore := goal()
	before := resident()
	ballast := newBallast()
	if used := (resident() - before) * int64(os.Getpagesize()); used > ballastSize/4 {
		t.Errorf("the ballast uses %d bytes", used)
	}
	if got := goal(); got < goalBefore+ballastSize {
		t.Errorf("the collector waits for %d bytes, without the ballast for %d", got, goalBefore)
	}
	runtime.KeepAlive(ballast)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	if newBallast() != nil {
		t.Error("there is ballast under a memory limit")
	}
}

func TestTrimIsDue(t *testing.T) {
	const mega = 1 << 20
	var tr trimmer
	for i, step := range []struct {
		allocated, live uint64 // MB
		want            bool
		why             string
	}{
		{100, 40, false, "much to do: the start"},
		{110, 50, true, "quiet after the start"},
		{112, 50, false, "next to nothing since"},
		{112, 50, true, "the second time"},
		{113, 50, false, "but no third"},
		{400, 200, false, "many sign in"},
		{700, 300, false, "more sign in"},
		{701, 300, true, "they are in"},
		{715, 300, false, "a little at a time"},
		{716, 300, true, "the second time"},
		{730, 300, false, "not yet an eighth of what is live"},
		{740, 300, false, "not yet an eighth of what is live"},
		{754, 300, true, "an eighth"},
		{754, 300, false, "nothing at all"},
	} {
		if got := tr.due(step.allocated*mega, step.live*mega, 0); got != step.want {
			t.Errorf("step %d (%s): %v", i, step.why, got)
		}
	}
	if tr.due(810*mega, 300*mega, time.Second); tr.due(815*mega, 300*mega, time.Second) {
		t.Error("trimmed while messages that allocate nothing keep the processor busy")
	}
	if !tr.due(820*mega, 300*mega, trimBusy) {
		t.Error("not trimmed when that was over")
	}
}
