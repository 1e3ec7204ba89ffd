package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// yamlFile resolves flags from a YAML file: the flag sip.rtp-min is the key rtp-min below sip. Keys
// that are no settings are errors, so that a misspelled one is not silently ignored.
type yamlFile struct {
	path   string
	values map[string]any // by flag name
}

// findFile reads the file that --config, -c or ROLECALL_CONFIG names; nil if none does. It must be known
// before the other flags can be resolved.
func findFile(args []string) (*yamlFile, error) {
	path := os.Getenv("ROLECALL_CONFIG")
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			path = value
		} else if (arg == "--config" || arg == "-c") && i+1 < len(args) {
			path = args[i+1]
		}
	}
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &yamlFile{path: path, values: make(map[string]any)}
	f.flatten("", tree)
	return f, nil
}

func (f *yamlFile) flatten(prefix string, tree map[string]any) {
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			f.flatten(prefix+key+".", below)
		} else {
			f.values[prefix+key] = value
		}
	}
}

// Validate implements kong.Resolver.
func (f *yamlFile) Validate(parser *kong.Application) error {
	known := make(map[string]bool)
	for _, flag := range parser.Flags {
		known[flag.Name] = true
	}
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !known[key] || key == "config" {
			return fmt.Errorf("%s: %s is not a setting", f.path, key)
		}
	}
	return nil
}

// Resolve implements kong.Resolver. The environment beats the file.
func (f *yamlFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	value, ok := f.values[flag.Name]
	if !ok || value == nil {
		return nil, nil
	}
	if list, ok := value.([]any); ok && flag.IsSlice() {
		texts := make([]any, len(list))
		for i, element := range list {
			texts[i] = fmt.Sprint(element)
		}
		return texts, nil
	}
	return fmt.Sprint(value), nil
}
