package scan

import "bytes"

// The content namespaces of streams between servers and of components (RFC 6120 §4.8.2, XEP-0114 §4).
const (
	NSServer    = "jabber:server"
	NSDialback  = "jabber:server:dialback"
	NSComponent = "jabber:component:accept"
)

// NewStreamOf is [NewStream] for a stream with another content namespace than jabber:client. Its stanzas are
// of the kinds that they would be there; without a declaration of their own their elements count as of
// jabber:client, so that they can be passed on to clients as they are. See [Client] for the others.
func NewStreamOf(limits Limits, content string) *Scanner {
	return &Scanner{limits: limits, header: true, content: content}
}

// NewOf is [New] for a stream with another content namespace; see [NewStreamOf].
func NewOf(limits Limits, content string) *Scanner { return &Scanner{limits: limits, content: content} }

// contentNamespace is what the stream's header must declare.
func (s *Scanner) contentNamespace() string {
	if s.content != "" {
		return s.content
	}
	return NSClient
}

// Client returns a stanza of a stream whose content namespace is content as it is in a client's stream. It
// is unchanged unless it declares that namespace itself.
func Client(h Head, stanza []byte, content string) (Head, []byte, error) {
	if string(h.NS) != content && !bytes.Contains(stanza, []byte(content)) {
		return h, stanza, nil
	}
	return undeclare(h, stanza, content)
}

// Neutral returns a stanza that can be sent in a stream of any content namespace: what is of jabber:client
// and would say so is left to inherit it. It is unchanged unless it declares namespaces in its start tag,
// or jabber:client further inside.
func Neutral(h Head, stanza []byte) (Head, []byte, error) {
	if !bytes.Contains(stanza[:h.Content], []byte("xmlns")) && h.nameEnd == 1+len(h.Name) && !bytes.Contains(stanza, []byte(NSClient)) {
		return h, stanza, nil
	}
	return undeclare(h, stanza, NSClient)
}

// undeclare takes the declaration of a namespace out of a stanza. If that is the whole of the matter, as it is with what
// most clients send, nothing else changes.
func undeclare(h Head, stanza []byte, content string) (Head, []byte, error) {
	start := stanza[:h.Content]
	if h.xmlns.end == 0 || h.nameEnd != 1+len(h.Name) || bytes.Count(start, []byte("xmlns")) != 1 || bytes.Contains(stanza[h.Content:], []byte(content)) {
		return rewrite(stanza, content)
	}
	raw := make([]byte, 0, len(stanza))
	raw = append(append(raw, stanza[:h.xmlns.start]...), stanza[h.xmlns.end:]...)
	h, whole, _, err := New(Limits{Stanza: len(raw), Depth: maxDepth, Attrs: maxAttrs}).Next(raw)
	return h, whole, err
}

// rewrite writes a stanza anew, with the elements of a namespace in that of the stream.
func rewrite(stanza []byte, content string) (Head, []byte, error) {
	n, err := Parse(stanza)
	if err != nil {
		return Head{}, nil, err
	}
	n.rename(content)
	raw := n.AppendXML(make([]byte, 0, len(stanza)), NSClient)
	h, whole, _, err := New(Limits{Stanza: len(raw), Depth: maxDepth, Attrs: maxAttrs}).Next(raw)
	return h, whole, err
}

func (n *Node) rename(content string) {
	if n.NS == content {
		n.NS = NSClient
	}
	for _, c := range n.Nodes {
		c.rename(content)
	}
}
