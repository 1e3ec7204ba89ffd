package xmpp

import "github.com/rolecall/rolecall/xmpp/scan"

// element builds XML that the server itself sends.
type element struct {
	b      []byte
	inside bool // the start tag is open
}

func newElement(name string) *element {
	e := &element{b: make([]byte, 0, 256)}
	return e.start(name)
}

// start opens an element; attributes may follow.
func (e *element) start(name string) *element {
	e.open()
	e.b = append(append(e.b, '<'), name...)
	e.inside = true
	return e
}

// attr adds an attribute.
func (e *element) attr(name, value string) *element {
	e.b = append(append(append(e.b, ' '), name...), "='"...)
	e.b = append(scan.AppendEscaped(e.b, value), '\'')
	return e
}

// attrIf adds an attribute unless its value is empty.
func (e *element) attrIf(name, value string) *element {
	if value == "" {
		return e
	}
	return e.attr(name, value)
}

// open ends the start tag, content follows.
func (e *element) open() *element {
	if e.inside {
		e.b = append(e.b, '>')
		e.inside = false
	}
	return e
}

// close writes the end tag, or makes the start tag an empty element.
func (e *element) close(name string) *element {
	if e.inside {
		e.b = append(e.b, "/>"...)
		e.inside = false
		return e
	}
	e.b = append(append(append(e.b, "</"...), name...), '>')
	return e
}

// text adds a child that holds text only.
func (e *element) text(name, text string) *element {
	return e.start(name).open().chars(text).close(name)
}

// textIf adds a child that holds text, unless that is empty.
func (e *element) textIf(name, text string) *element {
	if text == "" {
		return e
	}
	return e.text(name, text)
}

// chars adds text.
func (e *element) chars(text string) *element {
	e.open()
	e.b = scan.AppendEscaped(e.b, text)
	return e
}

// raw adds ready XML.
func (e *element) raw(xml []byte) *element {
	e.open()
	e.b = append(e.b, xml...)
	return e
}

func (e *element) bytes() []byte { return e.b }
