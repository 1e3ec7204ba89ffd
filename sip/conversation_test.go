package sip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/rolecall/rolecall/internal/script"
	"github.com/rolecall/rolecall/internal/uc"
)

// TestConversations plays what phones and the server say to each other, word for word. In what a phone
// sends, $me stands for its address, $digest for the answer to its last challenge.
func TestConversations(t *testing.T) {
	script.Run(t, "testdata/conversations/*.script", func(t *testing.T) *script.Runner {
		w := newWorld(t, func(c *Config, _ *uc.Tables) { c.Digests = []string{"MD5", "SHA-256"} })
		stage := &stage{world: w, phones: make(map[string]*wire)}
		return &script.Runner{
			Dialect: script.SIP(barrier),
			Connect: stage.connect,
			Do:      stage.do,
			Vars:    script.Vars{"server": w.Addrs().UDP.String(), "server-tcp": w.Addrs().TCP.String()},
		}
	})
}

func barrier(c script.Client, n int) (string, func(string) bool) {
	id := fmt.Sprintf("barrier-%s-%d", c.Name, n)
	ask := strings.ReplaceAll(`OPTIONS sip:example.org SIP/2.0
Via: SIP/2.0/UDP $me;branch=z9hG4bK-NAME
From: <sip:barrier@example.org>;tag=b
To: <sip:example.org>
Call-ID: NAME
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

`, "NAME", id)
	return strings.ReplaceAll(ask, "\n", "\r\n"), func(got string) bool { return strings.Contains(got, id) }
}

// stage is what a script plays on.
type stage struct {
	*world
	phones map[string]*wire
	read   int // records of calls
}

