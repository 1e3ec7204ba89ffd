package scan

import "bytes"

// maxDeclaration bounds the XML declaration; `<?xml version='1.0' encoding='UTF-8' standalone='yes'?>` has 55 bytes.
const maxDeclaration = 128

// declaration takes the XML declaration at the start of b and returns its length (RFC 6120 §11.5). An encoding
// other than UTF-8 is refused (RFC 6120 §11.6).
func declaration(b []byte) (int, error) {
	b = b[:min(len(b), maxDeclaration)]
	const opening = "<?xml"
	end := bytes.Index(b, []byte("?>"))
	switch {
	case end < 0 && len(b) == maxDeclaration:
		return 0, fault(NotWellFormed, "endless XML declaration")
	case end < 0:
		return 0, ErrIncomplete
	case !bytes.HasPrefix(b, []byte(opening)) || class[b[len(opening)]]&space == 0:
		return 0, fault(RestrictedXML, "processing instruction")
	}
	return end + len("?>"), declared(b[len(opening):end])
}

// declared checks the pseudo-attributes of an XML declaration.
func declared(b []byte) error {
	for i := skipSpace(b, 0); i < len(b); i = skipSpace(b, i) {
		a, end, err := readAttr(b, i)
		if err != nil {
			return fault(NotWellFormed, "malformed XML declaration")
		}
		v := a.value.of(b)
		switch string(a.name.whole(b)) {
		case "version":
			if string(v) != "1.0" {
				return fault(NotWellFormed, "unknown version of XML")
			}
		case "encoding":
			if !bytes.EqualFold(v, []byte("utf-8")) {
				return fault(UnsupportedEncoding, "only UTF-8 is supported")
			}
		case "standalone":
		default:
			return fault(NotWellFormed, "malformed XML declaration")
		}
		i = end
	}
	return nil
}
