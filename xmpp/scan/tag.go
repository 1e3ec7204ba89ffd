package scan

import "bytes"

// span is a part of the stanza, from start up to end; a span that ends at 0 is none.
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// qname is a name with or without a prefix.
type qname struct {
	start, end int
	colon      int // 0 if there is no prefix
}

func (n qname) whole(b []byte) []byte { return b[n.start:n.end] }

func (n qname) prefix(b []byte) []byte {
	if n.colon == 0 {
		return nil
	}
	return b[n.start:n.colon]
}

func (n qname) local() span {
	if n.colon == 0 {
		return span{n.start, n.end}
	}
	return span{n.colon + 1, n.end}
}

// declares reports whether the attribute name is that of a namespace declaration.
func (n qname) declares(b []byte) bool {
	first := n.whole(b)
	if n.colon != 0 {
		first = n.prefix(b)
	}
	return string(first) == "xmlns"
}

// value is an attribute's value between the quotation marks.
type value struct {
	span
	escaped bool // it must be unescaped
}

// bytes returns the unescaped value; nil if there is none.
func (v value) bytes(b []byte) []byte {
	switch {
	case v.end == 0:
		return nil
	case v.escaped:
		return unescape(nil, v.of(b), true)
	}
	return v.of(b)
}

// attr is an attribute of the tag being read.
type attr struct {
	name  qname
	value value
	whole span      // with the whitespace before it
	ns    namespace // of its prefix, if it has one and declares none
}

// element is an open element.
type element struct {
	name  qname
	binds int // bindings before its own
}

// tag is a start tag, or empty-element tag, whose attributes are in Scanner.attrs.
type tag struct {
	name  qname
	end   int
	empty bool
}

// startTag takes the start tag at pos.
func (s *Scanner) startTag(b []byte) (done bool, err error) {
	name, i, err := readName(b, s.pos+1)
	if err != nil {
		return false, err
	}
	s.attrs = s.attrs[:0]
	for {
		gap := i
		i = skipSpace(b, i)
		switch {
		case i == len(b):
			return false, ErrIncomplete
		case b[i] == '>':
			err = s.open(b, tag{name: name, end: i + 1})
			return s.found.kind == StreamStart, err
		case b[i] == '/':
			if i+1 == len(b) {
				return false, ErrIncomplete
			}
			if b[i+1] != '>' {
				return false, fault(NotWellFormed, "/ inside a tag")
			}
			err = s.open(b, tag{name: name, end: i + 2, empty: true})
			return len(s.stack) == 0, err
		case i == gap:
			return false, fault(NotWellFormed, "no whitespace before an attribute")
		case len(s.attrs) == s.limits.Attrs:
			return false, fault(PolicyViolation, "too many attributes")
		}
		a, end, err := readAttr(b, i)
		if err != nil {
			return false, err
		}
		a.whole = span{gap, end}
		s.attrs = append(s.attrs, a)
		i = end
	}
}

// endTag takes the end tag at pos.
func (s *Scanner) endTag(b []byte) (done bool, err error) {
	name, i, err := readName(b, s.pos+2)
	if err != nil {
		return false, err
	}
	i = skipSpace(b, i)
	switch {
	case i == len(b):
		return false, ErrIncomplete
	case b[i] != '>':
		return false, fault(NotWellFormed, "end tag with more than a name")
	case len(s.stack) == 0:
		return s.streamEnd(b, name, i+1)
	}
	last := len(s.stack) - 1
	if !bytes.Equal(s.stack[last].name.whole(b), name.whole(b)) {
		return false, fault(NotWellFormed, "end tag of another element")
	}
	s.binds = s.binds[:s.stack[last].binds]
	s.stack = s.stack[:last]
	if last == 0 {
		s.found.end = s.pos
	}
	s.tree.close()
	s.pos = i + 1
	return last == 0, nil
}

func (s *Scanner) streamEnd(b []byte, name qname, end int) (bool, error) {
	if s.header || string(name.whole(b)) != "stream:stream" {
		return false, fault(NotWellFormed, "end tag without a start tag")
	}
	s.found = found{kind: StreamEnd, name: name.local(), ns: streams, content: end, end: end}
	s.pos = end
	return true, nil
}

// readName takes the name at i.
func readName(b []byte, i int) (qname, int, error) {
	n := qname{start: i}
	for {
		if i == len(b) {
			return n, i, ErrIncomplete
		}
		if class[b[i]]&nameStart == 0 {
			return n, i, badName(b[i])
		}
		for i < len(b) && class[b[i]]&nameByte != 0 {
			i++
		}
		if i == len(b) {
			return n, i, ErrIncomplete
		}
		if b[i] != ':' || n.colon != 0 {
			break
		}
		n.colon = i
		i++
	}
	if b[i] >= 0x80 || b[i] == ':' {
		return n, i, badName(b[i])
	}
	n.end = i
	return n, i, nil
}

func badName(c byte) error {
	if c >= 0x80 {
		return fault(RestrictedXML, "name that is not ASCII")
	}
	return fault(NotWellFormed, "malformed name")
}

// readAttr takes the attribute at i and returns where it ends.
func readAttr(b []byte, i int) (a attr, end int, err error) {
	if a.name, i, err = readName(b, i); err != nil {
		return a, i, err
	}
	i = skipSpace(b, i)
	if i < len(b) && b[i] != '=' {
		return a, i, fault(NotWellFormed, "attribute without a value")
	}
	i = skipSpace(b, i+1)
	if i >= len(b) {
		return a, i, ErrIncomplete
	}
	if b[i] != '\'' && b[i] != '"' {
		return a, i, fault(NotWellFormed, "attribute value without quotation marks")
	}
	a.value, end, err = readValue(b, i)
	return a, end, err
}

// readValue takes the attribute value whose quotation mark is at i.
func readValue(b []byte, i int) (v value, end int, err error) {
	quote := b[i]
	i++
	v.start = i
	for {
		for i < len(b) && class[b[i]]&plainValue != 0 {
			i++
		}
		n := 1
		switch {
		case i == len(b):
			return v, i, ErrIncomplete
		case b[i] == quote:
			v.end = i
			return v, i + 1, nil
		case b[i] == '<':
			return v, i, fault(NotWellFormed, "< in an attribute value")
		case b[i] == '&':
			_, n, err = reference(b[i:])
			v.escaped = true
		case class[b[i]]&space != 0:
			v.escaped = true
		case b[i] != '\'' && b[i] != '"':
			n, err = character(b[i:])
		}
		if err != nil {
			return v, i, err
		}
		i += n
	}
}
