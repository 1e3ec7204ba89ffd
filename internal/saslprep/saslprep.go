// Package saslprep brings passwords into the one form in which they are hashed and compared (RFC 4013), however
// they were typed.
package saslprep

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// toNothing is the table of characters commonly mapped to nothing (RFC 3454 table B.1).
var toNothing = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00AD, Hi: 0x00AD, Stride: 1}, {Lo: 0x034F, Hi: 0x034F, Stride: 1}, {Lo: 0x1806, Hi: 0x1806, Stride: 1},
	{Lo: 0x180B, Hi: 0x180D, Stride: 1}, {Lo: 0x200B, Hi: 0x200D, Stride: 1}, {Lo: 0x2060, Hi: 0x2060, Stride: 1},
	{Lo: 0xFE00, Hi: 0xFE0F, Stride: 1}, {Lo: 0xFEFF, Hi: 0xFEFF, Stride: 1},
}, LatinOffset: 1}

// Prepare prepares a password (RFC 4013 §2): spaces become the ASCII space, invisible characters vanish, the rest
// is brought into Unicode form KC. ok is false if there are characters in it that nobody can type. The check of
// bidirectional text (RFC 4013 §2.4) is left out: it would only refuse passwords.
func Prepare(password string) (prepared string, ok bool) {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(toNothing, r): // RFC 4013 §2.1
			return -1
		case unicode.Is(unicode.Zs, r):
			return ' '
		}
		return r
	}, password)
	prepared = norm.NFKC.String(mapped)                                                        // RFC 4013 §2.2
	return prepared, utf8.ValidString(password) && !strings.ContainsFunc(prepared, prohibited) // RFC 4013 §2.3
}

func prohibited(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) || r == utf8.RuneError
}
