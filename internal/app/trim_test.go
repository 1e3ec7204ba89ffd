package app

import (
	"testing"
	"time"
)

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
