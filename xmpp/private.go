package xmpp

import (
	"errors"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsPrivate = "jabber:iq:private"

// The limits of what a user's clients keep for themselves.
const (
	maxPrivate      = 64 << 10 // bytes of one element
	maxPrivateKinds = 50       // elements with different names
)

// privateGet answers with what the user's clients keep under the name of an element; with the element
// itself if they keep nothing (XEP-0049 §3.2).
func (r *request) privateGet() error {
	asked, err := r.privateElement()
	if err != nil {
		return err
	}
	var kept []byte
	if isStorage(asked) {
		kept, err = r.server.privateBookmarks(r.from.account)
	} else {
		kept, err = r.server.deps.Store.Private(r.server.ctx, r.from.account.user, asked.NS, asked.Name)
	}
	if err != nil {
		return err
	}
	if kept == nil {
		kept = (&scan.Node{Name: asked.Name, NS: asked.NS}).AppendXML(nil, nsPrivate)
	}
	return r.reply(newElement("query").attr("xmlns", nsPrivate).raw(kept).close("query").bytes())
}

// privateSet keeps an element in the place of the one with the same name (XEP-0049 §3.1).
func (r *request) privateSet() error {
	el, err := r.privateElement()
	if err != nil {
		return err
	}
	xml := el.AppendXML(nil, nsPrivate)
	if len(xml) > maxPrivate {
		return errNotAcceptable
	}
	if isStorage(el) {
		if err := r.setPrivateBookmarks(el); err != nil {
			return err
		}
		return r.reply(nil)
	}
	kept := uc.PrivateXML{User: r.from.account.user, Namespace: el.NS, Name: el.Name, XML: xml}
	err = r.server.deps.Store.PutPrivate(r.server.ctx, kept, maxPrivateKinds)
	if errors.Is(err, uc.ErrConflict) {
		return stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
	}
	if err != nil {
		return err
	}
	return r.reply(nil)
}

// isStorage reports whether an element holds bookmarks.
func isStorage(n *scan.Node) bool { return n.NS == nsStorage && n.Name == "storage" }

// privateElement returns the one element of a query; it must have a namespace of its own.
func (r *request) privateElement() (*scan.Node, error) {
	query, err := r.payload()
	switch {
	case err != nil:
		return nil, err
	case len(query.Nodes) == 0:
		return nil, errNotAcceptable // XEP-0049 §2.3
	case len(query.Nodes) != 1:
		return nil, errBadRequest
	case query.Nodes[0].NS == nsPrivate || query.Nodes[0].NS == scan.NSClient:
		return nil, errNotAcceptable // XEP-0049 §2.3
	}
	return query.Nodes[0], nil
}
