package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rolecall/rolecall/"

// allowed says which packages of this module a tree may import. The longest matching key holds. Test
// files are free.
var allowed = map[string]struct {
	imports []string
	why     string
}{
	"internal/uc":       {nil, "the vocabulary knows nothing but the standard library"},
	"internal/bus":      {[]string{"internal/uc"}, "the bus carries words, it knows no engine"},
	"internal/presence": {[]string{"internal/uc", "internal/bus"}, "engines meet only in internal/app"},
	"internal/scram":    {[]string{"internal/uc"}, "it makes keys and keeps none"},
	"internal/saslprep": {nil, "it knows passwords and nothing else"},
	"internal/directory": {[]string{"internal/uc", "internal/bus", "internal/saslprep", "internal/scram"},
		"the directory declares the store it needs; engines meet only in internal/app"},
	"internal/store":   {[]string{"internal/uc", "internal/bus"}, "the store satisfies interfaces it does not know"},
	"internal/cluster": {[]string{"internal/uc", "internal/bus"}, "the cluster satisfies interfaces it does not know"},
	"internal/ldap":    {nil, "it answers one question about a login and a password"},
	"internal/script":  {nil, "the conversation runner serves the tests of every engine"},
	"internal/arch":    {nil, "it reads source only"},
	"internal/testenv": {[]string{"internal/uc"}, "helpers of tests know no engine"},
	"xmpp":             {[]string{"internal/uc", "internal/bus", "internal/saslprep", "internal/scram", "xmpp"}, "engines meet only in internal/app"},
	"sip":              {[]string{"internal/uc", "internal/bus", "sip"}, "engines meet only in internal/app"},
	"sip/plan":         {[]string{"internal/uc"}, "the plan is a pure function"},
	"sip/fork":         {[]string{"internal/uc"}, "the fork is a pure state machine"},
	"profiles":         {[]string{"internal/uc", "internal/bus", "profiles/schedule"}, "engines meet only in internal/app"},
	"profiles/schedule": {[]string{"internal/uc"},
		"schedules are calculated from words and times"},
	"profiles/graph":         {[]string{"internal/uc"}, "it hands signals to whoever asked, and compiles for minutes"},
	"profiles/graph/standin": {nil, "it plays Microsoft's part and must not know the client"},
	"admin":                  {[]string{"internal/uc", "internal/bus", "admin"}, "the page shows what it is given"},
	"internal/app":           {[]string{""}, ""},
	"internal/demo":          {[]string{""}, ""},
	"cmd":                    {[]string{"internal/app", "internal/demo", "internal/uc"}, "commands are composed in internal/app"},
	"bench":                  {[]string{""}, ""},
}

// onlyIn says in which tree an outside module may be imported.
var onlyIn = map[string][]string{
	"mellium.im/":                                    {"xmpp", "bench", "internal/demo"},
	"github.com/emiago/sipgo":                        {"sip"},
	"github.com/pion/":                               {"sip"},
	"github.com/robfig/cron":                         {"profiles/schedule"},
	"github.com/microsoftgraph/":                     {"profiles/graph"},
	"github.com/microsoft/kiota":                     {"profiles/graph"},
	"github.com/Azure/":                              {"profiles/graph"},
	"modernc.org/sqlite":                             {"internal/store"},
	"github.com/jackc/pgx":                           {"internal/store"},
	"database/sql":                                   {"internal/store"},
	"github.com/redis/":                              {"internal/cluster"},
	"github.com/danielgtaylor/huma":                  {"admin"},
	"github.com/go-ldap/":                            {"internal/ldap"},
	"math/rand":                                      {"profiles/graph", "xmpp/s2s", "bench", "nowhere else: what must not be guessed comes from crypto/rand"},
	"github.com/microsoftgraph/msgraph-sdk-go/users": {"nowhere: it adds 31 MB to the binary"},
}

func TestImports(t *testing.T) {
	for dir, files := range source(t) {
		rule, known := ruleOf(dir)
		if !known {
			t.Errorf("%s: no rule says what it may import; add one to internal/arch", dir)
			continue
		}
		for file, imports := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, imp := range imports {
				if own, ok := strings.CutPrefix(imp, module); ok {
					if !permits(allowed[rule].imports, own) {
						t.Errorf("%s imports %s: %s", file, own, allowed[rule].why)
					}
				}
				for outside, trees := range onlyIn {
					if strings.HasPrefix(imp, outside) && !permits(trees, dir) {
						t.Errorf("%s imports %s, which belongs in %s only", file, imp, strings.Join(trees, ", "))
					}
				}
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	root := filepath.Join("..", "..")
	for dir, files := range source(t) {
		names := slices.DeleteFunc(slices.Collect(maps.Keys(files)), func(f string) bool { return strings.HasSuffix(f, "_test.go") })
		if len(names) == 0 {
			continue
		}
		if !slices.ContainsFunc(names, func(f string) bool {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f), nil, parser.ParseComments|parser.PackageClauseOnly)
			return err == nil && parsed.Doc != nil
		}) {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// source maps folder → file → imports, with paths relative to the module.
func source(t *testing.T) map[string]map[string][]string {
	t.Helper()
	found := map[string]map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "data") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if found[path.Dir(rel)] == nil {
			found[path.Dir(rel)] = map[string][]string{}
		}
		var imports []string
		for _, imp := range parsed.Imports {
			imports = append(imports, strings.Trim(imp.Path.Value, `"`))
		}
		found[path.Dir(rel)][rel] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 3 {
		t.Fatalf("found only %d packages: the test looks in the wrong place", len(found))
	}
	return found
}

func ruleOf(dir string) (string, bool) {
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := allowed[d]; ok {
			return d, true
		}
	}
	return "", false
}

func permits(trees []string, dir string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		return tree == "" || dir == tree || strings.HasPrefix(dir, tree+"/")
	})
}
