// Command rolecall is the whole server and its tools: serve, try, demo, explain, xmpp, check-config.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // a bare container has no time zones

	"github.com/alecthomas/kong"

	"github.com/rolecall/rolecall/internal/app"
)

// prefix begins the names of the environment variables of settings.
const prefix = "ROLECALL_"

// cli is the command line.
type cli struct {
	ConfigFile string `name:"config" short:"c" help:"YAML file of settings." type:"existingfile" env:"ROLECALL_CONFIG"`
	app.Config

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Try         tryCmd         `cmd:"" help:"Run the server with a demo company on free loopback ports, and play the demo once."`
	Demo        demoCmd        `cmd:"" help:"Play the demo against a server that was started by try."`
	Explain     explainCmd     `cmd:"" help:"Say who would ring if one extension called another, and why."`
	XMPP        xmppCmd        `cmd:"" name:"xmpp" help:"Look into the chat server; move users to and from others."`
	CheckConfig checkConfigCmd `cmd:"" help:"Say what is wrong with the settings."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: it returns the exit status, 2 for wrong usage or settings.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	var file *yamlFile
	parser, err := kong.New(&c,
		kong.Name("rolecall"),
		kong.Description("One server for a company's reachability: chat, telephones and Teams share one state per person."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.PostBuild(nameVariables),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(help),
	)
	if err != nil {
		fmt.Fprintln(stderr, "rolecall:", err)
		return 2
	}
	if file, err = findFile(args); err == nil && file != nil {
		err = kong.Resolvers(file).Apply(parser)
	}
	if err != nil {
		fmt.Fprintln(stderr, "rolecall:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "rolecall:", err)
		return 2
	}
	err = parsed.Run(&c.Config, strayVariables(parser.Model.Flags))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSettings):
		fmt.Fprintln(stderr, "rolecall:", err)
		return 2
	}
	fmt.Fprintln(stderr, "rolecall:", err)
	return 1
}

// strays names variables of the environment that look like settings and are none.
type strays []string

// strayVariables finds them. They are no error as a key of the file is: Kubernetes gives such variables to every container
// beside a service named rolecall.
func strayVariables(flags []*kong.Flag) (list strays) {
	known := make(map[string]bool)
	for _, f := range flags {
		for _, name := range f.Envs {
			known[name] = true
		}
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, prefix) && !known[name] {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// String lists the names.
func (s strays) String() string { return strings.Join(s, ", ") }

// nameVariables gives every setting its environment variable: ROLECALL_XMPP_LISTEN_S2S is xmpp.listen-s2s. What a command is
// told, as whom it is about, comes from nowhere but its line.
func nameVariables(k *kong.Kong) error {
	upper := strings.NewReplacer("-", "_", ".", "_")
	for _, f := range k.Model.Flags {
		if f.Name != "help" && len(f.Envs) == 0 {
			f.Envs = []string{prefix + strings.ToUpper(upper.Replace(f.Name))}
			f.Tag.Envs = f.Envs
		}
	}
	return nil
}