func (s *stage) connect(ctx context.Context, c script.Client) (script.Transport, error) {
	network, addr := "udp", s.Addrs().UDP
	if c.Props["transport"] == "tcp" {
		network, addr = "tcp", s.Addrs().TCP
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	w := newWire(conn, c.Props["user"], c.Props["secret"], c.Props["algorithm"])
	s.phones[c.Name] = w
	return w, nil
}

// do lets happen what is not said on a connection.
func (s *stage) do(ctx context.Context, words string) error {
	if name, ok := strings.CutSuffix(words, " registers"); ok {
		return s.phones[name].register(ctx)
	}
	if of, cause, ok := strings.Cut(words, ": "); ok {
		if said, ok := strings.CutPrefix(of, "the record says"); ok && said == "" {
			return s.recorded(ctx, cause)
		}
		if what, ok := strings.CutPrefix(of, "boss cannot "); ok {
			if err := s.steers(ctx, what); err == nil || err.Error() != cause {
				return fmt.Errorf("the refusal is %w", err)
			}
			return nil
		}
	}
	if what, ok := strings.CutPrefix(words, "boss "); ok {
		return s.steers(ctx, what)
	}
	switch words {
	case "Anna forwards all calls to Ben":
		s.dir.change(uc.ChangeSet{Put: uc.Tables{Forwardings: []uc.Forwarding{
			{ID: 1, User: anna, Kind: uc.ForwardAlways, Class: uc.ForwardBoth, Target: "34", Active: true}}}})
	case "Anna forwards unanswered calls to Ben":
		s.dir.change(uc.ChangeSet{Put: uc.Tables{Forwardings: []uc.Forwarding{
			{ID: 1, User: anna, Kind: uc.ForwardNoAnswer, Class: uc.ForwardBoth, Target: "34", Active: true}}}})
	case "Anna forwards to Ben while she is busy":
		s.dir.change(uc.ChangeSet{Put: uc.Tables{Forwardings: []uc.Forwarding{
			{ID: 1, User: anna, Kind: uc.ForwardBusy, Class: uc.ForwardBoth, Target: "34", Active: true}}}})
	case "Anna's phones are switched off":
		off := uc.Ring{Timeout: 999, SetBy: "profile DND, 2026-03-02 10:02"}
		var rows []uc.Assignment
		for i, d := range []uc.DeviceID{annaDesk, annaSoft} {
			rows = append(rows, uc.Assignment{ID: uc.AssignmentID(i + 1), Device: d, User: anna, Internal: off, External: off, Queue: off})
		}
		s.dir.change(uc.ChangeSet{Put: uc.Tables{Assignments: rows}})
	case "Anna's profile is do not disturb":
		s.bus.Publish(uc.PresenceChanged{Presence: uc.Presence{User: anna, Show: uc.ShowDND}})
	case "Anna's desk phone gets a new secret":
		d := *s.dir.Snapshot().Devices.Get(annaDesk)
		d.SIPSecret = "another"
		s.dir.change(uc.ChangeSet{Put: uc.Tables{Devices: []uc.Device{d}}})
		return s.unregistered(ctx, annaDesk)
	default:
		return fmt.Errorf("nobody knows how %q happens", words)
	}
	return nil
}

// steers does what a supervisor does over XMPP: "dial 12 for Ben", "transfer the caller to 56", "hangs up".
func (s *stage) steers(ctx context.Context, what string) error {
	words := strings.Fields(what)
	id := ""
	if calls := s.Calls(); len(calls) > 0 {
		id = calls[len(calls)-1].ID
	}
	to := words[len(words)-1]
	switch strings.TrimSuffix(words[0], "s") {
	case "dial":
		u := map[string]uc.UserID{"Anna": anna, "Ben": ben, "Erik": erik}[to]
		_, err := s.Dial(ctx, u, words[1], boss)
		return err
	case "transfer":
		return s.Transfer(ctx, id, to, strings.Contains(what, "the caller"), boss)
	case "hang":
		return s.HangUp(ctx, id, boss)
	}
	return fmt.Errorf("nobody knows how to %s", what)
}

// recorded waits for the next record of a call, "Ben → Anna: the caller hung up".
func (s *stage) recorded(ctx context.Context, want string) error {
	for {
		if list := s.store.callRecords(); len(list) > s.read {
			c := list[s.read]
			s.read++
			if got := c.Caller.Name + " → " + c.Called.Name + ": " + c.Cause; got != want {
				return fmt.Errorf("the record says %s", got)
			}
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unregistered waits until a device has no binding.
func (s *stage) unregistered(ctx context.Context, d uc.DeviceID) error {
	events := s.bus.Subscribe(10, uc.RegistrationChanged{})
	defer events.Close()
	for s.Registered(d) {
		if _, err := events.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wire is a phone that says what it is told to.
type wire struct {
	conn         net.Conn
	in           *bufio.Reader
	user, secret string
	algorithm    string
	challenges   []string // of the last 401 or 407
	count        int      // nc
}

func newWire(conn net.Conn, user, secret, algorithm string) *wire {
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 65536), user: user, secret: secret, algorithm: algorithm}
}

// Send implements script.Transport.
func (w *wire) Send(_ context.Context, message string) error {
	message = strings.ReplaceAll(message, "$me", w.conn.LocalAddr().String())
	if strings.Contains(message, "$digest") {
		answer, err := w.digest(message)
		if err != nil {
			return err
		}
		message = strings.ReplaceAll(message, "$digest", answer)
	}
	_, err := w.conn.Write([]byte(message))
	return err
}

func (w *wire) digest(message string) (string, error) {
	start, _, _ := strings.Cut(message, "\r\n")
	words := strings.Fields(start)
	for _, text := range w.challenges {
		c, err := digest.ParseChallenge(text)
		if err != nil {
			return "", err
		}
		if w.algorithm != "" && c.Algorithm != w.algorithm {
			continue
		}
		w.count++
		cred, err := digest.Digest(c, digest.Options{Method: words[0], URI: words[1], Username: w.user, Password: w.secret, Count: w.count})
		if err != nil {
			return "", err
		}
		return cred.String(), nil
	}
	return "", errors.New("no challenge to answer")
}

// Receive implements script.Transport.
func (w *wire) Receive(ctx context.Context) (string, error) {
	if until, ok := ctx.Deadline(); ok {
		if err := w.conn.SetReadDeadline(until); err != nil {
			return "", err
		}
	}
	message, err := w.message()
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(message, "SIP/2.0 401") || strings.HasPrefix(message, "SIP/2.0 407") {
		w.challenges, w.count = nil, 0
		for line := range strings.Lines(message) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if name == "WWW-Authenticate" || name == "Proxy-Authenticate" {
				w.challenges = append(w.challenges, value)
			}
		}
	}
	return message, nil
}

func (w *wire) message() (string, error) {
	if w.conn.LocalAddr().Network() == "udp" {
		buf := make([]byte, 65536)
		n, err := w.conn.Read(buf)
		return string(buf[:n]), err
	}
	var head strings.Builder
	length := 0
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		head.WriteString(line)
		if value, ok := strings.CutPrefix(line, "Content-Length:"); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return "", err
			}
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(w.in, body)
	return head.String() + string(body), err
}

// Close implements script.Transport.
func (w *wire) Close() error { return w.conn.Close() }

// register registers the phone for five minutes.
func (w *wire) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for cseq, authorization := range []string{"", "Authorization: $digest\r\n"} {
		network := strings.ToUpper(w.conn.LocalAddr().Network())
		err := w.Send(ctx, fmt.Sprintf("REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/%[4]s $me;branch=z9hG4bK-reg-%[1]s-%[2]d\r\n"+
			"From: <sip:%[1]s@example.org>;tag=reg\r\nTo: <sip:%[1]s@example.org>\r\nCall-ID: reg-%[1]s\r\nCSeq: %[2]d REGISTER\r\n"+
			"Max-Forwards: 70\r\nContact: <sip:%[1]s@$me;transport=%[5]s>;expires=300\r\n%[3]sContent-Length: 0\r\n\r\n",
			w.user, cseq+1, authorization, network, strings.ToLower(network)))
		if err != nil {
			return err
		}
		answer, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if strings.HasPrefix(answer, "SIP/2.0 200") {
			return nil
		}
	}
	return errors.New("not registered")
}
