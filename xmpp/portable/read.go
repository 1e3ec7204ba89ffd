package portable

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Read reads the users of a domain. beside has the files that this one is made of, named from where it is itself; nil if
// it must be the only one. The error joins all that is wrong with them; then nothing of the file should be used. archived
// gets the messages of their archives as they are read; it may be nil. An error of it ends Read.
func Read(in io.Reader, beside fs.FS, domain string, archived func(login string, m uc.ArchivedMessage) error) ([]*User, error) {
	r := &reader{d: xml.NewDecoder(in), beside: beside, domain: domain, seen: make(map[string]bool), archived: archived}
	if err := r.file(); err != nil {
		line, _ := r.d.InputPos()
		r.problems = append(r.problems, fmt.Errorf("line %d: %w", line, err))
	}
	return r.users, errors.Join(r.problems...)
}

type reader struct {
	d        *xml.Decoder // of the file that is being read now
	name     string       // of that file; empty for the first one
	beside   fs.FS
	domain   string
	seen     map[string]bool
	users    []*User
	problems []error
	archived func(login string, m uc.ArchivedMessage) error
}

// file reads <server-data/>, or a <host/> that stands by itself as ejabberd writes it (XEP-0227 §4).
func (r *reader) file() error {
	return r.root(func(start xml.StartElement) error {
		switch {
		case start.Name.Space == nsPIE && start.Name.Local == "server-data":
			return r.each(r.host)
		case start.Name.Space == nsPIE && start.Name.Local == "host":
			return r.host(start)
		}
		return fmt.Errorf("the file begins with %s, not with the server-data of XEP-0227", start.Name.Local)
	})
}

// root calls f for the element that a file consists of.
func (r *reader) root(f func(xml.StartElement) error) error {
	for {
		token, err := r.d.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("the file has no server-data")
		}
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.Directive:
			return errDirective
		case xml.StartElement:
			return f(token)
		}
	}
}

// each calls f for every element until the one that was begun ends. In the place of an include stands the element of
// its file.
func (r *reader) each(f func(xml.StartElement) error) error {
	return r.elements(func(start xml.StartElement) error {
		if start.Name.Space == nsXInclude && start.Name.Local == "include" {
			return r.include(start, f)
		}
		return f(start)
	})
}

// elements calls f for every element as it stands there until the one that was begun ends.
func (r *reader) elements(f func(xml.StartElement) error) error {
	for {
		token, err := r.d.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if err := f(token); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.Directive:
			return errDirective
		}
	}
}

// include reads the file that an include names (XEP-0227 §5). Files can lead no further than to those of hosts, of users,
// and of a part of a user.
func (r *reader) include(start xml.StartElement, f func(xml.StartElement) error) error {
	href := ""
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "" && a.Name.Local == "href":
			href = a.Value
		case a.Name.Space == "" && (a.Name.Local == "parse" || a.Name.Local == "xpointer"):
			return fmt.Errorf("an include with %s is not understood", a.Name.Local)
		}
	}
	u, err := url.Parse(href)
	name := ""
	if err == nil {
		name = path.Join(path.Dir(r.name), u.Path)
	}
	switch {
	case err != nil || u.IsAbs() || u.Host != "" || u.Path == "" || u.Path[0] == '/' || !fs.ValidPath(name):
		return fmt.Errorf("%q is not the name of a file beside this one", href)
	case r.beside == nil:
		return errors.New("the file is made of several, which are not here")
	}
	if err := r.d.Skip(); err != nil {
		return err
	}
	in, err := r.beside.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	outer, from := r.d, r.name
	r.d, r.name = xml.NewDecoder(in), name
	if err = r.root(f); err != nil {
		line, _ := r.d.InputPos()
		err = fmt.Errorf("%s, line %d: %w", name, line, err)
	}
	r.d, r.name = outer, from
	return err
}

