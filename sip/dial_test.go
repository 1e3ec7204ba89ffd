package sip

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/sip/agent"
)

// TestDialAndTransfer has a call dialled for Anna, who takes it at her softphone; Ben is called, and they
// hear each other. Then Anna is sent on to Cleo. What others see of it is what they see of any call.
func TestDialAndTransfer(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	desk, soft, other, third := w.phone(t, annaDesk), w.phone(t, annaSoft), w.phone(t, benDesk), w.phone(t, cleoDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	begun, err := w.Dial(ctx, anna, " 34 ", boss)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*agent.Agent{desk, soft} {
		if e, err := p.WaitFor(ctx, agent.Ringing); err != nil || e.From != "Ben" {
			t.Fatalf("Anna's phone shows %q, %v", e.From, err)
		}
	}
	if _, err := w.Dial(ctx, anna, "56", boss); !errors.Is(err, uc.ErrConflict) {
		t.Errorf("a second call is dialled: %v", err)
	}
	if err := w.Divert(ctx, begun.ID, "56", boss); !errors.Is(err, uc.ErrConflict) {
		t.Errorf("diverted before anybody is there: %v", err)
	}
	if err := w.Transfer(ctx, begun.ID, "56", true, boss); !errors.Is(err, uc.ErrConflict) {
		t.Errorf("transferred before anybody is there: %v", err)
	}
	if err := soft.Answer(); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.WaitFor(ctx, agent.Canceled); err != nil {
		t.Fatal(err)
	}
	if e, err := other.WaitFor(ctx, agent.Ringing); err != nil || e.From != "Anna Äpfel" {
		t.Fatalf("Ben's phone shows %q, %v", e.From, err)
	}
	if err := other.Answer(); err != nil {
		t.Fatal(err)
	}
	talk := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallAnswered }).Call
	if talk.ID != begun.ID || talk.Caller.Device != annaSoft || talk.Called.User != ben || w.UserCalls(anna) != 1 || w.UserCalls(ben) != 1 {
		t.Errorf("call is %+v", talk)
	}
	heard(t, w)

	if err := w.Transfer(ctx, talk.ID, "56", true, boss); err != nil {
		t.Fatal(err)
	}
	if e, err := third.WaitFor(ctx, agent.Ringing); err != nil || e.From != "Anna Äpfel" {
		t.Fatalf("Cleo's phone shows %q, %v", e.From, err)
	}
	if err := third.Answer(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.WaitFor(ctx, agent.Ended); err != nil {
		t.Fatal(err)
	}
	_, next := transferred(t, events, talk.ID)
	if next.Caller.User != anna || next.Called.User != cleo || w.UserCalls(anna) != 1 || w.UserCalls(ben) != 0 || w.UserCalls(cleo) != 1 {
		t.Errorf("call is %+v", next)
	}
	if list := dialogsOf(cleo, w.Calls(), false, true, "example.org"); len(list) != 1 || list[0].Direction != "recipient" || list[0].Remote.Identity.Display != "Anna Äpfel" {
		t.Errorf("Cleo's lamp shows %+v", list)
	}
	heardAnew(t, w)
	if err := soft.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := third.WaitFor(ctx, agent.Ended); err != nil {
		t.Fatal(err)
	}
	await(t, events, func(e uc.CallChanged) bool { return e.Call.ID == next.ID && e.Call.State == uc.CallEnded })
	w.stop()
	if got := w.store.callRecords(); len(got) != 2 || got[0].Cause != "transferred to 56 by boss" || got[1].Cause != "the caller hung up" || len(got[1].Legs) != 2 {
		t.Errorf("the records are %+v", got)
	}
	want := []string{"boss over xmpp: Dialled 34 for Anna Äpfel", "boss over xmpp: Began to transfer the call Anna Äpfel → Ben to 56"}
	if !slices.Equal(w.store.audit, want) {
		t.Errorf("the audit says %q", w.store.audit)
	}
}

// transferred waits until one call has ended and another is answered, told in whatever order.
func transferred(t *testing.T, events *bus.Reader, id string) (before, next uc.Call) {
	t.Helper()
	await(t, events, func(e uc.CallChanged) bool {
		switch {
		case e.Call.ID == id && e.Call.State == uc.CallEnded:
			before = e.Call
		case e.Call.ID != id && e.Call.State == uc.CallAnswered:
			next = e.Call
		}
		return before.ID != "" && next.ID != ""
	})
	return before, next
}

