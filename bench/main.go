// Command bench compares the server side by side with its peers from Debian in one run: the same load
// generator, the same machine, one server after the other. It prints ratios, which a noisy machine
// changes less than seconds, with the goals next to them, and never passes or fails.
//
// Servers run on the first processor, the generator on the second.
//
//	go run ./bench                                  everything
//	go run ./bench -quick                           everything, with small crowds and short phases
//	go run ./bench -phase window1,storm -over tls   some phases, one kind of connection
//	go run ./bench -docs                            everything, written into docs/ as well
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the sizes of a run.
type options struct {
	binary   string
	phases   []string // to run; none means all
	servers  []string
	over     []string // plain, tls
	duration time.Duration
	docs     bool

	sessions int   // that are online together
	group    int   // members of each of their shared groups; a change has one viewer less
	pairs    int   // that exchange messages
	storm    int   // that change at once
	idle     int   // sessions whose memory is compared
	growth   []int // more numbers of sessions for which our own is taken
	watching []int // viewers for which the cost of a change is taken
	roster   int   // members of the big group

	tls     bool // of the measurement that is running
	archive bool
}

// full and quick are the sizes of the two kinds of run.
var (
	full = options{duration: 5 * time.Second, sessions: 1005, group: 201, pairs: 100, storm: 500,
		idle: 5000, growth: []int{1000, 10000, 20000}, watching: []int{50, 100, 200, 400, 800, 1600}, roster: 10000}
	quick = options{duration: time.Second, sessions: 303, group: 101, pairs: 50, storm: 150,
		idle: 1000, growth: []int{2000, 4000}, watching: []int{50, 100, 200, 400}, roster: 2000}
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = begin(ctx, o)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	binary := flags.String("rolecall", ".bin/rolecall", "the server's binary")
	phase := flags.String("phase", "", "phases to run, separated by commas; empty means all: "+strings.Join(phaseNames(), ", "))
	servers := flags.String("servers", "rolecall,ejabberd,prosody", "XMPP servers to compare; the ratio is between the first and the best of the others")
	over := flags.String("over", "plain,tls", "how XMPP clients connect: plain TCP, TLS 1.3 or both")
	small := flags.Bool("quick", false, "small crowds and short phases: a look, not a measurement")
	duration := flags.Duration("time", 0, "how long each phase of messages lasts, if not as usual")
	docs := flags.Bool("docs", false, "write the tables into docs/benchmarks.md and the plot into docs/growth.svg")
	_ = flags.Parse(args) // exits on errors
	o := full
	if *small {
		o = quick
	}
	if *duration > 0 {
		o.duration = *duration
	}
	o.servers, o.over, o.docs = split(*servers), split(*over), *docs
	o.phases = split(*phase)
	for _, p := range o.phases {
		if !slices.Contains(phaseNames(), p) {
			return o, fmt.Errorf("there is no phase %s; there are %s", p, strings.Join(phaseNames(), ", "))
		}
	}
	var err error
	o.binary, err = filepath.Abs(*binary) // servers start in folders of their own
	return o, err
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// wants reports whether a phase is to be run.
func (o options) wants(phase string) bool {
	return len(o.phases) == 0 || slices.Contains(o.phases, phase)
}

func begin(ctx context.Context, o options) error {
	if os.Getenv("BENCH_PINNED") == "" {
		return pinned(ctx)
	}
	debug.SetGCPercent(800) // collecting its own garbage is not what it is for
	return run(ctx, o)
}

// pinned runs the generator again on the second processor: a running Go program cannot pin its threads.
func pinned(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", "1", self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), "BENCH_PINNED=1", "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.Run()
}

// run measures everything that is wanted and prints each table when it is complete.
func run(ctx context.Context, o options) error {
	began := time.Now()
	var tables []table
	var grown growth
	for _, over := range o.over {
		o.tls = over == "tls"
		t, err := benchXMPP(ctx, o, &grown)
		if t != nil {
			t.print(os.Stdout)
			tables = append(tables, *t)
		}
		if err != nil {
			return fmt.Errorf("xmpp: %w", err)
		}
	}
	if o.wants(phaseSIP) {
		t, err := benchSIP(ctx, o)
		if err != nil {
			return fmt.Errorf("sip: %w", err)
		}
		t.print(os.Stdout)
		tables = append(tables, *t)
	}
	grown.print(os.Stdout)
	printGoals(os.Stdout, tables)
	fmt.Printf("\nThe run took %s.\n", time.Since(began).Round(time.Second))
	if o.docs {
		return writeDocs(tables, grown, time.Since(began))
	}
	return nil
}
