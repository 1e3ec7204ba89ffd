package xmpp

import (
	"context"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsPush = "urn:xmpp:push:0"

// The limits of what a user may ask for. Of too many targets the oldest make room: clients that are gone
// take nothing back.
const (
	maxPushTargets = 20
	maxPushOptions = 4 << 10 // bytes of the form
	maxPushNode    = 1023    // bytes of its name
)

// pusher tells push services of messages for clients that are away (XEP-0357). A client is away if its
// session waits for it to come back (XEP-0198), or it has none. To one that is only inactive (XEP-0352)
// messages go as ever; if it does not acknowledge them its connection counts as lost. Its locks: changing
// is held while the store is written, mu is a leaf.
type pusher struct {
	server   *Server
	changing sync.Mutex

	mu      sync.Mutex
	closed  bool
	targets map[uc.UserID][]*pushTarget // immutable lists, the oldest first
}

// pushTarget is a target and what there is to tell it. What may change is under the pusher's mu.
type pushTarget struct {
	uc.PushTarget
	from  string // bare address of the user
	gone  bool   // it was disabled
	count int    // messages since the client was last there
	told  int    // notifications since then
	last  notice
	timer *time.Timer // nil unless a notification is due
	again bool        // it is due because it could not be delivered

	failed  int       // notifications that could not be delivered, in a row
	failing time.Time // when the first of them could not
}

// loadPushTargets reads all targets.
func (s *Server) loadPushTargets(ctx context.Context) error {
	list, err := s.deps.Store.PushTargets(ctx)
	if err != nil {
		return err
	}
	s.pushes = pusher{server: s, targets: make(map[uc.UserID][]*pushTarget)}
	for _, t := range list {
		s.pushes.targets[t.User] = append(s.pushes.targets[t.User], &pushTarget{PushTarget: t})
	}
	return nil
}

// setPush enables and disables notifications (XEP-0357 §5, §6).
func (r *request) setPush() error {
	q, err := r.payload()
	if err != nil {
		return err
	}
	service, err := jid.Parse(q.Attr("jid"))
	if err != nil || len(q.Attr("node")) > maxPushNode {
		return errBadRequest
	}
	switch q.Name {
	case "enable":
		err = r.enablePush(service, q)
	case "disable":
		node, one := q.LookupAttr("", "node")
		err = r.server.pushes.remove(r.server.ctx, r.from.account, func(t *pushTarget) bool {
			return t.Service == service.String() && (!one || t.Node == node)
		})
	default:
		err = errBadRequest
	}
	if err != nil {
		return err
	}
	return r.reply(nil)
}

// enablePush keeps a target. Among the addresses of this server only the user's own clients can be one:
// what goes to others is not sent in the name of the server.
func (r *request) enablePush(service jid.JID, q *scan.Node) error {
	own := service.Bare().String() == r.from.account.bare && service.Resourcepart() != ""
	if !own && (service.Domainpart() == r.server.cfg.Domain || service.Domainpart() == r.server.cfg.RoomsDomain) {
		return errNotAcceptable
	}
	t := uc.PushTarget{
		User: r.from.account.user, Service: service.String(), Node: q.Attr("node"), Resource: r.from.resource, Since: time.Now().UTC(),
	}
	if form := q.Child(nsForms, "x"); form != nil {
		if formType(form) != nsPubsub+"#publish-options" {
			return errBadRequest
		}
		t.Options = form.AppendXML(nil, nsPubsub)
		if len(t.Options) > maxPushOptions {
			return errNotAcceptable
		}
	}
	return r.server.pushes.put(r.server.ctx, r.from.account, t)
}

// formType returns what says what a form is about (XEP-0068 §2).
func formType(form *scan.Node) string {
	for _, f := range form.Nodes {
		if f.Name == "field" && f.NS == nsForms && f.Attr("var") == "FORM_TYPE" {
			return f.ChildText(nsForms, "value")
		}
	}
	return ""
}

// put keeps a target in the place of the one with its service and node.
func (p *pusher) put(ctx context.Context, a *account, t uc.PushTarget) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	list := p.of(a.user)
	kept := slices.DeleteFunc(slices.Clone(list), func(old *pushTarget) bool { return old.Service == t.Service && old.Node == t.Node })
	kept = kept[max(0, len(kept)-maxPushTargets+1):]
	if err := p.server.deps.Store.PutPushTarget(ctx, t, without(list, kept)); err != nil {
		return err
	}
	p.replace(a, append(kept, &pushTarget{PushTarget: t}))
	return nil
}

// remove forgets the targets of a user that match.
func (p *pusher) remove(ctx context.Context, a *account, match func(*pushTarget) bool) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	list := p.of(a.user)
	kept := slices.DeleteFunc(slices.Clone(list), match)
	if len(kept) == len(list) {
		return nil
	}
	if err := p.server.deps.Store.DeletePushTargets(ctx, without(list, kept)); err != nil {
		return err
	}
	p.replace(a, kept)
	return nil
}

// without returns what is in list and not in kept.
func without(list, kept []*pushTarget) []uc.PushTarget {
	var gone []uc.PushTarget
	for _, t := range list {
		if !slices.Contains(kept, t) {
			gone = append(gone, t.PushTarget)
		}
	}
	return gone
}

// replace makes list the targets of a user.
func (p *pusher) replace(a *account, list []*pushTarget) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets[a.user] {
		if !slices.Contains(list, t) {
			t.gone = true
			t.rest()
		}
	}
	p.targets[a.user] = list
	if len(list) == 0 {
		delete(p.targets, a.user)
	}
	a.pushed.Store(len(list) > 0)
}

// rest takes back the notification that is due.
func (t *pushTarget) rest() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer, t.again = nil, false
	}
}

// of lists the targets of a user.
func (p *pusher) of(user uc.UserID) []*pushTarget {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[user]
}

// dropUser forgets a user who was deleted; in the store that is done already.
func (p *pusher) dropUser(a *account) { p.replace(a, nil) }

// close ends all notifications. Those that are due are not sent: the clients find out that the server stops.
func (p *pusher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.targets {
		for _, t := range list {
			t.rest()
		}
	}
}
