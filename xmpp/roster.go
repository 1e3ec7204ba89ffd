package xmpp

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsRoster = "jabber:iq:roster"

// The limits of what a user writes into a roster.
const (
	maxRosterName   = 1023 // bytes, RFC 6121 §2.3.3
	maxRosterGroups = 64
	maxGroupsSize   = 4 << 10 // bytes of the names of all groups of one contact
)

// rosterOf returns the contacts that the user added, by address; called with rosterMu held.
func (s *Server) rosterOf(a *account) (map[string]*uc.RosterItem, error) {
	if a.roster != nil {
		return a.roster, nil
	}
	items, err := s.deps.Store.RosterItems(s.ctx, a.user)
	if err != nil {
		return nil, err
	}
	a.roster, a.tally = make(map[string]*uc.RosterItem, len(items)), tally{}
	for i := range items {
		a.roster[items[i].JID] = &items[i]
		a.tally.add(&items[i], 1)
	}
	return a.roster, nil
}

// rosterOrNone is rosterOf for those who can go on without.
func (s *Server) rosterOrNone(a *account) map[string]*uc.RosterItem {
	items, err := s.rosterOf(a)
	if err != nil {
		s.log.Error("xmpp: cannot read a roster", "user", a.bare, "cause", err)
	}
	return items
}

// subscribedTos lists the contacts whose presence the user has subscribed to.
func (s *Server) subscribedTos(a *account) []string {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	var list []string
	for bare, it := range s.rosterOrNone(a) {
		if hasTo(it.Subscription) {
			list = append(list, bare)
		}
	}
	return list
}

// itemSize is about how many bytes a contact has in a roster.
const itemSize = 128

// rosterGet answers with the roster and makes the client an interested one (RFC 6121 §2.1.3, §2.2).
func (r *request) rosterGet() error {
	query, err := r.payload()
	if err != nil {
		return err
	}
	a := r.from.account
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	personal, err := r.server.rosterOf(a)
	if err != nil {
		return err
	}
	// Before the groups are read, so that a change that is not in this answer comes as a push.
	r.from.interested.Store(true)
	g := r.server.groups.Load()
	head := newElement("query").attr("xmlns", nsRoster)
	if has, ok := query.LookupAttr("", "ver"); ok {
		r.from.versioned.Store(true)
		now := r.server.rosterVersion(a, g)
		if has == now {
			return r.reply() // §2.6.3: the client has it all
		}
		head.attr("ver", now)
	}
	return r.reply(rosterParts([][]byte{head.open().bytes()}, g, a.user, personal)...)
}

// rosterParts adds the parts of a user's roster and ends the query.
func rosterParts(parts [][]byte, g *groups, user uc.UserID, personal map[string]*uc.RosterItem) [][]byte {
	var e element
	shown := make(map[string]bool)
	add := func(item computedItem) {
		own := personal[item.bare]
		appendItem(&e, mergedItem(own, &item))
		if own != nil {
			shown[item.bare] = true
		}
	}
	parts = g.appendShared(parts, user, personal, add)
	for _, bare := range slices.Sorted(maps.Keys(personal)) {
		if it := personal[bare]; !shown[bare] && it.Subscription != "" {
			appendItem(&e, mergedItem(it, nil))
		}
	}
	return append(parts, e.b, []byte("</query>"))
}

// rosterItem is a contact as clients see it (RFC 6121 §2.1.2).
type rosterItem struct {
	jid, name, subscription string
	ask, approved           bool
	groups                  []string
}

// mergedItem lays the user's own item, if any, over the computed one, if any: the own name counts,
// groups add up, a shared group makes the subscription both, and supervision makes it one to the contact.
func mergedItem(own *uc.RosterItem, computed *computedItem) rosterItem {
	var m rosterItem
	if own != nil {
		m = rosterItem{own.JID, own.Name, own.Subscription, own.Ask, own.Approved, slices.Clone(own.Groups)}
	}
	if computed == nil {
		return m
	}
	m.jid, m.subscription, m.ask = computed.bare, subscriptionOf(true, computed.shared || hasFrom(m.subscription)), false
	if m.name == "" {
		m.name = computed.name
	}
	if len(m.groups) == 0 {
		m.groups = computed.titles
		return m
	}
	for _, title := range computed.titles {
		if !slices.Contains(m.groups, title) {
			m.groups = append(m.groups, title)
		}
	}
	return m
}

func appendItem(e *element, it rosterItem) {
	e.start("item").attr("jid", it.jid).attrIf("name", it.name).attr("subscription", it.subscription)
	if it.ask {
		e.attr("ask", "subscribe")
	}
	if it.approved {
		e.attr("approved", "true")
	}
	for _, g := range it.groups {
		e.text("group", g)
	}
	e.close("item")
}

