// Package script plays golden conversations: text files that read like a chat log, in which parties send
// and expect the messages of a protocol. They serve the tests of the XMPP and SIP engines (the model is
// Prosody's scansion). The package opens no connection and starts no goroutine; the test brings a [Transport] for
// each party and a [Dialect] that knows how messages are compared.
//
// # Format
//
//	# A comment.
//	[client] anna
//		jid: anna@example.org
//		password: secret
//
//	anna connects
//	anna sends:
//		<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>
//	anna receives:
//		<iq type='result' id='r1' to='anna@example.org/{resource}'><query xmlns='jabber:iq:roster'>{any}</query></iq>
//	* Ben is added to the role Sales
//	anna receives at least:
//		<iq type='set' id='{push}'/>
//	ben receives in any order:
//		<presence from='anna@example.org/{resource}'/>
//		<message from='{any}'><body>Hello</body></message>
//	ben receives nothing
//	anna disconnects
//	ben is disconnected
//
// A party is declared by its name and the properties that Connect needs. The message of a step stands
// indented below it; a block may hold several. Steps happen one after the other.
//
//   - "sends:" sends the messages of the block.
//   - "receives:" takes as many messages as the block has and compares them in order.
//   - "receives at least:" allows attributes, elements and text that the block does not mention.
//   - "receives in any order:" takes as many messages as the block has; each must be there once.
//   - "receives nothing" makes a round trip with every party, so that all that was sent is dealt with,
//     and fails if a message has come that no step has taken.
//   - "is disconnected" takes the end of the connection, and fails if a message comes first.
//   - "disconnects" closes the connection.
//   - "* words" hands the words to the test's Do: something happens that is not said on a connection.
//
// In a message {any} stands for any text, also none, and {name} for some text that is kept under that
// name: where the name comes again, in expected or sent messages, in properties or in words for Do, it
// stands for what was kept. {{ stands for a brace.
package script

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Transport is one party's connection. Its methods give up when ctx ends.
type Transport interface {
	Send(ctx context.Context, message string) error
	// Receive returns the next message: a stanza, or a SIP request or response. At the end of the
	// connection it returns io.EOF.
	Receive(ctx context.Context) (string, error)
	Close() error
}

// Client is a party as its script declares it.
type Client struct {
	Name  string
	Props map[string]string
}

// Vars are the texts kept by name.
type Vars map[string]string

// Dialect knows the messages of a protocol.
type Dialect struct {
	// Split cuts a block into messages.
	Split func(block string) ([]string, error)
	// Prepare makes of a message as written what goes over the connection. Names have been replaced.
	Prepare func(message string) string
	// Match compares a message with what a script expects, keeps names in vars and says what differs.
	// atLeast lets got have more than expected.
	Match func(expected, got string, vars Vars, atLeast bool) error
	// Barrier returns a message that the other side answers when all before is dealt with, and how its
	// answer is known. n is different each time.
	Barrier func(c Client, n int) (message string, answers func(got string) bool)
}

// Runner plays scripts against one server. Connect and Dialect must be set.
type Runner struct {
	Dialect Dialect
	Connect func(ctx context.Context, c Client) (Transport, error)
	Do      func(ctx context.Context, words string) error // nil: the scripts have no such lines
	Vars    Vars                                          // known from the start
	Timeout time.Duration                                 // for one step; default 5 s
}

// Run plays each file that matches the pattern as a test of its own. setup makes a server and its Runner.
func Run(t *testing.T, pattern string, setup func(t *testing.T) *Runner) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s (%v)", pattern, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := setup(t).Play(t.Context(), string(text)); err != nil {
				t.Errorf("%s:%v", file, err)
			}
		})
	}
}

// Play plays one script. The error begins with the number of the line that failed.
func (r *Runner) Play(ctx context.Context, text string) error {
	s, err := parse(text)
	if err != nil {
		return err
	}
	p := &play{Runner: r, clients: s.clients, vars: maps.Clone(r.Vars), parties: map[string]*party{}}
	if p.vars == nil {
		p.vars = Vars{}
	}
	defer p.hangUp()
	for _, step := range s.steps {
		if err := p.timed(ctx, step); err != nil {
			return fmt.Errorf("%d: %s: %w", step.line, step.text, err)
		}
	}
	return nil
}

// play is one script being played.
type play struct {
	*Runner
	clients  map[string]Client
	vars     Vars
	parties  map[string]*party // connected now
	barriers int
}

// party is a connected client; inbox has what was received while looking for something else.
type party struct {
	Client
	conn  Transport
	inbox []string
}

func (p *party) next(ctx context.Context) (string, error) {
	if len(p.inbox) > 0 {
		first := p.inbox[0]
		p.inbox = p.inbox[1:]
		return first, nil
	}
	return p.conn.Receive(ctx)
}

func (p *play) timed(ctx context.Context, s step) error {
	timeout := p.Timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.step(ctx, s)
}

