package scan

import "errors"

// ErrIncomplete says that more bytes are needed.
var ErrIncomplete = errors.New("scan: more bytes needed")

// Condition is the stream error that tells the client what it did (RFC 6120 §4.9.3).
type Condition string

// The conditions that a scanner reports.
const (
	BadFormat           Condition = "bad-format"
	BadNamespacePrefix  Condition = "bad-namespace-prefix"
	InvalidNamespace    Condition = "invalid-namespace"
	NotWellFormed       Condition = "not-well-formed"
	PolicyViolation     Condition = "policy-violation"
	RestrictedXML       Condition = "restricted-xml"
	UnsupportedEncoding Condition = "unsupported-encoding"
)

// Error is a violation that ends the stream.
type Error struct {
	Condition Condition
	Text      string
}

// Error returns the condition and the text.
func (e *Error) Error() string { return string(e.Condition) + ": " + e.Text }

// fault makes an Error.
func fault(c Condition, text string) error { return &Error{Condition: c, Text: text} }