// current returns a contact as it is now; ok is false if it is not in the roster. rosterMu is held.
func (s *Server) current(a *account, bare string) (item rosterItem, ok bool) {
	own := s.rosterOrNone(a)[bare]
	if own != nil && own.Subscription == "" {
		own = nil
	}
	g := s.groups.Load()
	if c, found := g.find(bare); found {
		if computed, shared := g.item(a.user, c); shared {
			return mergedItem(own, &computed), true
		}
	}
	if own == nil {
		return rosterItem{}, false
	}
	return mergedItem(own, nil), true
}

// push tells the interested clients what a contact is now (RFC 6121 §2.1.6). rosterMu is held, so that
// pushes come in the order of the changes.
func (s *Server) push(b *batch, a *account, bare string) {
	if !slices.ContainsFunc(a.bound(), func(c *session) bool { return c.interested.Load() }) {
		return
	}
	item, ok := s.current(a, bare)
	if !ok {
		item = rosterItem{jid: bare, subscription: "remove"}
	}
	var e element
	appendItem(&e, item)
	p := newPushing()
	s.pushItem(b, a, e.b, &p)
}

// pushing is what pushes of one change have in common.
type pushing struct {
	id    string
	count uint64
	head  element
}

func newPushing() pushing { return pushing{id: randomID()[:8]} }

var endOfPush = []byte("</query></iq>")

// pushItem pushes an item, ready as it is sent, to the interested clients. rosterMu is held.
func (s *Server) pushItem(b *batch, a *account, item []byte, p *pushing) {
	version := ""
	for _, c := range a.bound() {
		if !c.interested.Load() {
			continue
		}
		p.count++
		p.head.b = append(append(p.head.b[:0], "<iq type='set' id='"...), p.id...)
		p.head.b = append(strconv.AppendUint(p.head.b, p.count, 36), '\'')
		p.head.attr("to", c.jid)
		p.head.b = append(p.head.b, "><query xmlns='"+nsRoster+"'"...)
		if c.versioned.Load() {
			if version == "" {
				version = s.pushVersion(a)
			}
			p.head.attr("ver", version)
		}
		p.head.b = append(p.head.b, '>')
		b.push(c, p.head.b, item, endOfPush)
	}
}

// changeItem changes one contact of a roster, durably, and pushes it to the user's clients if what they
// see has changed.
func (s *Server) changeItem(b *batch, a *account, bare string, change func(*uc.RosterItem) outcome) (outcome, error) {
	a.rosterMu.Lock()
	defer a.rosterMu.Unlock()
	roster, err := s.rosterOf(a)
	if err != nil {
		return outcome{}, err
	}
	old := roster[bare]
	if old == nil {
		old = &uc.RosterItem{User: a.user, JID: bare}
	}
	before, _ := s.current(a, bare)
	it := *old
	o := change(&it)
	if err := s.rosterRoom(a, old, &it); err != nil {
		return outcome{}, err
	}
	if err := s.putItem(a, it); err != nil {
		return outcome{}, err
	}
	if after, _ := s.current(a, bare); o.push || !after.equal(before) {
		s.push(b, a, bare)
	}
	if hasFrom(old.Subscription) != hasFrom(it.Subscription) {
		s.generation.Add(1)
	}
	return o, nil
}

// errRosterFull is told to a user who adds too many contacts.
var errRosterFull = fmt.Errorf("the roster is full: %w", errNotAcceptable)

// rosterRoom bounds a roster: the contacts that the user has added, and, apart from them, so that others
// cannot fill the roster, the requests that the user has not answered. rosterMu is held.
func (s *Server) rosterRoom(a *account, old, it *uc.RosterItem) error {
	listed, was := it.Subscription != "", old.Subscription != ""
	more := listed && !was || !listed && it.PendingIn != nil && (was || old.PendingIn == nil)
	n := a.tally.unlisted
	if listed {
		n = a.tally.listed
	}
	if more && n >= s.cfg.MaxRoster {
		return errRosterFull
	}
	return nil
}

func (i rosterItem) equal(o rosterItem) bool {
	return i.jid == o.jid && i.name == o.name && i.subscription == o.subscription && i.ask == o.ask &&
		i.approved == o.approved && slices.Equal(i.groups, o.groups)
}

// putItem stores a contact, or deletes it if nothing is left to remember, or does nothing if it is stored like that.
// rosterMu is held.
func (s *Server) putItem(a *account, it uc.RosterItem) error {
	old := a.roster[it.JID]
	if it.Subscription == "" && it.PendingIn == nil {
		if old == nil {
			return nil
		}
		if err := s.deps.Store.DeleteRosterItem(s.ctx, a.user, it.JID); err != nil {
			return err
		}
		delete(a.roster, it.JID)
		a.tally.add(old, -1)
		return nil
	}
	if old != nil && reflect.DeepEqual(*old, it) {
		return nil
	}
	if err := s.deps.Store.PutRosterItem(s.ctx, it); err != nil {
		return err
	}
	a.roster[it.JID] = &it
	if old != nil {
		a.tally.add(old, -1)
	}
	a.tally.add(&it, 1)
	return nil
}

