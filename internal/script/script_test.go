package script

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// room is a server that sends each message to everybody else, answers pings and ends on <bye/>.
type room struct{ members map[string]*member }

type member struct {
	room *room
	name string
	in   []string
	gone bool
}

func (r *room) connect(_ context.Context, c Client) (Transport, error) {
	if c.Props["secret"] != "open" {
		return nil, errors.New("not let in")
	}
	m := &member{room: r, name: c.Name}
	r.members[c.Name] = m
	return m, nil
}

func (m *member) Send(_ context.Context, message string) error {
	switch {
	case strings.Contains(message, "urn:xmpp:ping"):
		m.in = append(m.in, strings.Replace(message, "type='get'", "type='result'", 1))
	case strings.HasPrefix(message, "<bye"):
		m.gone = true
	default:
		for _, other := range m.room.members {
			if other != m {
				other.in = append(other.in, message)
			}
		}
	}
	return nil
}

func (m *member) Receive(ctx context.Context) (string, error) {
	if len(m.in) == 0 && m.gone {
		return "", io.EOF
	}
	if len(m.in) == 0 {
		<-ctx.Done()
		return "", ctx.Err()
	}
	first := m.in[0]
	m.in = m.in[1:]
	return first, nil
}

func (m *member) Close() error {
	delete(m.room.members, m.name)
	return nil
}

func runner(*testing.T) *Runner {
	r := &room{members: map[string]*member{}}
	return &Runner{
		Dialect: XMPP(),
		Connect: r.connect,
		Vars:    Vars{"domain": "example.org"},
		Timeout: 50_000_000, // failing steps wait that long
		Do: func(_ context.Context, words string) error {
			for _, m := range r.members {
				m.in = append(m.in, "<said>"+words+"</said>")
			}
			return nil
		},
	}
}

func TestConversations(t *testing.T) { Run(t, "testdata/*.script", runner) }

const declared = "[client] anna\n\tsecret: open\n[client] ben\n  secret: open\n[client] eve\nanna connects\nben connects\n"

func TestConversationsThatFail(t *testing.T) {
	for _, c := range []struct{ steps, because string }{
		{"anna sends:\n\t<a/>\nben receives:\n\t<b/>", "10: ben receives:"},
		{"anna sends:\n\t<a/>\nben receives:\n\t<a x=''/>", "no attribute x"},
		{"anna sends:\n\t<a x='1'/>\nben receives:\n\t<a/>", "unexpected attribute x"},
		{"anna sends:\n\t<a x='1'/>\nben receives:\n\t<a x='2'/>", "attribute x"},
		{"anna sends:\n\t<a x='1' y='2'/>\nben receives:\n\t<a x='{n}' y='{n}'/>", "{n}"},
		{"anna sends:\n\t<a><b/></a>\nben receives:\n\t<a/>", "unexpected <b"},
		{"anna sends:\n\t<a/>\nben receives:\n\t<a><b/></a>", "no <b"},
		{"anna sends:\n\t<a><b>1</b></a>\nben receives:\n\t<a><b>2</b></a>", "text of <b>"},
		{"anna sends:\n\t<a/>\nben receives:\n\t<a>{text}</a>", "text of <a>"},
		{"anna sends:\n\t<a xmlns='u'/>\nben receives:\n\t<a xmlns='v'/>", "is not <a"},
		{"anna sends:\n\t<a><b/></a>\nben receives at least:\n\t<a><c/></a>", "no <c"},
		{"anna sends:\n\t<a/>\nben receives nothing", "got\n<a/>"},
		{"anna sends:\n\t<a/><b/>\nben receives in any order:\n\t<a/><a/>", "none of the expected"},
		{"ben receives:\n\t<a/>", "deadline"},
		{"anna is disconnected", "still connected"},
		{"anna sends:\n\t<a/>\nben is disconnected", "got\n<a/>"},
		{"anna connects", "connected already"},
		{"anna disconnects\nanna sends:\n\t<a/>", "anna is not connected"},
		{"eve connects", "not let in"},
		{"carl connects", "no [client] carl"},
		{"anna dances", "unknown step"},
		{"anna sends:", "block"},
		{"anna connects\n\t<a/>", "block"},
		{"[client] carl\n\tno property", "not a property"},
	} {
		err := runner(t).Play(t.Context(), declared+c.steps)
		if err == nil || !strings.Contains(err.Error(), c.because) {
			t.Errorf("%s\ngot error %v, want %s", c.steps, err, c.because)
		}
	}
}

