package xmpp

import (
	"cmp"
	"container/list"
	"crypto/sha1" //nolint:gosec // XEP-0115 §5.1 names it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// caps is what a client has announced and the server has found out about it (XEP-0115). It belongs to the
// session's reader.
type caps struct {
	now   capsHash // as last announced
	asked capsHash // what the query with this id is about
	id    string   // of the query that is not answered yet
}

// capsHash names what a client can do.
type capsHash struct{ hash, node, ver string }

// key is what answers are remembered by: the node has no part in the hash.
func (h capsHash) key() string { return h.hash + " " + h.ver }

// capsHashes are the functions that an announcement may name (XEP-0115 §5.1).
var capsHashes = map[string]func() hash.Hash{
	"sha-1": sha1.New, "sha-256": sha256.New, "sha-384": sha512.New384, "sha-512": sha512.New,
}

// readCaps reads an announcement. One that cannot be a hash counts as none, so that nobody is asked about it.
func readCaps(c *scan.Node) capsHash {
	h := capsHash{c.Attr("hash"), c.Attr("node"), c.Attr("ver")}
	sum, err := base64.StdEncoding.DecodeString(h.ver)
	if f := capsHashes[h.hash]; err != nil || f == nil || len(sum) != f().Size() || h.node == "" || len(h.node) > 1023 {
		return capsHash{}
	}
	return h
}

// heardCaps takes over what a presence of the client announces; initial says that it is the first.
func (r *request) heardCaps(h capsHash, initial bool) {
	c := r.from
	if initial {
		c.caps = caps{}
		c.notify.Store(nil)
	}
	if h == (capsHash{}) || h == c.caps.now {
		return
	}
	c.caps.now = h
	r.useCaps()
}

// useCaps finds out which events the client wants: from memory or, while no other question is open, by
// asking the client (XEP-0115 §6.2).
func (r *request) useCaps() {
	c, s := r.from, r.server
	if names, ok := s.caps.get(c.caps.now.key()); ok {
		r.setNotify(names)
		return
	}
	if c.caps.id != "" {
		return
	}
	c.caps.id, c.caps.asked = randomID(), c.caps.now
	e := newElement("iq").attr("type", "get").attr("id", c.caps.id).attr("from", s.cfg.Domain).attr("to", c.jid)
	e.start("query").attr("xmlns", nsDiscoInfo).attr("node", c.caps.asked.node+"#"+c.caps.asked.ver).close("query")
	r.batch.push(c, e.close("iq").bytes())
}

// setNotify makes names the nodes whose events the client is told, and sends the newest items of those
// that are new among them.
func (r *request) setNotify(names []string) {
	c := r.from
	var had []string
	if p := c.notify.Load(); p != nil {
		had = *p
	}
	c.notify.Store(&names)
	fresh := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(had, n) })
	if len(fresh) > 0 {
		r.server.tellLastItems(r.batch, c, fresh)
	}
}

// learnCaps takes the client's answer to the query. What does not match the hash is not believed, nor
// remembered for others who announce it (XEP-0115 §5.4, §10.2).
func (r *request) learnCaps() {
	c := r.from
	if c.caps.id == "" || string(r.head.ID) != c.caps.id {
		return
	}
	asked := c.caps.asked
	c.caps.id = ""
	believed := false
	if string(r.head.Type) == "result" {
		if query, err := r.payload(); err == nil && query.NS == nsDiscoInfo {
			var names []string
			if names, believed = verifyCaps(asked, query); believed {
				r.server.caps.put(asked.key(), names)
			}
		}
	}
	if believed || asked != c.caps.now { // it may have announced something else meanwhile
		r.useCaps()
	}
}

// The limits of what is remembered of one hash, and of how many.
const (
	maxNotify      = 100     // nodes
	maxNotifyBytes = 8 << 10 // of their names
	maxCaps        = 1000
)

// verifyCaps checks an answer against the announced hash and returns the nodes that it asks for.
func verifyCaps(h capsHash, query *scan.Node) (names []string, ok bool) {
	text, ok := capsText(query)
	if !ok {
		return nil, false
	}
	f := capsHashes[h.hash]()
	f.Write([]byte(text))
	if base64.StdEncoding.EncodeToString(f.Sum(nil)) != h.ver {
		return nil, false
	}
	return capsNotify(text), true
}

