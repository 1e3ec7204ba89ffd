package directory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// diff tells in words which fields differ in the JSON forms of two rows. Secrets have no JSON form.
func diff(before, after any) string {
	a, b := fields(before), fields(after)
	all := maps.Clone(a)
	maps.Copy(all, b)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if was, is := shown(a[name]), shown(b[name]); was != is {
			parts = append(parts, fmt.Sprintf("%s %s → %s", name, was, is))
		}
	}
	return strings.Join(parts, ", ")
}

func fields(v any) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if text, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(text, &m) // what is no object has no fields
	}
	return m
}

func shown(v json.RawMessage) string {
	if v == nil {
		return "none"
	}
	return string(v)
}
