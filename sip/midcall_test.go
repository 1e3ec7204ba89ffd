package sip

import (
	"context"
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// talking has Ben's phone in a call with Anna's desk phone. What each said last stands in the result.
type talking struct {
	caller, phone  *wire
	invite, answer string // the INVITE at Anna's, the 200 at Ben's
}

func (w *world) talk(t *testing.T, ctx context.Context) *talking {
	t.Helper()
	c := &talking{caller: w.dial(t, "udp", benDesk), phone: w.dial(t, "udp", annaDesk)}
	if err := c.phone.register(ctx); err != nil {
		t.Fatal(err)
	}
	c.caller.say(t, callerRequest("INVITE", "12", "talk", 1, "", testSDP))
	refusal := c.caller.expect(t, ctx, "SIP/2.0 407")
	c.caller.say(t, strings.NewReplacer("To: <sip:12@example.org>", "To: "+field(refusal, "To"), "-ACK-", "-INVITE-").Replace(
		callerRequest("ACK", "12", "talk", 1, "", "")))
	c.caller.say(t, callerRequest("INVITE", "12", "talk", 2, "Proxy-Authorization: $digest\n", testSDP))
	c.invite = c.phone.expect(t, ctx, "INVITE")
	c.phone.say(t, answer(c.invite, "200 OK", testSDP))
	c.phone.expect(t, ctx, "ACK")
	c.answer = c.caller.expect(t, ctx, "SIP/2.0 200")
	c.caller.say(t, c.from("ACK", 2, ""))
	return c
}

// from is a request of Ben's phone inside the dialog.
func (c *talking) from(method string, cseq int, body string) string {
	return strings.Replace(callerRequest(method, "12", "talk", cseq, "", body), "To: <sip:12@example.org>", "To: "+field(c.answer, "To"), 1)
}

// TestUpdate3311 has an UPDATE with an offer go through, and one without only refresh the target.
func TestUpdate3311(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	c := w.talk(t, ctx)
	c.caller.say(t, c.from("UPDATE", 3, ""))
	c.caller.expect(t, ctx, "SIP/2.0 200")
	c.caller.say(t, c.from("UPDATE", 4, testSDP))
	update := c.phone.expect(t, ctx, "UPDATE")
	if !strings.Contains(update, "m=audio") || strings.Contains(update, "m=audio 4000") {
		t.Errorf("the offer does not lead to the relay:\n%s", update)
	}
	c.phone.say(t, answer(update, "200 OK", testSDP))
	if got := c.caller.expect(t, ctx, "SIP/2.0 200"); field(got, "CSeq") != "4 UPDATE" || !strings.Contains(got, "m=audio") {
		t.Errorf("answered\n%s", got)
	}
}

// TestOldRequest refuses a request that was overtaken (RFC 3261 §12.2.2), and one of a stranger who
// knows our tag but not the phone's.
func TestOldRequest(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	c := w.talk(t, ctx)
	c.caller.say(t, c.from("INFO", 1, ""))
	c.caller.expect(t, ctx, "SIP/2.0 500")
	c.caller.say(t, strings.Replace(c.from("BYE", 9, ""), ";tag=talk", ";tag=stranger", 1))
	c.caller.expect(t, ctx, "SIP/2.0 481")
	if len(w.Calls()) != 1 {
		t.Error("the call is gone")
	}
}

// TestProbe ends a call when a phone does not know it any more, as after a crash.
func TestProbe(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	c := w.talk(t, ctx)
	events := w.bus.Subscribe(100, uc.CallChanged{})
	actor := w.calls.actors()[0]
	probe := func() { actor.box.post(func() { actor.winner.probe() }) }
	probe()
	c.phone.say(t, answer(c.phone.expect(t, ctx, "OPTIONS"), "405 Method Not Allowed", ""))
	probe()
	c.phone.say(t, answer(c.phone.expect(t, ctx, "OPTIONS"), "481 Call Does Not Exist", ""))
	c.phone.expect(t, ctx, "BYE")
	if got := field(c.caller.expect(t, ctx, "BYE"), "Reason"); got != `SIP;cause=408;text="The other side is gone"` {
		t.Errorf("told %q", got)
	}
	e := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallEnded })
	if e.Call.Cause != "a phone is gone" {
		t.Errorf("ended because %s", e.Call.Cause)
	}
}

// TestAnswerAgain acknowledges a 2xx that comes again, and hangs up on a second device behind the same
// contact (RFC 3261 §13.2.2.4).
func TestAnswerAgain(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	c := w.talk(t, ctx)
	c.phone.say(t, answer(c.invite, "200 OK", testSDP))
	c.phone.expect(t, ctx, "ACK")
	c.phone.say(t, strings.Replace(answer(c.invite, "200 OK", testSDP), "tag=phone", "tag=other", 1))
	for _, method := range []string{"ACK", "BYE"} {
		if got := c.phone.expect(t, ctx, method); !strings.HasSuffix(field(got, "To"), "tag=other") {
			t.Errorf("%s went to %s", method, field(got, "To"))
		}
	}
	if len(w.Calls()) != 1 {
		t.Error("the call is gone")
	}
}

// TestTwice refuses an INVITE that comes by two ways (RFC 3261 §8.2.2.2).
func TestTwice(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	c := w.talk(t, ctx)
	c.caller.say(t, strings.Replace(callerRequest("INVITE", "12", "talk", 2, "", testSDP), "branch=z9hG4bK", "branch=z9hG4bK-other", 1))
	c.caller.expect(t, ctx, "SIP/2.0 482")
}
