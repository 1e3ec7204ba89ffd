package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS []byte

// docsPage renders the OpenAPI document as one page without scripts and without outside assets.
func docsPage(spec *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Info": spec.Info, "Groups": groupsOf(spec), "Schemas": schemasOf(spec)})
	return b.Bytes(), err
}

type docGroup struct {
	Name       string
	Operations []docOperation
}

type docOperation struct {
	*huma.Operation
	Takes, Gives string // names of schemas
}

type docSchema struct {
	Name   string
	Fields []docField
}

type docField struct{ Name, Type, Link, Text string }

func groupsOf(spec *huma.OpenAPI) []docGroup {
	byTag := map[string][]docOperation{}
	for _, path := range slices.Sorted(maps.Keys(spec.Paths)) {
		p := spec.Paths[path]
		for _, o := range []*huma.Operation{p.Get, p.Post, p.Put, p.Delete} {
			if o != nil {
				byTag[o.Tags[0]] = append(byTag[o.Tags[0]], docOperation{Operation: o, Takes: takes(o), Gives: gives(o)})
			}
		}
	}
	var groups []docGroup
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		groups = append(groups, docGroup{tag, byTag[tag]})
	}
	return groups
}

func takes(o *huma.Operation) string {
	if o.RequestBody == nil || o.RequestBody.Content["application/json"] == nil {
		return ""
	}
	_, link := typeOf(o.RequestBody.Content["application/json"].Schema)
	return link
}

func gives(o *huma.Operation) string {
	for _, status := range []string{"200", "201"} {
		if r := o.Responses[status]; r != nil && r.Content["application/json"] != nil {
			_, link := typeOf(r.Content["application/json"].Schema)
			return link
		}
	}
	return ""
}

func schemasOf(spec *huma.OpenAPI) []docSchema {
	all := spec.Components.Schemas.Map()
	var list []docSchema
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := docSchema{Name: name}
		for _, field := range slices.Sorted(maps.Keys(all[name].Properties)) {
			p := all[name].Properties[field]
			text, link := typeOf(p)
			s.Fields = append(s.Fields, docField{field, text, link, p.Description})
		}
		list = append(list, s)
	}
	return list
}

// typeOf returns a schema's type in words, and the name of the schema it refers to.
func typeOf(s *huma.Schema) (text, link string) {
	switch {
	case s == nil:
		return "", ""
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return name, name
	case s.Type == huma.TypeArray:
		text, link = typeOf(s.Items)
		return "list of " + text, link
	case len(s.Enum) > 0:
		var words []string
		for _, v := range s.Enum {
			if v != "" {
				words = append(words, fmt.Sprint(v))
			}
		}
		return strings.Join(words, " | "), ""
	case s.Format != "" && s.Format != "int64":
		return s.Type + ", " + s.Format, ""
	}
	return s.Type, ""
}
