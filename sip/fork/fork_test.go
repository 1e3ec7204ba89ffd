package fork

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

var epoch = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// Branches of the conversations: two devices of one person (the second 5 s later), one of another.
var (
	desk   = uc.Branch{User: 1, Device: 1, Timeout: 20}
	mobile = uc.Branch{User: 1, Device: 2, Delay: 5, Timeout: 30}
	other  = uc.Branch{User: 2, Device: 3, Timeout: 20}
)

// Each line of a script is "seconds event: commands", what arrives and what must be done about it.
func TestConversations(t *testing.T) {
	for _, c := range []struct {
		name     string
		branches []uc.Branch
		script   string
	}{
		{"one device answers", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			0 100 0:
			1 180 0:    ringing 180 of 0
			4 answer 0: connect 0`},
		{"the mobile rings 5 s later and wins; the desk phone is told who did", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 180 0:    ringing 180 of 0
			5 tick:     invite 1; wake 20
			6 180 1:
			9 answer 1: connect 1; cancel 0 answered elsewhere
			9 fail 0 487:`},
		{"an answer before the mobile's delay: the mobile never rings", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 180 0:    ringing 180 of 0
			2 answer 0: connect 0
			5 tick:`},
		{"two answers cross: the first wins, the second is hung up", []uc.Branch{desk, other}, `
			0 start:    invite 0; invite 1; wake 20
			1 180 0:    ringing 180 of 0
			1 180 1:
			3 answer 1: connect 1; cancel 0 answered elsewhere
			3 answer 0: hang up 0 answered elsewhere
			4 answer 0:`},
		{"no CANCEL before a provisional response", []uc.Branch{desk, other}, `
			0 start:    invite 0; invite 1; wake 20
			1 answer 1: connect 1
			2 100 0:    cancel 0 answered elsewhere
			3 fail 0 487:`},
		{"a branch that never says anything and then answers too late", []uc.Branch{desk, other}, `
			0 start:    invite 0; invite 1; wake 20
			1 answer 1: connect 1
			2 answer 0: hang up 0 answered elsewhere`},
		{"nobody answers: each branch by its own timeout, then give up", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 180 0:    ringing 180 of 0
			5 tick:     invite 1; wake 20
			6 180 1:
			20 tick:    cancel 0 not answered in time; wake 35
			20 fail 0 487:
			35 tick:    cancel 1 not answered in time; give up noanswer 408
			35 fail 1 487:`},
		{"an answer that crosses the timeout's CANCEL still counts while others ring", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 180 0:    ringing 180 of 0
			5 tick:     invite 1; wake 20
			6 180 1:
			20 tick:    cancel 0 not answered in time; wake 35
			20 answer 0: connect 0; cancel 1 answered elsewhere`},
		{"a silent device that is given up, and late told who answered meanwhile", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			5 tick:     invite 1; wake 20
			6 180 1:    ringing 180 of 1
			20 tick:    wake 35
			25 answer 1: connect 1
			26 180 0:   cancel 0 answered elsewhere`},
		{"but not when the call has been given up", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			1 180 0:    ringing 180 of 0
			20 tick:    cancel 0 not answered in time; give up noanswer 408
			20 answer 0: hang up 0 not answered in time`},
		{"the phone is switched off and its timeout passes: unreachable", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			20 tick:    give up unreachable 408
			32 fail 0 408:`},
		{"busy here", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			0 fail 0 486: give up busy 486`},
		{"the desk phone is busy, the mobile still gets its turn", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			0 fail 0 486:
			5 tick:     invite 1; wake 35
			5 fail 1 404: give up busy 486`},
		{"one refused, the other rang in vain: no answer", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 fail 0 486:
			5 tick:     invite 1; wake 35
			6 180 1:    ringing 180 of 1
			35 tick:    cancel 1 not answered in time; give up noanswer 486`},
		{"a decline ends the person's other devices", []uc.Branch{desk, mobile, other}, `
			0 start:    invite 0; invite 2; wake 5
			1 180 0:    ringing 180 of 0
			1 180 2:
			2 fail 0 603: wake 20
			20 tick:    cancel 2 not answered in time; give up noanswer 603`},
		{"a decline while the person's other device rings", []uc.Branch{desk, {User: 1, Device: 4, Timeout: 20}}, `
			0 start:    invite 0; invite 1; wake 20
			1 180 0:    ringing 180 of 0
			1 180 1:
			2 fail 0 603: cancel 1 declined on another device; give up busy 603`},
		{"a phone that ends the ringing by itself was not answered", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			1 180 0:    ringing 180 of 0
			9 fail 0 480: give up noanswer 480`},
		{"a phone that is set to do not disturb is unreachable", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			1 fail 0 480: give up unreachable 480`},
		{"no branch could be sent", []uc.Branch{desk, other}, `
			0 start:    invite 0; invite 1; wake 20
			0 fail 0 503:
			0 fail 1 503: give up unreachable 500`},
		{"the caller hangs up", []uc.Branch{desk, mobile, other}, `
			0 start:    invite 0; invite 2; wake 5
			1 180 0:    ringing 180 of 0
			2 gone:     cancel 0 the caller hung up
			3 180 2:    cancel 2 the caller hung up
			3 fail 0 487:
			5 tick:`},
		{"the caller's CANCEL crosses an answer", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			1 180 0:    ringing 180 of 0
			2 gone:     cancel 0 the caller hung up
			2 answer 0: hang up 0 the caller hung up`},
		{"the caller is gone after the call was connected: no longer ours", []uc.Branch{desk}, `
			0 start:    invite 0; wake 20
			2 answer 0: connect 0
			2 gone:`},
		{"180 and early media are passed on once each, other progress is not", []uc.Branch{desk, other}, `
			0 start:    invite 0; invite 1; wake 20
			1 181 0:
			1 183 0:    ringing 183 of 0
			2 180 1:    ringing 180 of 1
			3 180 0:
			3 183 1:`},
		{"nothing to ring", nil, `
			0 start:    give up unreachable 480`},
		{"what does not fit is ignored", []uc.Branch{desk, mobile}, `
			0 answer 0:
			0 start:    invite 0; wake 5
			0 start:
			1 answer 1:
			1 180 1:
			1 fail 1 486:
			1 answer 7:
			1 tick:`},
		{"a late tick does all that is due", []uc.Branch{desk, mobile}, `
			0 start:    invite 0; wake 5
			1 180 0:    ringing 180 of 0
			50 tick:    cancel 0 not answered in time; invite 1; give up noanswer 408`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New(c.branches)
			for line := range strings.Lines(strings.TrimSpace(c.script)) {
				given, want, _ := strings.Cut(strings.TrimSpace(line), ":")
				at, e := read(t, given)
				if got := write(f.Step(at, e)); got != strings.TrimSpace(want) {
					t.Fatalf("%s:\n got  %s\n want %s", given, got, strings.TrimSpace(want))
				}
			}
		})
	}
}

