package scan_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// FuzzAgainstEncodingXML holds the scanner against encoding/xml: what the scanner accepts, it must accept
// too and read the same from it. The seeds beside the committed corpus are the tables' worst.
func FuzzAgainstEncodingXML(f *testing.F) {
	for _, seed := range []string{
		small, big, `<message xmlns:a='urn:a'><a:b a:c="&#x41;" d='&quot;'/>&amp;<![CDATA[<]]></message>`,
		`<iq xml:lang='en'><x xmlns=''><y xmlns='z'/></x></iq>`, "<presence>\r\n\t\u00fc</presence >", `</stream:stream>`,
		`<a><b/><b></b>]]&gt;</a>`, `<a b='1' b='2'/>`, `<a><!-- --></a>`, `<a>&nope;</a>`, ` <a/> `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		head, stanza, n, err := scan.New(limits).Next(text)
		if e := (*scan.Error)(nil); err != nil && !errors.Is(err, scan.ErrIncomplete) && !errors.As(err, &e) {
			t.Fatalf("untyped error %v", err)
		}
		if err != nil || head.Kind == scan.StreamEnd || head.Kind == scan.StreamError {
			return
		}
		if !bytes.HasSuffix(text[:n], stanza) || len(bytes.TrimLeft(text[:n-len(stanza)], " \t\r\n")) > 0 {
			t.Fatalf("stanza %q is not what was consumed: %q", stanza, text[:n])
		}
		node, err := scan.Parse(stanza)
		if err != nil {
			t.Fatalf("Parse refuses what Next took: %v", err)
		}
		want, err := decode(stanza)
		if err != nil {
			t.Fatalf("encoding/xml refuses %q: %v", stanza, err)
		}
		if got := describe(node); got != want {
			t.Fatalf("%q\nread as    %s\nencoding/xml %s", stanza, got, want)
		}
		checkHead(t, &head, node)
		checkCopies(t, stanza, &head, node)
	})
}

// checkHead compares the head with the decoded stanza.
func checkHead(t *testing.T, h *scan.Head, n *scan.Node) {
	t.Helper()
	for _, c := range []struct {
		got      []byte
		ns, name string
	}{{h.To, "", "to"}, {h.From, "", "from"}, {h.ID, "", "id"}, {h.Type, "", "type"}, {h.Lang, scan.NSXML, "lang"}} {
		if want, ok := n.LookupAttr(c.ns, c.name); string(c.got) != want || ok != (c.got != nil) {
			t.Errorf("%s is %q in the head, %q in the tree", c.name, c.got, want)
		}
	}
	if string(h.Name) != n.Name || string(h.NS) != n.NS {
		t.Errorf("named %s %s in the head, %s %s in the tree", h.NS, h.Name, n.NS, n.Name)
	}
	if len(n.Nodes) > 0 && (string(h.Child) != n.Nodes[0].Name || string(h.ChildNS) != n.Nodes[0].NS) ||
		len(n.Nodes) == 0 && h.Child != nil {
		t.Errorf("child %s %s in the head does not fit %s", h.ChildNS, h.Child, describe(n))
	}
	if h.More != (len(n.Nodes) > 1) {
		t.Errorf("the head says %t to more than one child, in %s", h.More, describe(n))
	}
}

// checkCopies looks at what the server makes of a stanza: it must pass the scanner again.
func checkCopies(t *testing.T, stanza []byte, h *scan.Head, n *scan.Node) {
	t.Helper()
	stamped := scan.AppendStamped(nil, stanza, h, []byte("a'&\"<b"), []byte(">c"))
	again, err := scan.Parse(stamped)
	if err != nil {
		t.Fatalf("stamped %q: %v", stamped, err)
	}
	if again.Attr("from") != "a'&\"<b" || again.Attr("to") != ">c" {
		t.Errorf("stamped %q", stamped)
	}
	if got, want := describe(without(again, "from", "to")), describe(without(n, "from", "to")); got != want {
		t.Errorf("stamping made %s of %s", got, want)
	}
	copied := n.AppendXML(nil, scan.NSClient)
	again, err = scan.Parse(copied)
	if err != nil || describe(again) != describe(n) {
		t.Errorf("AppendXML made %q of %q: %v", copied, stanza, err)
	}
}

