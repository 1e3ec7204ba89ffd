package portable

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/pubsub"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// Write writes the users of a domain, each as it comes.
func Write(out io.Writer, domain string, users iter.Seq2[*User, error]) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='%s'>\n<host jid='%s'>\n", nsPIE, scan.AppendEscaped(nil, domain))
	for u, err := range users {
		if err != nil {
			return err
		}
		n, err := u.node(domain)
		if err != nil {
			return fmt.Errorf("user %s: %w", u.Login, err)
		}
		// bufio keeps the first error for Flush.
		raw, end := n.AppendXML(nil, nsPIE), ""
		if u.Archive != nil {
			raw, end = opened(raw), "</user>"
		}
		_, _ = w.Write(raw)
		if err := u.writeArchive(w); err != nil {
			return fmt.Errorf("user %s: %w", u.Login, err)
		}
		_, _ = w.WriteString(end + "\n")
	}
	_, _ = w.WriteString("</host>\n</server-data>\n")
	return w.Flush()
}

// opened takes away the end of an element, so that more can be written into it.
func opened(raw []byte) []byte {
	if inside, empty := bytes.CutSuffix(raw, []byte("/>")); empty {
		return append(inside, '>')
	}
	return raw[:bytes.LastIndex(raw, []byte("</"))]
}

// writeArchive writes the messages as they come (XEP-0227 §4.11).
func (u *User) writeArchive(w *bufio.Writer) error {
	if u.Archive == nil {
		return nil
	}
	begin, end := "<archive xmlns='"+nsMAM+"'>\n", ""
	for m, err := range u.Archive {
		if err != nil {
			return err
		}
		forwarded := element(nsForward, "forwarded")
		forwarded.Nodes = []*scan.Node{element(nsDelay, "delay", "stamp", m.At().Format(time.RFC3339Nano))}
		if err := addRaw(forwarded, m.Stanza); err != nil {
			return err
		}
		result := element(nsArchive, "result", "id", strconv.FormatInt(m.ID, 10))
		result.Nodes = []*scan.Node{forwarded}
		_, _ = w.Write(append(result.AppendXML([]byte(begin), nsMAM), '\n'))
		begin, end = "", "</archive>"
	}
	_, _ = w.WriteString(end)
	return nil
}

// element makes a node; attrs are names and values, of which empty ones are left out.
func element(ns, name string, attrs ...string) *scan.Node {
	n := &scan.Node{NS: ns, Name: name}
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			n.Attrs = append(n.Attrs, scan.Attr{Name: attrs[i], Value: attrs[i+1]})
		}
	}
	return n
}

func textElement(ns, name, text string) *scan.Node {
	n := element(ns, name)
	n.Text = text
	return n
}

// node makes the element of a user.
func (u *User) node(domain string) (*scan.Node, error) {
	n := element(nsPIE, "user", "name", u.Login, "password", u.Password)
	add := func(c *scan.Node) {
		if len(c.Nodes) > 0 {
			n.Nodes = append(n.Nodes, c)
		}
	}
	for _, k := range []struct {
		mechanism string
		keys      uc.ScramKeys
	}{{"SCRAM-SHA-1", u.Keys.SHA1}, {"SCRAM-SHA-256", u.Keys.SHA256}, {"SCRAM-SHA-512", u.Keys.SHA512}} {
		if k.keys.Iterations > 0 {
			add(keysNode(k.mechanism, k.keys))
		}
	}
	if err := u.addContacts(n); err != nil {
		return nil, err
	}
	if u.VCard != nil {
		card, err := scan.Parse(u.VCard)
		if err != nil {
			return nil, err
		}
		n.Nodes = append(n.Nodes, card)
	}
	private := element(nsPrivate, "query")
	for _, p := range u.Private {
		if err := addRaw(private, p.XML); err != nil {
			return nil, err
		}
	}
	add(private)
	if err := u.addNodes(add); err != nil {
		return nil, err
	}
	blocked := element(nsBlocking, "blocklist")
	for _, jid := range u.Blocked {
		blocked.Nodes = append(blocked.Nodes, element(nsBlocking, "item", "jid", jid))
	}
	add(blocked)
	offline := element(nsPIE, "offline-messages")
	for _, m := range u.Offline {
		if err := addRaw(offline, m.Stanza); err != nil {
			return nil, err
		}
		last := offline.Nodes[len(offline.Nodes)-1]
		last.Nodes = append(last.Nodes, element(nsDelay, "delay", "from", domain, "stamp", m.At.UTC().Format(time.RFC3339Nano)))
	}
	add(offline)
	if p := u.Preferences; p != nil {
		n.Nodes = append(n.Nodes, preferencesNode(p))
	}
	return n, nil
}

