package xmpp

import (
	"cmp"

	"github.com/rolecall/rolecall/xmpp/scan"
)

const nsForms = "jabber:x:data"

// form is a data form (XEP-0004) that the server sends.
type form struct {
	title        string
	instructions string
	fields       []field
	columns      []field    // of a result with several items (XEP-0004 §3.4)
	items        [][]string // a value for each column
}

// field is one field of a form; in a result it has a value and needs no type.
type field struct {
	typ      string // as in XEP-0004 §3.3
	name     string
	label    string
	values   []string
	options  []option
	required bool
}

// option is one choice of a list.
type option struct{ value, label string }

// append adds the form; typ is form or result.
func (f *form) append(e *element, typ string) {
	e.start("x").attr("xmlns", nsForms).attr("type", typ)
	if f.title != "" {
		e.text("title", f.title)
	}
	if f.instructions != "" {
		e.text("instructions", f.instructions)
	}
	for _, fd := range f.fields {
		e.start("field").attrIf("type", fd.typ).attrIf("var", fd.name).attrIf("label", fd.label)
		if fd.required {
			e.start("required").close("required")
		}
		for _, v := range fd.values {
			e.text("value", v)
		}
		for _, o := range fd.options {
			e.start("option").attr("label", o.label).text("value", o.value).close("option")
		}
		e.close("field")
	}
	f.appendItems(e)
	e.close("x")
}

func (f *form) appendItems(e *element) {
	if len(f.columns) == 0 {
		return
	}
	e.start("reported").open()
	for _, c := range f.columns {
		e.start("field").attr("var", c.name).attr("label", c.label).attr("type", cmp.Or(c.typ, "text-single")).close("field")
	}
	e.close("reported")
	for _, item := range f.items {
		e.start("item").open()
		for i, value := range item {
			e.start("field").attr("var", f.columns[i].name).text("value", value).close("field")
		}
		e.close("item")
	}
}

// values are the fields of a submitted form.
type values map[string][]string

// readForm reads a submitted form; ok is false if there is none.
func readForm(command *scan.Node) (in values, cancelled, ok bool) {
	x := command.Child(nsForms, "x")
	if x == nil {
		return nil, false, false
	}
	if x.Attr("type") == "cancel" {
		return nil, true, true
	}
	in = make(values)
	for _, f := range x.Nodes {
		if f.Name != "field" || f.NS != nsForms {
			continue
		}
		name := f.Attr("var")
		for _, v := range f.Nodes {
			if v.Name == "value" && v.NS == nsForms {
				in[name] = append(in[name], v.Text)
			}
		}
	}
	return in, false, true
}

// one returns the first value of a field, or "".
func (v values) one(name string) string {
	if list := v[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}