func TestIndentedLineWithoutStep(t *testing.T) {
	if err := runner(t).Play(t.Context(), "\tanna connects"); err == nil || !strings.HasPrefix(err.Error(), "1: ") {
		t.Error(err)
	}
}

const invite = "INVITE sip:34@127.0.0.1:5060 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP 127.0.0.2\r\n" +
	"From: <sip:12@x>;tag=a\r\ni: call-1\r\nX-More: yes\r\nContent-Length: 8\r\n\r\nv=0\r\no=-\r\n"

func TestMatchSIP(t *testing.T) {
	for _, c := range []struct{ expected, because string }{
		{"INVITE sip:34@{host} SIP/2.0\nCall-ID: {call}\nFrom: <sip:12@x>;tag={tag}", ""},
		{"INVITE {any} SIP/2.0\nVia: {any}branch=z9hG4bK{b}\nVia: {any}127.0.0.2\n\nv=0\no={any}", ""},
		{"INVITE {any} SIP/2.0\nContact: {none}", ""},
		{"INVITE {any} SIP/2.0\nx-more: {none}", "unexpected"},
		{"ACK {any} SIP/2.0", "does not match"},
		{"INVITE {any} SIP/2.0\nContact: {any}", "0 of 1"},
		{"INVITE {any} SIP/2.0\nVia: {any}\nVia: {any}\nv: {any}", "2 of 3"},
		{"INVITE {any} SIP/2.0\nCall-ID: call-2", "Call-Id"},
		{"INVITE {any} SIP/2.0\n\nv=0", "2 lines"},
		{"INVITE {any} SIP/2.0\n\nv=0\nx=1", "line 2"},
		{"INVITE {any} SIP/2.0\nno header", "not a header"},
	} {
		err := SIP(nil).Match(c.expected, invite, Vars{}, false)
		if (err == nil) != (c.because == "") || err != nil && !strings.Contains(err.Error(), c.because) {
			t.Errorf("%s\ngot error %v, want %q", c.expected, err, c.because)
		}
	}
}

func TestSIPKeepsNames(t *testing.T) {
	vars := Vars{}
	if err := SIP(nil).Match("INVITE {any} SIP/2.0\nFrom: {any};tag={tag}\nCall-ID: {call}", invite, vars, false); err != nil {
		t.Fatal(err)
	}
	if vars["tag"] != "a" || vars["call"] != "call-1" || len(vars) != 2 {
		t.Errorf("kept %v", vars)
	}
}

func TestPrepareSIP(t *testing.T) {
	for text, want := range map[string]string{
		"ACK sip:x SIP/2.0\nTo: a":             "ACK sip:x SIP/2.0\r\nTo: a\r\nContent-Length: 0\r\n\r\n",
		"ACK sip:x SIP/2.0\nl: 7":              "ACK sip:x SIP/2.0\r\nl: 7\r\n\r\n",
		"INFO sip:x SIP/2.0\nTo: a\n\nv=0\no=": "INFO sip:x SIP/2.0\r\nTo: a\r\nContent-Length: 9\r\n\r\nv=0\r\no=\r\n",
	} {
		if got := SIP(nil).Prepare(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if list, _ := SIP(nil).Split("A\nB: c\n---\nD\n"); len(list) != 2 || list[0] != "A\nB: c\n" || list[1] != "D\n" {
		t.Errorf("split into %q", list)
	}
}
