package scan

import "strconv"

// Node is an element of a stanza, for handlers that must understand a payload.
type Node struct {
	Name  string // local name
	NS    string
	Attrs []Attr // without namespace declarations
	Nodes []*Node
	Text  string // the character data directly inside, joined
}

// Attr is an attribute of a Node.
type Attr struct {
	NS    string // empty unless the attribute had a prefix
	Name  string
	Value string
}

// Parse decodes one element with all that is inside. Without a declaration of its own it is in the
// namespace jabber:client, as in a stream. The element is checked like a stanza from a client, but for limits of its size.
func Parse(raw []byte) (*Node, error) {
	return parse(New(Limits{Stanza: len(raw), Depth: maxDepth, Attrs: maxAttrs}), raw)
}

// KeepNodes has Next decode what it yields, for Node.
func (s *Scanner) KeepNodes() { s.tree = &tree{} }

// Node returns the element that Next has yielded last, as Parse would. It is only for a scanner that keeps nodes, and not
// for the header and the end of a stream.
func (s *Scanner) Node() *Node { return s.tree.root }

func parse(s *Scanner, raw []byte) (*Node, error) {
	s.tree = &tree{}
	_, _, n, err := s.Next(raw)
	switch {
	case err == nil && skipSpace(raw, n) < len(raw):
		return nil, fault(NotWellFormed, "more than one element")
	case err == ErrIncomplete: //nolint:errorlint // never wrapped
		return nil, fault(NotWellFormed, "unfinished element")
	case err == nil && s.tree.root == nil:
		return nil, fault(NotWellFormed, "no element")
	}
	return s.tree.root, err
}

// Beyond these limits no stanza makes sense; they bound the work on text that has not come through a Scanner.
const (
	maxDepth = 256
	maxAttrs = 1024
)

// tree makes nodes of what a scanner reads. The methods of a nil tree do nothing.
type tree struct {
	root *Node
	path []*Node
	text [][]byte // of each node in path, so far
}

func (t *tree) open(s *Scanner, b []byte, name qname, ns namespace) {
	if t == nil {
		return
	}
	n := &Node{Name: string(name.local().of(b)), NS: string(ns.bytes(b))}
	for i := range s.attrs {
		if a := &s.attrs[i]; !a.name.declares(b) {
			n.Attrs = append(n.Attrs, a.decode(b))
		}
	}
	if len(t.path) == 0 {
		t.root = n
	} else {
		parent := t.path[len(t.path)-1]
		parent.Nodes = append(parent.Nodes, n)
	}
	t.path = append(t.path, n)
	t.text = append(t.text, nil)
}

func (a *attr) decode(b []byte) Attr {
	d := Attr{Name: string(a.name.local().of(b)), Value: string(a.value.bytes(b))}
	if a.name.colon != 0 {
		d.NS = string(a.ns.bytes(b))
	}
	return d
}

func (t *tree) characters(raw []byte, cdata bool) {
	if t == nil {
		return
	}
	last := len(t.path) - 1
	if cdata {
		t.text[last] = append(t.text[last], lineEnds(raw)...)
		return
	}
	t.text[last] = unescape(t.text[last], raw, false)
}

func (t *tree) close() {
	if t == nil {
		return
	}
	last := len(t.path) - 1
	t.path[last].Text = string(t.text[last])
	t.path, t.text = t.path[:last], t.text[:last]
}

// Attr returns the value of the attribute without a prefix, or "".
func (n *Node) Attr(name string) string {
	v, _ := n.LookupAttr("", name)
	return v
}

// LookupAttr returns the value of an attribute and whether there is one.
func (n *Node) LookupAttr(ns, name string) (string, bool) {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name && n.Attrs[i].NS == ns {
			return n.Attrs[i].Value, true
		}
	}
	return "", false
}

// Child returns the first child element of that name, or nil. Calls can be chained: a nil Node has no children.
func (n *Node) Child(ns, name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Nodes {
		if c.Name == name && c.NS == ns {
			return c
		}
	}
	return nil
}

// Condition returns the name of the condition that an error tells (RFC 6120 §4.9.2, §8.3.2), or "". ns is that of the
// conditions. A nil Node has none.
func (n *Node) Condition(ns string) string {
	if n != nil {
		for _, c := range n.Nodes {
			if c.NS == ns && c.Name != "text" {
				return c.Name
			}
		}
	}
	return ""
}

// ChildText returns the text of the first child element of that name, or "".
func (n *Node) ChildText(ns, name string) string {
	if c := n.Child(ns, name); c != nil {
		return c.Text
	}
	return ""
}

// AppendXML appends the node as XML that means the same inside any element whose default namespace is
// ns. Text comes before child elements.
func (n *Node) AppendXML(dst []byte, ns string) []byte {
	dst = append(append(dst, '<'), n.Name...)
	if n.NS != ns {
		dst = appendAttr(dst, " xmlns='", n.NS)
	}
	for i := range n.Attrs {
		dst = n.Attrs[i].append(dst, i)
	}
	if n.Text == "" && len(n.Nodes) == 0 {
		return append(dst, "/>"...)
	}
	dst = AppendEscaped(append(dst, '>'), n.Text)
	for _, c := range n.Nodes {
		dst = c.AppendXML(dst, n.NS)
	}
	dst = append(append(dst, "</"...), n.Name...)
	return append(dst, '>')
}

// append appends the attribute, which is the i-th of its element.
func (a *Attr) append(dst []byte, i int) []byte {
	dst = append(dst, ' ')
	switch a.NS {
	case "":
	case NSXML:
		dst = append(dst, "xml:"...)
	default:
		prefix := "a" + strconv.Itoa(i)
		dst = append(append(dst, "xmlns:"...), prefix...)
		dst = appendAttr(dst, "='", a.NS)
		dst = append(append(append(dst, ' '), prefix...), ':')
	}
	dst = append(dst, a.Name...)
	return appendAttr(dst, "='", a.Value)
}
