package xmpp

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// blocklist is what a user has blocked (XEP-0191). It is immutable; nil blocks nobody.
type blocklist struct {
	jids map[string]struct{}
}

// blocks reports whether an address is blocked (XEP-0191 §6). resource may be empty.
func (l *blocklist) blocks(bare, resource string) bool {
	if l == nil {
		return false
	}
	if l.has(bare) || resource != "" && l.has(bare+"/"+resource) {
		return true
	}
	_, domain, found := strings.Cut(bare, "@")
	if !found {
		domain = bare
	}
	for found = true; found; _, domain, found = strings.Cut(domain, ".") {
		if l.has(domain) {
			return true // the domain, or one that it is a subdomain of
		}
	}
	return false
}

func (l *blocklist) has(jid string) bool {
	_, ok := l.jids[jid]
	return ok
}

// with returns the list with addresses added and removed.
func (l *blocklist) with(add, remove []string) *blocklist {
	changed := &blocklist{jids: make(map[string]struct{})}
	if l != nil {
		maps.Copy(changed.jids, l.jids)
	}
	for _, jid := range remove {
		delete(changed.jids, jid)
	}
	for _, jid := range add {
		changed.jids[jid] = struct{}{}
	}
	if len(changed.jids) == 0 {
		return nil
	}
	return changed
}

// blocklists are the lists of all users who have blocked somebody. Accounts have theirs at hand.
type blocklists struct {
	mu    sync.Mutex
	lists map[uc.UserID]*blocklist
}

func (s *Server) loadBlocklists(ctx context.Context) error {
	all, err := s.deps.Store.Blocked(ctx)
	if err != nil {
		return err
	}
	s.blocklists.lists = make(map[uc.UserID]*blocklist)
	for _, b := range all {
		l := s.blocklists.lists[b.User]
		if l == nil {
			l = &blocklist{jids: make(map[string]struct{})}
			s.blocklists.lists[b.User] = l
		}
		l.jids[b.JID] = struct{}{}
	}
	return nil
}

func (b *blocklists) of(user uc.UserID) *blocklist {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lists[user]
}

func (b *blocklists) put(a *account, l *blocklist) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists[a.user] = l
	a.blocked.Store(l)
}

// errBlocked refuses what a user sends to an address that the same user has blocked (XEP-0191 §3.3).
var errBlocked = commandError{
	told:     stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAcceptable},
	specific: "blocked", ns: nsBlockingErrors,
}

// screen refuses a stanza between two users of whom one has blocked the other. Who is blocked is told the
// same as if the user did not exist.
func (r *request) screen(to destination) error {
	own := r.from.account
	if to.server || to.account == own {
		return nil
	}
	if l := own.blocked.Load(); l != nil && l.blocks(to.bare, resourceOf(r.head.To)) {
		return errBlocked
	}
	if to.account != nil && to.account.blocks(r.from) {
		return errServiceUnavailable
	}
	return nil
}

// screenPresence is screen for presence, which the other side's list drops without a word (XEP-0191 §3.3).
func (r *request) screenPresence(to destination) (unwanted bool, err error) {
	err = r.screen(to)
	if errors.As(err, new(commandError)) {
		return false, err
	}
	return err != nil, nil
}

// blocks reports whether a user has blocked a client of another.
func (a *account) blocks(c *session) bool {
	l := a.blocked.Load()
	return l != nil && l.blocks(c.account.bare, c.resource)
}

// hidden reports whether a user's presence is kept from a client because one of the two has blocked the
// other. Supervisors see those who have blocked them all the same. raw is the presence.
func (s *Server) hidden(of *account, raw []byte, to *session) bool {
	return s.groups.Load().hidden(of, raw, to)
}

func (g *groups) hidden(of *account, raw []byte, to *session) bool {
	if of == to.account {
		return false
	}
	if of.blocks(to) && !g.supervises(to.account.user, of.user) {
		return true
	}
	l := to.account.blocked.Load()
	return l != nil && l.blocks(of.bare, senderResource(raw))
}

// senderResource returns the resource that a stanza of the server's comes from.
func senderResource(raw []byte) string {
	head, _, _, err := scan.New(unlimited).Next(raw)
	if err != nil {
		return ""
	}
	return resourceOf(head.From)
}

func resourceOf(address []byte) string {
	if i := bytes.IndexByte(address, '/'); i >= 0 {
		return string(address[i+1:])
	}
	return ""
}
