package xmpp

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsRSM = "http://jabber.org/protocol/rsm"

// maxItemsAnswer is the size of payloads from which on an answer leaves the rest to the next page.
const maxItemsAnswer = 512 << 10

// nodeRequest is a request about the nodes of a user, the sender's or another.
type nodeRequest struct {
	*request
	owner   *account
	who     pubsub.Entity
	pubsub  *scan.Node
	command *scan.Node // the first child of it
	node    string
}

// nodeRequest reads what the requests of a namespace have in common.
func (r *request) nodeRequest() (*nodeRequest, error) {
	n, err := r.payload()
	switch {
	case err != nil || n.Name != "pubsub" || len(n.Nodes) == 0:
		return nil, errBadRequest
	case len(n.Nodes[0].Attr("node")) > r.server.cfg.Pubsub.Name:
		return nil, pubsub.ErrNotAcceptable
	case r.to.account == nil:
		return nil, errServiceUnavailable
	}
	q := &nodeRequest{request: r, owner: r.to.account, pubsub: n, command: n.Nodes[0]}
	q.node = q.command.Attr("node")
	q.who = r.server.entity(q.owner, r.from.account)
	return q, nil
}

// conceal keeps somebody who does not see a user from learning whether the user, or a node, exists.
func (q *nodeRequest) conceal(err error) error {
	if err != nil && !q.who.Owner && !q.who.Presence {
		return errServiceUnavailable
	}
	return err
}

// pubsubGet answers questions about nodes (XEP-0060 §5.6, §5.7, §6.5).
func (r *request) pubsubGet() error {
	if team, ok := r.teamAsked(); ok {
		return r.pubsubGetTeam(team)
	}
	q, err := r.nodeRequest()
	if err != nil {
		return err
	}
	switch q.command.Name {
	case "items":
		return q.conceal(q.items())
	case "subscriptions":
		return q.conceal(q.subscriptions())
	case "affiliations":
		return q.conceal(q.affiliations())
	}
	return q.conceal(pubsub.ErrUnsupported)
}

// pubsubSet carries out what publishers and subscribers ask for (XEP-0060 §6, §7, §8.1).
func (r *request) pubsubSet() error {
	q, err := r.nodeRequest()
	if err != nil {
		return err
	}
	if serverNode(q.node) {
		return q.conceal(pubsub.ErrForbidden)
	}
	switch q.command.Name {
	case "publish":
		return q.conceal(q.publish())
	case "retract":
		return q.conceal(q.retract())
	case "create":
		return q.conceal(q.create())
	case "subscribe":
		return q.conceal(q.subscribe())
	case "unsubscribe":
		return q.conceal(q.unsubscribe())
	}
	return q.conceal(pubsub.ErrUnsupported)
}

// readable returns the node that is asked about, if the sender may read it; called with pep.mu held.
func (q *nodeRequest) readable() (*pubsub.Node, error) {
	nodes, err := q.server.nodesFor(q.owner, q.node)
	if err != nil {
		return nil, err
	}
	if q.node == "" {
		return nil, pubsub.ErrNeedsNode
	}
	n := nodes[q.node]
	if n == nil {
		return nil, pubsub.ErrNotFound
	}
	return n, n.MayRead(q.who)
}

