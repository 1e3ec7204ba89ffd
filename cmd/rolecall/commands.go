package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"text/tabwriter"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/demo"
	"github.com/rolecall/rolecall/internal/uc"
)

// errSettings marks an error that the settings are to blame for.
var errSettings = errors.New("the settings are not right")

type serveCmd struct{}

// Run runs the server until ctx ends, also when an administrator restarts it meanwhile.
func (s serveCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config, unknown strays) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("%w:\n%w", errSettings, err)
	}
	if len(unknown) > 0 {
		app.NewLogger(cfg.Log, os.Stderr).Warn("variables of the environment that are no settings have no effect", "names", unknown.String())
	}
	for {
		if err := s.once(ctx, stdout, cfg); !errors.Is(err, app.ErrRestart) {
			return err
		}
	}
}

// once runs the server until it ends or is to be started again.
func (serveCmd) once(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	a, err := app.New(ctx, *cfg, app.Options{Log: app.NewLogger(cfg.Log, os.Stderr)})
	if err != nil {
		return err
	}
	if login, password := a.FirstSignIn(); password != "" {
		fmt.Fprintf(stdout, "Sign in at %s as %s with the one-time password %s\n", cmp.Or(a.Info().Web, "the admin page, which is switched off,"), login, password)
	}
	return a.Run(ctx)
}

type tryCmd struct {
	Play bool `help:"Play the demo once the server runs." default:"true" negatable:"" env:"DEMO"`
}

// Help is what the flags alone do not tell.
func (tryCmd) Help() string {
	return "It listens on 127.0.0.1 alone, at the ports of the settings if they are free, with the admin page at 8080 and without TLS. " +
		"Microsoft's cloud is played, and no other chat server is talked to. What the company does is kept in the data folder, for the next time."
}

// Run runs the server with the demo company.
func (t tryCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	return demo.Try(ctx, *cfg, t.Play, stdout)
}

type demoCmd struct {
	Noon bool `help:"Move the server's clock to noon for the last act, instead of waiting for the next full minute. Times are then ahead of the real ones."`
}

// Run plays the demo; the error says that a step did not happen.
func (d demoCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	return demo.Play(ctx, cfg.Data, d.Noon, stdout)
}

type explainCmd struct {
	From  string    `arg:"" help:"Extension or number that calls."`
	To    string    `arg:"" help:"Extension called."`
	At    time.Time `help:"When, as 2026-03-02T18:05:00+01:00; now if not given."`
	Class string    `help:"internal, external or queue, if not what the caller's number says." enum:",internal,external,queue" default:""`
	Team  string    `help:"Extension of the team through which the call comes."`
}

// Run asks the running server and prints the plan.
func (e explainCmd) Run(ctx context.Context, stdout io.Writer, cfg *app.Config) error {
	query := url.Values{"from": {e.From}, "to": {e.To}, "class": {e.Class}, "team": {e.Team}}
	if !e.At.IsZero() {
		query.Set("at", e.At.Format(time.RFC3339))
	}
	for key, values := range query {
		if values[0] == "" {
			query.Del(key)
		}
	}
	var plan uc.Plan
	if err := app.NewClient(cfg.Data).Do(ctx, http.MethodGet, "/api/v1/explain?"+query.Encode(), nil, &plan); err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, line := range plan.Lines {
		fmt.Fprintf(w, "%s\t%s\t%s\n", line.Step, line.Text, line.Because)
	}
	return w.Flush()
}

type checkConfigCmd struct{}

// Run tells what is wrong with the settings.
func (checkConfigCmd) Run(stdout io.Writer, cfg *app.Config, unknown strays) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("%w:\n%w", errSettings, err)
	}
	fmt.Fprintln(stdout, "The settings are right.")
	if len(unknown) > 0 {
		fmt.Fprintln(stdout, "Variables of the environment that are no settings have no effect:", unknown)
	}
	return nil
}

type versionCmd struct{}

// Run prints the module's version and revision.
func (versionCmd) Run(stdout io.Writer) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintln(stdout, "rolecall", version)
	return err
}
