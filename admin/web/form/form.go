// Package form turns structs into the values of an HTML form and back. Fields are named by their JSON
// tags, so a form, the REST API and the field that an error names all say the same.
//
// Nested fields are dotted ("internal.delay"), elements of lists of structs are numbered
// ("enter.0.kind"). A list of structs, a list of choices and a check box stand in a form only if a value
// of their name does; what the form does not have keeps the value it had. So check boxes and lists have
// a hidden input of the same name beside them.
package form

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// maxRows bounds the elements that a form may have in one list.
const maxRows = 200

// Form is a form as a page shows it.
type Form struct {
	Values url.Values
	Errors map[string]string // by field
	Alert  string            // what is wrong with the form as a whole
}

// Of makes a form that shows a value.
func Of(v any) *Form { return &Form{Values: Encode(v)} }

// Get returns the value of a field: the last one, so that a check box overrides its hidden input.
func (f *Form) Get(name string) string {
	if list := f.Values[name]; len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

// Lines returns the values of a list, one a line.
func (f *Form) Lines(name string) string { return strings.Join(f.Values[name], "\n") }

// Has reports whether a list has a value.
func (f *Form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// Reject notes what is wrong: at the field, or above the form if it has no such field.
func (f *Form) Reject(field, text string) {
	if field == "" {
		f.Alert = text
		return
	}
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	f.Errors[field] = text
}

// Encode returns the values that show v, which is a struct or a pointer to one.
func Encode(v any) url.Values {
	out := url.Values{}
	encodeStruct(out, "", reflect.Indirect(reflect.ValueOf(v)))
	return out
}

func encodeStruct(out url.Values, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, ok := nameOf(v.Type().Field(i))
		switch {
		case !ok:
		case name == "":
			encodeStruct(out, prefix, v.Field(i))
		default:
			encodeValue(out, prefix+name, v.Field(i))
		}
	}
}

func encodeValue(out url.Values, name string, v reflect.Value) {
	switch {
	case isText(v.Type()):
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err == nil {
			out.Set(name, string(text))
		}
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			encodeValue(out, name, v.Elem())
		}
	case v.Kind() == reflect.Struct:
		encodeStruct(out, name+".", v)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		out.Set(name, "")
		for i := range v.Len() {
			encodeStruct(out, fmt.Sprintf("%s.%d.", name, i), v.Index(i))
		}
	case v.Kind() == reflect.Slice:
		out[name] = []string{}
		for i := range v.Len() {
			out.Add(name, fmt.Sprint(plain(v.Index(i))))
		}
	case v.Kind() == reflect.Int64 && v.Int() == 0 && v.Type() != reflect.TypeFor[int64]():
		out.Set(name, "") // an identifier: 0 means none
	default:
		out.Set(name, fmt.Sprint(plain(v)))
	}
}

// plain returns the value without the methods of its type, so that it prints as it is written in a form.
func plain(v reflect.Value) any {
	switch {
	case v.CanInt():
		return v.Int()
	case v.Kind() == reflect.String:
		return v.String()
	}
	return v.Interface()
}

// Decode reads values into v, a pointer to a struct. It returns what is wrong, by field; fields that are
// wrong keep the value they had.
func Decode(values url.Values, v any) map[string]string {
	d := decoder{values: values, wrong: map[string]string{}}
	d.fields("", reflect.ValueOf(v).Elem())
	return d.wrong
}

type decoder struct {
	values url.Values
	wrong  map[string]string
}

func (d *decoder) fields(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, ok := nameOf(v.Type().Field(i))
		switch {
		case !ok:
		case name == "":
			d.fields(prefix, v.Field(i))
		default:
			d.field(prefix+name, v.Field(i))
		}
	}
}

func (d *decoder) field(name string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		d.fields(name+".", v)
		return
	case !d.values.Has(name):
		return
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		d.rows(name, v)
		return
	case v.Kind() == reflect.Slice:
		d.list(name, v)
		return
	}
	list := d.values[name]
	if err := set(v, strings.TrimSpace(list[len(list)-1])); err != nil {
		d.wrong[name] = err.Error()
	}
}

func (d *decoder) rows(name string, v reflect.Value) {
	v.SetZero()
	for i := range maxRows {
		prefix := fmt.Sprintf("%s.%d.", name, i)
		if !d.hasPrefix(prefix) {
			return
		}
		row := reflect.New(v.Type().Elem()).Elem()
		d.fields(prefix, row)
		v.Set(reflect.Append(v, row))
	}
}

func (d *decoder) hasPrefix(prefix string) bool {
	for name := range d.values {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (d *decoder) list(name string, v reflect.Value) {
	v.SetZero()
	for _, text := range d.values[name] {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			element := reflect.New(v.Type().Elem()).Elem()
			if err := set(element, line); err != nil {
				d.wrong[name] = err.Error()
				continue
			}
			v.Set(reflect.Append(v, element))
		}
	}
}

func set(v reflect.Value, text string) error {
	switch {
	case v.Kind() == reflect.Pointer && text == "":
		v.SetZero()
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return set(v.Elem(), text)
	case isText(v.Type()):
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
	case v.CanInt():
		return setInt(v, text)
	default:
		panic("form: no way to write a " + v.Type().String())
	}
	return nil
}

func setInt(v reflect.Value, text string) error {
	if text == "" {
		v.SetInt(0)
		return nil
	}
	n, err := strconv.ParseInt(text, 10, v.Type().Bits())
	if err != nil {
		return uc.Errorf(uc.ErrInvalid, "Enter a whole number.")
	}
	v.SetInt(n)
	return nil
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// nameOf returns what a field is called in forms; "" for an embedded struct, and false for a field that
// is not part of any form.
func nameOf(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case !f.IsExported() || name == "-":
		return "", false
	case name == "" && f.Anonymous:
		return "", true
	case name == "":
		return f.Name, true
	}
	return name, true
}