func (p *play) step(ctx context.Context, s step) error {
	switch s.verb {
	case verbDo:
		return p.do(ctx, s.text)
	case verbConnect:
		return p.connect(ctx, s.client)
	}
	c := p.parties[s.client]
	if c == nil {
		return fmt.Errorf("%s is not connected", s.client)
	}
	switch s.verb {
	case verbDisconnect:
		delete(p.parties, s.client)
		return c.conn.Close()
	case verbDisconnected:
		return p.expectEnd(ctx, c)
	case verbNothing:
		return p.expectNothing(ctx, c)
	}
	messages, err := p.Dialect.Split(s.block)
	if err != nil {
		return err
	}
	switch s.verb {
	case verbSend:
		return p.send(ctx, c, messages)
	case verbReceiveAnyOrder:
		return p.receiveAnyOrder(ctx, c, messages)
	}
	return p.receive(ctx, c, messages, s.verb == verbReceiveAtLeast)
}

func (p *play) do(ctx context.Context, text string) error {
	if p.Do == nil {
		return fmt.Errorf("this test does not know what to do")
	}
	return p.Do(ctx, substitute(strings.TrimSpace(strings.TrimPrefix(text, "*")), p.vars))
}

func (p *play) connect(ctx context.Context, name string) error {
	if p.parties[name] != nil {
		return fmt.Errorf("%s is connected already", name)
	}
	c := Client{Name: name, Props: maps.Clone(p.clients[name].Props)}
	for k, v := range c.Props {
		c.Props[k] = substitute(v, p.vars)
	}
	conn, err := p.Connect(ctx, c)
	if err != nil {
		return err
	}
	p.parties[name] = &party{Client: c, conn: conn}
	return nil
}

func (p *play) send(ctx context.Context, c *party, messages []string) error {
	for _, m := range messages {
		if err := c.conn.Send(ctx, p.Dialect.Prepare(substitute(m, p.vars))); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) receive(ctx context.Context, c *party, expected []string, atLeast bool) error {
	for _, want := range expected {
		got, err := c.next(ctx)
		if err != nil {
			return fmt.Errorf("expected\n%s\nbut got %w", want, err)
		}
		if err := p.Dialect.Match(want, got, p.vars, atLeast); err != nil {
			return fmt.Errorf("%w\nexpected\n%s\ngot\n%s", err, want, got)
		}
	}
	return nil
}

func (p *play) receiveAnyOrder(ctx context.Context, c *party, expected []string) error {
	open := slices.Clone(expected)
	for len(open) > 0 {
		got, err := c.next(ctx)
		if err != nil {
			return fmt.Errorf("expected\n%s\nbut got %w", strings.Join(open, "\n"), err)
		}
		at := slices.IndexFunc(open, func(want string) bool { return p.matches(want, got) })
		if at < 0 {
			return fmt.Errorf("none of the expected\n%s\nis\n%s", strings.Join(open, "\n"), got)
		}
		open = slices.Delete(open, at, at+1)
	}
	return nil
}

// matches keeps names only if the message matches.
func (p *play) matches(want, got string) bool {
	trial := maps.Clone(p.vars)
	if p.Dialect.Match(want, got, trial, false) != nil {
		return false
	}
	p.vars = trial
	return true
}

// expectNothing lets everybody's messages take effect, and c's last, before it looks at c's inbox.
func (p *play) expectNothing(ctx context.Context, c *party) error {
	for _, name := range slices.Sorted(maps.Keys(p.parties)) {
		if other := p.parties[name]; other != c {
			if err := p.barrier(ctx, other); err != nil {
				return fmt.Errorf("round trip of %s: %w", name, err)
			}
		}
	}
	if err := p.barrier(ctx, c); err != nil {
		return err
	}
	if len(c.inbox) > 0 {
		return fmt.Errorf("got\n%s", strings.Join(c.inbox, "\n"))
	}
	return nil
}

func (p *play) barrier(ctx context.Context, c *party) error {
	p.barriers++
	ask, answers := p.Dialect.Barrier(c.Client, p.barriers)
	if err := c.conn.Send(ctx, ask); err != nil {
		return err
	}
	for {
		got, err := c.conn.Receive(ctx)
		if err != nil {
			return err
		}
		if answers(got) {
			return nil
		}
		c.inbox = append(c.inbox, got)
	}
}

func (p *play) expectEnd(ctx context.Context, c *party) error {
	got, err := c.next(ctx)
	switch {
	case err == nil:
		return fmt.Errorf("got\n%s", got)
	case ctx.Err() != nil:
		return fmt.Errorf("still connected: %w", ctx.Err())
	}
	delete(p.parties, c.Name)
	return c.conn.Close()
}

func (p *play) hangUp() {
	for _, c := range p.parties {
		_ = c.conn.Close() // the script is over, whatever comes of it
	}
}
