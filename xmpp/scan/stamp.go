package scan

// AppendStamped appends the stanza with its from attribute set, and its to attribute too unless to is nil.
// Everything else stays as the client wrote it. h must be the stanza's head from [Scanner.Next].
func AppendStamped(dst, stanza []byte, h *Head, from, to []byte) []byte {
	first, second := h.from, h.to
	if to == nil {
		second = span{}
	}
	if second.end != 0 && second.start < first.start || first.end == 0 {
		first, second = second, first
	}
	dst = append(dst, stanza[:h.nameEnd]...)
	dst = appendAttr(dst, " from='", from)
	if to != nil {
		dst = appendAttr(dst, " to='", to)
	}
	at := h.nameEnd
	for _, gone := range [...]span{first, second} {
		if gone.end != 0 {
			dst = append(dst, stanza[at:gone.start]...)
			at = gone.end
		}
	}
	return append(dst, stanza[at:]...)
}

func appendAttr[T ~string | ~[]byte](dst []byte, opening string, value T) []byte {
	dst = append(dst, opening...)
	dst = AppendEscaped(dst, value)
	return append(dst, '\'')
}

// AppendEscaped appends text so that it stands unchanged in XML content and in attribute values. The
// text must be valid UTF-8 without characters that XML forbids.
func AppendEscaped[T ~string | ~[]byte](dst []byte, text T) []byte {
	from := 0
	for i := range len(text) {
		ref := escapes[text[i]]
		if ref == "" {
			continue
		}
		dst = append(dst, text[from:i]...)
		dst = append(dst, ref...)
		from = i + 1
	}
	return append(dst, text[from:]...)
}

// escapes has the reference for each character that needs one. Line ends and tabs would be
// normalised to other characters (XML 1.0 §2.11, §3.3.3).
var escapes = [256]string{
	'&': "&amp;", '<': "&lt;", '>': "&gt;", '\'': "&apos;", '"': "&quot;",
	'\t': "&#9;", '\n': "&#10;", '\r': "&#13;",
}
