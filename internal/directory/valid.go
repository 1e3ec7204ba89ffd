package directory

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rolecall/rolecall/internal/uc"
)

// The largest lengths of texts, in bytes.
const (
	maxName = 128
	maxText = 1024
)

var (
	loginForm    = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`)
	extForm      = regexp.MustCompile(`^[1-9][0-9]{1,14}$`)
	numberForm   = regexp.MustCompile(`^\+?[0-9]{1,20}$`)
	targetForm   = regexp.MustCompile(`^\+?[0-9*#]{1,32}$`)
	sipUserForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	languageForm = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	colorForm    = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

// checks collects what is wrong; the first error counts.
type checks struct{ err error }

// that states that ok must hold, or the field is invalid.
func (c *checks) that(ok bool, field, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = uc.FieldError(uc.ErrInvalid, field, format, args...)
	}
}

// free states that nothing else has the value, or the field is in conflict.
func (c *checks) free(ok bool, field, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = uc.FieldError(uc.ErrConflict, field, format, args...)
	}
}

// add takes over the error of a check made elsewhere.
func (c *checks) add(err error) {
	if c.err == nil {
		c.err = err
	}
}

// text trims a text of one line and checks it: UTF-8, no control characters (they may not stand in XML
// either, XML 1.0 §2.2), no longer than limit bytes.
func (c *checks) text(field string, s *string, limit int) {
	*s = strings.TrimSpace(*s)
	c.that(utf8.ValidString(*s) && !strings.ContainsFunc(*s, forbiddenRune), field, "%s must not have control characters", field)
	c.that(len(*s) <= limit, field, "%s is longer than %d bytes", field, limit)
}

// name is a text that must be there.
func (c *checks) name(field string, s *string) {
	c.text(field, s, maxName)
	c.that(*s != "", field, "%s is missing", field)
}

// notes is a text of any number of lines.
func (c *checks) notes(field string, s *string) {
	lines := strings.NewReplacer("\n", "", "\t", "", "\r", "").Replace(*s)
	c.text(field, &lines, 16*maxText)
}

func forbiddenRune(r rune) bool {
	return unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF'
}

// number brings a telephone number into the form in which it is dialled, and checks it; "" is allowed.
func (c *checks) number(field string, s *string) {
	*s = dialable(*s)
	c.that(*s == "" || numberForm.MatchString(*s), field, "%q is not a telephone number", *s)
}

// target brings an extension, number or function code into the form in which it is dialled, and checks it.
func (c *checks) target(field string, s *string) {
	*s = dialable(*s)
	c.that(*s != "", field, "the target is missing")
	c.that(targetForm.MatchString(*s), field, "%q is not an extension, number or code", *s)
}

// dialable removes what people write into numbers to read them better.
func dialable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("()/.-", r) {
			return -1
		}
		return r
	}, s)
}

// extension checks the form of an extension (PRODUCT: not 0, no leading 0, no single digit, no emergency number).
func (c *checks) extension(field, ext string) {
	c.that(extForm.MatchString(ext), field, "%q is not an extension: two to fifteen digits, the first not 0", ext)
	c.that(!uc.Emergency(ext), field, "%s is an emergency number", ext)
}

func (c *checks) email(field, s string) {
	if s == "" {
		return
	}
	a, err := mail.ParseAddress(s)
	c.that(err == nil && a.Address == s, field, "%q is not an e-mail address", s)
}

func (c *checks) timeZone(field, s string) {
	if s == "" {
		return
	}
	_, err := time.LoadLocation(s)
	c.that(err == nil && s != "Local", field, "%q is not a known time zone", s)
}

// within states that a number lies in a range.
func (c *checks) within(field string, n, low, high int) {
	c.that(low <= n && n <= high, field, "%s must be between %d and %d", field, low, high)
}

// oneOf states that a value is one of those known.
func oneOf[T ~string](c *checks, field string, v T, known ...T) {
	c.that(slices.Contains(known, v), field, "%q is not a known value of %s", string(v), field)
}

// known states that all identifiers exist.
func known[K ~int64, V any](c *checks, field string, t *uc.Table[K, V], ids ...K) {
	for _, id := range ids {
		c.that(t.Get(id) != nil, field, "%s: there is no %d", field, id)
	}
}

// set sorts a list of identifiers, without repetitions and apart from the caller's; empty becomes nil.
func set[T ~int64 | ~string](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Clip(slices.Compact(list))
}

// owned copies a list so that it is not the caller's; empty becomes nil.
func owned[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clip(slices.Clone(list))
}