func read(t *testing.T, line string) (time.Time, Event) {
	t.Helper()
	words := strings.Fields(line)
	number := func(i int) int {
		n, err := strconv.Atoi(words[i])
		if err != nil {
			t.Fatalf("script line %q: %v", line, err)
		}
		return n
	}
	at := epoch.Add(time.Duration(number(0)) * time.Second)
	switch words[1] {
	case "start":
		return at, Start{}
	case "tick":
		return at, Tick{}
	case "gone":
		return at, CallerGone{}
	case "diverted":
		return at, Diverted{}
	case "answer":
		return at, Answer{number(2)}
	case "fail":
		return at, Fail{number(2), number(3)}
	}
	return at, Provisional{number(2), number(1)}
}

func write(commands []Command) string {
	var words []string
	for _, c := range commands {
		switch c := c.(type) {
		case Invite:
			words = append(words, fmt.Sprintf("invite %d", c.Branch))
		case Cancel:
			words = append(words, fmt.Sprintf("cancel %d %v", c.Branch, c.Reason))
		case HangUp:
			words = append(words, fmt.Sprintf("hang up %d %v", c.Branch, c.Reason))
		case Connect:
			words = append(words, fmt.Sprintf("connect %d", c.Branch))
		case Ringing:
			words = append(words, fmt.Sprintf("ringing %d of %d", c.Status, c.Branch))
		case GiveUp:
			words = append(words, fmt.Sprintf("give up %s %d", c.As, c.Status))
		case Wake:
			words = append(words, fmt.Sprintf("wake %d", int(c.At.Sub(epoch).Seconds())))
		}
	}
	return strings.Join(words, "; ")
}

func TestReasonHeader(t *testing.T) {
	if got, want := ReasonElsewhere.Header(), `SIP;cause=200;text="Call completed elsewhere"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for r := ReasonElsewhere; r <= ReasonDeclined; r++ {
		if r.Header() == "" || r.String() == "" {
			t.Errorf("reason %d has no text", r)
		}
	}
	if got := Reason(0).Header() + Reason(99).Header(); got != "" {
		t.Errorf("unknown reasons have the header %q", got)
	}
}

// RFC 3261 §16.7 step 6, in the order of preference.
func TestBestResponse(t *testing.T) {
	for _, c := range []struct {
		statuses []int
		want     int
	}{
		{[]int{404, 486}, 486},
		{[]int{503, 404}, 404},
		{[]int{503, 500}, 503},
		{[]int{404, 603, 486}, 603},
		{[]int{404, 401}, 401},
		{[]int{480, 404}, 480},
		{[]int{486, 302}, 486},
		{[]int{404, 302}, 302},
	} {
		var o outcomes
		for _, s := range c.statuses {
			o.note(s, false)
		}
		if o.best != c.want {
			t.Errorf("best of %v: %d, want %d", c.statuses, o.best, c.want)
		}
	}
}
