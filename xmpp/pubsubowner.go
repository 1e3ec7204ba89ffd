package xmpp

import (
	"maps"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
)

// ownerRequest is nodeRequest for what only the owner of a node may ask for.
func (r *request) ownerRequest() (*nodeRequest, error) {
	q, err := r.nodeRequest()
	switch {
	case err != nil:
		return nil, err
	case !q.who.Owner:
		return nil, q.conceal(pubsub.ErrForbidden) // XEP-0060 §8.2.3.2
	case serverNode(q.node):
		return nil, pubsub.ErrForbidden
	}
	return q, nil
}

// pubsubOwnerGet answers what the owner wants to know of a node (XEP-0060 §8).
func (r *request) pubsubOwnerGet() error {
	q, err := r.ownerRequest()
	if err != nil {
		return err
	}
	e := newElement("pubsub").attr("xmlns", nsPubsubOwner).start(q.command.Name).attrIf("node", q.node).open()
	if q.command.Name == "default" { // §8.3
		configForm(q.server.cfg.Pubsub.Default(""), q.server.cfg.Pubsub).append(e, "form")
		return q.reply(e.close("default").close("pubsub").bytes())
	}
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	n, err := q.readable()
	if err != nil {
		return err
	}
	switch q.command.Name {
	case "configure": // §8.2
		configForm(n.Config, q.server.cfg.Pubsub).append(e, "form")
	case "affiliations": // §8.9
		appendAffiliation(e, q.owner.bare, pubsub.Owner)
		for _, bare := range slices.Sorted(maps.Keys(n.Affiliations)) {
			appendAffiliation(e, bare, n.Affiliations[bare])
		}
	case "subscriptions": // §8.8
		for _, address := range n.Subscribers {
			e.start("subscription").attr("jid", address).attr("subscription", "subscribed").close("subscription")
		}
	default:
		return pubsub.ErrUnsupported
	}
	return q.reply(e.close(q.command.Name).close("pubsub").bytes())
}

func appendAffiliation(e *element, bare string, a pubsub.Affiliation) {
	e.start("affiliation").attr("jid", bare).attr("affiliation", string(a)).close("affiliation")
}

// configForm is the form with which a node is configured (XEP-0060 §8.2.1).
func configForm(c pubsub.Config, l pubsub.Limits) *form {
	f := &form{fields: []field{{typ: "hidden", name: "FORM_TYPE", values: []string{pubsub.FormConfig}}}}
	for _, fd := range c.Fields(l) {
		out := field{typ: fd.Type, name: fd.Var, label: fd.Label, values: fd.Values}
		for _, o := range fd.Options {
			out.options = append(out.options, option{o, o})
		}
		f.fields = append(f.fields, out)
	}
	return f
}

// pubsubOwnerSet changes a node as a whole (XEP-0060 §8).
func (r *request) pubsubOwnerSet() error {
	q, err := r.ownerRequest()
	if err != nil {
		return err
	}
	change := map[string]func(*pubsub.Node) error{
		"configure": q.configure, "delete": q.delete, "purge": q.purge, "affiliations": q.setAffiliations, "subscriptions": q.endSubscriptions,
	}[q.command.Name]
	if change == nil {
		return pubsub.ErrUnsupported
	}
	if err := q.changeNode(change); err != nil {
		return err
	}
	q.server.nodeChanged(q.batch, q.owner, q.node)
	return q.reply(nil)
}

// changeNode hands a copy of the node to a change, which commits it.
func (q *nodeRequest) changeNode(change func(*pubsub.Node) error) error {
	q.owner.pep.mu.Lock()
	defer q.owner.pep.mu.Unlock()
	n, err := q.server.nodeToChange(q.owner, q.node)
	if err != nil {
		return err
	}
	return change(n)
}

// nodeChange is the change that stores a node's settings.
func nodeChange(n *pubsub.Node) uc.PubsubChange {
	return uc.PubsubChange{PutNodes: []uc.PubsubNode{{Name: n.Name, Settings: n.Settings()}}}
}

// configure gives a node another configuration (§8.2.4). Items that are more than it keeps go.
func (q *nodeRequest) configure(n *pubsub.Node) error {
	form, cancelled, ok := readForm(q.command)
	switch {
	case !ok:
		return errBadRequest
	case cancelled:
		return nil
	}
	var err error
	if n.Config, err = n.Config.With(withEmpty(q.command, form), q.server.cfg.Pubsub); err != nil {
		return err
	}
	change := nodeChange(n)
	for _, it := range n.Trim() {
		change.DropItems = append(change.DropItems, uc.PubsubItem{Node: n.Name, ID: it.ID})
	}
	if err := q.server.commitNode(q.owner, n.Name, n, change); err != nil {
		return err
	}
	if n.Config.NotifyConfig {
		q.server.tellConfiguration(q.batch, q.owner, n)
	}
	return nil
}

// delete removes a node (§8.4). Bookmarks that are deleted as items are gone; their list is only a form of them.
func (q *nodeRequest) delete(n *pubsub.Node) error {
	change := uc.PubsubChange{DropNodes: []string{n.Name}}
	var m *mirrored
	if n.Name == nsBookmarks {
		var err error
		if m, err = q.server.mirrorBookmarks(q.owner, n.Name, nil, n.IDs(), &change); err != nil {
			return err
		}
	}
	if err := q.server.commitNode(q.owner, n.Name, nil, change); err != nil {
		return err
	}
	if m != nil {
		q.server.takeOver(q.owner, m.node, change)
	}
	if q.owner.pep.unified = false; n.Config.NotifyDelete {
		q.server.tellOf(q.batch, q.owner, n, "delete")
	}
	q.server.tellMirror(q.batch, q.owner, m)
	return nil
}

// purge removes all items (§8.5).
func (q *nodeRequest) purge(n *pubsub.Node) error {
	var change uc.PubsubChange
	gone := n.IDs()
	for _, id := range gone {
		change.DropItems = append(change.DropItems, uc.PubsubItem{Node: n.Name, ID: id})
	}
	n.Items = nil
	m, err := q.server.commitMirrored(q.owner, n, nil, gone, change)
	if err != nil {
		return err
	}
	q.server.tellOf(q.batch, q.owner, n, "purge")
	q.server.tellMirror(q.batch, q.owner, m)
	return nil
}

// setAffiliations changes what others are to the node (§8.9.2).
func (q *nodeRequest) setAffiliations(n *pubsub.Node) error {
	for _, item := range q.command.Nodes {
		bare, err := bareJID(item.Attr("jid"))
		if err != nil {
			return err
		}
		if bare == q.owner.bare {
			return pubsub.ErrNotAcceptable // §8.9.2.4: a node has an owner
		}
		if err := n.Affiliate(bare, pubsub.Affiliation(item.Attr("affiliation")), q.server.cfg.Pubsub); err != nil {
			return err
		}
	}
	return q.server.commitNode(q.owner, n.Name, n, nodeChange(n))
}

// endSubscriptions takes subscriptions of others away (§8.8.2). Nobody can be made to subscribe.
func (q *nodeRequest) endSubscriptions(n *pubsub.Node) error {
	for _, item := range q.command.Nodes {
		if item.Attr("subscription") != "none" {
			return pubsub.ErrNotAcceptable
		}
		if err := n.Unsubscribe(item.Attr("jid")); err != nil {
			return err
		}
	}
	return q.server.commitNode(q.owner, n.Name, n, nodeChange(n))
}
