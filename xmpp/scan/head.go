package scan

// Kind says what a top-level element is.
type Kind uint8

// The kinds of top-level element. Other is none of the stanzas of RFC 6120 §8; a server that does
// not know it answers unsupported-stanza-type (RFC 6120 §4.9.3.24).
const (
	Other Kind = iota
	Message
	Presence
	IQ
	StreamStart // the header; only from NewStream
	StreamError // <stream:error/>, after which the client closes
	StreamEnd   // </stream:stream>
)

// Head is what routing needs to know of a stanza. Attribute values are unescaped; they are nil where
// the stanza has no such attribute.
type Head struct {
	Kind Kind
	Name []byte // local name of the top-level element
	NS   []byte // its namespace

	To, From, ID, Type, Lang []byte
	Version                  []byte // of a StreamStart

	Child   []byte // local name of the first child element; nil if there is none
	ChildNS []byte // its namespace
	More    bool   // there are other child elements behind it

	Content int // where the content begins: behind the start tag
	End     int // where the content ends

	nameEnd  int  // where an attribute can be inserted
	from, to span // these attributes with the whitespace before them
	xmlns    span // the same of the declaration of the default namespace
}

// Inner returns the content of the stanza that h is the head of.
func (h *Head) Inner(stanza []byte) []byte { return stanza[h.Content:h.End] }

// found is what the scanner knows of the stanza so far, as offsets, because the buffer may move.
type found struct {
	kind                             Kind
	name, child                      span
	ns, childNS                      namespace
	to, from, id, typ, lang, version value
	wholeTo, wholeFrom, wholeXMLNS   span
	nameEnd, content, end            int
	more                             bool
}

func (f *found) head(b []byte) Head {
	h := Head{
		Kind: f.kind, Name: f.name.of(b), NS: f.ns.bytes(b),
		To: f.to.bytes(b), From: f.from.bytes(b), ID: f.id.bytes(b), Type: f.typ.bytes(b),
		Lang: f.lang.bytes(b), Version: f.version.bytes(b),
		Content: f.content, End: f.end,
		nameEnd: f.nameEnd, from: f.wholeFrom, to: f.wholeTo, xmlns: f.wholeXMLNS,
	}
	if f.child.end != 0 {
		h.Child, h.ChildNS, h.More = f.child.of(b), f.childNS.bytes(b), f.more
	}
	return h
}

// place notes the element if the head must tell of it, and checks its prefix.
func (s *Scanner) place(b []byte, t tag) error {
	prefix := t.name.prefix(b)
	if len(s.stack) == 0 && string(prefix) == "stream" {
		return s.placeStream(b, t)
	}
	ns, err := s.resolve(b, prefix)
	if err != nil && s.server && len(s.stack) == 0 && string(prefix) == "db" {
		ns, err = dialback, nil
	}
	if err != nil {
		return err
	}
	s.tree.open(s, b, t.name, ns)
	switch {
	case len(s.stack) == 0 && s.header:
		return fault(InvalidNamespace, "the stream does not begin with stream:stream") // RFC 6120 §4.8.1
	case len(s.stack) == 0:
		s.placeTop(b, t, ns, s.kindOf(t.name.local().of(b), ns.bytes(b)))
	case len(s.stack) == 1 && s.found.child.end == 0:
		s.found.child, s.found.childNS = t.name.local(), ns
	case len(s.stack) == 1:
		s.found.more = true
	}
	return nil
}

func (s *Scanner) kindOf(name, ns []byte) Kind {
	if string(ns) != NSClient && string(ns) != s.contentNamespace() {
		return Other
	}
	switch string(name) {
	case "message":
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	}
	return Other
}

// placeStream takes the two elements that have the stream's own prefix. Others may be right about it,
// but only "stream" is accepted (RFC 6120 §4.8.5).
func (s *Scanner) placeStream(b []byte, t tag) error {
	local := string(t.name.local().of(b))
	switch {
	case s.header && local == "stream" && !t.empty:
		return s.placeHeader(b, t)
	case !s.header && local == "error":
		s.tree.open(s, b, t.name, streams)
		s.placeTop(b, t, streams, StreamError)
		return nil
	case !s.header && local == "features" && s.server:
		s.tree.open(s, b, t.name, streams)
		s.placeTop(b, t, streams, Other)
		return nil
	}
	return fault(BadFormat, "unexpected stream element")
}

func (s *Scanner) placeHeader(b []byte, t tag) error {
	ns, err := s.resolve(b, t.name.prefix(b))
	if err != nil {
		return err
	}
	content, _ := s.resolve(b, nil)
	if string(ns.bytes(b)) != NSStreams || content.known != nil || string(content.bytes(b)) != s.contentNamespace() {
		return fault(InvalidNamespace, "wrong stream or content namespace") // RFC 6120 §4.8.1, §4.8.2
	}
	s.placeTop(b, t, ns, StreamStart)
	return nil
}

func (s *Scanner) placeTop(b []byte, t tag, ns namespace, kind Kind) {
	f := &s.found
	f.kind, f.name, f.ns = kind, t.name.local(), ns
	f.nameEnd, f.content, f.end = t.name.end, t.end, t.end
	for i := range s.attrs {
		a := &s.attrs[i]
		switch string(a.name.whole(b)) {
		case "to":
			f.to, f.wholeTo = a.value, a.whole
		case "from":
			f.from, f.wholeFrom = a.value, a.whole
		case "id":
			f.id = a.value
		case "type":
			f.typ = a.value
		case "xml:lang":
			f.lang = a.value
		case "version":
			f.version = a.value
		case "xmlns":
			f.wholeXMLNS = a.whole
		}
	}
}
