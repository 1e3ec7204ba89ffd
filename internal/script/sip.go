package script

import (
	"fmt"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
)

// SIP compares SIP messages: the order of different headers does not matter, their names may be short,
// and headers that the script does not mention may be there; "Name: {none}" says that one must not. A
// body is compared, line by line, if the script has one. Messages of a block are separated by a line of
// dashes. Sent messages get CRLF line ends and a Content-Length if they have none. barrier makes a
// request that is answered at once, such as OPTIONS.
func SIP(barrier func(c Client, n int) (message string, answers func(got string) bool)) Dialect {
	return Dialect{Split: splitSIP, Prepare: prepareSIP, Match: matchSIP, Barrier: barrier}
}

var dashes = regexp.MustCompile(`(?m)^-{3,}\n`)

func splitSIP(block string) ([]string, error) { return dashes.Split(block, -1), nil }

// sipMessage is a message in parts.
type sipMessage struct {
	start   string
	headers map[string][]string // by canonical name, in order
	body    string
}

// compact has the short forms of RFC 3261 §7.3.3 and its extensions, as they are after canonicalization.
var compact = map[string]string{
	"A": "Accept-Contact", "B": "Referred-By", "C": "Content-Type", "D": "Request-Disposition", "E": "Content-Encoding",
	"F": "From", "I": "Call-Id", "J": "Reject-Contact", "K": "Supported", "L": "Content-Length", "M": "Contact",
	"O": "Event", "R": "Refer-To", "S": "Subject", "T": "To", "U": "Allow-Events", "V": "Via", "X": "Session-Expires",
}

func canonical(name string) string {
	name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
	if long, ok := compact[name]; ok {
		return long
	}
	return name
}

func parseSIP(text string) (*sipMessage, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimLeft(head, "\n"), "\n")
	m := &sipMessage{start: lines[0], headers: map[string][]string{}, body: body}
	for _, line := range lines[1:] {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("not a header: %q", line)
		}
		name = canonical(name)
		m.headers[name] = append(m.headers[name], strings.TrimSpace(value))
	}
	return m, nil
}

func matchSIP(expected, got string, vars Vars, _ bool) error {
	want, err := parseSIP(expected)
	if err != nil {
		return err
	}
	have, err := parseSIP(got)
	if err != nil {
		return err
	}
	if err := match(want.start, have.start, vars); err != nil {
		return err
	}
	for _, name := range want.names(expected) {
		if err := matchHeader(want.headers[name], have.headers[name], vars); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return matchBody(want.body, have.body, vars)
}

// names lists the headers in the order of the text, in which names are kept.
func (m *sipMessage) names(text string) []string {
	var list []string
	seen := map[string]bool{}
	head, _, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(head) {
		name, _, _ := strings.Cut(line, ":")
		if name = canonical(name); m.headers[name] != nil && !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}

func matchHeader(want, have []string, vars Vars) error {
	if len(want) == 1 && want[0] == "{none}" {
		if len(have) > 0 {
			return fmt.Errorf("unexpected %q", have[0])
		}
		return nil
	}
	if len(have) < len(want) {
		return fmt.Errorf("%d of %d values are there", len(have), len(want))
	}
	for i, pattern := range want {
		if err := match(pattern, have[i], vars); err != nil {
			return err
		}
	}
	return nil
}

func matchBody(want, have string, vars Vars) error {
	if strings.TrimSpace(want) == "" {
		return nil
	}
	w, h := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(have), "\n")
	if len(w) != len(h) {
		return fmt.Errorf("body has %d lines, expected %d", len(h), len(w))
	}
	for i := range w {
		if err := match(w[i], h[i], vars); err != nil {
			return fmt.Errorf("line %d of the body: %w", i+1, err)
		}
	}
	return nil
}

// prepareSIP makes of a message as written one for the wire.
func prepareSIP(text string) string {
	head, body, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	if body != "" {
		body = strings.TrimRight(body, "\n") + "\n"
	}
	body = strings.ReplaceAll(body, "\n", "\r\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	counted := false
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(line, ":")
		counted = counted || canonical(name) == "Content-Length"
	}
	if !counted {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}