// rosterSet adds, changes or removes one contact (RFC 6121 §2.3-2.5).
func (r *request) rosterSet() error {
	query, err := r.payload()
	if err != nil {
		return err
	}
	if len(query.Nodes) != 1 || query.Nodes[0].Name != "item" {
		return errBadRequest // §2.3.3
	}
	item := query.Nodes[0]
	bare, err := bareJID(item.Attr("jid"))
	if err != nil {
		return err
	}
	if item.Attr("subscription") == "remove" {
		return r.rosterRemove(bare)
	}
	if bare == r.from.account.bare {
		return errNotAllowed
	}
	name, groups, err := readItem(item)
	if err != nil {
		return err
	}
	_, err = r.server.changeItem(r.batch, r.from.account, bare, func(it *uc.RosterItem) outcome {
		if it.Subscription == "" {
			it.Subscription = subNone // any other value of the client's is ignored (§2.3.1)
		}
		it.Name, it.Groups = name, r.server.withoutComputed(r.from.account, bare, name, groups, it)
		return outcome{push: true} // §2.3.2
	})
	if err != nil {
		return err
	}
	return r.reply(nil)
}

// readItem checks the name and groups of a roster item (RFC 6121 §2.3.3).
func readItem(item *scan.Node) (name string, groups []string, err error) {
	name = item.Attr("name")
	if len(name) > maxRosterName {
		return "", nil, errNotAcceptable
	}
	size := 0
	for _, n := range item.Nodes {
		if n.Name != "group" || n.NS != nsRoster {
			continue
		}
		g := strings.TrimSpace(n.Text)
		size += len(g)
		switch {
		case g == "", len(g) > maxRosterName, len(groups) >= maxRosterGroups, size > maxGroupsSize:
			return "", nil, errNotAcceptable
		case slices.Contains(groups, g):
			return "", nil, errBadRequest
		default:
			groups = append(groups, g)
		}
	}
	return name, groups, nil
}

// withoutComputed leaves out the groups that come from roles, which a client sends back with its own, and
// keeps a computed name from becoming the user's own.
func (s *Server) withoutComputed(a *account, bare, name string, groups []string, it *uc.RosterItem) []string {
	g := s.groups.Load()
	c, ok := g.find(bare)
	if !ok {
		return groups
	}
	computed, _ := g.item(a.user, c)
	if name == computed.name {
		it.Name = ""
	}
	return slices.DeleteFunc(groups, func(title string) bool { return slices.Contains(computed.titles, title) })
}

// rosterRemove removes a contact and ends the subscriptions both ways (RFC 6121 §2.5).
func (r *request) rosterRemove(bare string) error {
	s, a := r.server, r.from.account
	var had uc.RosterItem
	if _, err := s.changeItem(r.batch, a, bare, func(it *uc.RosterItem) outcome {
		if had = *it; had.Subscription == "" {
			return outcome{}
		}
		*it = uc.RosterItem{User: it.User, JID: it.JID}
		return outcome{push: true}
	}); err != nil {
		return err
	}
	if had.Subscription == "" {
		a.rosterMu.Lock()
		defer a.rosterMu.Unlock()
		if _, shared := s.current(a, bare); !shared {
			return errItemNotFound
		}
		// A contact that comes from roles cannot be removed: the client is told that it is still there.
		s.push(r.batch, a, bare)
		return r.reply(nil)
	}
	if other := s.contactAccount(bare); other != nil {
		if err := s.endSubscriptions(r.batch, a, other, had); err != nil {
			return err
		}
	}
	return r.reply(nil)
}

// endSubscriptions tells a contact that it was removed: unsubscribe and unsubscribed, as far as there was
// something to end (RFC 6121 §2.5.2).
func (s *Server) endSubscriptions(b *batch, a, other *account, had uc.RosterItem) error {
	say := func(typ string) error {
		raw := newElement("presence").attr("type", typ).attr("from", a.bare).attr("to", other.bare).close("presence").bytes()
		return s.receiveSubscription(b, other, a, typ, raw)
	}
	if hasTo(had.Subscription) || had.Ask {
		if err := say("unsubscribe"); err != nil {
			return err
		}
	}
	if hasFrom(had.Subscription) || had.PendingIn != nil {
		s.exchange(b, a, other, false)
		return say("unsubscribed")
	}
	return nil
}
