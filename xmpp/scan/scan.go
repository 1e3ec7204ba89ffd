// Package scan cuts an XMPP stream into stanzas without decoding them. It checks every byte once
// (restricted XML of RFC 6120 §11, Namespaces in XML 1.0, valid UTF-8, limits), so that a stanza that
// came through can be sent to any other client as it is and cannot break that client's stream.
//
// It is stricter than the standards in two points: element and attribute names are ASCII, and a stanza
// declares every prefix it uses itself, since it leaves the stream whose header may have declared them.
//
// A [Scanner] allocates nothing per stanza. The package starts no goroutine; a Scanner belongs to one reader.
package scan

// Namespaces that the scanner knows.
const (
	NSClient  = "jabber:client"
	NSStreams = "http://etherx.jabber.org/streams"
	NSXML     = "http://www.w3.org/XML/1998/namespace"
	NSXMLNS   = "http://www.w3.org/2000/xmlns/"
)

// Limits bound what one stream may make the server hold. Beyond them is policy-violation (RFC 6120 §4.9.3.14).
type Limits struct {
	Stanza int // bytes of one top-level element
	Depth  int // elements open at a time, the stanza included
	Attrs  int // attributes of one element, namespace declarations included
}

// DefaultLimits suit a client that has logged in.
var DefaultLimits = Limits{Stanza: 256 << 10, Depth: 64, Attrs: 64}

// Scanner cuts one stream into stanzas. After an error other than [ErrIncomplete] it must not be used again.
type Scanner struct {
	limits  Limits
	header  bool   // the stream's header is still to come
	content string // namespace of the stream's content; empty: jabber:client
	server  bool   // see NewServerStream

	pos    int  // everything before is checked; counted from the start of the stanza
	cdata  bool // pos is inside a CDATA section
	search int  // in a tag that is not whole: how far its end was looked for; 0 if it was not
	quote  byte // the quotation mark open at search, 0 if none
	stack  []element
	binds  []binding
	attrs  []attr
	found  found
	tree   *tree // nil unless Parse wants the nodes
}

// New makes a scanner for the stanzas of a stream whose header has been read.
func New(limits Limits) *Scanner { return &Scanner{limits: limits} }

// NewStream makes a scanner that expects the stream's header first and yields it as [StreamStart].
func NewStream(limits Limits) *Scanner { return &Scanner{limits: limits, header: true} }

// SetLimits changes the limits. It may be called between stanzas.
func (s *Scanner) SetLimits(limits Limits) { s.limits = limits }

// Next returns the first stanza of buf, which begins where the scanner left off. n tells how many bytes
// of buf are done with, also when err is not nil: whitespace between stanzas is skipped (RFC 6120
// §4.6.1). When the stanza is not whole yet err is ErrIncomplete; call again with the remaining bytes,
// in the same or another buffer, and more behind them. What has been checked is not checked again.
//
// The stanza and all slices of the Head are parts of buf, except values that had to be unescaped.
func (s *Scanner) Next(buf []byte) (head Head, stanza []byte, n int, err error) {
	if s.pos == 0 && s.search == 0 {
		if n, err = s.prolog(buf); err != nil {
			return Head{}, nil, n, err
		}
	}
	b := buf[n:min(len(buf), n+s.limits.Stanza+1)]
	err = s.element(b)
	if s.pos > s.limits.Stanza || err == ErrIncomplete && len(b) > s.limits.Stanza { //nolint:errorlint // never wrapped
		return Head{}, nil, n, fault(PolicyViolation, "stanza too big")
	}
	if err != nil {
		return Head{}, nil, n, err
	}
	stanza = b[:s.pos]
	head = s.found.head(stanza)
	s.pos, s.search, s.header, s.found = 0, 0, false, found{}
	return head, stanza, n + len(stanza), nil
}

// prolog skips what may stand before a top-level element: whitespace, and the XML declaration before the header.
func (s *Scanner) prolog(buf []byte) (int, error) {
	n := skipSpace(buf, 0)
	if s.header && len(buf) > n+1 && buf[n] == '<' && buf[n+1] == '?' {
		decl, err := declaration(buf[n:])
		if err != nil {
			return n, err
		}
		n = skipSpace(buf, n+decl)
	}
	switch {
	case n == len(buf):
		return n, ErrIncomplete
	case buf[n] != '<':
		return n, fault(BadFormat, "text between stanzas")
	}
	return n, nil
}

// element checks b on from pos, until the top-level element is whole.
func (s *Scanner) element(b []byte) error {
	for {
		if err := s.characters(b); err != nil {
			return err
		}
		if done, err := s.markup(b); done || err != nil {
			return err
		}
	}
}

// characters moves pos to the next markup.
func (s *Scanner) characters(b []byte) error {
	if len(s.stack) == 0 {
		return nil
	}
	from, run := s.pos, text
	if s.cdata {
		run = section
	}
	end, err := run(b, from)
	s.pos = end
	s.tree.characters(b[from:s.pos], s.cdata)
	if s.cdata && err == nil {
		s.pos, s.cdata = s.pos+len("]]>"), false
		return s.characters(b)
	}
	return err
}

// markup takes what begins with the < at pos; done means that it ended the top-level element.
func (s *Scanner) markup(b []byte) (done bool, err error) {
	if s.pos+1 >= len(b) {
		return false, ErrIncomplete
	}
	switch b[s.pos+1] {
	case '!':
		return false, s.openSection(b)
	case '?':
		return false, fault(RestrictedXML, "processing instruction") // RFC 6120 §11.1
	}
	if s.search != 0 && !s.tagIsWhole(b) {
		return false, ErrIncomplete
	}
	if b[s.pos+1] == '/' {
		done, err = s.endTag(b)
	} else {
		done, err = s.startTag(b)
	}
	// Whether a broken tag is reported must not depend on how the bytes came in, so it is reported
	// once the tag is whole.
	if err != nil && !s.tagIsWhole(b) {
		return false, ErrIncomplete
	}
	s.search, s.quote = 0, 0
	return done, err
}

// tagIsWhole looks for the end of the tag at pos. A < ends it as well, since it is an error there.
func (s *Scanner) tagIsWhole(b []byte) bool {
	for i := max(s.search, s.pos+1); i < len(b); i++ {
		switch c := b[i]; {
		case c == '<', c == '>' && s.quote == 0:
			s.search = i
			return true
		case c == s.quote:
			s.quote = 0
		case s.quote == 0 && (c == '\'' || c == '"'):
			s.quote = c
		}
	}
	s.search = len(b)
	return false
}

const cdataOpening = "<![CDATA["

// openSection takes the opening of a CDATA section; all else that begins with <! is refused.
func (s *Scanner) openSection(b []byte) error {
	have := b[s.pos:min(len(b), s.pos+len(cdataOpening))]
	switch {
	case string(have) != cdataOpening[:len(have)]:
		return fault(RestrictedXML, "comment or document type") // RFC 6120 §11.1
	case len(have) < len(cdataOpening):
		return ErrIncomplete
	case len(s.stack) == 0:
		return fault(BadFormat, "text between stanzas")
	}
	s.pos, s.cdata = s.pos+len(cdataOpening), true
	return nil
}