// preferencesNode has the form of XEP-0441 §2. XEP-0227 has none of its own.
func preferencesNode(p *uc.ArchivePreferences) *scan.Node {
	n := element(nsArchive, "prefs", "default", p.Standard)
	for _, list := range []struct {
		name string
		jids []string
	}{{"always", p.Always}, {"never", p.Never}} {
		el := element(nsArchive, list.name)
		for _, jid := range list.jids {
			el.Nodes = append(el.Nodes, textElement(nsArchive, "jid", jid))
		}
		n.Nodes = append(n.Nodes, el)
	}
	return n
}

func addRaw(to *scan.Node, raw []byte) error {
	n, err := scan.Parse(raw)
	if err == nil {
		to.Nodes = append(to.Nodes, n)
	}
	return err
}

func keysNode(mechanism string, k uc.ScramKeys) *scan.Node {
	n := element(nsSCRAM, "scram-credentials", "mechanism", mechanism)
	encode := base64.StdEncoding.EncodeToString
	n.Nodes = []*scan.Node{
		textElement(nsSCRAM, "iter-count", strconv.Itoa(k.Iterations)), textElement(nsSCRAM, "salt", encode(k.Salt)),
		textElement(nsSCRAM, "server-key", encode(k.ServerKey)), textElement(nsSCRAM, "stored-key", encode(k.StoredKey)),
	}
	return n
}

func (u *User) addContacts(n *scan.Node) error {
	roster := element(nsRoster, "query")
	var requests []*scan.Node
	for _, it := range u.Roster {
		if it.PendingIn != nil {
			p, err := scan.Parse(it.PendingIn)
			if err != nil {
				return err
			}
			requests = append(requests, p)
		}
		if it.Subscription == "" {
			continue // it has only asked
		}
		el := element(nsRoster, "item", "jid", it.JID, "name", it.Name, "subscription", it.Subscription, "ask", when(it.Ask, "subscribe"), "approved", when(it.Approved, "true"))
		for _, g := range it.Groups {
			el.Nodes = append(el.Nodes, textElement(nsRoster, "group", g))
		}
		roster.Nodes = append(roster.Nodes, el)
	}
	if len(roster.Nodes) > 0 {
		n.Nodes = append(n.Nodes, roster)
	}
	n.Nodes = append(n.Nodes, requests...)
	return nil
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// addPeople writes who else may do what with a node, and who has subscribed (XEP-0227 §4.10.1).
func addPeople(to *scan.Node, n *pubsub.Node) {
	affiliations := element(nsPubsubOwner, "affiliations", "node", n.Name)
	for _, jid := range slices.Sorted(maps.Keys(n.Affiliations)) {
		affiliations.Nodes = append(affiliations.Nodes, element(nsPubsubOwner, "affiliation", "jid", jid, "affiliation", string(n.Affiliations[jid])))
	}
	subscriptions := element(nsPubsubOwner, "subscriptions", "node", n.Name)
	for _, jid := range n.Subscribers {
		subscriptions.Nodes = append(subscriptions.Nodes, element(nsPubsubOwner, "subscription", "jid", jid, "subscription", "subscribed"))
	}
	for _, el := range []*scan.Node{affiliations, subscriptions} {
		if len(el.Nodes) > 0 {
			to.Nodes = append(to.Nodes, el)
		}
	}
}

// addNodes writes the configuration of the nodes, then their items.
func (u *User) addNodes(add func(*scan.Node)) error {
	configs, all := element(nsPubsubOwner, "pubsub"), element(nsPubsub, "pubsub")
	for _, node := range u.Nodes {
		n, err := pubsub.Load(node.Name, node.Settings)
		if err != nil {
			return err
		}
		x := element(nsForms, "x", "type", "submit")
		kind := element(nsForms, "field", "var", "FORM_TYPE", "type", "hidden")
		kind.Nodes = []*scan.Node{textElement(nsForms, "value", pubsub.FormConfig)}
		x.Nodes = append(x.Nodes, kind)
		for _, f := range n.Config.Fields(pubsub.DefaultLimits) {
			field := element(nsForms, "field", "var", f.Var)
			for _, v := range f.Values {
				field.Nodes = append(field.Nodes, textElement(nsForms, "value", v))
			}
			if len(f.Values) > 0 {
				x.Nodes = append(x.Nodes, field)
			}
		}
		configure := element(nsPubsubOwner, "configure", "node", node.Name)
		configure.Nodes = []*scan.Node{x}
		configs.Nodes = append(configs.Nodes, configure)
		addPeople(configs, n)
		items := element(nsPubsub, "items", "node", node.Name)
		for _, it := range u.Items {
			if it.Node != node.Name {
				continue
			}
			el := element(nsPubsub, "item", "id", it.ID)
			if err := addRaw(el, it.Payload); err != nil {
				return err
			}
			items.Nodes = append(items.Nodes, el)
		}
		if len(items.Nodes) > 0 {
			all.Nodes = append(all.Nodes, items)
		}
	}
	add(configs)
	add(all)
	return nil
}
