package scan

import "bytes"

// binding is a namespace declaration in force.
type binding struct {
	prefix span // none for the default namespace
	uri    value
}

// maxBindings bounds the declarations in force at a time, which every lookup of a prefix walks through.
const maxBindings = 128

// open enters the element whose start tag has been read.
func (s *Scanner) open(b []byte, t tag) error {
	if len(s.stack) == s.limits.Depth {
		return fault(PolicyViolation, "elements nested too deep")
	}
	before := len(s.binds)
	if err := s.declare(b); err != nil {
		return err
	}
	if err := s.checkAttrs(b); err != nil {
		return err
	}
	if err := s.place(b, t); err != nil {
		return err
	}
	s.pos = t.end
	switch {
	case s.found.kind == StreamStart:
		s.binds = s.binds[:0] // stanzas leave the stream: they inherit nothing
	case t.empty:
		s.binds = s.binds[:before]
		s.tree.close()
	default:
		s.stack = append(s.stack, element{t.name, before})
	}
	return nil
}

// declare brings the namespace declarations of the tag into force.
func (s *Scanner) declare(b []byte) error {
	for i := range s.attrs {
		a := &s.attrs[i]
		if !a.name.declares(b) {
			continue
		}
		var prefix span
		if a.name.colon != 0 {
			prefix = a.name.local()
		}
		if err := checkBinding(prefix.of(b), a.value.bytes(b)); err != nil {
			return err
		}
		if len(s.binds) == maxBindings {
			return fault(PolicyViolation, "too many namespace declarations")
		}
		s.binds = append(s.binds, binding{prefix, a.value})
	}
	return nil
}

// checkBinding refuses the declarations that Namespaces in XML 1.0 §3 and §5 forbid. prefix is empty
// for the default namespace.
func checkBinding(prefix, uri []byte) error {
	switch {
	case string(prefix) == "xml" && string(uri) == NSXML:
		return nil
	case string(prefix) == "xml", string(prefix) == "xmlns", string(uri) == NSXML, string(uri) == NSXMLNS:
		return fault(BadNamespacePrefix, "reserved prefix or namespace bound anew")
	case len(prefix) > 0 && len(uri) == 0:
		return fault(BadNamespacePrefix, "prefix bound to no namespace")
	}
	return nil
}

// checkAttrs refuses duplicate attributes, also those that are the same under two prefixes, and
// undeclared prefixes (XML 1.0 §3.1, Namespaces in XML 1.0 §5, §6.3).
func (s *Scanner) checkAttrs(b []byte) error {
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.name.colon != 0 && !a.name.declares(b) {
			var err error
			if a.ns, err = s.resolve(b, a.name.prefix(b)); err != nil {
				return err
			}
		}
		for j := range i {
			if sameAttr(b, a, &s.attrs[j]) {
				return fault(NotWellFormed, "duplicate attribute")
			}
		}
	}
	return nil
}

// sameAttr compares two attributes' names.
func sameAttr(b []byte, x, y *attr) bool {
	if bytes.Equal(x.name.whole(b), y.name.whole(b)) {
		return true
	}
	return x.name.colon != 0 && y.name.colon != 0 && !x.name.declares(b) && !y.name.declares(b) &&
		bytes.Equal(x.name.local().of(b), y.name.local().of(b)) && bytes.Equal(x.ns.bytes(b), y.ns.bytes(b))
}

// namespace is a namespace name as the scanner keeps it: written in the stanza, or known without.
type namespace struct {
	value value
	known []byte
}

// The namespaces that no stanza need declare. The first is the default of the stream.
var (
	inherited = namespace{known: []byte(NSClient)}
	streams   = namespace{known: []byte(NSStreams)}
	reserved  = namespace{known: []byte(NSXML)}
	dialback  = namespace{known: []byte(NSDialback)}
)

func (n namespace) bytes(b []byte) []byte {
	if n.known != nil {
		return n.known
	}
	return n.value.bytes(b)
}

// resolve finds the namespace that a prefix stands for; without a prefix, the default namespace.
func (s *Scanner) resolve(b, prefix []byte) (namespace, error) {
	for i := len(s.binds) - 1; i >= 0; i-- {
		if bytes.Equal(s.binds[i].prefix.of(b), prefix) {
			return namespace{value: s.binds[i].uri}, nil
		}
	}
	switch string(prefix) {
	case "":
		return inherited, nil
	case "xml":
		return reserved, nil
	}
	return namespace{}, fault(BadNamespacePrefix, "undeclared prefix")
}
