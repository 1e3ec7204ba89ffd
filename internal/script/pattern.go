package script

import (
	"fmt"
	"regexp"
	"strings"
)

const anything = "any"

// placeholder is a {name} or a {{.
var placeholder = regexp.MustCompile(`\{\{|\{[a-zA-Z][a-zA-Z0-9_-]*\}`)

// substitute replaces the names that are known, and {{.
func substitute(text string, vars Vars) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if p == "{{" {
			return "{"
		}
		if v, known := vars[p[1:len(p)-1]]; known {
			return v
		}
		return p
	})
}

// match compares a text with a pattern and keeps the names that were not known.
func match(pattern, text string, vars Vars) error {
	re, names := compile(pattern, vars)
	found := re.FindStringSubmatch(text)
	if found == nil {
		return fmt.Errorf("%q does not match %q", text, substitute(pattern, vars))
	}
	for i, name := range names {
		if name == anything {
			continue
		}
		if had, known := vars[name]; known && had != found[i+1] {
			return fmt.Errorf("{%s} is %q and %q", name, had, found[i+1])
		}
		vars[name] = found[i+1]
	}
	return nil
}

// compile makes an expression of a pattern; names lists what its groups are called.
func compile(pattern string, vars Vars) (re *regexp.Regexp, names []string) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	at := 0
	for _, m := range placeholder.FindAllStringIndex(pattern, -1) {
		b.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		at = m[1]
		if pattern[m[0]:m[1]] == "{{" {
			b.WriteString(`\{`)
			continue
		}
		name := pattern[m[0]+1 : m[1]-1]
		if v, known := vars[name]; known {
			b.WriteString(regexp.QuoteMeta(v))
			continue
		}
		group := `(.+?)`
		if name == anything {
			group = `(.*?)`
		}
		b.WriteString(group)
		names = append(names, name)
	}
	b.WriteString(regexp.QuoteMeta(pattern[at:]) + `\z`)
	return regexp.MustCompile(b.String()), names
}
