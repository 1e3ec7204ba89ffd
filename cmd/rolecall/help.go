package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// used lists the settings that matter to commands other than serve and check-config, which show all of them: by command, and
// under "" those of every command.
var used = map[string][]string{
	"":            {"help", "config", "data"},
	"try":         {"database", "domain", "time-zone", "log.level", "xmpp.listen", "xmpp.listen-tls", "sip.udp", "sip.tcp", "sip.tls", "http.listen"},
	"xmpp export": {"database", "domain"},
	"xmpp import": {"database", "domain"},
}

// help prints the help of a command without the settings that it has no use for: among them its own flags would not be found.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	name := ""
	if node := ctx.Selected(); node != nil {
		name = strings.TrimPrefix(node.FullPath(), ctx.Model.Name+" ")
	}
	if name == "serve" || name == "check-config" {
		return kong.DefaultHelpPrinter(o, ctx)
	}
	for _, f := range ctx.Model.Flags {
		f.Hidden = !slices.Contains(used[""], f.Name) && !slices.Contains(used[name], f.Name)
	}
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nAll settings of the server: rolecall serve --help")
	return err
}
