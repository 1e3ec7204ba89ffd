package script

import (
	"fmt"
	"strings"
)

type verb int

const (
	verbDo verb = iota
	verbConnect
	verbDisconnect
	verbDisconnected
	verbNothing
	verbSend
	verbReceive
	verbReceiveAtLeast
	verbReceiveAnyOrder
)

// verbs are the words behind a client's name. A trailing colon says that a block follows.
var verbs = map[string]verb{
	"connects":               verbConnect,
	"disconnects":            verbDisconnect,
	"is disconnected":        verbDisconnected,
	"receives nothing":       verbNothing,
	"sends:":                 verbSend,
	"receives:":              verbReceive,
	"receives at least:":     verbReceiveAtLeast,
	"receives in any order:": verbReceiveAnyOrder,
}

// step is one line of a script with the block below it.
type step struct {
	line   int
	text   string
	client string
	verb   verb
	block  string
}

type parsed struct {
	clients map[string]Client
	steps   []step
}

const declaration = "[client] "

// parse reads a script. Errors begin with the number of the line.
func parse(text string) (*parsed, error) {
	p := &parsed{clients: map[string]Client{}}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		line, number := strings.TrimRight(lines[i], " \t"), i+1
		i++
		if line == "" || line[0] == '#' {
			continue
		}
		if indented(line) {
			return nil, fmt.Errorf("%d: indented, but belongs to nothing", number)
		}
		block, after := blockAt(lines, i)
		i = after
		if err := p.line(number, line, block); err != nil {
			return nil, fmt.Errorf("%d: %s: %w", number, line, err)
		}
	}
	return p, nil
}

func (p *parsed) line(number int, line, block string) error {
	if name, ok := strings.CutPrefix(line, declaration); ok {
		props, err := properties(block)
		p.clients[name] = Client{Name: name, Props: props}
		return err
	}
	s := step{line: number, text: line, block: block}
	if !strings.HasPrefix(line, "*") {
		name, words, _ := strings.Cut(line, " ")
		v, known := verbs[words]
		if !known {
			return fmt.Errorf("unknown step %q", words)
		}
		if _, declared := p.clients[name]; !declared {
			return fmt.Errorf("no [client] %s is declared", name)
		}
		s.client, s.verb = name, v
	}
	if wants := strings.HasSuffix(line, ":") && s.verb != verbDo; wants != (block != "") {
		return fmt.Errorf("an indented block goes with steps that end in a colon, and only with them")
	}
	p.steps = append(p.steps, s)
	return nil
}

func properties(block string) (map[string]string, error) {
	props := map[string]string{}
	for line := range strings.Lines(block) {
		key, value, ok := strings.Cut(line, ":")
		if !ok && strings.TrimSpace(line) != "" {
			return nil, fmt.Errorf("not a property: %q", line)
		}
		props[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return props, nil
}

func indented(line string) bool { return line != "" && (line[0] == ' ' || line[0] == '\t') }

// blockAt takes the indented lines from i on, with the blank lines between them, and removes their
// common indentation.
func blockAt(lines []string, i int) (block string, after int) {
	for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
		i++
	}
	last := i
	for j := i; j < len(lines) && (indented(lines[j]) || strings.TrimSpace(lines[j]) == ""); j++ {
		if strings.TrimSpace(lines[j]) != "" {
			last = j + 1
		}
	}
	if last == i {
		return "", i
	}
	part := lines[i:last]
	margin := marginOf(part[0])
	for _, l := range part {
		if strings.TrimSpace(l) != "" {
			margin = common(margin, marginOf(l))
		}
	}
	dedented := make([]string, len(part))
	for k, l := range part {
		dedented[k] = strings.TrimPrefix(l, margin)
	}
	return strings.Join(dedented, "\n"), last
}

func marginOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// common returns what both begin with.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
