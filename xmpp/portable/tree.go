package portable

import (
	"encoding/xml"
	"errors"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// maxDepth bounds how deep elements may be nested.
const maxDepth = 100

// nodeStart makes a node of the start of an element.
func nodeStart(start xml.StartElement) *scan.Node {
	n := &scan.Node{Name: start.Name.Local, NS: start.Name.Space}
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			n.Attrs = append(n.Attrs, scan.Attr{NS: a.Name.Space, Name: a.Name.Local, Value: a.Value})
		}
	}
	return n
}

// readNode reads an element whose start was read.
func readNode(d *xml.Decoder, start xml.StartElement, depth int) (*scan.Node, error) {
	if depth > maxDepth {
		return nil, errors.New("elements are nested too deep")
	}
	n := nodeStart(start)
	var text []byte
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			child, err := readNode(d, token, depth+1)
			if err != nil {
				return nil, err
			}
			n.Nodes = append(n.Nodes, child)
		case xml.CharData:
			text = append(text, token...)
		case xml.EndElement:
			if len(n.Nodes) == 0 || !isBlank(text) { // what stands between elements makes them readable only
				n.Text = string(text)
			}
			return n, nil
		case xml.Directive:
			return nil, errDirective
		}
	}
}

var errDirective = errors.New("a document type is not allowed")

func isBlank(text []byte) bool {
	for _, c := range text {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
