package script

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// XMPP compares stanzas as XML: prefixes, the order of attributes and the order of child elements do not
// matter, nor does whitespace at the ends of text. Elements without a namespace of their own are in
// jabber:client. An element whose content is just {any} may have any content.
func XMPP() Dialect {
	return Dialect{
		Split:   splitXML,
		Prepare: func(stanza string) string { return stanza },
		Match:   matchXML,
		Barrier: ping,
	}
}

// ping is the round trip of XEP-0199; a server answers stanzas of one client in order (RFC 6120 §10.1).
func ping(_ Client, n int) (string, func(string) bool) {
	id := fmt.Sprintf("barrier-%d", n)
	return fmt.Sprintf("<iq type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id), func(got string) bool {
		nodes, err := parseXML(got)
		return err == nil && len(nodes) == 1 && nodes[0].name.Local == "iq" && nodes[0].attrs[xml.Name{Local: "id"}] == id
	}
}

// node is an element as far as it counts for comparison.
type node struct {
	name       xml.Name
	attrs      map[xml.Name]string
	text       string
	children   []*node
	start, end int64 // in the source
}

// The elements are read inside a stream's header, without which the prefix stream would be unknown.
const streamHeader = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// parseXML reads the elements of a text.
func parseXML(text string) ([]*node, error) {
	d := xml.NewDecoder(strings.NewReader(streamHeader + text + "</stream:stream>"))
	var path []*node
	for {
		before := d.InputOffset()
		tok, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name, attrs: attributes(tok.Attr), start: before}
			if len(path) > 0 {
				parent := path[len(path)-1]
				parent.children = append(parent.children, n)
			}
			path = append(path, n)
		case xml.CharData:
			path[len(path)-1].text += string(tok)
		case xml.EndElement:
			last := path[len(path)-1]
			last.text, last.end = strings.TrimSpace(last.text), d.InputOffset()
			if path = path[:len(path)-1]; len(path) == 0 {
				return topLevel(d, last)
			}
		}
	}
}

// topLevel returns the elements inside the stream, which must be all there is.
func topLevel(d *xml.Decoder, stream *node) ([]*node, error) {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the stream ends inside the text")
	}
	if stream.text != "" {
		return nil, fmt.Errorf("text between elements: %q", stream.text)
	}
	return stream.children, nil
}

func attributes(list []xml.Attr) map[xml.Name]string {
	m := map[xml.Name]string{}
	for _, a := range list {
		if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
			m[a.Name] = a.Value
		}
	}
	return m
}

// splitXML cuts a block into its elements. A block without whole elements, such as the end of a stream,
// is one message; it is sent as it is and compared as text.
func splitXML(block string) ([]string, error) {
	nodes, err := parseXML(block)
	if err != nil || len(nodes) == 0 {
		return []string{block}, nil //nolint:nilerr // see above
	}
	var list []string
	for _, n := range nodes {
		list = append(list, block[n.start-int64(len(streamHeader)):n.end-int64(len(streamHeader))])
	}
	return list, nil
}

func matchXML(expected, got string, vars Vars, atLeast bool) error {
	want, err := parseXML(expected)
	if err != nil {
		return match(strings.TrimSpace(expected), strings.TrimSpace(got), vars)
	}
	have, err := parseXML(got)
	switch {
	case err != nil:
		return err
	case len(want) != 1 || len(have) != 1:
		return fmt.Errorf("expected %d elements, got %d", len(want), len(have))
	}
	return want[0].match(have[0], vars, atLeast)
}

func (n *node) match(got *node, vars Vars, atLeast bool) error {
	if n.name != got.name {
		return fmt.Errorf("<%s xmlns='%s'> is not <%s xmlns='%s'>", got.name.Local, got.name.Space, n.name.Local, n.name.Space)
	}
	if err := n.matchAttrs(got, vars, atLeast); err != nil {
		return fmt.Errorf("<%s>: %w", n.name.Local, err)
	}
	if n.text == "{"+anything+"}" && len(n.children) == 0 {
		return nil
	}
	if !atLeast || n.text != "" {
		if err := match(n.text, got.text, vars); err != nil {
			return fmt.Errorf("text of <%s>: %w", n.name.Local, err)
		}
	}
	return n.matchChildren(got, vars, atLeast)
}

func (n *node) matchAttrs(got *node, vars Vars, atLeast bool) error {
	for name, pattern := range n.attrs {
		value, there := got.attrs[name]
		if !there {
			return fmt.Errorf("no attribute %s", name.Local)
		}
		if err := match(pattern, value, vars); err != nil {
			return fmt.Errorf("attribute %s: %w", name.Local, err)
		}
	}
	for name, value := range got.attrs {
		if _, expected := n.attrs[name]; !expected && !atLeast {
			return fmt.Errorf("unexpected attribute %s=%q", name.Local, value)
		}
	}
	return nil
}

func (n *node) matchChildren(got *node, vars Vars, atLeast bool) error {
	open := slices.Clone(got.children)
	for _, want := range n.children {
		at, err := want.matchOneOf(open, vars, atLeast)
		if err != nil {
			return err
		}
		open = slices.Delete(open, at, at+1)
	}
	if len(open) > 0 && !atLeast {
		return fmt.Errorf("unexpected <%s xmlns='%s'> in <%s>", open[0].name.Local, open[0].name.Space, n.name.Local)
	}
	return nil
}

// matchOneOf finds the first element that matches. The error is that of the likeliest candidate, the
// first of the same name.
func (n *node) matchOneOf(list []*node, vars Vars, atLeast bool) (int, error) {
	failed := fmt.Errorf("no <%s xmlns='%s'>", n.name.Local, n.name.Space)
	likely := false
	for i, candidate := range list {
		trial := maps.Clone(vars)
		err := n.match(candidate, trial, atLeast)
		if err == nil {
			maps.Copy(vars, trial)
			return i, nil
		}
		if candidate.name == n.name && !likely {
			failed, likely = err, true
		}
	}
	return -1, failed
}
