package scan

import (
	"bytes"
	"unicode/utf8"
)

// Classes of bytes.
const (
	plainText  = 1 << iota // stands for itself in character data
	plainValue             // stands for itself in attribute values
	nameStart
	nameByte
	space
)

var class = func() (t [256]uint8) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = plainText | plainValue
	}
	for _, c := range " \t\n\r" {
		t[c] |= plainText | space
	}
	for _, c := range "<&]" {
		t[c] &^= plainText
	}
	for _, c := range "<&'\"" {
		t[c] &^= plainValue
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= nameStart | nameByte
		t[c-'a'+'A'] |= nameStart | nameByte
	}
	t['_'] |= nameStart | nameByte
	for _, c := range "-.0123456789" {
		t[c] |= nameByte
	}
	return t
}()

func skipSpace(b []byte, i int) int {
	for i < len(b) && class[b[i]]&space != 0 {
		i++
	}
	return i
}

// text returns the offset of the < that ends the character data at i.
func text(b []byte, i int) (int, error) {
	for {
		for i < len(b) && class[b[i]]&plainText != 0 {
			i++
		}
		var n int
		var err error
		switch {
		case i == len(b):
			return i, ErrIncomplete
		case b[i] == '<':
			return i, nil
		case b[i] == '&':
			_, n, err = reference(b[i:])
		case b[i] == ']':
			n, err = bracket(b[i:])
		default:
			n, err = character(b[i:])
		}
		if err != nil {
			return i, err
		}
		i += n
	}
}

// section returns the offset of the ]]> that ends the CDATA section.
func section(b []byte, i int) (int, error) {
	for {
		for i < len(b) && (class[b[i]]&plainText != 0 || b[i] == '<' || b[i] == '&') {
			i++
		}
		var n int
		var err error
		switch {
		case i == len(b):
			return i, ErrIncomplete
		case b[i] == ']':
			if bytes.HasPrefix(b[i:], []byte("]]>")) {
				return i, nil
			}
			n, err = bracket(b[i:])
		default:
			n, err = character(b[i:])
		}
		if err != nil {
			return i, err
		}
		i += n
	}
}

// bracket takes the ] at the start of b, which must not begin a ]]> (XML 1.0 §2.4).
func bracket(b []byte) (int, error) {
	const forbidden = "]]>"
	have := b[:min(len(b), len(forbidden))]
	switch {
	case string(have) == forbidden:
		return 0, fault(NotWellFormed, "]]> in text")
	case string(have) == forbidden[:len(have)]:
		return 0, ErrIncomplete
	}
	return 1, nil
}

// character takes the character at the start of b, which is no ASCII character that stands for itself.
func character(b []byte) (int, error) {
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n == 1 && !utf8.FullRune(b):
		return 0, ErrIncomplete
	case r == utf8.RuneError && n == 1:
		return 0, fault(UnsupportedEncoding, "invalid UTF-8") // RFC 6120 §11.6
	case !legal(r):
		return 0, fault(NotWellFormed, "forbidden character")
	}
	return n, nil
}

// legal reports whether r is a Char of XML 1.0 §2.2.
func legal(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// maxReference is the length of the longest reference that is taken: leading zeros are legal and pointless.
const maxReference = 16

// reference takes the reference at the start of b: one of the five predefined entities or a
// character reference (RFC 6120 §11.1).
func reference(b []byte) (r rune, n int, err error) {
	n = 1
	for n < len(b) && n < maxReference && (class[b[n]]&nameByte != 0 || b[n] == '#') {
		n++
	}
	switch {
	case n == maxReference:
		return 0, 0, fault(NotWellFormed, "reference too long")
	case n == len(b):
		return 0, 0, ErrIncomplete
	case b[n] != ';' || n == 1:
		return 0, 0, fault(NotWellFormed, "& without a reference")
	case b[1] == '#':
		r, err = number(b[2:n])
	default:
		r, err = entity(b[1:n])
	}
	return r, n + 1, err
}

func entity(name []byte) (rune, error) {
	switch string(name) {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "apos":
		return '\'', nil
	case "quot":
		return '"', nil
	}
	return 0, fault(RestrictedXML, "entity that is not predefined")
}

// number decodes a character reference without its &# and ;.
func number(digits []byte) (rune, error) {
	base := rune(10)
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	r := rune(0)
	for _, c := range digits {
		d := digit(c)
		if d >= base || r > utf8.MaxRune {
			return 0, fault(NotWellFormed, "malformed character reference")
		}
		r = r*base + d
	}
	if len(digits) == 0 || !legal(r) {
		return 0, fault(NotWellFormed, "reference to a forbidden character")
	}
	return r, nil
}

func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return 99
}

// unescape appends what a parser makes of checked raw text: references are replaced and line ends
// normalised (XML 1.0 §2.11); in attribute values whitespace becomes spaces (XML 1.0 §3.3.3).
func unescape(dst, raw []byte, value bool) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '&' {
			r, n, err := reference(raw[i:])
			if err == nil {
				dst, i = utf8.AppendRune(dst, r), i+n-1
				continue
			}
		}
		if c == '\r' {
			c = '\n'
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
		}
		if value && (c == '\n' || c == '\t') {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// lineEnds normalises the line ends of a CDATA section (XML 1.0 §2.11).
func lineEnds(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
}