// without returns the node without some of its attributes.
func without(n *scan.Node, names ...string) *scan.Node {
	c := *n
	c.Attrs = nil
	for _, a := range n.Attrs {
		if a.NS != "" || a.Name != names[0] && a.Name != names[1] {
			c.Attrs = append(c.Attrs, a)
		}
	}
	return &c
}

// describe writes down a tree in the form of decode.
func describe(n *scan.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s}%s", n.NS, n.Name)
	for _, a := range n.Attrs {
		fmt.Fprintf(&b, " {%s}%s=%q", a.NS, a.Name, a.Value)
	}
	fmt.Fprintf(&b, " %q", n.Text)
	for _, c := range n.Nodes {
		b.WriteString("(" + describe(c) + ")")
	}
	return b.String()
}

// decode reads a stanza with encoding/xml.
func decode(stanza []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(stanza))
	d.DefaultSpace = scan.NSClient
	var path []*scan.Node
	var root *scan.Node
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) && len(path) == 0 && root != nil {
			return describe(root), nil
		}
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := nodeOf(tok)
			if len(path) > 0 {
				parent := path[len(path)-1]
				parent.Nodes = append(parent.Nodes, n)
			} else {
				root = n
			}
			path = append(path, n)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			path[len(path)-1].Text += string(tok)
		default:
			return "", fmt.Errorf("unexpected %T", tok)
		}
	}
}

// nodeOf undoes two liberties of encoding/xml: it leaves the prefix xml, and whitespace in attributes.
func nodeOf(e xml.StartElement) *scan.Node {
	n := &scan.Node{Name: e.Name.Local, NS: e.Name.Space}
	if n.NS == "xml" {
		n.NS = scan.NSXML
	}
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if a.Name.Space == "xml" {
			a.Name.Space = scan.NSXML
		}
		n.Attrs = append(n.Attrs, scan.Attr{NS: a.Name.Space, Name: a.Name.Local, Value: a.Value})
	}
	return n
}

// FuzzSplit holds that it does not matter how the bytes of a stream come in.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(small+" "+big+"</stream:stream>"), uint16(7))
	f.Add([]byte("<a>&am</a>]]\u00fc<![CDATA[ ]]"), uint16(3))
	f.Add([]byte("<a b='<' x:y=''/>"), uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, step uint16) {
		checkSplit(t, text, func() int { return 1 + int(step)%97 })
	})
}

func TestSplitAnywhere(t *testing.T) {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{
		"<message to='a' from=\"b\">", "</message>", "<a", "<b x='1'", " y='&lt;'", ">", "/>", "'", "\"", "=", "]]>", "<![CDATA[", "]", "&amp;",
		"&", "&#1", "6;", "text", "\u00fc", "\xc3", "<presence/>", "</a>", "</b >", " ", "</stream:stream>", "<!--", "<?x?>",
		"xmlns:p='u'", "p:q='r'", "<p:x>", "</p:x>", strings.Repeat("z", 700),
	}), 0, 20)
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(parts.Draw(r, "parts"), "")
		checkSplit(r, []byte(text), func() int { return rapid.IntRange(1, 40).Draw(r, "step") })
	})
}

// checkSplit scans the text in one piece and in pieces, and compares.
func checkSplit(t rapid.TB, text []byte, step func() int) {
	t.Helper()
	want := transcript(text, len(text)+1, func() int { return 1 })
	if got := transcript(text, 0, step); got != want {
		t.Fatalf("%q\nin pieces  %s\nin one go   %s", text, got, want)
	}
}

// transcript tells what a scanner makes of a text of which the first bytes come at once and the rest in steps.
func transcript(text []byte, first int, step func() int) string {
	var b strings.Builder
	s := scan.New(limits)
	from, to := 0, min(first, len(text))
	for {
		h, stanza, n, err := s.Next(bytes.Clone(text[from:to]))
		from += n
		switch {
		case errors.Is(err, scan.ErrIncomplete):
			if to == len(text) {
				fmt.Fprintf(&b, "rest %d", len(text)-from)
				return b.String()
			}
			to = min(len(text), to+step())
		case err != nil:
			return b.String() + err.Error()
		default:
			fmt.Fprintf(&b, "%d %s %s %s %s %d %q;", h.Kind, h.NS, h.Name, h.ChildNS, h.Child, h.Content, stanza)
		}
	}
}
