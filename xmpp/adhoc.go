package xmpp

import (
	"context"
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsCommands = "http://jabber.org/protocol/commands"

// command is one ad-hoc command (XEP-0050).
type command struct {
	node, name string
	may        func(*call) bool // nil: everybody
	begin      func(*call) (*page, error)
}

// call is one step of a command that a user runs.
type call struct {
	ctx    context.Context
	server *Server
	user   *uc.User // who runs the command
	whom   *uc.User // whom it is about; the user but for the commands of supervisors
	dir    *uc.Directory
	now    time.Time
}

// by is the user as the one who asks for a change.
func (c *call) by() uc.Actor { return uc.Actor{User: c.user.ID, Name: c.user.Login, Via: "xmpp"} }

// page is what a step of a command answers: a form to fill in, or the end.
type page struct {
	form *form
	note string
	next func(*call, values) (*page, error) // handles the form; nil if the command is done
	last bool                               // the form is the last one
}

// commandSession is a command that waits for its form.
type commandSession struct {
	client  string // full address
	node    string
	page    *page
	expires time.Time
}

// The limits of commands that wait.
const (
	maxCommandsOfClient = 8
	maxCommands         = 10000
)

// commandSessions holds the commands that wait for their forms.
type commandSessions struct {
	timeout time.Duration
	mu      sync.Mutex
	byID    map[string]*commandSession
}

func newCommandSessions(timeout time.Duration) *commandSessions {
	return &commandSessions{timeout: timeout, byID: make(map[string]*commandSession)}
}

// put keeps a command until its form comes and returns its session identifier.
func (s *commandSessions) put(id, client, node string, p *page, now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		if !s.room(client, now) {
			return "", stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
		}
		id = randomID()
	}
	s.byID[id] = &commandSession{client, node, p, now.Add(s.timeout)}
	return id, nil
}

// room drops what has expired, and of a client that has too many commands waiting the one that has waited longest: many
// clients close a form without a word. It reports whether there is room for one more.
func (s *commandSessions) room(client string, now time.Time) bool {
	own, longest := 0, ""
	for id, c := range s.byID {
		switch {
		case now.After(c.expires):
			delete(s.byID, id)
		case c.client == client:
			own++
			if longest == "" || c.expires.Before(s.byID[longest].expires) {
				longest = id
			}
		}
	}
	if own >= maxCommandsOfClient {
		delete(s.byID, longest)
	}
	return len(s.byID) < maxCommands
}

// get returns a command that waits, or the error of XEP-0050 §4.4.
func (s *commandSessions) get(id, client, node string, now time.Time) (*page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[id]
	switch {
	case c == nil || c.client != client || c.node != node:
		return nil, commandError{told: stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}, specific: "bad-sessionid"}
	case now.After(c.expires):
		delete(s.byID, id)
		return nil, commandError{told: stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAllowed}, specific: "session-expired"}
	}
	return c.page, nil
}

func (s *commandSessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// drop forgets the commands of a client that is gone.
func (s *commandSessions) drop(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.byID {
		if c.client == client {
			delete(s.byID, id)
		}
	}
}

// newCall prepares a step of a command for the sender of the stanza.
func (r *request) newCall() (*call, error) {
	dir := r.server.deps.Directory.Snapshot()
	u := dir.Users.Get(r.from.account.user)
	if u == nil {
		return nil, errForbidden
	}
	return &call{ctx: r.server.ctx, server: r.server, user: u, whom: u, dir: dir, now: time.Now()}, nil
}

func findCommand(node string) *command {
	for i := range commands {
		if commands[i].node == node {
			return &commands[i]
		}
	}
	return nil
}

func (r *request) visibleCommands() []*command {
	c, err := r.newCall()
	if err != nil {
		return nil
	}
	var list []*command
	for i := range commands {
		if cmd := &commands[i]; cmd.may == nil || cmd.may(c) {
			list = append(list, cmd)
		}
	}
	return list
}

func (r *request) visibleCommand(node string) *command {
	for _, cmd := range r.visibleCommands() {
		if cmd.node == node {
			return cmd
		}
	}
	return nil
}

// command runs one step of an ad-hoc command (XEP-0050 §2.4).
func (r *request) command() error {
	in, err := r.payload()
	if err != nil {
		return err
	}
	if in.Name != "command" {
		return errBadRequest
	}
	c, err := r.newCall()
	if err != nil {
		return err
	}
	cmd := findCommand(in.Attr("node"))
	switch {
	case cmd == nil:
		return errItemNotFound
	case cmd.may != nil && !cmd.may(c):
		return errForbidden
	}
	id, action := in.Attr("sessionid"), in.Attr("action")
	switch action {
	case "", "execute", "next", "complete":
	case "cancel":
		return r.cancelCommand(c, cmd, id)
	case "prev":
		return badCommand("bad-action")
	default:
		return badCommand("malformed-action")
	}
	if id == "" {
		if action != "" && action != "execute" {
			return badCommand("bad-sessionid")
		}
		p, err := cmd.begin(c)
		if err != nil {
			return err
		}
		return r.answerCommand(c, cmd, "", p)
	}
	return r.continueCommand(c, cmd, id, in)
}

func badCommand(specific string) error {
	return commandError{told: stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}, specific: specific}
}

// continueCommand handles a submitted form. After an error the command still waits, so that the user can
// correct the form.
func (r *request) continueCommand(c *call, cmd *command, id string, in *scan.Node) error {
	waiting, err := r.server.commands.get(id, r.from.jid, cmd.node, c.now)
	if err != nil {
		return err
	}
	form, cancelled, ok := readForm(in)
	switch {
	case !ok:
		return badCommand("bad-payload")
	case cancelled:
		return r.cancelCommand(c, cmd, id)
	}
	p, err := waiting.next(c, form)
	if err != nil {
		return err
	}
	return r.answerCommand(c, cmd, id, p)
}

func (r *request) cancelCommand(c *call, cmd *command, id string) error {
	if _, err := r.server.commands.get(id, r.from.jid, cmd.node, c.now); err != nil {
		return err
	}
	r.server.commands.end(id)
	e := newElement("command").attr("xmlns", nsCommands).attr("node", cmd.node).attr("sessionid", id).attr("status", "canceled")
	return r.reply(e.close("command").bytes())
}

// answerCommand sends a page and keeps the command if a form is to come.
func (r *request) answerCommand(c *call, cmd *command, id string, p *page) error {
	status, formType := "completed", "result"
	if p.next != nil {
		var err error
		if id, err = r.server.commands.put(id, r.from.jid, cmd.node, p, c.now); err != nil {
			return err
		}
		status, formType = "executing", "form"
	} else if id != "" {
		r.server.commands.end(id)
	} else {
		id = randomID()
	}
	e := newElement("command").attr("xmlns", nsCommands).attr("node", cmd.node).attr("sessionid", id).attr("status", status)
	if p.next != nil {
		action := "next"
		if p.last {
			action = "complete"
		}
		e.start("actions").attr("execute", action).start(action).close("").close("actions")
	}
	if p.note != "" {
		e.start("note").attr("type", "info").chars(p.note).close("note")
	}
	if p.form != nil {
		p.form.append(e.open(), formType)
	}
	return r.reply(e.close("command").bytes())
}