// capsNotify returns the nodes that the hashed text asks for. It reads the text, not the answer, so that everybody whose
// answer has this hash gets the same: the text does not tell a feature from an identity or the field of a form
// (XEP-0115 §10.2 leaves that open), and a forger can move one to where the other is.
func capsNotify(text string) (names []string) {
	size := 0
	for part := range strings.SplitSeq(text, "<") {
		name, wanted := strings.CutSuffix(part, "+notify")
		if !wanted || slices.Contains(names, name) {
			continue
		}
		if size += len(name); len(names) == maxNotify || size > maxNotifyBytes {
			break
		}
		names = append(names, strings.Clone(name)) // not to hold the text
	}
	return names
}

// capsText is the text that is hashed (XEP-0115 §5.1). It is false for an answer that is ill-formed (§5.4).
func capsText(query *scan.Node) (string, bool) {
	var identities, features, forms []string
	for _, n := range query.Nodes {
		switch {
		case n.Name == "identity" && n.NS == nsDiscoInfo:
			lang, _ := n.LookupAttr(scan.NSXML, "lang")
			identities = append(identities, strings.Join([]string{n.Attr("category"), n.Attr("type"), lang, n.Attr("name")}, "/"))
		case n.Name == "feature" && n.NS == nsDiscoInfo:
			features = append(features, n.Attr("var"))
		case n.Name == "x" && n.NS == nsForms:
			form, ok := capsForm(n)
			if !ok {
				return "", false
			}
			if form != "" {
				forms = append(forms, form)
			}
		}
	}
	var b strings.Builder
	for _, part := range [][]string{identities, features} {
		slices.Sort(part)
		if len(slices.Compact(slices.Clone(part))) != len(part) {
			return "", false // §5.4 items 3.3 and 3.4
		}
		for _, text := range part {
			if strings.Contains(text, "<") {
				return "", false // it could pass for several
			}
			b.WriteString(text + "<")
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(typeOf(a), typeOf(b)) })
	for i, text := range forms {
		if i > 0 && typeOf(forms[i-1]) == typeOf(text) {
			return "", false // §5.4 item 3.5
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// typeOf is what the text of a form begins with.
func typeOf(text string) string {
	name, _, _ := strings.Cut(text, "<")
	return name
}

// capsForm is the part of the text that stands for a form; empty for one that does not count.
func capsForm(x *scan.Node) (string, bool) {
	type entry struct {
		name   string
		values []string
	}
	var kind string
	typed := false
	var entries []entry
	for _, f := range x.Nodes {
		if f.Name != "field" || f.NS != nsForms {
			continue
		}
		e := entry{name: f.Attr("var")}
		for _, v := range f.Nodes {
			if v.Name == "value" && v.NS == nsForms {
				e.values = append(e.values, v.Text)
			}
		}
		slices.Sort(e.values)
		if strings.Contains(e.name+strings.Join(e.values, ""), "<") {
			return "", false
		}
		if e.name != "FORM_TYPE" {
			entries = append(entries, e)
			continue
		}
		if typed || len(slices.Compact(slices.Clone(e.values))) != 1 {
			return "", false // §5.4 item 3.6
		}
		if typed = true; f.Attr("type") == "hidden" {
			kind = e.values[0]
		}
	}
	if kind == "" {
		return "", true // §5.4 item 3.7
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	var text strings.Builder
	text.WriteString(kind + "<")
	for _, e := range entries {
		text.WriteString(e.name + "<")
		for _, v := range e.values {
			text.WriteString(v + "<")
		}
	}
	return text.String(), true
}

// capsCache remembers which events clients want, by the hash of what they can do. What was used longest
// ago gives way.
type capsCache struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of capsEntry, the last used in front
}

type capsEntry struct {
	key   string
	names []string
}

func newCapsCache() *capsCache {
	return &capsCache{byKey: make(map[string]*list.Element), order: list.New()}
}

func (c *capsCache) get(key string) ([]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(capsEntry).names, true //nolint:errcheck // the list holds nothing else
}

func (c *capsCache) put(key string, names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] != nil {
		return
	}
	c.byKey[key] = c.order.PushFront(capsEntry{key, names})
	if c.order.Len() > maxCaps {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.byKey, oldest.Value.(capsEntry).key) //nolint:errcheck // the list holds nothing else
	}
}