// TestTransferTakesTooLong has Cleo's phone ring until the server gives up: the call stays with who had it.
func TestTransferTakesTooLong(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	desk, caller, third := w.phone(t, annaDesk), w.phone(t, benDesk), w.phone(t, cleoDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	result := make(chan error, 1)
	go func() { result <- caller.Call(ctx, "12", nil) }()
	if _, err := desk.WaitFor(ctx, agent.Ringing); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(desk.Answer(), <-result); err != nil {
		t.Fatal(err)
	}
	call := await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallAnswered }).Call
	if err := w.Transfer(ctx, call.ID, "56", false, boss); err != nil {
		t.Fatal(err)
	}
	if _, err := third.WaitFor(ctx, agent.Ringing); err != nil {
		t.Fatal(err)
	}
	actor := w.calls.actors()[0]
	actor.box.post(func() { actor.transfer.tooLong() })
	if _, err := third.WaitFor(ctx, agent.Canceled); err != nil {
		t.Fatal(err)
	}
	heardAnew(t, w)
	// Now it can be transferred elsewhere.
	if err := w.Transfer(ctx, call.ID, "56", false, boss); err != nil {
		t.Error(err)
	}
}

// TestConsultation has Ben talk to Anna, ask Cleo, and bring the two together from his phone: they hear each other.
func TestConsultation(t *testing.T) {
	w := newWorld(t, nil)
	ctx := deadline(t)
	first, second, phone := w.phone(t, annaDesk), w.phone(t, cleoDesk), w.dial(t, "udp", benDesk)
	events := w.bus.Subscribe(1000, uc.CallChanged{})
	talk := func(ext, id string, callee *agent.Agent) (answer string) {
		phone.say(t, callerRequest("INVITE", ext, id, 1, "", testSDP))
		refusal := phone.expect(t, ctx, "SIP/2.0 407")
		phone.say(t, strings.NewReplacer("To: <sip:"+ext+"@example.org>", "To: "+field(refusal, "To"), "-ACK-", "-INVITE-").Replace(
			callerRequest("ACK", ext, id, 1, "", "")))
		phone.say(t, callerRequest("INVITE", ext, id, 2, "Proxy-Authorization: $digest\n", testSDP))
		if _, err := callee.WaitFor(ctx, agent.Ringing); err != nil {
			t.Fatal(err)
		}
		if err := callee.Answer(); err != nil {
			t.Fatal(err)
		}
		answer = phone.expect(t, ctx, "SIP/2.0 200")
		phone.say(t, strings.Replace(callerRequest("ACK", ext, id, 2, "", ""), "To: <sip:"+ext+"@example.org>", "To: "+field(answer, "To"), 1))
		return answer
	}
	to := field(talk("12", "one", first), "To")
	asked := talk("56", "two", second)
	_, ours, _ := strings.Cut(field(asked, "To"), "tag=")
	_, its, _ := strings.Cut(field(asked, "From"), "tag=")
	phone.say(t, strings.Replace(callerRequest("REFER", "12", "one", 3,
		"Refer-To: <sip:56@example.org?Replaces=two%3Bto-tag%3D"+ours+"%3Bfrom-tag%3D"+its+">\n", ""), "To: <sip:12@example.org>", "To: "+to, 1))
	var left []string
	next := await(t, events, func(e uc.CallChanged) bool {
		if e.Call.State == uc.CallEnded {
			left = append(left, e.Call.Cause)
		}
		return e.Call.State == uc.CallAnswered && e.Call.Caller.User == anna
	}).Call
	for len(left) < 2 {
		left = append(left, await(t, events, func(e uc.CallChanged) bool { return e.Call.State == uc.CallEnded }).Call.Cause)
	}
	if slices.Sort(left); !slices.Equal(left, []string{"transferred to 12 by ben", "transferred to 56 by ben"}) {
		t.Errorf("the calls ended because %q", left)
	}
	if next.Called.User != cleo || w.UserCalls(anna) != 1 || w.UserCalls(cleo) != 1 || w.UserCalls(ben) != 0 {
		t.Errorf("call is %+v", next)
	}
	one, two := first.Heard(), second.Heard()
	for first.Heard() < one+5 || second.Heard() < two+5 {
		if ctx.Err() != nil {
			t.Fatalf("Anna heard %d, Cleo %d", first.Heard()-one, second.Heard()-two)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := first.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := second.WaitFor(ctx, agent.Ended); err != nil {
		t.Fatal(err)
	}
}
