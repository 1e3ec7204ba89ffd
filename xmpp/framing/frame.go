package framing

import (
	"bytes"
	"strings"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// nsFraming is of <open/> and <close/> (RFC 7395 §3.3.1).
const nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"

// appendReceived appends to dst, as it would stand in a stream over TCP, the one element that a message
// must be (RFC 7395 §3.3.3).
func appendReceived(dst []byte, limits scan.Limits, message []byte) ([]byte, error) {
	if len(bytes.TrimSpace(message)) == 0 {
		return dst, nil // a keep-alive of who took TCP's for granted
	}
	head, element, n, err := scan.New(limits).Next(message)
	switch {
	case err == scan.ErrIncomplete: //nolint:errorlint // never wrapped
		return nil, &scan.Error{Condition: scan.NotWellFormed, Text: "a message is one whole element"}
	case err != nil:
		return nil, err
	case len(bytes.TrimSpace(message[n:])) > 0:
		return nil, &scan.Error{Condition: scan.BadFormat, Text: "a message is one element"}
	case string(head.NS) != nsFraming:
		return append(dst, element...), nil
	}
	switch string(head.Name) {
	case "open":
		return appendHeader(dst, &head), nil
	case "close":
		return append(dst, "</stream:stream>"...), nil // RFC 7395 §3.6
	}
	return nil, &scan.Error{Condition: scan.InvalidNamespace, Text: "only open and close are framing"}
}

// appendHeader appends the stream header that an <open/> stands for (RFC 7395 §3.4).
func appendHeader(dst []byte, open *scan.Head) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"...)
	for _, a := range []struct {
		name  string
		value []byte
	}{{"to", open.To}, {"from", open.From}, {"version", open.Version}, {"xml:lang", open.Lang}} {
		if a.value != nil {
			dst = append(append(append(dst, ' '), a.name...), "='"...)
			dst = append(scan.AppendEscaped(dst, string(a.value)), '\'')
		}
	}
	return append(dst, '>')
}

// next returns the length of what b begins with, once it is whole: a header, an end of stream, an XML
// declaration or an element; 0 if it is not. b is what the server says, and known to be well-formed.
func next(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case b[0] != '<':
		return max(0, bytes.IndexByte(b, '<')) // white space
	case b[1] == '?' || b[1] == '/' || bytes.HasPrefix(b, []byte("<stream:stream ")):
		return tagEnd(b)
	}
	return elementEnd(b)
}

func elementEnd(b []byte) int {
	const opening, closing = "<![CDATA[", "]]>"
	for at, depth := 0, 0; ; {
		tag := bytes.IndexByte(b[at:], '<')
		if tag < 0 {
			return 0
		}
		at += tag
		if bytes.HasPrefix(b[at:], []byte(opening)) {
			end := bytes.Index(b[at:], []byte(closing))
			if end < 0 {
				return 0
			}
			at += end + len(closing)
			continue
		}
		n := tagEnd(b[at:])
		if n == 0 {
			return 0
		}
		switch {
		case b[at+1] == '/':
			depth--
		case b[at+n-2] != '/':
			depth++
		}
		if at += n; depth == 0 {
			return at
		}
	}
}

// tagEnd returns the length of the tag that b begins with, 0 if it is not whole.
func tagEnd(b []byte) int {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}

// appendSent appends to dst the message that a whole part of the stream becomes; nothing for what only
// TCP needs.
func appendSent(dst, part []byte) []byte {
	switch {
	case part[0] != '<' || part[1] == '?':
		return dst
	case part[1] == '/':
		return append(dst, "<close xmlns='"+nsFraming+"'/>"...)
	case bytes.HasPrefix(part, []byte("<stream:stream ")):
		return appendOpen(dst, part)
	}
	return appendElement(dst, part)
}

// appendOpen makes an <open/> of a stream header (RFC 7395 §3.4).
func appendOpen(dst, header []byte) []byte {
	dst = append(dst, "<open xmlns='"+nsFraming+"'"...)
	for name, whole := range attributes(header) {
		if name != "xmlns" && !strings.HasPrefix(name, "xmlns:") {
			dst = append(append(dst, ' '), whole...)
		}
	}
	return append(dst, "/>"...)
}

// appendElement adds the namespace that the stream's header would have given (RFC 7395 §3.3.3).
func appendElement(dst, element []byte) []byte {
	tag := element[:tagEnd(element)]
	name := nameEnd(tag)
	declaration, value := "xmlns", "jabber:client"
	if bytes.HasPrefix(tag, []byte("<stream:")) {
		declaration, value = "xmlns:stream", "http://etherx.jabber.org/streams"
	}
	for have := range attributes(tag) {
		if have == declaration {
			return append(dst, element...)
		}
	}
	dst = append(dst, element[:name]...)
	dst = append(dst, " "+declaration+"='"+value+"'"...)
	return append(dst, element[name:]...)
}

func nameEnd(tag []byte) int { return bytes.IndexAny(tag, " \t\r\n/>") }

// attributes yields the name and the text of every attribute of a start tag.
func attributes(tag []byte) func(yield func(name string, whole []byte) bool) {
	return func(yield func(string, []byte) bool) {
		rest := tag[nameEnd(tag):]
		for {
			rest = bytes.TrimLeft(rest, " \t\r\n")
			equals := bytes.IndexByte(rest, '=')
			if equals < 0 {
				return
			}
			open := bytes.IndexAny(rest, `'"`)
			end := open + 1 + bytes.IndexByte(rest[open+1:], rest[open]) + 1
			if !yield(string(bytes.TrimRight(rest[:equals], " \t\r\n")), rest[:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}
