package xmpp

import (
	"crypto/sha1" //nolint:gosec // XEP-0115 §5.1 names it; it protects nothing
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"
)

const (
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
	nsCaps       = "http://jabber.org/protocol/caps"
	nsPreApprove = "urn:xmpp:features:pre-approval"
)

// capsNode names this software in entity capabilities (XEP-0115 §4).
const capsNode = "https://rolecall.dev/"

// streamFeatures are announced to a client that has logged in, beside resource binding.
func (s *Server) streamFeatures() []xml.StartElement {
	attr := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }
	return []xml.StartElement{
		{Name: xml.Name{Space: nsPreApprove, Local: "sub"}},    // RFC 6121 §3.4
		{Name: xml.Name{Space: nsRosterVersion, Local: "ver"}}, // RFC 6121 §2.6.1
		{Name: xml.Name{Space: nsClientState, Local: "csi"}},   // XEP-0352 §4.1
		{Name: xml.Name{Space: nsCaps, Local: "c"}, // XEP-0115 §6.3
			Attr: []xml.Attr{attr("hash", "sha-1"), attr("node", capsNode), attr("ver", s.verification())}},
	}
}

// identity is a category and type of disco#info (XEP-0030 §3.1).
type identity struct{ category, typ, name string }

var (
	serverIdentity  = identity{"server", "im", "Rolecall"}
	accountIdentity = identity{"account", "registered", ""}
	pepIdentity     = identity{"pubsub", "pep", "Personal eventing"} // XEP-0163 §6
	leafIdentity    = identity{"pubsub", "leaf", ""}
	fileStore       = identity{"store", "file", "Files"} // XEP-0363 §4
	commandList     = identity{"automation", "command-list", ""}
	commandIdentity = identity{"automation", "command-node", ""}
)

// serverFeatures and accountFeatures are what disco#info tells; they come from [Protocols].
var serverFeatures, accountFeatures = features(func(p Protocol) []string { return p.Server }), features(func(p Protocol) []string { return p.Account })

// accountFeatures is without the archive if there is none.
func (s *Server) accountFeatures() []string {
	if s.archive != nil {
		return accountFeatures
	}
	return slices.DeleteFunc(slices.Clone(accountFeatures), func(f string) bool { return strings.HasPrefix(f, nsArchive) })
}