// items answers with items of a node (XEP-0060 §6.5).
func (q *nodeRequest) items() error {
	if q.node == nsProfiles && q.who.Owner {
		return q.replyItem(q.node, q.server.profileList(q.owner))
	}
	if q.node == nsReach && q.server.mayReadReach(q.owner, q.from) {
		return q.replyItem(q.node, q.server.reach(q.owner))
	}
	switch card, err := q.card4(); {
	case err != nil:
		return err
	case card != nil:
		return q.replyItem(q.node, card)
	}
	query, err := q.readQuery()
	if err != nil {
		return err
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	n, err := q.readable()
	if err != nil {
		return err
	}
	page, err := n.Select(query)
	if err != nil {
		return err
	}
	cut := page.Fit(maxItemsAnswer, query.Backwards || query.Newest > 0)
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("items").attr("node", q.node)
	read := payloads{server: q.server, owner: q.owner, node: n}
	for _, it := range page.Items {
		payload, err := read.of(it)
		if err != nil {
			return err
		}
		appendPubsubItem(e, it.ID, it.Publisher, payload)
	}
	e.close("items")
	if query.Max >= 0 || cut {
		appendPage(e, page)
	}
	return q.reply(e.close("pubsub").bytes())
}

// readQuery reads which items are wanted (XEP-0060 §6.5, XEP-0059 §2).
func (q *nodeRequest) readQuery() (pubsub.Query, error) {
	query := pubsub.All
	for _, item := range q.command.Nodes {
		if item.Name == "item" {
			if len(query.IDs) >= q.server.cfg.Pubsub.Items {
				return query, pubsub.ErrTooMuch
			}
			query.IDs = append(query.IDs, item.Attr("id"))
		}
	}
	number := func(text string, at *int) error {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 0 {
			return errBadRequest
		}
		*at = n
		return nil
	}
	if text := q.command.Attr("max_items"); text != "" {
		if err := number(text, &query.Newest); err != nil {
			return query, err
		}
	}
	set := q.pubsub.Child(nsRSM, "set")
	if set == nil {
		return query, nil
	}
	query.Max = q.server.cfg.Pubsub.Items
	if m := set.Child(nsRSM, "max"); m != nil {
		if err := number(m.Text, &query.Max); err != nil {
			return query, err
		}
	}
	query.After, query.Before = set.ChildText(nsRSM, "after"), set.ChildText(nsRSM, "before")
	query.Backwards = set.Child(nsRSM, "before") != nil
	return query, nil
}

// appendPage tells where a page is among all items (XEP-0059 §2.6).
func appendPage(e *element, p pubsub.Page) {
	e.start("set").attr("xmlns", nsRSM)
	if len(p.Items) > 0 {
		e.start("first").attr("index", strconv.Itoa(p.Index)).chars(p.Items[0].ID).close("first")
		e.text("last", p.Items[len(p.Items)-1].ID)
	}
	e.text("count", strconv.Itoa(p.Count)).close("set")
}

// subscriptions lists the sender's subscriptions (XEP-0060 §5.6).
func (q *nodeRequest) subscriptions() error {
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("subscriptions").attrIf("node", q.node).open()
	err := q.eachNode(func(n *pubsub.Node) {
		for _, address := range n.Subscribers {
			if string(bareOf([]byte(address))) == q.from.account.bare {
				appendSubscription(e, n.Name, address)
			}
		}
	})
	if err != nil {
		return err
	}
	return q.reply(e.close("subscriptions").close("pubsub").bytes())
}

func appendSubscription(e *element, node, address string) {
	e.start("subscription").attr("node", node).attr("jid", address).attr("subscription", "subscribed").close("subscription")
}

// affiliations lists what the sender is to the nodes (XEP-0060 §5.7).
func (q *nodeRequest) affiliations() error {
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("affiliations").attrIf("node", q.node).open()
	err := q.eachNode(func(n *pubsub.Node) {
		if a := n.AffiliationOf(q.who); a != pubsub.None {
			e.start("affiliation").attr("node", n.Name).attr("affiliation", string(a)).close("affiliation")
		}
	})
	if err != nil {
		return err
	}
	return q.reply(e.close("affiliations").close("pubsub").bytes())
}

// visibleNodes lists the nodes of a user that the sender may read, with their titles, by name.
func (r *request) visibleNodes(owner *account) (names, titles []string) {
	who := r.server.entity(owner, r.from.account)
	if who.Owner {
		names, titles = []string{nsProfiles}, []string{"Client profiles"}
	}
	if r.server.mayReadReach(owner, r.from) {
		names, titles = append(names, nsReach), append(titles, "Reachability")
	}
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	nodes, err := r.server.nodesOf(owner)
	if err != nil {
		r.from.log.Error("xmpp: cannot read nodes", "user", owner.bare, "cause", err)
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if nodes[name].MayRead(who) == nil {
			names, titles = append(names, name), append(titles, nodes[name].Config.Title)
		}
	}
	return names, titles
}

func (r *request) hasNode(owner *account, node string) bool {
	names, _ := r.visibleNodes(owner)
	return slices.Contains(names, node)
}

// itemsOf names the items of a node that there is.
func (s *Server) itemsOf(owner *account, node string) []string {
	if serverNode(node) {
		return []string{madeItem}
	}
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	nodes, err := s.nodesFor(owner, node)
	if err != nil || nodes[node] == nil {
		return nil
	}
	return nodes[node].IDs()
}

// appendNodes adds the nodes of a user to a list of disco#items (XEP-0060 §5.2).
func (r *request) appendNodes(e *element, owner *account) {
	names, titles := r.visibleNodes(owner)
	for i, name := range names {
		e.start("item").attr("jid", owner.bare).attr("node", name).attrIf("name", titles[i]).close("item")
	}
}

// eachNode calls f for the nodes that a question is about, by name: one, or all.
func (q *nodeRequest) eachNode(f func(*pubsub.Node)) error {
	if !q.who.Owner && !q.who.Presence {
		return errServiceUnavailable // an empty list would tell that the user exists
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	nodes, err := q.server.nodesOf(q.owner)
	if err != nil {
		return err
	}
	if q.node != "" {
		n := nodes[q.node]
		if n == nil {
			return pubsub.ErrNotFound
		}
		f(n)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		f(nodes[name])
	}
	return nil
}

// publish publishes items (XEP-0060 §7.1), to a node that is made for them if need be (XEP-0163 §3).
func (q *nodeRequest) publish() error {
	if q.node == "" {
		return pubsub.ErrNeedsNode
	}
	options, err := q.preconditions()
	if err != nil {
		return err
	}
	p := publication{node: q.node, by: q.from.jid, options: options}
	for _, item := range q.command.Nodes {
		if item.Name != "item" || item.NS != nsPubsub {
			return errBadRequest
		}
		it, err := q.readItem(item)
		if err != nil {
			return err
		}
		p.items = append(p.items, it)
	}
	if len(p.items) == 0 {
		return pubsub.ErrNeedsItem
	}
	if err := q.server.publish(q.batch, q.owner, q.who, p); err != nil {
		return err
	}
	q.server.nodeChanged(q.batch, q.owner, q.node)
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("publish").attr("node", q.node)
	for _, it := range p.items {
		appendPubsubItem(e, it.id, "", nil)
	}
	return q.reply(e.close("publish").close("pubsub").bytes())
}

// readItem checks an item that is to be published.
func (q *nodeRequest) readItem(item *scan.Node) (newItem, error) {
	it := newItem{id: item.Attr("id")}
	switch {
	case len(it.id) > q.server.cfg.Pubsub.Name:
		return it, pubsub.ErrNotAcceptable
	case len(item.Nodes) == 0:
		return it, pubsub.ErrNeedsPayload
	case len(item.Nodes) > 1:
		return it, pubsub.ErrBadPayload
	}
	it.payload = item.Nodes[0].AppendXML(nil, nsNone)
	if len(it.payload) > q.server.cfg.Pubsub.Payload {
		return it, pubsub.ErrTooBig
	}
	if q.node == nsAvatarData {
		return it, checkAvatar(it)
	}
	return it, nil
}

// nsNone is no namespace that an element can be in, so that AppendXML declares the payload's own.
const nsNone = "\x00"

// preconditions reads what a publisher wants a node to be like. What cannot be understood cannot be met, and is not passed over:
// what was meant for few would be shown to many (XEP-0060 §7.1.5).
func (q *nodeRequest) preconditions() (pubsub.Form, error) {
	in := q.pubsub.Child(nsPubsub, "publish-options")
	if in == nil {
		return nil, nil
	}
	form := formOf(in)
	if !form.Is(pubsub.FormOptions) {
		return nil, pubsub.ErrPrecondition
	}
	return form, nil
}

// formOf reads the data form in an element, with the fields that have no value; nil if there is none.
func formOf(in *scan.Node) pubsub.Form {
	if in == nil {
		return nil
	}
	form, cancelled, ok := readForm(in)
	if !ok || cancelled {
		return nil
	}
	return withEmpty(in, form)
}

// withEmpty adds the fields of the form that have no value.
func withEmpty(in *scan.Node, form values) pubsub.Form {
	for _, f := range in.Child(nsForms, "x").Nodes {
		if name := f.Attr("var"); f.Name == "field" && f.NS == nsForms && form[name] == nil {
			form[name] = []string{}
		}
	}
	return pubsub.Form(form)
}

// retract removes items (XEP-0060 §7.2).
func (q *nodeRequest) retract() error {
	var ids []string
	for _, item := range q.command.Nodes {
		if id := item.Attr("id"); item.Name == "item" && id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return pubsub.ErrNeedsItem
	}
	notify := q.command.Attr("notify")
	if err := q.server.retract(q.batch, q.owner, q.who, q.node, ids, notify == "1" || notify == "true"); err != nil {
		return err
	}
	q.server.nodeChanged(q.batch, q.owner, q.node)
	return q.reply(nil)
}

// create makes a node, configured at once if a form is with it (XEP-0060 §8.1).
func (q *nodeRequest) create() error {
	if !q.who.Owner {
		return pubsub.ErrForbidden
	}
	if q.node == "" {
		q.node = randomID() // an instant node, §8.1.2
	}
	config, err := q.server.cfg.Pubsub.Default(q.node).With(formOf(q.pubsub.Child(nsPubsub, "configure")), q.server.cfg.Pubsub)
	if err != nil {
		return err
	}
	if err := q.server.createNode(q.owner, &pubsub.Node{Name: q.node, Config: config}); err != nil {
		return err
	}
	e := newElement("pubsub").attr("xmlns", nsPubsub).start("create").attr("node", q.node).close("create")
	return q.reply(e.close("pubsub").bytes())
}

// createNode stores a node that must not exist yet.
func (s *Server) createNode(owner *account, n *pubsub.Node) error {
	owner.pep.mu.Lock()
	defer owner.pep.mu.Unlock()
	nodes, err := s.nodesOf(owner)
	switch {
	case err != nil:
		return err
	case nodes[n.Name] != nil:
		return pubsub.ErrConflict
	}
	if err := s.room(owner, n); err != nil {
		return err
	}
	return s.commitNode(owner, n.Name, n, nodeChange(n))
}

// subscriber returns the address that a request subscribes, which must be the sender's own (XEP-0060 §6.1.3.1).
func (q *nodeRequest) subscriber() (string, error) {
	address := q.command.Attr("jid")
	if address == q.from.account.bare || address == q.from.jid && !q.from.account.foreign() {
		return address, nil // of a stranger's client nobody would learn that it is gone
	}
	return "", pubsub.ErrInvalidJID
}

// subscribe adds a subscription and sends the newest item (XEP-0060 §6.1).
func (q *nodeRequest) subscribe() error {
	address, err := q.subscriber()
	if err != nil {
		return err
	}
	if err := q.noOptions(); err != nil {
		return err
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	n, err := q.readable()
	if err != nil {
		return err
	}
	n = n.Clone()
	// One of a full address lasts as long as its client; those that are gone make room.
	n.Subscribers = slices.DeleteFunc(n.Subscribers, func(s string) bool {
		return strings.Contains(s, "/") && q.server.router.session([]byte(s)) == nil
	})
	if err := n.Subscribe(address, q.server.cfg.Pubsub); err != nil {
		return err
	}
	if err := q.server.commitNode(q.owner, n.Name, n, nodeChange(n)); err != nil {
		return err
	}
	e := newElement("pubsub").attr("xmlns", nsPubsub).open()
	appendSubscription(e, n.Name, address)
	if err := q.reply(e.close("pubsub").bytes()); err != nil {
		return err
	}
	if n.Config.SendLast != pubsub.Never {
		q.server.tellLast(q.batch, q.owner, n, q.from)
	}
	return nil
}

// noOptions refuses options of a subscription (XEP-0060 §6.3.7): there are none, and who wants some must not think to have them.
func (q *nodeRequest) noOptions() error {
	switch form := formOf(q.pubsub.Child(nsPubsub, "options")); {
	case form == nil:
		return nil
	case !form.Is(pubsub.FormSubscribe):
		return pubsub.ErrInvalidOptions
	case len(form) > 1:
		return pubsub.ErrNoOptions
	}
	return nil
}

// unsubscribe ends a subscription (XEP-0060 §6.2). Who may no longer read the node may still go.
func (q *nodeRequest) unsubscribe() error {
	address, err := q.subscriber()
	if err != nil {
		return err
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	n, err := q.server.nodeToChange(q.owner, q.node)
	if err != nil {
		return err
	}
	if err := n.Unsubscribe(address); err != nil {
		return err
	}
	if err := q.server.commitNode(q.owner, n.Name, n, nodeChange(n)); err != nil {
		return err
	}
	return q.reply(nil)
}
