package scan

// NewServerStream is [NewStreamOf] for what another server sends. Besides, top-level elements may have the prefix db
// without declaring it, for which stands [NSDialback] (XEP-0220 §2), and <stream:features/> is an element of kind
// [Other].
func NewServerStream(limits Limits) *Scanner {
	return &Scanner{limits: limits, header: true, content: NSServer, server: true}
}

// ParseServer is [Parse] for an element that a scanner of NewServerStream has yielded.
func ParseServer(raw []byte) (*Node, error) {
	return parse(&Scanner{limits: Limits{Stanza: len(raw), Depth: maxDepth, Attrs: maxAttrs}, content: NSServer, server: true}, raw)
}