func features(of func(Protocol) []string) []string {
	var list []string
	for _, p := range Protocols {
		list = append(list, of(p)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// discoInfo is an answer about a node.
func discoInfo(node string, features []string, ids ...identity) []byte {
	return discoInfoForms(node, features, nil, ids...)
}

// discoInfoForms is one that has forms, too (XEP-0128 §2).
func discoInfoForms(node string, features []string, forms []*form, ids ...identity) []byte {
	e := newElement("query").attr("xmlns", nsDiscoInfo).attrIf("node", node)
	for _, id := range ids {
		e.start("identity").attr("category", id.category).attr("type", id.typ).attrIf("name", id.name).close("identity")
	}
	for _, f := range features {
		e.start("feature").attr("var", f).close("feature")
	}
	for _, f := range forms {
		f.append(e, "result")
	}
	return e.close("query").bytes()
}

// discoInfoFixed answers for something that is always the same and has no nodes.
func (r *request) discoInfoFixed(features []string, id identity, forms ...*form) error {
	switch node, err := r.node(); {
	case err != nil:
		return err
	case node != "":
		return errItemNotFound
	}
	return r.reply(discoInfoForms("", features, forms, id))
}

// features lists what the server tells, optional parts included.
func (s *Server) features() []string {
	return slices.DeleteFunc(slices.Clone(serverFeatures), func(f string) bool {
		return f == nsUpload && s.deps.Uploads == nil || f == nsExternal && len(s.cfg.Relays) == 0 || f == nsRegister && !s.cfg.PasswordChange
	})
}

// verification is the verification string of the server's disco#info (XEP-0115 §5.1).
func (s *Server) verification() string {
	var b strings.Builder
	for _, id := range s.identities() {
		b.WriteString(id.caps())
	}
	for _, f := range s.features() {
		b.WriteString(f + "<")
	}
	for _, f := range s.infoForms() {
		b.WriteString(f.caps())
	}
	sum := sha1.Sum([]byte(b.String())) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// node returns the node that a disco query asks about.
func (r *request) node() (string, error) {
	q, err := r.payload()
	if err != nil {
		return "", err
	}
	return q.Attr("node"), nil
}

func (r *request) discoInfoServer() error {
	node, err := r.node()
	switch {
	case err != nil:
		return err
	case node == "" || node == capsNode+"#"+r.server.verification():
		return r.reply(r.server.info(node))
	}
	return r.discoInfoCommand(node)
}

// caps is the identity as part of a verification string (XEP-0115 §5.1).
func (i identity) caps() string { return i.category + "/" + i.typ + "//" + i.name + "<" }

// identities are the server's, in the order of XEP-0115 §5.1. That accounts have nodes is told here, too: libpurple
// (Pidgin, Finch) asks the server and not the account, as the first versions of XEP-0163 had it.
func (s *Server) identities() []identity {
	if s.deps.Uploads == nil {
		return []identity{pepIdentity, serverIdentity}
	}
	return []identity{pepIdentity, serverIdentity, fileStore}
}

// info is the server's disco#info.
func (s *Server) info(node string) []byte {
	return discoInfoForms(node, s.features(), s.infoForms(), s.identities()...)
}

// infoForms are the forms of the server's disco#info, in the order of their types (XEP-0115 §5.1).
func (s *Server) infoForms() []*form {
	var list []*form
	if f := s.contactForm(); f != nil {
		list = append(list, f)
	}
	if s.deps.Uploads != nil {
		list = append(list, s.uploadForm())
	}
	return list
}

func (r *request) discoInfoAccount() error {
	node, err := r.node()
	switch {
	case err != nil:
		return err
	case node == "":
		return r.reply(discoInfo(node, r.server.accountFeatures(), accountIdentity, pepIdentity))
	case r.hasNode(r.from.account, node):
		return r.reply(discoInfo(node, []string{nsPubsub}, leafIdentity))
	}
	return r.discoInfoCommand(node)
}

// discoInfoCommand tells of the list of commands, or of one that the user may run (XEP-0050 §2.2).
func (r *request) discoInfoCommand(node string) error {
	if node == nsCommands {
		id := commandList
		id.name = "Commands"
		return r.reply(discoInfo(node, []string{nsCommands}, id))
	}
	cmd := r.visibleCommand(node)
	if cmd == nil {
		return errItemNotFound
	}
	id := commandIdentity
	id.name = cmd.name
	return r.reply(discoInfo(node, []string{nsCommands, nsForms}, id))
}

// discoInfoOther tells of another user's account, to those who see the user (XEP-0030 §8, RFC 6121 §8.5.1).
func (r *request) discoInfoOther() error {
	if team, ok := r.teamAsked(); ok {
		return r.discoInfoFixed([]string{nsDiscoInfo, nsDiscoItems, nsVCard}, identity{accountIdentity.category, accountIdentity.typ, team.name})
	}
	if r.to.account == nil || !r.server.sees(r.from.account, r.to.account) {
		return errServiceUnavailable
	}
	node, err := r.node()
	switch {
	case err != nil:
		return err
	case node == "":
		return r.reply(discoInfo(node, r.server.accountFeatures(), accountIdentity, pepIdentity))
	case r.hasNode(r.to.account, node):
		return r.reply(discoInfo(node, []string{nsPubsub}, leafIdentity))
	}
	return errItemNotFound
}

func (r *request) discoItemsServer() error { return r.discoItems(r.server.cfg.Domain) }

func (r *request) discoItemsAccount() error { return r.discoItems(r.from.account.bare) }

// discoItems lists the commands at the node for them (XEP-0050 §2.3), and at none the services of the server
// or the user's own nodes.
func (r *request) discoItems(at string) error {
	node, err := r.node()
	if err != nil {
		return err
	}
	e := newElement("query").attr("xmlns", nsDiscoItems).attrIf("node", node)
	switch node {
	case "":
		switch at {
		case r.server.cfg.Domain:
			e.start("item").attr("jid", r.server.cfg.RoomsDomain).attr("name", "Rooms").close("item")
			if domain := r.server.uploadDomain(); r.server.isUploads(domain) {
				e.start("item").attr("jid", domain).attr("name", fileStore.name).close("item")
			}
			for _, domain := range r.server.components.Connected() {
				e.start("item").attr("jid", domain).close("item")
			}
		case r.from.account.bare:
			r.appendNodes(e.open(), r.from.account)
		}
	case nsCommands:
		for _, cmd := range r.visibleCommands() {
			e.start("item").attr("jid", at).attr("node", cmd.node).attr("name", cmd.name).close("item")
		}
	default:
		if at != r.from.account.bare {
			return errItemNotFound
		}
		return r.discoItemsOfNode(r.from.account, node)
	}
	return r.reply(e.close("query").bytes())
}

// discoItemsNone says that there is nothing at the address, no commands either.
func (r *request) discoItemsNone() error {
	node, err := r.node()
	if err != nil {
		return err
	}
	return r.reply(newElement("query").attr("xmlns", nsDiscoItems).attrIf("node", node).close("query").bytes())
}

// discoItemsOther lists a user's clients, and nodes, to those who see the user (XEP-0030 §4.4, XEP-0060 §5.2).
func (r *request) discoItemsOther() error {
	if _, ok := r.teamAsked(); ok {
		return r.discoItemsNone()
	}
	if r.to.account == nil || !r.server.sees(r.from.account, r.to.account) {
		return errServiceUnavailable
	}
	node, err := r.node()
	switch {
	case err != nil:
		return err
	case node != "":
		return r.discoItemsOfNode(r.to.account, node)
	}
	e := newElement("query").attr("xmlns", nsDiscoItems)
	for _, c := range r.to.account.bound() {
		if c.available.Load() {
			e.start("item").attr("jid", c.jid).close("item")
		}
	}
	r.appendNodes(e.open(), r.to.account)
	return r.reply(e.close("query").bytes())
}

// discoItemsOfNode lists the items of a user's node to those who may read it (XEP-0060 §5.5).
func (r *request) discoItemsOfNode(owner *account, node string) error {
	if !r.hasNode(owner, node) {
		return errItemNotFound
	}
	e := newElement("query").attr("xmlns", nsDiscoItems).attr("node", node).open()
	for _, id := range r.server.itemsOf(owner, node) {
		e.start("item").attr("jid", owner.bare).attr("name", id).close("item")
	}
	return r.reply(e.close("query").bytes())
}
