package uc

import (
	"errors"
	"fmt"
)

// The kinds of error. An error made by [Errorf] wraps one of them; each edge (XMPP, SIP, HTTP) maps
// the kind to its protocol once. An error of no kind is internal: it is logged in full and told in general.
var (
	ErrNotFound    = errors.New("not found")
	ErrForbidden   = errors.New("forbidden")
	ErrConflict    = errors.New("conflict")
	ErrInvalid     = errors.New("invalid")
	ErrUnavailable = errors.New("unavailable")
)

// Error is an error of a kind with a text that may be shown to the person who asked.
type Error struct {
	Kind  error  // one of the Err… values of this package
	Field string // the field at fault, in REST spelling; empty if none
	Text  string // what is wrong, in words
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Errorf makes an error of a kind.
func Errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// FieldError makes an ErrInvalid or ErrConflict that names the field at fault.
func FieldError(kind error, field, format string, args ...any) error {
	return &Error{Kind: kind, Field: field, Text: fmt.Sprintf(format, args...)}
}