func (r *reader) host(start xml.StartElement) error {
	if start.Name.Space != nsPIE || start.Name.Local != "host" {
		return fmt.Errorf("%s is no part of server-data", start.Name.Local)
	}
	for _, a := range start.Attr {
		if a.Name.Local == "jid" && a.Value != r.domain {
			return fmt.Errorf("the file is about %s, this server is %s", a.Value, r.domain)
		}
	}
	return r.each(r.user)
}

var loginForm = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`)

func (r *reader) user(start xml.StartElement) error {
	if start.Name.Space != nsPIE || start.Name.Local != "user" {
		return r.d.Skip()
	}
	u := &User{}
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "name":
			u.Login = a.Value
		case "password":
			u.Password = a.Value
		}
	}
	problem := func(format string, args ...any) {
		r.problems = append(r.problems, fmt.Errorf("user %s: "+format, append([]any{u.Login}, args...)...))
	}
	switch {
	case !loginForm.MatchString(u.Login):
		problem("%q cannot be a login name here", u.Login)
	case uc.IsTeamLogin(u.Login):
		problem("%q is kept for teams", u.Login)
	case r.seen[u.Login]:
		problem("stands in the file twice")
	}
	r.seen[u.Login] = true
	err := r.each(func(child xml.StartElement) error {
		if child.Name.Space == nsMAM && child.Name.Local == "archive" {
			return r.archive(u, problem)
		}
		n, err := readNode(r.d, child, 0)
		if err != nil {
			return err
		}
		if err := r.part(u, n); err != nil {
			problem("%w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, it := range u.Items {
		if !slices.ContainsFunc(u.Nodes, func(n uc.PubsubNode) bool { return n.Name == it.Node }) {
			u.Nodes = append(u.Nodes, nodeOf(it.Node, pubsub.DefaultLimits.Default(it.Node)))
		}
	}
	r.users = append(r.users, u)
	return nil
}

// part reads one of the things that belong to a user (XEP-0227 §5).
func (r *reader) part(u *User, n *scan.Node) error {
	switch {
	case n.NS == nsSCRAM && n.Name == "scram-credentials":
		return u.readKeys(n)
	case n.NS == nsRoster && n.Name == "query":
		return u.readRoster(n)
	case n.NS == scan.NSClient && n.Name == "presence" && n.Attr("type") == "subscribe":
		return u.readRequest(n)
	case n.NS == nsVCard && n.Name == "vCard":
		u.VCard = n.AppendXML(nil, scan.NSClient)
	case n.NS == nsPrivate && n.Name == "query":
		for _, el := range n.Nodes {
			u.Private = append(u.Private, uc.PrivateXML{Namespace: el.NS, Name: el.Name, XML: el.AppendXML(nil, nsPrivate)})
		}
	case n.NS == nsPubsubOwner && n.Name == "pubsub":
		return u.readNodes(n)
	case n.NS == nsPubsub && n.Name == "pubsub":
		return u.readItems(n, r.domain)
	case n.NS == nsBlocking && n.Name == "blocklist":
		return u.readBlocked(n)
	case n.NS == nsArchive && n.Name == "prefs":
		return u.readPreferences(n)
	case n.NS == nsPIE && n.Name == "offline-messages":
		for _, m := range n.Nodes {
			u.Offline = append(u.Offline, offlineOf(m))
		}
	default:
		u.Ignored = append(u.Ignored, n.Name+" ("+n.NS+")")
	}
	return nil
}

// readKeys reads the keys of one mechanism (XEP-0227 §4.2). Those of mechanisms that are not known are passed over.
func (u *User) readKeys(n *scan.Node) error {
	into := map[string]*uc.ScramKeys{"SCRAM-SHA-1": &u.Keys.SHA1, "SCRAM-SHA-256": &u.Keys.SHA256, "SCRAM-SHA-512": &u.Keys.SHA512}[n.Attr("mechanism")]
	if into == nil {
		u.Ignored = append(u.Ignored, "credentials for "+n.Attr("mechanism"))
		return nil
	}
	size := map[string]int{"SCRAM-SHA-1": 20, "SCRAM-SHA-256": 32, "SCRAM-SHA-512": 64}[n.Attr("mechanism")]
	var errs [4]error
	var k uc.ScramKeys
	k.Iterations, errs[0] = strconv.Atoi(n.ChildText(nsSCRAM, "iter-count"))
	k.Salt, errs[1] = base64.StdEncoding.DecodeString(n.ChildText(nsSCRAM, "salt"))
	k.StoredKey, errs[2] = base64.StdEncoding.DecodeString(n.ChildText(nsSCRAM, "stored-key"))
	k.ServerKey, errs[3] = base64.StdEncoding.DecodeString(n.ChildText(nsSCRAM, "server-key"))
	if errors.Join(errs[:]...) != nil || k.Iterations < 1 || k.Iterations > 10_000_000 || len(k.Salt) == 0 || len(k.StoredKey) != size || len(k.ServerKey) != size {
		return fmt.Errorf("the credentials for %s are broken", n.Attr("mechanism"))
	}
	*into = k
	return nil
}

// bare returns the normal form of the bare address of somebody.
func bare(text string) (string, error) {
	parsed, err := jid.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%q is not an address", text)
	}
	return parsed.Bare().String(), nil
}

func (u *User) contact(address string) *uc.RosterItem {
	for i := range u.Roster {
		if u.Roster[i].JID == address {
			return &u.Roster[i]
		}
	}
	u.Roster = append(u.Roster, uc.RosterItem{JID: address})
	return &u.Roster[len(u.Roster)-1]
}

func (u *User) readRoster(n *scan.Node) error {
	for _, el := range n.Nodes {
		if el.Name != "item" || el.NS != nsRoster {
			continue
		}
		address, err := bare(el.Attr("jid"))
		if err != nil {
			return err
		}
		it := u.contact(address)
		it.Name, it.Subscription = el.Attr("name"), el.Attr("subscription")
		it.Ask, it.Approved = el.Attr("ask") == "subscribe", el.Attr("approved") == "true" || el.Attr("approved") == "1"
		switch it.Subscription {
		case "none", "to", "from", "both":
		case "":
			it.Subscription = "none"
		default:
			return fmt.Errorf("contact %s: %q is no subscription", address, it.Subscription)
		}
		for _, g := range el.Nodes {
			if g.Name == "group" && g.Text != "" && !slices.Contains(it.Groups, g.Text) {
				it.Groups = append(it.Groups, g.Text)
			}
		}
	}
	return nil
}

// readRequest reads a subscription request that waits for an answer.
func (u *User) readRequest(n *scan.Node) error {
	address, err := bare(n.Attr("from"))
	if err != nil {
		return err
	}
	u.contact(address).PendingIn = n.AppendXML(nil, scan.NSClient)
	return nil
}

// readNodes reads how nodes are configured, and who may do what with them (XEP-0227 §4.10.1).
func (u *User) readNodes(n *scan.Node) error {
	nodes := make(map[string]*pubsub.Node)
	var order []string
	for _, el := range n.Nodes {
		name := el.Attr("node")
		if name == "" {
			u.Ignored = append(u.Ignored, el.Name+" of a node without a name")
			continue
		}
		if nodes[name] == nil {
			nodes[name] = &pubsub.Node{Name: name, Config: pubsub.DefaultLimits.Default(name)}
			order = append(order, name)
		}
		var err error
		switch el.Name {
		case "configure":
			nodes[name].Config, err = configOf(name, el)
		case "affiliations", "subscriptions":
			err = u.readPeople(nodes[name], el)
		default:
			u.Ignored = append(u.Ignored, el.Name+" of the node "+name)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	for _, name := range order {
		u.Nodes = append(u.Nodes, uc.PubsubNode{Name: name, Settings: nodes[name].Settings()})
	}
	return nil
}

// readPeople reads affiliations and subscriptions. The user's own is the owner's anyway; kinds that are not known here
// are passed over.
func (u *User) readPeople(n *pubsub.Node, list *scan.Node) error {
	for _, el := range list.Nodes {
		parsed, err := jid.Parse(el.Attr("jid"))
		if err != nil {
			return fmt.Errorf("%q is not an address", el.Attr("jid"))
		}
		kind := el.Attr(el.Name) // an affiliation has its affiliation, a subscription its subscription
		switch {
		case el.Name == "affiliation" && kind == string(pubsub.Owner):
		case el.Name == "affiliation":
			err = n.Affiliate(parsed.Bare().String(), pubsub.Affiliation(kind), pubsub.DefaultLimits)
		case el.Name == "subscription" && kind == "subscribed":
			err = n.Subscribe(parsed.String(), pubsub.DefaultLimits)
		default:
			err = pubsub.ErrNotAcceptable
		}
		if err != nil {
			u.Ignored = append(u.Ignored, fmt.Sprintf("%s %s of %s to the node %s", el.Name, kind, parsed, n.Name))
		}
	}
	return nil
}

func configOf(name string, el *scan.Node) (pubsub.Config, error) {
	form := pubsub.Form{}
	if x := el.Child(nsForms, "x"); x != nil {
		for _, f := range x.Nodes {
			if f.Name == "field" && f.Attr("var") != "FORM_TYPE" {
				form[f.Attr("var")] = valuesOf(f)
			}
		}
	}
	return pubsub.DefaultLimits.Default(name).With(known(form), pubsub.DefaultLimits)
}

// known leaves out what only other servers can configure.
func known(form pubsub.Form) pubsub.Form {
	fields := pubsub.Config{}.Fields(pubsub.DefaultLimits)
	for name := range form {
		if !slices.ContainsFunc(fields, func(f pubsub.Field) bool { return f.Var == name && f.Type != "hidden" }) {
			delete(form, name)
		}
	}
	return form
}

func valuesOf(f *scan.Node) (list []string) {
	for _, v := range f.Nodes {
		if v.Name == "value" {
			list = append(list, v.Text)
		}
	}
	return list
}

func nodeOf(name string, config pubsub.Config) uc.PubsubNode {
	return uc.PubsubNode{Name: name, Settings: (&pubsub.Node{Name: name, Config: config}).Settings()}
}

func (u *User) readItems(n *scan.Node, domain string) error {
	for _, el := range n.Nodes {
		name := el.Attr("node")
		if el.Name != "items" || name == "" {
			continue
		}
		for _, it := range el.Nodes {
			if it.Name != "item" {
				continue
			}
			if it.Attr("id") == "" || len(it.Nodes) != 1 {
				return fmt.Errorf("node %s: an item needs an id and one payload", name)
			}
			u.Items = append(u.Items, uc.PubsubItem{
				Node: name, ID: it.Attr("id"), Publisher: u.Login + "@" + domain, Payload: it.Nodes[0].AppendXML(nil, nsPubsub),
			})
		}
	}
	return nil
}

func (u *User) readBlocked(n *scan.Node) error {
	for _, el := range n.Nodes {
		parsed, err := jid.Parse(el.Attr("jid"))
		if err != nil {
			return fmt.Errorf("blocked: %q is not an address", el.Attr("jid"))
		}
		if !slices.Contains(u.Blocked, parsed.String()) {
			u.Blocked = append(u.Blocked, parsed.String())
		}
	}
	return nil
}

// offlineOf reads a message that waits; when it came its delay tells.
func offlineOf(n *scan.Node) uc.OfflineMessage {
	m := uc.OfflineMessage{At: time.Now()}
	if d := n.Child(nsDelay, "delay"); d != nil {
		if at, err := time.Parse(time.RFC3339, d.Attr("stamp")); err == nil {
			m.At = at
		}
		n.Nodes = slices.DeleteFunc(n.Nodes, func(c *scan.Node) bool { return c == d })
	}
	n.NS = scan.NSClient
	m.Stanza = n.AppendXML(nil, scan.NSClient)
	return m
}
